import { afterEach, describe, expect, test, vi } from "vitest";
import { tools } from "../../shared/tools/index.ts";
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

const [aapl, msft, spy] = [265_598, 272_093, 756_733];
const held = { [aapl]: 100, [msft]: 50, [spy]: 200 } as const;

async function plan({ handlers }: HandlersFixture, input: Record<string, unknown>) {
  const tool = tools.ibkr_plan_rebalance;
  return tool.output.parse(await handlers.ibkr_plan_rebalance(tool.input.parse(input), callBy()));
}

async function assess({ handlers }: HandlersFixture, input: Record<string, unknown> = {}) {
  const tool = tools.ibkr_assess_risk;
  return tool.output.parse(await handlers.ibkr_assess_risk(tool.input.parse(input), callBy()));
}

const place = ({ handlers }: HandlersFixture, input: Record<string, unknown>) =>
  handlers.ibkr_place_order(tools.ibkr_place_order.input.parse(input), callBy());

const cents = (amount: number): number => Math.round(amount * 100);

describe("a rebalance plan", () => {
  const targets = [
    { symbol: "AAPL", percent: 20 },
    { conId: msft, percent: 0 },
    { symbol: "KO", percent: 30 },
  ];

  test("has orders that the account can pay for, at prices of now, sales first", async () => {
    const fixture = await start();

    const result = await plan(fixture, { targets });

    expect(result).toMatchObject({ account: "DU1234567", mode: "paper", currency: "USD" });
    const [sale, ...purchases] = result.orders;
    expect(sale).toMatchObject({ conId: msft, action: "SELL", quantity: held[msft], percentAfter: 0 });
    expect(purchases.map(({ symbol, action }) => `${action} ${symbol}`).sort()).toEqual([
      "BUY AAPL",
      "BUY KO",
    ]);
    for (const { dataType, limitPrice, percentAfter, targetPercent } of purchases) {
      expect(dataType).toBe("live");
      expect(cents(limitPrice) / 100).toBe(limitPrice);
      expect(percentAfter).toBeCloseTo(targetPercent, 0);
    }
    const moved = result.orders.map(
      ({ action, value, commission }) => cents(action === "SELL" ? value : -value) - cents(commission),
    );
    expect(cents(result.cashAfter)).toBe(moved.reduce((all, one) => all + one, cents(result.cashBefore)));
    expect(result.leftAlone).toMatchObject([
      { symbol: "SPY", targetPercent: null, currentPercent: expect.closeTo(13, -1) },
    ]);
  });

  test("asks for no more once its orders are filled", async () => {
    const fixture = await start();
    const small = {
      targets: [
        { symbol: "AAPL", percent: 5 },
        { conId: msft, percent: 0 },
      ],
      others: "sell",
    };
    const { orders, account } = await plan(fixture, small);
    expect(orders.map(({ symbol, action }) => `${action} ${symbol}`)).toEqual([
      "SELL MSFT",
      "SELL SPY",
      "BUY AAPL",
    ]);

    for (const { conId, action, quantity } of orders) {
      const market = tools.ibkr_place_order.input.parse({ conId, action, quantity, account });
      const { orderId } = await fixture.handlers.ibkr_place_order(market, callBy());
      await vi.waitFor(async () => {
        expect(await fixture.handlers.ibkr_get_order_status({ orderId }, callBy())).toMatchObject({
          status: "Filled",
        });
      });
    }

    const again = await plan(fixture, small);
    expect(again.orders).toEqual([]);
    expect(again.leftAlone.map(({ reason }) => reason).join()).toContain("within the band");
  });

  test("leaves alone what is being bought, and what is neither stock nor fund", async () => {
    const fixture = await start();
    await place(fixture, { conId: msft, action: "BUY", quantity: 10, orderType: "LMT", limitPrice: 1 });

    const result = await plan(fixture, {
      targets: [
        { conId: msft, percent: 0 },
        { symbol: "EUR.USD", percent: 5 },
      ],
    });

    expect(result.orders).toEqual([]);
    expect(result.leftAlone).toMatchObject([
      { symbol: "MSFT", reason: expect.stringContaining("working orders") },
      { symbol: "EUR", reason: expect.stringContaining("only stocks and funds") },
      { symbol: "AAPL" },
      { symbol: "SPY" },
    ]);
    expect(result.assumptions.join()).toContain("1 order is working in the account: 10.00 USD for purchases");
  });

  test("spends no cash that working orders may use, and sells no share that they offer", async () => {
    const fixture = await start();
    // 600,000 + 10.00 + 110 may be spent, of the euros nothing; 10 of 50 MSFT and, twice, 150 of 200 SPY are on sale
    const option = { ...(await someOption(fixture)), symbol: "AAPL", secType: "OPT", right: "C" };
    const far = { action: "BUY", orderType: "LMT", limitPrice: 1 };
    await place(fixture, { symbol: "NVDA", action: "BUY", quantity: 60, orderType: "STP", auxPrice: 10_000 });
    await place(fixture, { ...far, symbol: "IBM", quantity: 110 });
    await place(fixture, { ...far, ...option, quantity: 2, limitPrice: 0.05 });
    await place(fixture, { ...far, symbol: "EUR.USD", quantity: 25_000, limitPrice: 0.5 });
    const sale = { action: "SELL", orderType: "LMT", limitPrice: 9_999 };
    await place(fixture, { ...sale, conId: msft, quantity: 10 });
    await place(fixture, { ...sale, conId: spy, quantity: 150 });
    await place(fixture, {
      ...sale,
      conId: spy,
      quantity: 150,
      orderType: "STP",
      limitPrice: undefined,
      auxPrice: 1,
    });

    const result = await plan(fixture, {
      targets: [
        { symbol: "KO", percent: 90 },
        { conId: msft, percent: 0 },
        { conId: spy, percent: 0 },
      ],
    });

    expect(result.working).toEqual({
      orders: 7,
      cashSetAside: 600_120,
      offered: [
        { symbol: "MSFT", conId: msft, quantity: 10 },
        { symbol: "SPY", conId: spy, quantity: 300 },
      ],
      unknown: [],
    });
    const [sold, bought, ...more] = result.orders;
    expect(more).toEqual([]);
    expect(sold).toMatchObject({ conId: msft, action: "SELL", quantity: 40 });
    expect(result.leftAlone).toMatchObject([
      { symbol: "SPY", reason: "its working orders sell 300 of it, and no more is to be sold" },
      { symbol: "AAPL" },
    ]);
    // as many as the rest pays for: one more would not be paid
    const free =
      cents(result.cashBefore) -
      cents(600_120) -
      cents(result.cashBuffer) +
      cents(sold?.value ?? 0) -
      cents(sold?.commission ?? 0);
    const spent = cents(bought?.value ?? 0) + cents(bought?.commission ?? 0);
    expect(bought).toMatchObject({ symbol: "KO", action: "BUY" });
    expect(spent).toBeLessThanOrEqual(free);
    expect(spent + cents(bought?.limitPrice ?? 0)).toBeGreaterThan(
      free - cents(0.01 * (bought?.quantity ?? 0)),
    );
    expect(cents(result.cashAfter)).toBe(free - spent + cents(600_120) + cents(result.cashBuffer));
    expect(result.assumptions.join()).toContain("7 orders are working in the account: 600120.00 USD");
    expect(result.method["working"]).toContain("left of it × its limit");
  });

  test("says so when nobody knows what a working order may cost", async () => {
    const fixture = await start();
    const { orderId } = await place(fixture, {
      symbol: "ES",
      secType: "FUT",
      exchange: "CME",
      conId: fixture.simulator.world.universe.search("ES").find(({ secType }) => secType === "FUT")?.conId,
      action: "BUY",
      quantity: 1,
      orderType: "LMT",
      limitPrice: 1,
    });

    const result = await plan(fixture, { targets: [{ symbol: "KO", percent: 5 }] });

    expect(result.working).toMatchObject({
      orders: 1,
      cashSetAside: 0,
      unknown: [{ orderId, symbol: "ES", reason: expect.stringContaining("FUT") }],
    });
    expect(result.assumptions.join()).toContain("What 1 working purchase may cost is not known");
  });

  test("is refused for targets over 100, named twice or unknown, and for another's account", async () => {
    const fixture = await start();
    const one = { symbol: "AAPL", percent: 60 };

    for (const [targets, code, text] of [
      [[one, { symbol: "KO", percent: 41 }], "invalid_input", "add up to 101"],
      [[one, { conId: aapl, percent: 1 }], "invalid_input", "named twice"],
      [[{ symbol: "NOSUCH", percent: 1 }], "unknown_contract", "NOSUCH"],
    ] as const) {
      await expect(plan(fixture, { targets })).rejects.toMatchObject({
        code,
        message: expect.stringContaining(text),
      });
    }
    const input = tools.ibkr_plan_rebalance.input.parse({ targets: [one], account: "DU1234567" });
    const stranger = callBy({ ...trader, accounts: ["DU9"] });
    await expect(fixture.handlers.ibkr_plan_rebalance(input, stranger)).rejects.toMatchObject({
      code: "forbidden",
    });
  });

  test("is not made without TWS", async () => {
    const fixture = await start();
    await fixture.handlers.ibkr_disconnect({}, callBy());
    await expect(plan(fixture, { targets })).rejects.toMatchObject({ code: "tws_offline" });
  });
});

