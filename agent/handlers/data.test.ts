import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { Tick } from "../../shared/tools/history.ts";
import { tools } from "../../shared/tools/index.ts";
import { callBy, startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

let opened: HandlersFixture | null = null;
afterEach(async () => {
  await opened?.close();
  opened = null;
});
/** A world at 11:00 in New York on a Friday. */
const start = async (): Promise<HandlersFixture> => {
  const offset = Date.parse("2026-11-20T16:00:00Z") - Date.now();
  opened = await startHandlersFixture({ simulator: { seed: 7, now: () => Date.now() + offset } });
  return opened;
};
const failure = (code: string) => expect.objectContaining({ code });
const apple = { symbol: "AAPL" } as const;
const euro = { symbol: "EUR.USD" } as const;

const ask = {
  head: tools.ibkr_get_head_timestamp.input,
  histogram: tools.ibkr_get_histogram_data.input,
  past: tools.ibkr_get_historical_ticks.input,
  ticks: tools.ibkr_get_tick_by_tick_data.input,
  schedule: tools.ibkr_get_trading_schedule.input,
  depth: tools.ibkr_get_market_depth.input,
  type: tools.ibkr_set_market_data_type.input,
  report: tools.ibkr_get_fundamental_data.input,
  bars: tools.ibkr_get_historical_data.input,
};

describe("a quote", () => {
  const quotes = async (input: object) => {
    const { handlers } = await start();
    const asked = tools.ibkr_get_quotes.input.parse(input);
    return (await handlers.ibkr_get_quotes(asked, callBy())).quotes;
  };

  test("has what TWS sends behind the first prices, and says how old it is", async () => {
    const [row] = await quotes({ symbols: ["AAPL"] });
    const quote = row?.quote;
    if (quote == null) throw new Error("no quote");
    const { open, high, low, close, last, volume, halted } = quote;
    const { change, changePercent } = row ?? {};
    expect(halted).toBe(false);
    for (const figure of [open, high, low, volume]) expect(figure).toBeGreaterThan(0);
    expect(change).toBeCloseTo((last ?? 0) - (close ?? 0), 8);
    expect(changePercent).toBeCloseTo(((change ?? 0) / (close ?? 1)) * 100, 3);
    for (const at of [quote.bidAskAt, quote.lastAt]) expect(at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(row?.ageMs).toBeGreaterThanOrEqual(0);
  });

  test("of a currency pair changes by the middle of bid and ask, since nothing is traded as such", async () => {
    const [row] = await quotes({ symbols: ["EUR.USD"] });
    const { last, lastAt, bid, ask: offered, close } = row?.quote ?? {};
    expect([last, lastAt]).toEqual([null, null]);
    expect(row?.change).toBeCloseTo(((bid ?? 0) + (offered ?? 0)) / 2 - (close ?? 0), 8);
  });

  test("of an option or a future has its own open interest, and a share has none", async () => {
    const option = { symbol: "AAPL", secType: "OPT", expiration: "20261218", strike: 265 };
    const rows = await quotes({
      contracts: [
        { ...option, right: "C" },
        { ...option, right: "P" },
        { symbol: "ES", secType: "FUT", expiration: "202612" },
        apple,
      ],
    });
    const [call, put, future, share] = rows.map(({ quote }) => quote?.openInterest ?? null);
    for (const interest of [call, put, future]) expect(interest).toBeGreaterThan(0);
    expect(call).not.toBe(put);
    expect(share).toBeNull();
  });
});

describe("history", () => {
  test("begins at an instant", async () => {
    const { handlers } = await start();
    const found = await handlers.ibkr_get_head_timestamp(ask.head.parse(apple), callBy());
    tools.ibkr_get_head_timestamp.output.parse(found);
    expect(found.headTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/);
    await expect(handlers.ibkr_get_head_timestamp(ask.head.parse(euro), callBy())).rejects.toEqual(
      failure("invalid_input"),
    );
  });

  test("has a histogram of its prices", async () => {
    const { handlers } = await start();
    const { histogram, count } = await handlers.ibkr_get_histogram_data(
      ask.histogram.parse({ ...apple, duration: "3 days" }),
      callBy(),
    );
    const prices = histogram.map(({ price }) => price);
    expect(count).toBe(prices.length);
    expect(count).toBeGreaterThan(10);
    expect(prices).toEqual(prices.toSorted((a, b) => a - b));
    await expect(handlers.ibkr_get_histogram_data(ask.histogram.parse(euro), callBy())).rejects.toEqual(
      failure("no_data"),
    );
  });

  test("has ticks of each kind, from an instant on or up to one", async () => {
    const { handlers } = await start();
    const past = (input: object) => handlers.ibkr_get_historical_ticks(ask.past.parse(input), callBy());
    const startDateTime = "2026-11-19T10:00:00-05:00";
    const trades = await past({ ...apple, startDateTime, numberOfTicks: 5 });
    expect(ticksOf(trades).map(({ time }) => time)).toEqual(
      [0, 1, 2, 3, 4].map((second) => `2026-11-19T15:00:0${second}.000Z`),
    );
    expect(ticksOf(trades)[0]).toMatchObject({ price: expect.any(Number), exchange: expect.any(String) });
    const quotes = await past({ ...euro, whatToShow: "BID_ASK", endDateTime: startDateTime });
    expect(quotes.count).toBe(100);
    expect(Object.keys(ticksOf(quotes)[0] ?? {})).toEqual(["time", "bid", "ask", "bidSize", "askSize"]);
    const endDateTime = startDateTime;
    await expect(past({ ...apple, startDateTime, endDateTime })).rejects.toEqual(failure("invalid_input"));
    await expect(past(euro)).rejects.toEqual(failure("invalid_input"));
  });

  test("has the last ticks, with unreported trades only in AllLast", async () => {
    const { handlers } = await start();
    const last = (tickType: string) =>
      handlers.ibkr_get_tick_by_tick_data(
        ask.ticks.parse({ ...apple, tickType, numberOfTicks: 200 }),
        callBy(),
      );
    const all = await last("AllLast");
    expect(all.count).toBe(200);
    expect((await last("Last")).count).toBeLessThan(200);
    expect(Object.keys(ticksOf(await last("MidPoint"))[0] ?? {})).toEqual(["time", "price"]);
    expect(Date.parse(ticksOf(all).at(-1)?.time ?? "")).toBeGreaterThan(Date.parse("2026-11-20T15:59:55Z"));
    const none = ask.ticks.parse(euro);
    await expect(handlers.ibkr_get_tick_by_tick_data(none, callBy())).rejects.toEqual(
      failure("invalid_input"),
    );
  });

  test("has sessions at instants, and none on closed days", async () => {
    const { handlers } = await start();
    const found = await handlers.ibkr_get_trading_schedule(
      ask.schedule.parse({ ...apple, duration: "1 W", endDateTime: "2026-11-20T12:00:00Z" }),
      callBy(),
    );
    tools.ibkr_get_trading_schedule.output
      .omit({ from: true, to: true, returned: true, total: true, truncated: true })
      .parse(found);
    expect(found.timeZone).toBe("US/Eastern");
    expect(found.sessions).toContainEqual({
      date: "2026-11-19",
      opensAt: "2026-11-19T14:30:00.000Z",
      closesAt: "2026-11-19T21:00:00.000Z",
    });
    expect(found.sessions.map(({ date }) => date)).not.toContain("2026-11-15");
  });

  test("is asked of TWS once in 15 s for the same, and says when TWS answered", async () => {
    const fixture = await start();
    const bars = () => fixture.handlers.ibkr_get_historical_data(ask.bars.parse(apple), callBy());
    const first = await bars();
    expect(await bars()).toEqual(first);
    expect(await fixture.received(20)).toHaveLength(1);
  });

  test("says what TWS refuses: pacing with how long to wait, and permissions", async () => {
    const { handlers, simulator } = await start();
    const bars = (barSize: string) =>
      handlers.ibkr_get_historical_data(ask.bars.parse({ ...apple, barSize }), callBy());
    simulator.faults.permissions({ history: "pacing" });
    const refused = await bars("1 min").catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "pacing", detail: { retryAfterMs: 15_000, tws: { code: 162 } } });
    simulator.faults.permissions({ history: "none" });
    await expect(bars("2 mins")).rejects.toEqual(failure("no_market_data"));
    await expect(handlers.ibkr_get_head_timestamp(ask.head.parse(apple), callBy())).rejects.toEqual(
      failure("no_market_data"),
    );
  });
});

