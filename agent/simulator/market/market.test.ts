import { expect, test } from "vitest";
import { conforms } from "./market-rules.ts";
import { createFixture, instrumentOf, mondayMorning, query } from "../test-support/world.fixture.ts";

const { world } = createFixture();
const { market, universe } = world;
const apple = instrumentOf(world, 265598);
/** Just after midnight, when the day's extremes are soon found. */
const early = Date.UTC(2026, 10, 23, 6, 1);
const sunday = Date.UTC(2026, 10, 22, 8);

const returns = (conId: number, stepMs: number, count: number) => {
  const instrument = instrumentOf(world, conId);
  const prices = Array.from(
    { length: count },
    (_, index) => market.quote(instrument, early - index * stepMs).last ?? 0,
  );
  return prices.slice(1).map((price, index) => Math.log((prices[index] ?? 0) / price));
};
const deviation = (values: number[]) =>
  Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length);
const correlation = (a: number[], b: number[]) =>
  a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0) / a.length / deviation(a) / deviation(b);

test.each([
  [26, 200.01, true],
  [26, 1_234_567.89, true],
  [26, 200.0000000001, false],
  [26, 1e-9, false],
  [239, 1.15865, true],
  [239, 1.158651, false],
  [111, 200.2, false],
])("by the rule %i a price of %d is on the tick: %j", (rule, price, isOnTick) => {
  expect(conforms(rule, price)).toBe(isOnTick);
});

test("quotes on the tick, the bid below the ask and the last trade at one of them, for everything listed", () => {
  for (const instrument of universe.listed) {
    if (instrument.secType === "IND") continue;
    for (let step = 0; step < 50; step += 1) {
      const { bid, ask, last, low, high } = market.quote(instrument, sunday + step * 777_777);
      expect(bid ?? 0).toBeGreaterThan(0);
      expect(ask ?? 0).toBeGreaterThan(bid ?? 0);
      const rule = instrument.marketRuleIds[0] ?? 0;
      expect(conforms(rule, bid ?? 0) && conforms(rule, ask ?? 0)).toBe(true);
      if (instrument.secType === "CASH") continue;
      expect([bid, ask]).toContain(last);
      expect(low).toBeLessThanOrEqual(last ?? 0);
      expect(high).toBeGreaterThanOrEqual(last ?? 0);
    }
  }
});

test("moves in the small hours of a Sunday", () => {
  const lasts = new Set(
    Array.from({ length: 240 }, (_, second) => market.quote(apple, sunday + second * 1000).last),
  );
  expect(lasts.size).toBeGreaterThan(5);
  expect(market.isOpen(apple, sunday, false)).toBe(false);
  const minute = Array.from({ length: 240 }, (_, slot) => market.quote(apple, mondayMorning + slot * 250));
  expect(new Set(minute.map(({ last }) => last)).size).toBeGreaterThan(8);
  const bought = minute.filter(({ last, ask }) => last === ask).length;
  expect(bought).toBeGreaterThan(80);
  expect(bought).toBeLessThan(160);
});

test("is a function of the seed and the instant", () => {
  const same = createFixture(mondayMorning + 5 * 86_400_000).world.market;
  const other = createFixture(mondayMorning, { seed: 8 }).world.market;
  expect(same.quote(apple, mondayMorning)).toEqual(market.quote(apple, mondayMorning));
  expect(other.quote(apple, mondayMorning)).not.toEqual(market.quote(apple, mondayMorning));
  // what was asked in between must not show
  const before = market.quote(apple, mondayMorning);
  for (const at of [mondayMorning + 90_000_000, mondayMorning - 3_000, mondayMorning + 17])
    market.quote(apple, at);
  expect(market.quote(apple, mondayMorning)).toEqual(before);
});

test.each([
  [265598, 0.25],
  [76792991, 0.55],
  [416904, 0.15],
])("gives %s the volatility it should have", (conId, expected) => {
  const yearly = deviation(returns(conId, 86_400_000, 900)) * Math.sqrt(365.25);
  expect(yearly).toBeGreaterThan(expected * 0.85);
  expect(yearly).toBeLessThan(expected * 1.15);
});

test("moves a currency less than stocks", () => {
  const euro = instrumentOf(world, 12087792);
  const mid = (at: number) => market.quote(euro, at).bid ?? 0;
  const daily = Array.from({ length: 600 }, (_, day) =>
    Math.log(mid(early - day * 86_400_000) / mid(early - (day + 1) * 86_400_000)),
  );
  const yearly = deviation(daily) * Math.sqrt(365.25);
  expect(yearly).toBeGreaterThan(0.05);
  expect(yearly).toBeLessThan(0.1);
});

