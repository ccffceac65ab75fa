import { afterEach, describe, expect, test } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import { paginate } from "../../shared/tools/paging.ts";
import { callBy, startHandlersFixture, trader } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

let opened: HandlersFixture | null = null;
afterEach(async () => {
  await opened?.close();
  opened = null;
});
const start = async (options: Parameters<typeof startHandlersFixture>[0] = {}): Promise<HandlersFixture> => {
  opened = await startHandlersFixture(options);
  return opened;
};

const failure = (code: string) => expect.objectContaining({ code });
const order = tools.ibkr_place_order.input.parse({ symbol: "AAPL", action: "BUY", quantity: 1 });
const sent = (fixture: HandlersFixture) => fixture.received(3);

describe("the connection", () => {
  test("is to the configured target, and says so to who named another one", async () => {
    const { handlers, session } = await start();
    const { host, port, clientId } = session.status().tws;

    expect(await handlers.ibkr_connect({ host, port, clientId }, callBy())).toEqual({
      status: "connected",
      host,
      port,
      clientId,
    });
    for (const [name, other] of Object.entries({
      host: "10.0.0.1",
      port: port + 1,
      clientId: clientId + 1,
    })) {
      expect(await handlers.ibkr_connect({ [name]: other }, callBy())).toEqual({
        status: "connected",
        host,
        port,
        clientId,
        note: expect.stringMatching(`the simulator of this host, whatever ${name} said`),
      });
    }
  });

  test("to a live TWS is refused to who named another one, and made for paper with a note", async () => {
    const live = await startHandlersFixture({
      isSimulator: false,
      simulator: { accounts: ["U1234567", "DU1234567"] },
    });
    await expect(live.handlers.ibkr_connect({ port: 7497 }, callBy())).rejects.toMatchObject({
      code: "forbidden",
      message: expect.stringContaining("live"),
    });
    expect(await live.handlers.ibkr_connect({}, callBy())).not.toHaveProperty("note");
    await live.handlers.ibkr_disconnect({}, callBy());
    await expect(live.handlers.ibkr_connect({ port: 7497 }, callBy())).rejects.toEqual(failure("forbidden"));
    expect(live.session.status().tws.state).toBe("stopped");
    await live.close();

    const { handlers } = await start({ isSimulator: false });
    expect(await handlers.ibkr_connect({ port: 7497 }, callBy())).toMatchObject({
      status: "connected",
      note: expect.stringContaining("the paper TWS"),
    });
  });

  test("ends by ibkr_disconnect and comes back by ibkr_connect", async () => {
    const { handlers } = await start();

    expect(await handlers.ibkr_disconnect({}, callBy())).toEqual({ status: "stopped" });
    await expect(handlers.ibkr_get_positions({ account: "" }, callBy())).rejects.toEqual(
      failure("tws_offline"),
    );
    expect(await handlers.ibkr_connect({}, callBy())).toMatchObject({ status: "connected" });
    expect(await handlers.ibkr_get_current_time({}, callBy())).toMatchObject({
      server_time: expect.stringMatching(/^\d{4}-.*Z$/),
    });
  });
});

