import { expect, test } from "vitest";
import type { ContractQuery, Instrument } from "./model/instruments.ts";
import type { World } from "./model/world.ts";
import {
  testAccount,
  createFixture,
  instrumentOf,
  mondayMorning,
  query,
} from "./test-support/world.fixture.ts";

const { world } = createFixture();
const { universe, market } = world;
const find = (fields: Partial<ContractQuery>) => universe.find(query({ secType: "FOP", ...fields }));

function one(fields: Partial<ContractQuery>, from: World = world): Instrument {
  const found = from.universe.find(query({ secType: "FOP", ...fields }));
  const [only, ...others] = found;
  if (only === undefined || others.length > 0) throw new Error(`${found.length} options match.`);
  return only;
}
const future = (localSymbol: string) => one({ localSymbol, secType: "FUT" });
const chainsOf = (localSymbol: string) =>
  universe
    .optionChains(future(localSymbol).conId)
    .map(({ tradingClass, expirations }) => [tradingClass, ...expirations]);

const december = { symbol: "ES", expiration: "20261218", tradingClass: "ES", strike: 6700 };

/** The integral of the normal density by Simpson's rule: no distribution function of ours. */
function normal(x: number): number {
  const [from, steps] = [-12, 2_000];
  const step = (x - from) / steps;
  const density = (z: number) => Math.exp((-z * z) / 2);
  let sum = density(from) + density(x);
  for (let i = 1; i < steps; i += 1) sum += density(from + i * step) * (i % 2 === 1 ? 4 : 2);
  return (sum * step) / 3 / Math.sqrt(2 * Math.PI);
}

/** Black's formula of 1976 for an option on a future. */
function black76(right: string, forward: number, strike: number, years: number, sigma: number): number {
  const width = sigma * Math.sqrt(years);
  const d1 = Math.log(forward / strike) / width + width / 2;
  const sign = right === "C" ? 1 : -1;
  const undiscounted = forward * normal(sign * d1) - strike * normal(sign * (d1 - width));
  return Math.exp(-0.04 * years) * sign * undiscounted;
}

test("lists one row for each class on a future: its own expiry, and the Fridays before it", () => {
  expect(chainsOf("ESZ6")).toEqual([
    ["ES", "20261218"],
    ["EW1", "20261204"],
    ["EW2", "20261211"],
    ["EW4", "20261127"],
  ]);
  // on the last day of a quarter's future the afternoon's options are on the next one
  expect(chainsOf("ESH7")).toEqual([
    ["ES", "20270319"],
    ["EW1", "20261231", "20270205"],
    ["EW2", "20270108"],
    ["EW3", "20261218", "20270115"],
    ["EW4", "20261224", "20270122"],
  ]);
  // three working days before the future, which stops on the 21st
  expect(chainsOf("CLF7")).toEqual([["LO", "20261216"]]);
  expect(chainsOf("NQZ6")).toEqual([]);
  const [row] = universe.optionChains(future("CLF7").conId);
  expect(row).toMatchObject({ exchange: "NYMEX", multiplier: 1000, underlyingConId: future("CLF7").conId });
  expect(row?.strikes).toHaveLength(41);
});

test("describes an option by its future, and names it as the exchange does", () => {
  expect(one({ ...december, right: "C" })).toMatchObject({
    secType: "FOP",
    exchange: "CME",
    localSymbol: "ESZ6 C6700",
    tradingClass: "ES",
    multiplier: 50,
    expiration: "20261218",
    contractMonth: "202612",
    lastTradeDate: "20261218 08:30:00 US/Central",
    underlyingConId: future("ESZ6").conId,
    underlyingSymbol: "ESZ6",
    underlyingSecType: "FUT",
    minTick: 0.05,
    timeZoneId: "US/Central",
  });
  expect(one({ symbol: "CL", expiration: "20261216", strike: 62.5, right: "P" })).toMatchObject({
    exchange: "NYMEX",
    localSymbol: "LOF7 P6250",
    tradingClass: "LO",
    multiplier: 1000,
    minTick: 0.01,
    timeZoneId: "US/Eastern",
    underlyingConId: future("CLF7").conId,
  });
  expect(universe.marketRule(111)).toEqual([
    { lowEdge: 0, increment: 0.05 },
    { lowEdge: 10, increment: 0.25 },
  ]);
});

