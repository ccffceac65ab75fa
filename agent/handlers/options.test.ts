import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import { paginate } from "../../shared/tools/paging.ts";
import { callBy, startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

/** A Friday morning in New York, on which the clock stands still. */
const at = Date.parse("2026-11-20T15:30:00Z");

let fixture: HandlersFixture;
beforeEach(async () => {
  fixture = await startHandlersFixture({ simulator: { seed: 7, now: () => at } });
});
afterEach(() => fixture.close());

async function chainOf(input: Record<string, unknown>) {
  const tool = tools.ibkr_get_option_chain;
  const parsed = tool.input.parse(input);
  const whole = await fixture.handlers.ibkr_get_option_chain(parsed, callBy());
  return tool.output.parse(paginate(tool, parsed, whole));
}

async function priceOf(input: Record<string, unknown>) {
  const tool = tools.ibkr_calculate_option_price;
  return tool.output.parse(
    await fixture.handlers.ibkr_calculate_option_price(tool.input.parse(input), callBy()),
  );
}

async function volatilityOf(input: Record<string, unknown>) {
  const tool = tools.ibkr_calculate_implied_volatility;
  const parsed = tool.input.parse(input);
  return tool.output.parse(await fixture.handlers.ibkr_calculate_implied_volatility(parsed, callBy()));
}

const aapl = { symbol: "AAPL", expiration: "20261218" };
const call = { ...aapl, strike: 250, right: "C" };

describe("an option chain", () => {
  test("has every strike once, nearest the underlying's price first, with the contracts' ids", async () => {
    const { chain, underlyingPrice, strikeCount, strikesListed, underlying, ...rest } = await chainOf(aapl);

    expect(underlying).toMatchObject({ conId: 265_598, secType: "STK" });
    expect(rest).toMatchObject({ expiration: "20261218", truncated: false });
    expect(strikeCount).toBe(41);
    expect(strikesListed).toBe(41);
    const distances = chain.map(({ strike }) => Math.abs(strike - Number(underlyingPrice)));
    expect(distances).toEqual(distances.toSorted((a, b) => a - b));
    for (const { strike, call: c, put: p } of chain) {
      const listed = [c?.conId, p?.conId].map((conId) =>
        fixture.simulator.world.universe.byConId(conId ?? 0),
      );
      expect(listed).toMatchObject([
        { strike, right: "C", expiration: "20261218" },
        { strike, right: "P", expiration: "20261218" },
      ]);
    }
  });

  test("is narrowed by strikes, by right and by page", async () => {
    const near = await chainOf({ ...aapl, strikeRange: 3, right: "P" });
    expect(near.chain.map(({ call: c }) => c)).toEqual([null, null, null]);
    expect(near).toMatchObject({ strikeCount: 3, strikesListed: 41 });
    const between = await chainOf({ ...aapl, minStrike: 240, maxStrike: 250 });
    expect(between.chain.map(({ strike }) => strike)).toEqual(expect.arrayContaining([240, 245, 250]));
    expect(between.strikeCount).toBe(3);
    const first = await chainOf({ ...aapl, limit: 40 });
    const second = await chainOf({ ...aapl, limit: 40, cursor: first.next_cursor });
    expect([first.returned, second.returned, second.truncated]).toEqual([40, 1, false]);
  });

  test("carries quotes and greeks where they are asked for", async () => {
    const { chain } = await chainOf({ ...aapl, withQuotes: true, strikeRange: 2 });

    expect(chain).toHaveLength(2);
    for (const { call: c, put: p } of chain) {
      for (const leg of [c, p]) {
        const instrument = fixture.simulator.world.universe.byConId(leg?.conId ?? 0);
        if (instrument === undefined) throw new Error("no such option");
        const { bid, ask, greeks } = fixture.simulator.world.market.quote(instrument, at);
        expect(leg?.quote).toMatchObject({ bid, ask, dataType: "live", openInterest: expect.any(Number) });
        expect(leg?.quote?.delta).toBeCloseTo(greeks?.delta ?? NaN, 8);
        expect(leg?.quote?.gamma).toBeCloseTo(greeks?.gamma ?? NaN, 8);
        expect(leg?.quote?.vega).toBeCloseTo(greeks?.vega ?? NaN, 8);
        expect(leg?.quote?.theta).toBeCloseTo(greeks?.theta ?? NaN, 8);
      }
    }
    await vi.waitFor(() => expect(fixture.simulator.subscriptions()).toBe(0));
  });

  test("carries no more quotes than TWS has lines for", async () => {
    const input = { symbol: "TSLA", expiration: "20261218", right: "C", withQuotes: true };
    const usual = await chainOf(input);
    const many = await chainOf({ ...input, strikeRange: 40 });
    expect([usual.strikeCount, many.strikeCount, many.strikesListed]).toEqual([10, 25, 41]);
    expect(many.chain.filter(({ call: leg }) => leg?.quote == null)).toEqual([]);
  });

  test("of an index is found by its symbol, its classes apart", async () => {
    const both = await chainOf({ symbol: "SPX", expiration: "202701" });
    expect(both.underlying).toMatchObject({ secType: "IND", conId: 416_904 });
    const weekly = await chainOf({ symbol: "SPX", expiration: "20261218", tradingClass: "SPXW" });
    expect(new Set(weekly.chain.map(({ tradingClass }) => tradingClass))).toEqual(new Set(["SPXW"]));
    const all = await chainOf({ symbol: "SPX", expiration: "20261218", limit: 1000 });
    const rowsOf = (name: string) => all.chain.filter(({ tradingClass }) => tradingClass === name);
    expect(rowsOf("SPXW")).toHaveLength(weekly.strikeCount);
    expect(rowsOf("SPX")).toHaveLength(all.strikeCount - weekly.strikeCount);
    expect(rowsOf("SPX").length).toBeGreaterThan(0);
  });

  test("for a date on which nothing expires names the nearest dates", async () => {
    await expect(chainOf({ ...aapl, expiration: "20261217" })).rejects.toMatchObject({
      code: "unknown_contract",
      message: expect.stringContaining("20261211, 20261218"),
      detail: { candidates: expect.arrayContaining([expect.objectContaining({ expiration: "20261218" })]) },
    });
    await expect(chainOf({ ...aapl, expiration: "202612" })).rejects.toMatchObject({
      code: "ambiguous_contract",
      detail: { candidates: expect.arrayContaining([expect.objectContaining({ expiration: "20261204" })]) },
    });
    await expect(chainOf({ symbol: "NOSUCH", expiration: "20261218" })).rejects.toMatchObject({
      code: "unknown_contract",
      message: expect.stringContaining("NOSUCH STK"),
    });
    await expect(chainOf({ ...aapl, minStrike: 300, maxStrike: 200 })).rejects.toMatchObject({
      code: "invalid_input",
    });
  });
});

describe("a chain of an underlying without market data", () => {
  beforeEach(async () => {
    await fixture.close();
    fixture = await startHandlersFixture({ simulator: { seed: 7, now: () => at, maxMarketDataLines: 0 } });
  });

  test("comes in ascending order, and says so by a null price", async () => {
    const { chain, underlyingPrice } = await chainOf(aapl);
    expect(underlyingPrice).toBeNull();
    const strikes = chain.map(({ strike }) => strike);
    expect(strikes).toEqual(strikes.toSorted((a, b) => a - b));
  });

  test("does not guess which strikes are near", async () => {
    await expect(chainOf({ ...aapl, strikeRange: 5 })).rejects.toMatchObject({
      code: "pacing",
      detail: { nextStep: expect.stringContaining("minStrike") },
    });
    const { chain } = await chainOf({ ...aapl, minStrike: 250, maxStrike: 250, withQuotes: true });
    expect(chain).toMatchObject([{ strike: 250, call: { quote: null, error: "pacing" } }]);
  });
});

describe("calculations", () => {
  test("give a price at a volatility of one's own, and that volatility for the price", async () => {
    const priced = await priceOf({ ...call, volatility: 0.4, underlyingPrice: 245 });
    expect(priced).toMatchObject({
      contract: { secType: "OPT", strike: 250, right: "C" },
      impliedVolatility: 0.4,
      underlyingPrice: 245,
      volatilityFrom: "argument",
    });
    const { delta, gamma, vega, theta } = priced;
    for (const greek of [delta, gamma, vega]) expect(greek).toBeGreaterThan(0);
    expect(theta).toBeLessThan(0);

    const implied = await volatilityOf({ ...call, optionPrice: priced.optionPrice, underlyingPrice: 245 });

    expect(implied.impliedVolatility).toBeCloseTo(0.4, 6);
    expect(implied.delta).toBeCloseTo(Number(delta), 6);
    expect(implied.vega).toBeCloseTo(Number(vega), 6);
  });

  test("take the market's volatility when none is given", async () => {
    const { impliedVolatility, optionPrice, contract, volatilityFrom } = await priceOf({
      ...call,
      underlyingPrice: 250,
    });
    const instrument = fixture.simulator.world.universe.byConId(contract.conId);
    if (instrument === undefined) throw new Error("no such option");
    const { greeks } = fixture.simulator.world.market.quote(instrument, at);
    expect(volatilityFrom).toBe("market");
    expect(impliedVolatility).toBeCloseTo(greeks?.impliedVolatility ?? NaN, 8);
    expect(optionPrice).toBeGreaterThan(0);
  });

  test("are withdrawn from TWS when answered", async () => {
    await priceOf({ ...call, volatility: 0.4, underlyingPrice: 245 });
    expect(await fixture.received(55)).toHaveLength(1);
    // the rate limit may let it wait a little
    await vi.waitFor(async () => expect(await fixture.received(57)).toHaveLength(1));
  });

  test("name the nearest strikes and expirations for an option that does not exist", async () => {
    await expect(priceOf({ ...call, strike: 251, underlyingPrice: 250 })).rejects.toMatchObject({
      code: "unknown_contract",
      message: expect.stringContaining("250, 255"),
      detail: {
        candidates: expect.arrayContaining([expect.objectContaining({ strike: 250, right: "C" })]),
        tws: { code: 200 },
      },
    });
    await expect(priceOf({ ...call, expiration: "20261219", underlyingPrice: 250 })).rejects.toMatchObject({
      code: "unknown_contract",
      message: expect.stringContaining("20261218"),
    });
  });

  test("are refused for what is no option or no single one, and for a price that no volatility gives", async () => {
    await expect(priceOf({ conId: 265_598, underlyingPrice: 250 })).rejects.toMatchObject({
      code: "invalid_input",
      message: "AAPL is of type STK and not an option.",
    });
    await expect(volatilityOf({ ...call, optionPrice: 1, underlyingPrice: 300 })).rejects.toMatchObject({
      code: "no_data",
    });
    const local = await priceOf({ localSymbol: "AAPL  261218C00250000", underlyingPrice: 250 });
    expect(local.contract).toMatchObject({ strike: 250, right: "C" });
    await expect(priceOf({ ...aapl, strike: 250, underlyingPrice: 250 })).rejects.toMatchObject({
      code: "ambiguous_contract",
    });
  });

  test("and chains fail at once when TWS is away", async () => {
    await fixture.handlers.ibkr_disconnect({}, callBy());
    await expect(chainOf(aapl)).rejects.toMatchObject({ code: "tws_offline" });
    await expect(priceOf({ ...call, underlyingPrice: 250 })).rejects.toMatchObject({ code: "tws_offline" });
    await expect(volatilityOf({ ...call, optionPrice: 9, underlyingPrice: 250 })).rejects.toMatchObject({
      code: "tws_offline",
    });
  });
});