describe("accounts", () => {
  const two = { simulator: { accounts: ["DU1234567", "DU7654321"] } };
  const onlySecond = callBy({ ...trader, accounts: ["DU7654321"] });

  test("outside the grant are nowhere to be seen", async () => {
    const { handlers } = await start(two);
    const first = callBy({ ...trader, accounts: ["DU1234567"] });
    const placed = await handlers.ibkr_place_order(
      { ...order, orderType: "LMT", limitPrice: 1, account: "DU1234567" },
      callBy(),
    );
    await handlers.ibkr_place_order({ ...order, account: "DU1234567" }, callBy());
    const { orderId } = placed;

    expect(await handlers.ibkr_get_managed_accounts({}, onlySecond)).toEqual({
      accounts: ["DU7654321"],
      count: 1,
      modes: { DU7654321: "paper" },
    });
    expect((await handlers.ibkr_get_positions({ account: "" }, onlySecond)).positions).toEqual([]);
    expect((await handlers.ibkr_get_open_orders({}, onlySecond)).orders).toEqual([]);
    expect((await handlers.ibkr_get_executions({ account: "" }, onlySecond)).executions).toEqual([]);
    expect((await handlers.ibkr_get_executions({ account: "" }, first)).count).toBeGreaterThan(0);
    const refusals = [
      () => handlers.ibkr_get_order_status({ orderId }, onlySecond),
      () => handlers.ibkr_modify_order({ orderId, quantity: 2 }, onlySecond),
      () => handlers.ibkr_cancel_order({ orderId }, onlySecond),
    ];
    for (const refused of refusals) await expect(refused()).rejects.toEqual(failure("order_not_found"));
    const account = "DU1234567";
    await expect(handlers.ibkr_get_positions({ account }, onlySecond)).rejects.toEqual(failure("forbidden"));
    await expect(handlers.ibkr_get_account_values({ account }, onlySecond)).rejects.toEqual(
      failure("forbidden"),
    );
    await expect(handlers.ibkr_place_order({ ...order, account }, onlySecond)).rejects.toEqual(
      failure("forbidden"),
    );
  });

  test("are chosen from when there are several", async () => {
    const fixture = await start(two);

    await expect(fixture.handlers.ibkr_place_order(order, callBy())).rejects.toMatchObject({
      code: "invalid_input",
      message: "account: name one of DU1234567, DU7654321.",
    });
    const placed = await fixture.handlers.ibkr_place_order(order, onlySecond);
    expect(placed.account).toBe("DU7654321");
    expect(await sent(fixture)).toHaveLength(1);
  });

  test("that are live take no orders where only paper is traded, and are shown as live", async () => {
    const fixture = await start({ simulator: { accounts: ["U1234567"] } });

    await expect(fixture.handlers.ibkr_place_order(order, callBy())).rejects.toEqual(
      failure("trading_refused"),
    );
    expect(await sent(fixture)).toEqual([]);
    expect(await fixture.handlers.ibkr_get_managed_accounts({}, callBy())).toMatchObject({
      modes: { U1234567: "live" },
    });
  });

  test("take no orders while trading is off, but cancellations", async () => {
    const fixture = await start();
    const { orderId } = await fixture.handlers.ibkr_place_order(
      { ...order, orderType: "LMT", limitPrice: 1 },
      callBy(),
    );
    const off = fixture.agentWith({ trading: "off" });

    await expect(off.ibkr_place_order(order, callBy())).rejects.toEqual(failure("trading_refused"));
    await expect(off.ibkr_modify_order({ orderId, quantity: 2 }, callBy())).rejects.toEqual(
      failure("trading_refused"),
    );
    expect(await off.ibkr_cancel_order({ orderId }, callBy())).toMatchObject({ status: "Cancelled" });
    expect(await sent(fixture)).toHaveLength(1);
  });

  test("have each their own figures", async () => {
    const { handlers } = await start(two);
    const held = async (account: string) => {
      const input = { account, tags: "GrossPositionValue" };
      const { summary } = await handlers.ibkr_get_account_summary(input, callBy());
      return summary["GrossPositionValue"]?.value;
    };

    // only the first of the simulator's accounts starts with positions
    expect(await held("DU1234567")).toBeGreaterThan(0);
    expect(await held("DU7654321")).toBe(0);
  });

  test("have figures as numbers, for the tags asked", async () => {
    const { handlers } = await start();
    const input = { account: "", tags: "netliquidation, AccountType" };

    const { summary, ...rest } = await handlers.ibkr_get_account_summary(input, callBy());

    expect(rest).toMatchObject({ account: "DU1234567", mode: "paper" });
    expect(Object.keys(summary).sort()).toEqual(["AccountType", "NetLiquidation"]);
    expect(summary["NetLiquidation"]).toEqual({ value: expect.any(Number), currency: "USD" });
    expect(summary["AccountType"]?.value).toEqual(expect.stringMatching(/[A-Z]/));
    await expect(
      handlers.ibkr_get_account_summary({ account: "", tags: "NetLiquidation,Wealth" }, callBy()),
    ).rejects.toMatchObject({ code: "invalid_input", message: expect.stringContaining("Wealth") });
  });

  test("have positions with TWS's own values", async () => {
    const { handlers, simulator } = await start();

    const { positions, count } = await handlers.ibkr_get_positions({ account: "" }, callBy());

    expect(count).toBe(simulator.world.ledger.positions().length);
    for (const { marketPrice, marketValue, position, contract, mode } of positions) {
      expect(mode).toBe("paper");
      expect(marketValue).toBeCloseTo(Number(marketPrice) * position * (contract.multiplier ?? 1), 0);
    }
    const values = await handlers.ibkr_get_account_values({ account: "" }, callBy());
    expect(values.values.find(({ key }) => key === "NetLiquidation")).toMatchObject({ currency: "USD" });
    expect(values.count).toBe(values.values.length);
  });
});