describe("a risk assessment", () => {
  test("has every figure of an account with stocks, from its own bars", async () => {
    const fixture = await start();
    const steps: string[] = [];
    const tool = tools.ibkr_assess_risk;

    const result = tool.output.parse(
      await fixture.handlers.ibkr_assess_risk(
        tool.input.parse({}),
        callBy(trader, { progress: (_done, _total, text) => void steps.push(text) }),
      ),
    );

    expect(result).toMatchObject({
      account: "DU1234567",
      mode: "paper",
      currency: "USD",
      benchmark: { symbol: "SPX", error: null },
      window: { observations: 252 },
      valueAtRisk: { confidence: 0.95, horizonDays: 1 },
      excluded: [],
    });
    expect(steps).toHaveLength(3);
    const symbols = result.holdings.map(({ symbol }) => symbol);
    expect(symbols.toSorted()).toEqual(["AAPL", "MSFT", "SPY"]);
    expect(result.correlation.symbols).toEqual(symbols);
    const spy = result.holdings.find(({ symbol }) => symbol === "SPY");
    // a fund of the index moves as the index does
    expect(spy?.beta).toBeCloseTo(1, 1);
    // the whole is the sum of its parts, those weighted by their share
    const parts = result.holdings.reduce((all, { percent, beta }) => all + (percent / 100) * Number(beta), 0);
    expect(result.beta).toBeCloseTo(parts, 3);
    const { historical = 0, expectedShortfall = 0 } = result.valueAtRisk ?? {};
    expect(historical).toBeGreaterThan(0);
    expect(expectedShortfall).toBeGreaterThanOrEqual(historical);
    expect(JSON.stringify(result).length).toBeLessThan(20_000);
  });

  test("covers years where asked, and any stock for a benchmark", async () => {
    const fixture = await start();
    expect(await assess(fixture, { benchmark: "qqq", windowDays: 500, horizonDays: 10 })).toMatchObject({
      benchmark: { symbol: "QQQ" },
      window: { observations: 500 },
      valueAtRisk: { horizonDays: 10 },
    });
    expect(await assess(fixture, { benchmark: String(aapl), windowDays: 30 })).toMatchObject({
      benchmark: { symbol: "AAPL", conId: aapl },
    });
  });

  test("says what it could not include and why", async () => {
    const fixture = await start();
    const { expiration, strike } = await someOption(fixture);
    const option = {
      symbol: "AAPL",
      secType: "OPT",
      expiration,
      strike,
      right: "C",
      action: "BUY",
      quantity: 1,
    };
    await fixture.handlers.ibkr_place_order(tools.ibkr_place_order.input.parse(option), callBy());

    const result = await assess(fixture);

    expect(result.excluded).toMatchObject([{ secType: "OPT", reason: expect.stringContaining("greeks") }]);
    expect(result.holdings).toHaveLength(3);
    expect(result.concentration.top).toHaveLength(4);
  });

  test("of an account that holds nothing is null where there is no answer", async () => {
    const fixture = await start({ simulator: { accounts: ["DU1234567", "DU7654321"] } });
    expect(await assess(fixture, { account: "DU7654321" })).toMatchObject({
      valueAtRisk: null,
      beta: null,
      holdings: [],
      excluded: [],
      stress: [],
      window: { observations: 0, from: null },
    });
  });

  test("needs a benchmark that exists, an account one may use, and TWS", async () => {
    const fixture = await start();
    await expect(assess(fixture, { benchmark: "NOSUCH" })).rejects.toMatchObject({
      code: "unknown_contract",
    });
    await expect(assess(fixture, { account: "DU9" })).rejects.toMatchObject({ code: "invalid_input" });
    await fixture.handlers.ibkr_disconnect({}, callBy());
    await expect(assess(fixture)).rejects.toMatchObject({ code: "tws_offline" });
  });
});

/** An option that the simulator lists, near the money. */
async function someOption({ simulator }: HandlersFixture) {
  const { universe } = simulator.world;
  const [chain] = universe.optionChains(aapl);
  const expiration = chain?.expirations.at(2) ?? "";
  const strikes = chain?.strikes ?? [];
  return { expiration, strike: strikes[Math.floor(strikes.length / 2)] };
}