test("finds options by venue, by name, by delivery month and by class", () => {
  const call = { symbol: "ES", expiration: "20261218", strike: 6700, right: "C" };
  const both = find({ ...call, exchange: "CME" });
  expect(both.map(({ localSymbol, underlyingSymbol }) => [localSymbol, underlyingSymbol])).toEqual([
    ["ESZ6 C6700", "ESZ6"],
    ["EW3Z6 C6700", "ESH7"],
  ]);
  expect(find({ ...call, exchange: "SMART" })).toEqual([]);
  expect(find({ ...call, exchange: "NYMEX" })).toEqual([]);
  expect(one({ localSymbol: "EW3Z6 C6700" }).conId).toBe(both[1]?.conId);
  expect(find({ symbol: "CL", expiration: "202701" }).map(({ expiration }) => expiration)).toEqual(
    Array.from({ length: 82 }, () => "20261216"),
  );
  expect(find({ symbol: "ES", tradingClass: "EW4", expiration: "20261127" })).toHaveLength(62);
  expect(universe.find(query({ ...call, secType: "OPT" }))).toEqual([]);
});

test("gives every option its own id, which another world resolves without having listed it", () => {
  const all = ["ES", "CL"].flatMap((symbol) => find({ symbol }));
  const others = ["AAPL", "SPX", "QQQ"].flatMap((symbol) => universe.find(query({ symbol, secType: "OPT" })));
  const ids = new Set([...all, ...others, ...universe.listed].map(({ conId }) => conId));
  expect(ids.size).toBe(all.length + others.length + universe.listed.length);
  const fresh = createFixture().world;
  for (const option of all) {
    expect(option.conId).toBeLessThan(2 ** 31);
    expect(instrumentOf(fresh, option.conId)).toEqual(option);
  }
});

test("lists an option no more once it has expired", () => {
  const later = createFixture(Date.UTC(2026, 11, 17, 16)).world.universe;
  expect(later.find(query({ secType: "FOP", symbol: "CL", expiration: "20261216" }))).toEqual([]);
  expect(later.find(query({ secType: "FOP", symbol: "ES", expiration: "20261218" })).length).toBeGreaterThan(
    0,
  );
});

test.each([
  // to 08:30 in Chicago and 14:30 in New York, from 11:00 in New York on the 23rd of November
  ["ESZ6 C6700", 24 + 22.5 / 24],
  ["ESZ6 P6500", 24 + 22.5 / 24],
  ["EW2Z6 C6800", 18 + 5 / 24],
  ["LOF7 P6250", 23 + 3.5 / 24],
  ["LOF7 C7000", 23 + 3.5 / 24],
])("prices %s by Black's formula at the price of its future", (localSymbol, days) => {
  const option = one({ localSymbol });
  const years = days / 365.25;
  const { greeks, bid, ask } = market.quote(option, mondayMorning);
  if (greeks === null || bid === null || ask === null) throw new Error("There is no price.");
  const forward = market.quote(instrumentOf(world, option.underlyingConId), mondayMorning);
  expect(greeks.underlyingPrice).toBeCloseTo(((forward.bid ?? 0) + (forward.ask ?? 0)) / 2, 8);
  const { right, strike } = option;
  const at = (f: number, sigma: number, t = years) => black76(right ?? "", f, strike ?? 0, t, sigma);
  const { underlyingPrice: f, impliedVolatility: sigma } = greeks;

  expect(greeks.price).toBeCloseTo(at(f, sigma), 6);
  const h = f / 10_000;
  const slopes = {
    delta: (at(f + h, sigma) - at(f - h, sigma)) / (2 * h),
    gamma: (at(f + h, sigma) - 2 * at(f, sigma) + at(f - h, sigma)) / h ** 2,
    vega: (at(f, sigma + 1e-4) - at(f, sigma - 1e-4)) / 0.02,
    theta: (at(f, sigma, years - 1e-5) - at(f, sigma, years + 1e-5)) / 2e-5 / 365,
  };
  for (const greek of ["delta", "gamma", "vega", "theta"] as const)
    expect(greeks[greek] / slopes[greek]).toBeCloseTo(1, 4);
  expect(bid).toBeLessThanOrEqual(greeks.price);
  expect(ask).toBeGreaterThanOrEqual(greeks.price);
});

test("keeps put-call parity: a call less its put is the discounted distance to the strike", () => {
  const years = (24 + 22.5 / 24) / 365.25;
  for (const call of find({ ...december, strike: null, right: "C" })) {
    const put = one({ ...december, strike: call.strike, right: "P" });
    const [c, p] = [call, put].map((each) => market.quote(each, mondayMorning).greeks);
    const distance = (c?.underlyingPrice ?? 0) - (call.strike ?? 0);
    expect((c?.price ?? 0) - (p?.price ?? 0)).toBeCloseTo(Math.exp(-0.04 * years) * distance, 7);
  }
});