describe("market data", () => {
  test("shows the order book, best first, and closes it again", async () => {
    const fixture = await start();
    const book = (input: object) => fixture.handlers.ibkr_get_market_depth(ask.depth.parse(input), callBy());
    const found = await book({ ...apple, numberOfRows: 3 });
    tools.ibkr_get_market_depth.output.parse(found);
    const [bids, asks] = [found.bids, found.asks].map((side) => side.map(({ price }) => price));
    expect(bids).toHaveLength(3);
    expect(bids).toEqual(bids?.toSorted((a, b) => b - a));
    expect(asks).toEqual(asks?.toSorted((a, b) => a - b));
    expect(await fixture.received(11)).toHaveLength(1);
    await expect(book({ symbol: "SPX", secType: "IND", exchange: "CBOE" })).rejects.toEqual(
      failure("no_market_data"),
    );
  });

  test("opens no more books than TWS allows", async () => {
    const { handlers } = await start();
    const symbols = ["AAPL", "MSFT", "IBM", "NVDA"];
    const books = await Promise.allSettled(
      symbols.map((symbol) => handlers.ibkr_get_market_depth(ask.depth.parse({ symbol }), callBy())),
    );
    const refused = books.flatMap((book) => (book.status === "rejected" ? [book.reason] : []));
    expect(refused).toEqual([failure("pacing")]);
  });

  test("is delayed, not there, or elsewhere, as the account's permissions are", async () => {
    const { handlers, simulator } = await start();
    const row = async (symbol: string) => {
      const { quotes } = await handlers.ibkr_get_quotes({ symbols: [symbol], contracts: [] }, callBy());
      return quotes[0];
    };
    simulator.faults.permissions({ quotes: "delayed" });
    expect(await row("AAPL")).toMatchObject({ dataType: "delayed", error: null });
    simulator.faults.permissions({ quotes: "none" });
    expect(await row("MSFT")).toMatchObject({ quote: null, error: { code: "no_market_data" } });
    simulator.faults.permissions({});
    expect(await row("MSFT")).toMatchObject({ dataType: "live", error: null });
  });

  test("is told by the status as it comes, and not as it was asked for", async () => {
    const { handlers, simulator, session } = await start();
    const kinds = () => session.status().tws.dataTypes;
    expect(kinds()).toEqual([]);
    const read = (symbol: string) => handlers.ibkr_get_quotes({ symbols: [symbol], contracts: [] }, callBy());
    simulator.faults.permissions({ quotes: "delayed" });
    await read("AAPL");
    expect(kinds()).toEqual(["delayed"]);
    simulator.faults.permissions({});
    await read("MSFT");
    expect(kinds()).toEqual(["delayed", "live"]);
    await handlers.ibkr_set_market_data_type(ask.type.parse({ marketDataType: 3 }), callBy());
    expect(kinds()).toEqual([]);
  });

  test("is of the kind that was set, also after a new connection", async () => {
    const fixture = await start();
    const { handlers, simulator, session } = fixture;
    const told: string[] = [];
    session.onStatus(({ tws }) => told.push(tws.marketDataType));
    expect(session.status().tws.marketDataType).toBe("delayed-frozen");
    expect(
      await handlers.ibkr_set_market_data_type(ask.type.parse({ marketDataType: 1 }), callBy()),
    ).toMatchObject({
      marketDataType: 1,
      dataType: "live",
      holdsFor: "every client of this TWS host",
    });
    expect(told).toEqual(["live"]);
    simulator.faults.permissions({ quotes: "delayed" });
    const { quotes } = await handlers.ibkr_get_quotes({ symbols: ["AAPL"], contracts: [] }, callBy());
    expect(quotes[0]?.error).toMatchObject({ code: "no_market_data" });
    const again = new Promise<void>((resolve) => session.onConnected(() => resolve()));
    simulator.faults.dropConnections();
    await again;
    const types = (await fixture.received(59)).map(({ fields }) => fields[2]);
    expect(types).toEqual(["4", "1", "1"]);
    expect(session.status().tws.marketDataType).toBe("live");
    expect(ask.type.safeParse({ marketDataType: 5 }).success).toBe(false);
  });

  test("has reports on companies as elements, whole or by section", async () => {
    const { handlers, simulator } = await start();
    const report = (input: object) =>
      handlers.ibkr_get_fundamental_data(ask.report.parse({ ...apple, ...input }), callBy());
    const all = await report({});
    const earnings = await report({ section: "epss/eps" });
    expect(earnings.count).toBe(8);
    expect(all.count).toBeGreaterThan(earnings.count);
    expect(earnings.data[0]).toEqual({
      path: "FinancialSummary/EPSs/EPS",
      attributes: { asofDate: "2024-03-31", reportType: "R", period: "3M" },
      text: expect.stringMatching(/^\d\.\d\d$/),
    });
    simulator.faults.permissions({ fundamentals: false });
    await expect(report({})).rejects.toEqual(failure("no_market_data"));
    await expect(report({ symbol: "SPY" })).rejects.toEqual(failure("no_market_data"));
  });

  test("and history are tws_offline without a session", async () => {
    const { handlers } = await start();
    await handlers.ibkr_disconnect({}, callBy());
    const calls = [
      () => handlers.ibkr_get_head_timestamp(ask.head.parse(apple), callBy()),
      () => handlers.ibkr_get_histogram_data(ask.histogram.parse(apple), callBy()),
      () => handlers.ibkr_get_historical_ticks(ask.past.parse(apple), callBy()),
      () => handlers.ibkr_get_tick_by_tick_data(ask.ticks.parse(apple), callBy()),
      () => handlers.ibkr_get_trading_schedule(ask.schedule.parse(apple), callBy()),
      () => handlers.ibkr_get_market_depth(ask.depth.parse(apple), callBy()),
      () => handlers.ibkr_set_market_data_type(ask.type.parse({ marketDataType: 3 }), callBy()),
      () => handlers.ibkr_get_fundamental_data(ask.report.parse(apple), callBy()),
    ];
    for (const call of calls) await expect(call()).rejects.toEqual(failure("tws_offline"));
  });
});

const ticksOf = ({ ticks }: { readonly ticks: unknown }) => z.array(Tick).parse(ticks);
