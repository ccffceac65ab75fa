import { expect, test } from "vitest";
import type { ContractQuery } from "../model/instruments.ts";
import { createFixture, instrumentOf, mondayMorning, query } from "../test-support/world.fixture.ts";

const { world } = createFixture();
const { universe } = world;
const find = (fields: Partial<ContractQuery>) => universe.find(query(fields));
const names = (fields: Partial<ContractQuery>) => find(fields).map(({ localSymbol }) => localSymbol);

test.each([
  ["AAPL", "STK", 265598],
  ["MSFT", "STK", 272093],
  ["IBM", "STK", 8314],
  ["SPY", "STK", 756733],
  ["BRK B", "STK", 72063691],
  ["SPX", "IND", 416904],
  ["NDX", "IND", 416843],
])("knows %s by the id it has at the broker", (symbol, secType, conId) => {
  const [found, ...others] = find({ symbol, secType, currency: "USD" });
  expect(found?.conId).toBe(conId);
  expect(others).toEqual([]);
});

test("lists more than forty instruments, each with its own id and a market rule for every exchange", () => {
  expect(universe.listed.length).toBeGreaterThanOrEqual(40);
  expect(new Set(universe.listed.map(({ conId }) => conId)).size).toBe(universe.listed.length);
  for (const { validExchanges, marketRuleIds } of universe.listed) {
    expect(marketRuleIds).toHaveLength(validExchanges.length);
    for (const id of marketRuleIds) expect(universe.marketRule(id)).toBeDefined();
  }
  expect(universe.marketRule(4711)).toBeUndefined();
});

test("names a currency pair by its base and finds it at IDEALPRO only", () => {
  expect(find({ symbol: "EUR", secType: "CASH", currency: "USD", exchange: "IDEALPRO" })).toMatchObject([
    { conId: 12087792, localSymbol: "EUR.USD", minTick: 0.00005, timeZoneId: "US/Eastern" },
  ]);
  expect(find({ symbol: "EUR", secType: "CASH", currency: "USD", exchange: "SMART" })).toEqual([]);
});

test("lists the next five quarters of ES, expiring on the third Friday or before it when that is a holiday", () => {
  expect(
    find({ symbol: "ES", secType: "FUT" }).map((future) => [future.localSymbol, future.expiration]),
  ).toEqual([
    ["ESZ6", "20261218"],
    ["ESH7", "20270319"],
    // Juneteenth is kept on Friday the 18th
    ["ESM7", "20270617"],
    ["ESU7", "20270917"],
    ["ESZ7", "20271217"],
  ]);
});

test("lists six months of crude oil by delivery month, which is after the month it expires in", () => {
  expect(find({ symbol: "CL", secType: "FUT", exchange: "NYMEX" })).toHaveLength(6);
  expect(find({ symbol: "CL", secType: "FUT", expiration: "202701" })).toMatchObject([
    { localSymbol: "CLF7", expiration: "20261221", multiplier: 1000 },
  ]);
});

test("finds a future by month, by day, by name and, when asked, after its expiry", () => {
  expect(names({ symbol: "ES", secType: "FUT", expiration: "202612" })).toEqual(["ESZ6"]);
  expect(names({ symbol: "ES", secType: "FUT", expiration: "20261218" })).toEqual(["ESZ6"]);
  expect(names({ localSymbol: "ESZ6", secType: "FUT" })).toEqual(["ESZ6"]);
  expect(names({ symbol: "ES", secType: "FUT", expiration: "202609" })).toEqual([]);
  expect(names({ symbol: "ES", secType: "FUT", expiration: "202609", includeExpired: true })).toEqual([
    "ESU6",
  ]);
  expect(names({ symbol: "ES", secType: "FUT", exchange: "SMART" })).toEqual([]);
});

test("keeps the id of a future the same whenever the world was made", () => {
  const later = createFixture(mondayMorning + 30 * 86_400_000).world.universe;
  const id = find({ localSymbol: "ESH7", secType: "FUT" })[0]?.conId;
  expect(later.find(query({ localSymbol: "ESH7", secType: "FUT" }))[0]?.conId).toBe(id);
});