test("keeps the hours of the product", () => {
  const option = one({ ...december, right: "C" });
  // eight in the evening in Chicago
  const evening = Date.UTC(2026, 10, 24, 2);
  expect([market.isOpen(option, evening, false), market.isOpen(option, evening, true)]).toEqual([
    true,
    false,
  ]);
  const bars = market.bars({
    instrument: option,
    endAt: mondayMorning,
    duration: { count: 5, unit: "D" },
    barSizeMs: 86_400_000,
    calendar: "day",
    source: "TRADES",
    useRth: true,
  });
  expect(bars).toHaveLength(5);
  expect(bars.at(-1)?.close).toBe(market.quote(option, mondayMorning).last);
});

const figure = (from: World, key: string, currency = "USD") =>
  Number(
    from.ledger.accountValues(testAccount).find((row) => row.key === key && row.currency === currency)?.value,
  );

test("pays the premium times the multiplier at once, and books it as the value of an option on a future", () => {
  const { world: own, place } = createFixture();
  const option = one({ ...december, right: "C" }, own);
  const cash = figure(own, "TotalCashValue");
  place({ instrument: option, quantity: 2, routing: "CME" });
  const [bought] = own.ledger.executions();
  if (bought === undefined) throw new Error("It was not filled.");

  expect(bought).toMatchObject({ exchange: "CME", shares: 2, commission: 2.84 });
  expect(figure(own, "TotalCashValue")).toBeCloseTo(cash - 2 * 50 * bought.price - 2.84, 2);
  const held = own.ledger.positions().find(({ instrument }) => instrument.secType === "FOP");
  expect(held).toMatchObject({ quantity: 2, avgCost: 50 * bought.price + 1.42 });
  expect(held?.marketValue).toBeCloseTo(2 * 50 * (held?.marketPrice ?? 0), 6);
  expect(figure(own, "FutureOptionValue", "BASE")).toBe(held?.marketValue);
  expect(figure(own, "OptionMarketValue", "BASE")).toBe(0);
  expect(figure(own, "NetLiquidation")).toBeCloseTo(
    figure(own, "TotalCashValue") + figure(own, "StockMarketValue", "BASE") + (held?.marketValue ?? 0),
    2,
  );

  place({ instrument: option, quantity: 2, routing: "CME", action: "SELL" });
  const sold = own.ledger.executions()[1];
  expect(sold?.realizedPnl).toBeCloseTo(2 * 50 * ((sold?.price ?? 0) - bought.price) - 2 * 2.84, 2);
  expect(figure(own, "FutureOptionValue", "BASE")).toBe(0);
});

test("asks margin for a sold option as for its future, and none for a bought one", () => {
  const { world: own, place, heard } = createFixture();
  const option = one({ ...december, right: "P" }, own);
  const preview = (action: "BUY" | "SELL") => {
    place({ instrument: option, quantity: 1, routing: "CME", action, whatIf: true });
    const [found] = heard().flatMap((event) => (event.type === "preview" ? [event.preview] : []));
    if (found === undefined) throw new Error("There is no preview.");
    return found;
  };
  const { last } = own.market.quote(option, mondayMorning);
  const sold = preview("SELL");
  expect(sold.initAfter - sold.initBefore).toBeCloseTo(50 * (last ?? 0) + 0.07 * 50 * 6700, 2);
  expect(sold.maintAfter - sold.maintBefore).toBeCloseTo(50 * (last ?? 0) + 0.0636 * 50 * 6700, 2);
  const bought = preview("BUY");
  expect(bought.initAfter).toBeCloseTo(bought.initBefore, 2);
  const { ask } = own.market.quote(option, mondayMorning);
  expect(bought.equityAfter - bought.equityBefore).toBeCloseTo(-50 * (ask ?? 0) - 1.42, 2);
});

test("refuses a price between two steps: 0.05 below ten, a quarter above", () => {
  const { world: own, place, said } = createFixture();
  const option = one({ ...december, right: "C" }, own);
  const limited = (limitPrice: number) => {
    place({ instrument: option, quantity: 1, routing: "CME", orderType: "LMT", limitPrice });
    return said().some((line) => line.includes(" 110 "));
  };
  expect([9.95, 9.96, 10.05, 10.25].map(limited)).toEqual([false, true, true, false]);
});