test("lets stocks move with the market, and the fund with its index", () => {
  const index = returns(416904, 86_400_000, 400);
  expect(correlation(index, returns(756733, 86_400_000, 400))).toBeGreaterThan(0.99);
  expect(correlation(index, returns(265598, 86_400_000, 400))).toBeGreaterThan(0.5);
  expect(correlation(index, returns(51529211, 86_400_000, 400))).toBeLessThan(0.3);
  const fund = market.quote(instrumentOf(world, 756733), mondayMorning).last ?? 0;
  const level = market.quote(instrumentOf(world, 416904), mondayMorning).last ?? 0;
  expect(fund / level).toBeGreaterThan(0.097);
  expect(fund / level).toBeLessThan(0.103);
});

test("leaves no arbitrage between three currencies", () => {
  const mid = (conId: number) => {
    const { bid, ask } = market.quote(instrumentOf(world, conId), mondayMorning);
    return ((bid ?? 0) + (ask ?? 0)) / 2;
  };
  expect(mid(12087792) / mid(12087797) / mid(12087807)).toBeCloseTo(1, 3);
});

test("shows a last price only for an index, and no last price for a currency", () => {
  expect(market.quote(instrumentOf(world, 416904), mondayMorning)).toMatchObject({
    bid: null,
    ask: null,
    volume: null,
  });
  expect(market.quote(instrumentOf(world, 12087792), mondayMorning)).toMatchObject({
    last: null,
    lastSize: null,
    volume: null,
  });
});

test("lets the day's volume only grow, fastest at the session's ends", () => {
  const at = (hour: number, minute: number) =>
    market.quote(apple, Date.UTC(2026, 10, 23, hour, minute)).volume ?? 0;
  const opening = at(15, 0) - at(14, 30);
  const noon = at(17, 30) - at(17, 0);
  const closing = at(21, 0) - at(20, 30);
  expect(noon).toBeGreaterThan(0);
  expect(opening).toBeGreaterThan(noon * 1.5);
  expect(closing).toBeGreaterThan(noon * 1.5);
  expect(at(23, 0)).toBeGreaterThanOrEqual(at(21, 0));
  let before = 0;
  for (let step = 0; step < 2000; step += 1) {
    const volume = market.quote(apple, mondayMorning + step * 250).volume ?? 0;
    expect(volume).toBeGreaterThanOrEqual(before);
    before = volume;
  }
});

test("prices an option from its underlying, with greeks, inside its own market", () => {
  const [call] = universe.find(
    query({
      symbol: "AAPL",
      secType: "OPT",
      expiration: "20261218",
      right: "C",
      strike: Math.round((market.quote(apple, mondayMorning).last ?? 0) / 5) * 5,
    }),
  );
  if (call === undefined) throw new Error("There is no option at the money.");
  const { bid, ask, last, greeks, low, high } = market.quote(call, mondayMorning);
  expect(greeks?.price).toBeGreaterThanOrEqual(bid ?? 0);
  expect(greeks?.price).toBeLessThanOrEqual(ask ?? 0);
  expect([bid, ask]).toContain(last);
  expect(low).toBeLessThanOrEqual(last ?? 0);
  expect(high).toBeGreaterThanOrEqual(last ?? 0);
  expect(greeks?.delta).toBeGreaterThan(0.3);
  expect(greeks?.delta).toBeLessThan(0.7);
  expect(greeks?.theta).toBeLessThan(0);
  const { bid: below, ask: above } = market.quote(apple, mondayMorning);
  expect(greeks?.underlyingPrice).toBeCloseTo(((below ?? 0) + (above ?? 0)) / 2, 8);
});

test("bids nothing for an option that is worth nothing", () => {
  const chain = universe.optionChains(265598)[0];
  const [option] = universe.find(
    query({
      symbol: "AAPL",
      secType: "OPT",
      expiration: "20261127",
      right: "C",
      strike: (chain?.strikes.at(-1) ?? 0) - 25,
    }),
  );
  if (option === undefined) throw new Error("There is no option far from the money.");
  const { bid, ask, last, bidSize } = market.quote(option, mondayMorning);
  expect([bid, bidSize]).toEqual([null, null]);
  expect(ask).toBeGreaterThan(0);
  expect(last).toBe(ask);
});

test("tells the sessions of the days to come, regular and extended", () => {
  const week = market.sessions(apple, mondayMorning, 7, true);
  expect(week.map(({ date, open }) => (open === null ? `${date} closed` : date))).toEqual([
    "20261123",
    "20261124",
    "20261125",
    "20261126 closed",
    "20261127",
    "20261128 closed",
    "20261129 closed",
  ]);
  expect(market.isOpen(apple, Date.UTC(2026, 10, 23, 8), false)).toBe(false);
  expect(market.isOpen(apple, Date.UTC(2026, 10, 23, 22), true)).toBe(false);
  expect(market.isOpen(apple, Date.UTC(2026, 10, 23, 22), false)).toBe(true);
});

test("quotes a stock in far less than a millisecond", () => {
  market.quote(apple, mondayMorning);
  const from = performance.now();
  for (let tick = 0; tick < 2000; tick += 1) market.quote(apple, mondayMorning + tick * 250);
  expect((performance.now() - from) / 2000).toBeLessThan(0.2);
});