test("is ambiguous about a company listed in two countries until told the currency or the exchange", () => {
  const found = find({ symbol: "SHOP", secType: "STK" });
  expect(found.map(({ currency, primaryExchange }) => [currency, primaryExchange])).toEqual([
    ["USD", "NASDAQ"],
    ["CAD", "TSE"],
  ]);
  expect(find({ symbol: "SHOP", secType: "STK", currency: "CAD" })).toHaveLength(1);
  expect(find({ symbol: "SHOP", secType: "STK", primaryExchange: "NASDAQ" })).toHaveLength(1);
  expect(find({ symbol: "SHOP", secType: "STK", primaryExchange: "ISLAND" })).toHaveLength(1);
});

test("answers a query for one venue with a row that names it", () => {
  expect(find({ conId: 265598 })).toMatchObject([
    { exchange: "SMART", primaryExchange: "NASDAQ", tradingClass: "NMS" },
  ]);
  expect(find({ conId: 265598, exchange: "ARCA" })).toMatchObject([{ exchange: "ARCA" }]);
  expect(find({ conId: 265598, exchange: "TSE" })).toEqual([]);
  expect(find({ symbol: "NOSUCH", secType: "STK" })).toEqual([]);
});

test("searches by the start of a symbol and of a word, the exact symbol first", () => {
  expect(universe.search("aapl")[0]?.conId).toBe(265598);
  expect(universe.search("apple").map(({ symbol }) => symbol)).toEqual(["AAPL"]);
  expect(universe.search("V")[0]?.symbol).toBe("V");
  expect(universe.search("e").length).toBeLessThanOrEqual(16);
  expect(universe.search("")).toEqual([]);
});

test("describes option chains once for each exchange and trading class", () => {
  const chains = universe.optionChains(416904);
  expect(new Set(chains.map(({ tradingClass }) => tradingClass))).toEqual(new Set(["SPX", "SPXW"]));
  const apple = universe.optionChains(265598).find(({ exchange }) => exchange === "SMART");
  expect(apple?.expirations).toHaveLength(8);
  // the Friday before Christmas 2026 is the 18th, and Christmas itself is a Friday
  expect(apple?.expirations).toContain("20261224");
  expect(apple?.strikes.length).toBeGreaterThanOrEqual(40);
  expect(universe.optionChains(12087792)).toEqual([]);
});

test("lists options for what a query leaves open, and one when it leaves nothing open", () => {
  const chain = universe.optionChains(265598)[0];
  const expiration = "20261218";
  const strike = chain?.strikes[20] ?? 0;
  const wanted = { symbol: "AAPL", secType: "OPT", expiration };
  expect(find(wanted)).toHaveLength(82);
  expect(find({ ...wanted, right: "C" })).toHaveLength(41);
  expect(find({ ...wanted, strike })).toHaveLength(2);
  expect(find({ ...wanted, strike, right: "PUT", exchange: "CBOE" })).toMatchObject([
    { strike, right: "P", exchange: "CBOE", multiplier: 100, underlyingConId: 265598 },
  ]);
  expect(find({ ...wanted, strike: 1 })).toEqual([]);
  expect(find({ ...wanted, expiration: "20261219" })).toEqual([]);
  const code = String(strike * 1000).padStart(8, "0");
  expect(names({ ...wanted, strike, right: "C" })).toEqual([`AAPL  261218C${code}`]);
  expect(find({ secType: "OPT", symbol: "AAPL", localSymbol: `AAPL  261218C${code}` })).toHaveLength(1);
});

test("lists fewer strikes for weeklies, so that not every strike exists on every expiration", () => {
  const chain = universe.optionChains(265598)[0];
  const lowest = chain?.strikes[0] ?? 0;
  const on = (expiration: string) =>
    find({ symbol: "AAPL", secType: "OPT", expiration, strike: lowest, right: "C" });
  expect(on("20261218")).toHaveLength(1);
  expect(on("20261204")).toHaveLength(0);
});

test("gives every option its own id, which another world resolves without having listed it", () => {
  const all = ["AAPL", "SPY", "TSLA", "MSFT", "SPX"].flatMap((symbol) => find({ symbol, secType: "OPT" }));
  const ids = new Set(all.map(({ conId }) => conId));
  expect(all.length).toBeGreaterThan(2000);
  expect(ids.size).toBe(all.length);
  for (const { conId } of universe.listed) expect(ids.has(conId)).toBe(false);
  const other = createFixture().world;
  for (const option of all) {
    expect(option.conId).toBeLessThan(2 ** 31);
    expect(instrumentOf(other, option.conId)).toEqual(option);
  }
  expect(universe.byConId(1_999_999_999)).toBeUndefined();
});
