import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  createHandlersFixture,
  type HandlersFixture,
  type Fields,
} from "../test-support/handlers.fixture.ts";
import { conforms } from "./market-rules.ts";
import { readStrictly } from "../test-support/message-layouts.fixture.ts";
import { query } from "../test-support/world.fixture.ts";

let fixture: HandlersFixture;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  fixture = createHandlersFixture();
});
afterEach(() => {
  fixture.handlers.close();
  vi.useRealTimers();
});

function future(localSymbol: string) {
  const [found] = fixture.world.universe.find(query({ localSymbol, secType: "FUT" }));
  if (found === undefined) throw new Error(`There is no ${localSymbol}.`);
  return found;
}
const option = (right = "C", exchange = "CME"): Fields => [
  "",
  "ES",
  "FOP",
  "20261218",
  6700,
  right,
  50,
  exchange,
  "",
  "USD",
  "",
  "ES",
];
const strictly = (rows: string[][], version: number) => rows.map((row) => readStrictly(row, version));

describe("the options on a future", () => {
  const ask = (venue: string, symbol = "ES", name = "ESZ6") =>
    strictly(fixture.ask(fixture.clientAt(193), 78, 7, symbol, venue, "FUT", future(name).conId), 193);

  test.each(["CME", ""])("come in a row for each class when the venue is '%s'", (venue) => {
    const rows = ask(venue);
    expect(rows.map(({ id, exchange, tradingClass }) => [id, exchange, tradingClass])).toEqual([
      ["75", "CME", "ES"],
      ["75", "CME", "EW1"],
      ["75", "CME", "EW2"],
      ["75", "CME", "EW3"],
      ["75", "CME", "EW4"],
      ["76", undefined, undefined],
    ]);
    expect(rows[0]).toMatchObject({ multiplier: "50", expirations: "20261218" });
    expect(rows[0]?.["underlyingConId"]).toBe(String(future("ESZ6").conId));
  });

  test("are none at another venue", () => {
    expect(ask("NYMEX").map(({ id }) => id)).toEqual(["76"]);
    expect(ask("NYMEX", "CL", "CLF7")).toMatchObject([
      { exchange: "NYMEX", tradingClass: "LO", multiplier: "1000" },
      { id: "76" },
    ]);
  });
});

test.each([151, 164, 193])("contract details say all of an option at version %d", (version) => {
  const rows = strictly(fixture.ask(fixture.clientAt(version), 9, 8, 7, ...option(), 0, "", "", ""), version);
  expect(rows).toMatchObject([
    {
      id: "10",
      symbol: "ES",
      secType: "FOP",
      lastTradeDateOrContractMonth: "20261218 08:30:00 US/Central",
      strike: "6700",
      right: "C",
      exchange: "CME",
      localSymbol: "ESZ6 C6700",
      tradingClass: "ES",
      minTick: "0.05",
      multiplier: "50",
      underConId: String(future("ESZ6").conId),
      underSymbol: "ESZ6",
      underSecType: "FUT",
      contractMonth: "202612",
      marketRuleIds: "111",
      tradingHours: expect.stringContaining("20261119:1700-20261120:1600"),
      liquidHours: expect.stringContaining("20261120:0830-20261120:1600"),
    },
    { id: "52" },
  ]);
});

describe("quotes", () => {
  const quote = (snapshot = 0) =>
    fixture.ask(fixture.clientAt(193), 1, 11, 1001, ...option(), 0, "", snapshot, 0, "");

  test("carry greeks of bid, ask, last and model, with the future's price", () => {
    const rows = quote();
    const greeks = strictly(
      rows.filter(([id]) => id === "21"),
      193,
    );
    expect(greeks.map(({ tick }) => tick)).toEqual(["10", "11", "12", "13"]);
    const { bid, ask } = fixture.world.market.quote(future("ESZ6"), fixture.now());
    expect(Number(greeks[3]?.["underlyingPrice"])).toBe(((bid ?? 0) + (ask ?? 0)) / 2);
  });

  test("end as a snapshot, and come under the ids of delayed data", () => {
    expect(quote(1).at(-1)).toEqual(["57", "1", "1001"]);
    fixture.permissions = { ...fixture.permissions, quotes: "delayed" };
    fixture.ask(fixture.clientAt(193), 59, 1, 3);
    const client = fixture.clientAt(193, 2);
    fixture.ask(client, 59, 1, 3);
    const rows = fixture.ask(client, 1, 11, 1001, ...option(), 0, "", 0, 0, "");
    expect(rows.flatMap((row) => (row[0] === "21" ? [row[2]] : []))).toEqual(["80", "81", "82", "83"]);
  });

  test("are searched for at its own venue only", () => {
    const rows = fixture.ask(fixture.clientAt(193), 1, 11, 1001, ...option("C", "SMART"), 0, "", 0, 0, "");
    expect(rows.map((row) => row.slice(0, 4))).toEqual([["4", "2", "1001", "200"]]);
  });
});

test("its book has prices that can be traded, also where the step is wider than the smallest", () => {
  const rows = fixture.ask(fixture.clientAt(193), 10, 5, 9, ...option(), 5, 0, "");
  const prices = strictly(rows, 193).map(({ price }) => Number(price));
  expect(prices).toHaveLength(10);
  for (const price of prices) expect([price, conforms(111, price)]).toEqual([price, true]);
});

test("history has bars of it", () => {
  const client = fixture.clientAt(193);
  const rows = fixture.ask(client, 20, 1001, ...option(), 0, "", "1 hour", "1 D", 1, "TRADES", 1, 0, "");
  expect(strictly(rows, 193)).toMatchObject([{ id: "17", reqId: "1001" }]);
  expect(Number(rows[0]?.[4])).toBeGreaterThan(0);
});

test("a price for a volatility and a volatility for the price agree", () => {
  const client = fixture.clientAt(193);
  const [priced] = strictly(fixture.ask(client, 55, 2, 1001, ...option("P"), 0.3, 6650, ""), 193);
  const found = fixture.ask(client, 54, 2, 1002, ...option("P"), priced?.["price"] ?? "", 6650, "");
  expect(Number(strictly(found, 193)[0]?.["impliedVolatility"])).toBeCloseTo(0.3, 7);
});

test("a search for the product says that there are options on its futures", () => {
  const [row = []] = fixture.ask(fixture.clientAt(193), 81, 7, "ES");
  // conId, symbol, type, venue, currency, how many kinds, the kinds
  expect(row.slice(3, 10)).toEqual([expect.any(String), "ES", "FUT", "CME", "USD", "1", "FOP"]);
});
