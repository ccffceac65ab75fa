import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { bondTerms } from "./bonds.ts";
import {
  createHandlersFixture,
  type HandlersFixture,
  type FakeClient,
  type Fields,
} from "../test-support/handlers.fixture.ts";
import type { World } from "../model/world.ts";
import { readStrictly } from "../test-support/message-layouts.fixture.ts";
import { testAccount, createFixture, instrumentOf, query } from "../test-support/world.fixture.ts";

const apple = 127_128_131;
const ibm2029 = 366_014_801;
const ibm2039 = 366_014_804;
const treasury2027 = 740_325_117;

let fixture: HandlersFixture;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  fixture = createHandlersFixture();
});
afterEach(() => {
  fixture.handlers.close();
  vi.useRealTimers();
});

const named = (symbol: string, secType = "BOND"): Fields => {
  const [exchange, currency] = ["SMART", "USD"];
  return ["", symbol, secType, "", "", "", "", exchange, "", currency, "", ""];
};
const byId = (conId: number): Fields => [conId, "", "", "", "", "", "", "SMART", "", "", "", ""];

function details(client: FakeClient, contract: Fields, issuerId = ""): string[][] {
  return fixture.ask(client, 9, 8, 1001, ...contract, 0, "", "", issuerId);
}

const conIdsOf = (rows: readonly string[][]) =>
  rows.filter(([id]) => id === "18").map((row) => Number(readStrictly(row, 193)["conId"]));

describe("a bond", () => {
  test.for([
    ["its CUSIP", "459200KB6", [ibm2039]],
    ["its ISIN", "US459200KB68", [ibm2039]],
    ["TWS's own name", "IBCID366014804", [ibm2039]],
    ["its issuer's symbol, with all of the issuer's", "IBM", [ibm2029, ibm2039]],
    ["that of the Treasury", "US-T", [740_325_117, 740_325_119, 757_402_268]],
  ] as const)("is found by %s", ([, symbol, conIds]) => {
    expect(conIdsOf(details(fixture.clientAt(193), named(symbol)))).toEqual(conIds);
  });

  test("is described in full where its reference data is licensed", () => {
    const [row = [], end] = details(fixture.clientAt(193), byId(ibm2039));
    expect(readStrictly(row, 193)).toMatchObject({
      symbol: "IBM",
      cusip: "459200KB6",
      coupon: "4.15",
      maturity: "20390515",
      issueDate: "20190515",
      ratings: "A3/A-",
      bondType: "CORP",
      callable: "1",
      descAppend: "IBM 4.15 05/15/39",
      currency: "USD",
      nextOptionDate: "20381115",
      nextOptionType: "CALL",
      timeZoneId: "US/Eastern",
      secIdList: "CUSIP,459200KB6,ISIN,US459200KB68",
      minSize: "1",
    });
    expect(end).toEqual(["52", "1", "1001"]);
  });

  // what a gateway sends of this very bond, its order types and hours apart
  test("is described by hardly more than a line where it is not", () => {
    const [row = []] = details(fixture.clientAt(193), named("AAPL"));
    // without the order types and the hours, which are those of every bond.
    expect(row.toSpliced(29, 2).toSpliced(21, 1).join("|")).toBe(
      "18|1001||BOND|IBCID127128131|||||||0|0|0|AAPL 3.85 05/04/43|SMART|||AAPL|127128131|0.0001|SMART|||0|||" +
        "US/Eastern|||2|CUSIP|037833AL4|ISIN|US037833AL42|7|1386|2|1|1",
    );
  });

  test("is never taken for the stock of its issuer, nor found where no bond is asked for", () => {
    const ids = (rows: readonly string[][]) => rows.map(([id]) => id);
    expect(ids(details(fixture.clientAt(193), named("IBM", "STK")))).toEqual(["10", "52"]);
    expect(fixture.world.universe.find(query({ symbol: "IBM" })).map(({ secType }) => secType)).toEqual([
      "STK",
    ]);
    expect(details(fixture.clientAt(193), named("459200KB6", "STK"))[0]?.[3]).toBe("200");
  });

  test("is found through its issuer, which a search lists without a contract id", () => {
    const search = (version: number) => fixture.ask(fixture.clientAt(version), 81, 1002, "Apple")[0] ?? [];
    const rows = search(193).join("|");
    expect(rows).toContain("|APPLE INC|");
    expect(rows).toContain("|-1||BOND|||0|Apple Inc|e1432232");
    expect(search(175).join("|")).not.toContain("BOND");
    expect(conIdsOf(details(fixture.clientAt(193), byId(0), "e1432232"))).toEqual([apple]);
    expect(details(fixture.clientAt(193), byId(0), "e1")[0]?.[3]).toBe("200");
  });

  test("that has matured is listed no more", () => {
    const later = createFixture(Date.UTC(2027, 10, 16, 16)).world.universe;
    expect(later.find(query({ symbol: "US-T", secType: "BOND" }))).toHaveLength(2);
    expect(later.find(query({ symbol: "91282CLX7", secType: "BOND", includeExpired: true }))).toHaveLength(1);
  });
});