describe("quotes", () => {
  test("come in the order asked, each with its own error", async () => {
    const { handlers } = await start();
    const done: number[] = [];
    const input = { symbols: ["AAPL", "NOSUCH", "EUR.USD"], contracts: [{ conId: 272_093 }] };

    const { quotes, count } = await handlers.ibkr_get_quotes(
      input,
      callBy(trader, { progress: (row) => void done.push(row) }),
    );

    expect(count).toBe(4);
    expect(quotes.map(({ symbol, error }) => [symbol, error?.code ?? null])).toEqual([
      ["AAPL", null],
      ["NOSUCH", "unknown_contract"],
      ["EUR.USD", null],
      ["MSFT", null],
    ]);
    expect(quotes[0]).toMatchObject({ dataType: "live", quote: { last: expect.any(Number) } });
    expect(quotes[1]).toMatchObject({ contract: null, quote: null, asOf: null });
    expect(done.sort((a, b) => a - b)).toEqual([1, 2, 3, 4]);
  });

  test("are refused without an instrument, for too many, and without TWS", async () => {
    const { handlers } = await start();
    const many = Array.from({ length: 30 }, () => ({ conId: 265_598 }));
    const symbols = Array.from({ length: 30 }, () => "AAPL");

    await expect(handlers.ibkr_get_quotes({ symbols: [], contracts: [] }, callBy())).rejects.toEqual(
      failure("invalid_input"),
    );
    await expect(handlers.ibkr_get_quotes({ symbols, contracts: many }, callBy())).rejects.toEqual(
      failure("invalid_input"),
    );
    await handlers.ibkr_disconnect({}, callBy());
    await expect(handlers.ibkr_get_quotes({ symbols: ["AAPL"], contracts: [] }, callBy())).rejects.toEqual(
      failure("tws_offline"),
    );
  });
});

describe("instruments", () => {
  test("are found, described and streamed under one conId", async () => {
    const { handlers } = await start();

    const { results } = await handlers.ibkr_search_symbols({ pattern: "AAPL" }, callBy());
    const details = await handlers.ibkr_get_contract_details({ symbol: "AAPL" }, callBy());
    const started = await handlers.ibkr_start_market_data_resource({ symbol: "AAPL" }, callBy());

    expect(results[0]).toMatchObject({ conId: 265_598, symbol: "AAPL" });
    expect(details.contract).toMatchObject({ conId: 265_598, exchange: "SMART" });
    expect(started).toEqual({
      status: "started",
      resource_uri: "ibkr://market-data/AAPL",
      resource_id: "AAPL",
      topic: "quote/265598",
      contract: details.contract,
    });
    await expect(handlers.ibkr_start_market_data_resource({ symbol: "NOSUCH" }, callBy())).rejects.toEqual(
      failure("unknown_contract"),
    );
  });

  test("are not streamed when there can be no market data", async () => {
    const { handlers } = await start({ simulator: { maxMarketDataLines: 0 } });

    await expect(handlers.ibkr_start_market_data_resource({ symbol: "AAPL" }, callBy())).rejects.toEqual(
      failure("pacing"),
    );
  });
});

describe("bars", () => {
  const input = (change: Record<string, unknown>) =>
    tools.ibkr_get_historical_data.input.parse({ duration: "2 D", barSize: "1 day", ...change });

  test("come as rows or as columns of the same values", async () => {
    const { handlers } = await start();

    const tool = tools.ibkr_get_historical_data;
    const ask = async (change: Record<string, unknown>) => {
      const asked = input({ symbol: "AAPL", ...change });
      const whole = await handlers.ibkr_get_historical_data(asked, callBy());
      return tool.output.parse(paginate(tool, asked, whole));
    };

    const rows = await ask({});
    const columns = await ask({ format: "columns", limit: 1 });

    expect(rows).toMatchObject({ symbol: "AAPL", count: 2, returned: 2 });
    const times = Array.isArray(rows.bars) ? rows.bars.map(({ time }) => time) : [];
    expect(times).toHaveLength(2);
    expect(columns).toMatchObject({
      bars: { time: times.slice(-1), close: [expect.any(Number)] },
      returned: 1,
      total: 2,
      truncated: true,
    });
  });

  test("that would end the session by their number are not asked for", async () => {
    const fixture = await start();
    const tooMany = input({ symbol: "AAPL", duration: "1 Y", barSize: "5 secs" });

    await expect(fixture.handlers.ibkr_get_historical_data(tooMany, callBy())).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringMatching(/^duration:/),
    });
    expect(await fixture.received(20)).toEqual([]);
  });

  test("of a currency need MIDPOINT", async () => {
    const { handlers } = await start();

    await expect(
      handlers.ibkr_get_historical_data(input({ symbol: "EUR.USD" }), callBy()),
    ).rejects.toMatchObject({ code: "invalid_input", message: expect.stringContaining("MIDPOINT") });
    expect(
      await handlers.ibkr_get_historical_data(input({ symbol: "EUR.USD", whatToShow: "MIDPOINT" }), callBy()),
    ).toMatchObject({ count: 2 });
  });
});