describe("market data of a bond", () => {
  const quote = (client: FakeClient, reqId: number, contract: Fields, generic = "") =>
    fixture.ask(client, 1, 11, reqId, ...contract, 0, generic, 0, 0, "");
  const ticks = (rows: readonly string[][]) =>
    new Map(rows.filter(([id]) => id === "1" || id === "45").map((row) => [Number(row[3]), Number(row[4])]));

  test("is near par, in percent of it, and with the yields of bid, ask and last", () => {
    const found = ticks(quote(fixture.clientAt(193), 1001, byId(treasury2027), "460"));
    const [bid = 0, ask = 0, last = 0] = [1, 2, 4].map((tick) => found.get(tick));
    expect(bid).toBeGreaterThan(95);
    expect(ask).toBeLessThan(105);
    expect(ask - bid).toBeCloseTo(0.0156, 6);
    expect([bid, ask]).toContain(last);
    // who pays more is yielded less
    const [bidYield = 0, askYield = 0, lastYield = 0] = [50, 51, 52].map((tick) => found.get(tick));
    expect(bidYield).toBeGreaterThan(askYield);
    expect(bidYield).toBeGreaterThan(2.5);
    expect(bidYield).toBeLessThan(5);
    expect(lastYield).toBe(last === bid ? bidYield : askYield);
    expect(found.get(60)).toBe(1);
  });

  test("has delayed yields of bid and ask under ids of their own, and none of the last", () => {
    fixture.permissions = { ...fixture.permissions, quotes: "delayed" };
    const client = fixture.clientAt(193);
    fixture.ask(client, 59, 1, 3);
    const found = ticks(quote(client, 1001, byId(ibm2029)));
    expect(found.get(66)).toBeGreaterThan(90);
    expect(found.get(103)).toBeGreaterThan(found.get(104) ?? Infinity);
    expect([50, 51, 52, 105].some((tick) => found.has(tick))).toBe(false);
  });

  test("has no book", () => {
    expect(
      fixture.ask(fixture.clientAt(193), 10, 5, 1001, ...byId(ibm2029), 5, 1, "")[0]?.slice(2, 4),
    ).toEqual(["1001", "10092"]);
  });

  const history = (what: string, contract: Fields = byId(ibm2029)) =>
    fixture.ask(fixture.clientAt(193), 20, 1001, ...contract, 0, "", "1 day", "2 W", 1, what, 1, 0, "")[0] ??
    [];
  const bars = (row: readonly string[]) =>
    Array.from({ length: Number(row[4]) }, (_, index) =>
      row.slice(5 + 8 * index, 13 + 8 * index).map(Number),
    );

  test("reaches back in prices and in yields, which move against each other", () => {
    const [prices, yields] = [bars(history("BID")), bars(history("YIELD_BID"))];
    expect(prices.length).toBeGreaterThan(8);
    expect(yields).toHaveLength(prices.length);
    for (const [index, [date, open = 0, high = 0, low = 0, close = 0, volume]] of yields.entries()) {
      const before = prices[index - 1]?.[4] ?? 0;
      expect(date).toBe(prices[index]?.[0]);
      expect(high).toBeGreaterThanOrEqual(Math.max(open, close));
      expect(low).toBeLessThanOrEqual(Math.min(open, close));
      expect(volume).toBe(-1);
      // who pays more is yielded less
      const priceRose = index > 0 && (prices[index]?.[4] ?? 0) > before + 0.02;
      expect(close).toBeLessThan(priceRose ? (yields[index - 1]?.[4] ?? 0) : Infinity);
    }
    const others = ["TRADES", "ASK", "MIDPOINT", "BID_ASK", "YIELD_ASK", "YIELD_BID_ASK", "YIELD_LAST"];
    const counts = others.map((what) => [what, bars(history(what)).length]);
    expect(counts).toEqual(others.map((what) => [what, prices.length]));
  });

  test("has no yields for what is no bond", () => {
    expect(history("YIELD_BID", named("IBM", "STK")).slice(3, 5)).toEqual([
      "162",
      "Historical Market Data Service error message:HMDS query returned no data: IBM@SMART Yield_bid",
    ]);
  });

  test("begins when it was issued", () => {
    const row = fixture.ask(fixture.clientAt(193), 87, 1001, ...byId(ibm2029), 0, 1, "TRADES", 1)[0];
    expect(row).toEqual(["88", "1001", "20190515-14:00:00"]);
  });
});

describe("money in bonds", () => {
  const value = (world: World, key: string, currency = "USD") =>
    Number(
      world.ledger.accountValues(testAccount).find((row) => row.key === key && row.currency === currency)
        ?.value,
    );

  test("is ten times the price for each unit of 1,000 of face value", () => {
    const { world, place, heard } = createFixture();
    const instrument = instrumentOf(world, ibm2029);
    const [net, cash, margin] = ["NetLiquidation", "TotalCashValue", "InitMarginReq"].map((key) =>
      value(world, key),
    );
    const ask = world.market.quote(instrument, world.now()).ask ?? 0;
    place({ instrument, quantity: 21 });
    const [fill] = heard().flatMap((event) => (event.type === "execution" ? [event.execution] : []));
    // 10 basis points of the first 10,000 of face value, 2.5 of the other 11,000
    expect(fill).toMatchObject({ shares: 21, price: ask, exchange: "SMART", commission: 12.75 });

    const position = world.ledger.positions().find((one) => one.instrument.conId === ibm2029);
    const { marketPrice = 0, marketValue = 0, avgCost = 0 } = position ?? {};
    expect(position?.quantity).toBe(21);
    expect(avgCost).toBeCloseTo(ask * 10 + 12.75 / 21, 5);
    expect(marketValue).toBeCloseTo(21 * 10 * marketPrice, 2);
    expect(marketValue).toBeGreaterThan(20_000);
    expect(marketValue).toBeLessThan(22_000);
    expect(value(world, "TotalCashValue")).toBeCloseTo((cash ?? 0) - 21 * 10 * ask - 12.75, 2);
    expect(value(world, "CorporateBondValue")).toBeCloseTo(marketValue, 2);
    expect(value(world, "TBondValue")).toBe(0);
    expect(value(world, "NetLiquidation")).toBeCloseTo((net ?? 0) - 21 * 10 * ask - 12.75 + marketValue, 2);
    expect(value(world, "InitMarginReq")).toBeCloseTo((margin ?? 0) + marketValue * 0.12, 2);
    expect(world.ledger.pnlSingle(testAccount, ibm2029)).toMatchObject({ position: 21, value: marketValue });
  });

  test("comes back with what was gained or lost when they are sold", () => {
    const { world, place, pass, heard } = createFixture();
    const instrument = instrumentOf(world, treasury2027);
    const cash = value(world, "TotalCashValue");
    place({ instrument, quantity: 100 });
    pass(60_000);
    place({ instrument, quantity: 100, action: "SELL" });
    const fills = heard().flatMap((event) => (event.type === "execution" ? [event.execution] : []));
    const [bought, sold] = fills;
    // 0.2 basis points of 100,000 are less than the least
    expect(fills.map(({ commission }) => commission)).toEqual([5, 5]);
    const gain = 100 * 10 * ((sold?.price ?? 0) - (bought?.price ?? 0)) - 10;
    expect(sold?.realizedPnl).toBeCloseTo(gain, 2);
    expect(value(world, "TotalCashValue") - cash).toBeCloseTo(gain, 2);
    expect(world.ledger.positions().some((one) => one.instrument.conId === treasury2027)).toBe(false);
  });

  test("is shown before an order is placed", () => {
    const { world, place, heard } = createFixture();
    const instrument = instrumentOf(world, treasury2027);
    place({ instrument, quantity: 100, orderType: "LMT", limitPrice: 99, whatIf: true });
    const [preview] = heard().flatMap((event) => (event.type === "preview" ? [event.preview] : []));
    const { initBefore = 0, initAfter = 0, equityBefore = 0, equityAfter = 0, commission } = preview ?? {};
    const worth = 1_000 * (world.market.quote(instrument, world.now()).last ?? 0);
    expect(initAfter - initBefore).toBeCloseTo(worth * 0.06, 1);
    expect(Math.abs(equityAfter - equityBefore)).toBeLessThan(100);
    expect(commission).toBe(5);
  });

  test.for([
    [{ orderType: "STP", auxPrice: 90 }, 387],
    [{ orderType: "MKT", quantity: 1 }, 201],
    [{ orderType: "MKT", quantity: 2.5 }, 10243],
    [{ orderType: "LMT", quantity: 3, limitPrice: 90.00005 }, 110],
    [{ orderType: "LMT", quantity: 3, limitPrice: 80.0001 }, null],
  ] as const)("%j of a bond of 2,000 at least is answered with %s", ([change, code]) => {
    const { world, place, heard } = createFixture();
    place({ instrument: instrumentOf(world, apple), ...change });
    const errors = heard().flatMap((event) => (event.type === "error" ? [event.code] : []));
    expect(errors).toEqual(code === null ? [] : [code]);
  });
});

test("every bond's identifiers agree with each other", () => {
  for (const { conId, secType } of fixture.world.universe.listed) {
    const terms = bondTerms({ conId });
    expect({ conId, isBond: terms !== null }).toEqual({ conId, isBond: secType === "BOND" });
    if (terms === null) continue;
    expect(terms.isin.slice(2, 11)).toBe(terms.cusip);
    const [, month, day, year] = / (\d\d)\/(\d\d)\/(\d\d)$/.exec(terms.description) ?? [];
    expect(terms.maturity).toBe(`20${year}${month}${day}`);
  }
});
