import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  aapl,
  createHandlersFixture,
  type HandlersFixture,
  type FakeClient,
  type Fields,
} from "../test-support/handlers.fixture.ts";
import { everything } from "./permissions.ts";
import { readStrictly } from "../test-support/message-layouts.fixture.ts";
import { instrumentOf } from "../test-support/world.fixture.ts";

let fixture: HandlersFixture;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  fixture = createHandlersFixture();
});
afterEach(() => {
  fixture.handlers.close();
  vi.useRealTimers();
});

function quote(client: FakeClient, reqId: number, type: number, contract: Fields = aapl): string[][] {
  fixture.ask(client, 59, 1, type);
  return fixture.ask(client, 1, 11, reqId, ...contract, 0, "", 0, 0, "");
}
const code = (rows: readonly string[][]) => rows.filter(([id]) => id === "4").map((row) => Number(row[3]));
const tickIds = (rows: readonly string[][]): number[] =>
  rows.filter(([id]) => id === "1" || id === "2" || id === "46").map((row) => Number(row[3]));

describe("an account that may not see live quotes", () => {
  test.each([
    ["delayed", 1, 354, false],
    ["delayed", 3, 10167, true],
    ["delayed-off", 1, 354, false],
    ["delayed-off", 4, 10168, false],
    ["none", 2, 354, false],
    ["none", 3, 10186, false],
    ["api", 1, 10089, false],
    ["api", 3, 10089, true],
    ["part", 1, 10090, true],
    ["competing", 4, 10197, false],
  ] as const)("(%s) that asks for type %i is told %i", (quotes, type, expected, isServed) => {
    const client = fixture.clientAt(193);
    fixture.permissions = { ...everything, quotes };
    const rows = quote(client, 1, type);
    expect(code(rows)).toEqual([expected]);
    expect(rows.length > 1).toBe(isServed);
    expect(fixture.handlers.lines()).toBe(isServed ? 1 : 0);
  });

  test.each([151, 193])(
    "gets delayed ticks under ids of their own, a quarter of an hour old, at %i",
    (version) => {
      const client = fixture.clientAt(version);
      fixture.permissions = { ...everything, quotes: "delayed" };
      const [, type, ...rows] = quote(client, 1, 3);
      expect(type).toEqual(["58", "1", "1", "3"]);
      expect(tickIds(rows)).toEqual([66, 69, 67, 70, 68, 71, 74, 72, 73, 75, 76, 88]);
      const apple = instrumentOf(fixture.world, 265598);
      const then = fixture.world.market.quote(apple, fixture.now() - 15 * 60_000);
      expect(rows.find((row) => row[3] === "66")?.[4]).toBe(String(then.bid));
      fixture.pass(5_000);
      for (const row of client.rows) readStrictly(row, version);
      expect(tickIds(client.rows).every((tick) => tick >= 66)).toBe(true);
    },
  );

  test("gets the last delayed quote of a closed market as type 4, and it stands still", () => {
    fixture.handlers.close();
    vi.useRealTimers();
    vi.useFakeTimers({ toFake: ["performance"] });
    fixture = createHandlersFixture(undefined, Date.parse("2026-11-21T15:30:00Z"));
    const client = fixture.clientAt(193);
    fixture.permissions = { ...everything, quotes: "delayed" };
    expect(quote(client, 1, 4)[1]).toEqual(["58", "1", "1", "4"]);
    const from = client.rows.length;
    fixture.pass(5_000);
    expect(tickIds(client.rows.slice(from))).toEqual([]);
    fixture.permissions = everything;
    expect(quote(client, 2, 2)[0]).toEqual(["58", "1", "2", "2"]);
  });
});

describe("history", () => {
  const bars = (
    client: FakeClient,
    reqId: number,
    bar = "5 secs",
    what = "TRADES",
    end = "20261119-21:00:00",
  ) => fixture.ask(client, 20, reqId, ...aapl, 0, end, bar, "60 S", 1, what, 1, 0, "");

  test("of short bars is a pacing violation when asked for too often", () => {
    const client = fixture.clientAt(193);
    expect(code(bars(client, 1))).toEqual([]);
    const [error] = bars(client, 2);
    expect(error?.slice(2, 5)).toEqual([
      "2",
      "162",
      "Historical Market Data Service error message:Historical data request pacing violation",
    ]);
    fixture.pass(15_000);
    expect(code(bars(client, 3))).toEqual([]);
    const minute = (at: number) => `20261119-20:${String(at).padStart(2, "0")}:00`;
    const burst = [1, 2, 3, 4, 5].map((at) => code(bars(client, 10 + at, "5 secs", "TRADES", minute(at))));
    expect(burst).toEqual([[], [], [], [], [162]]);
    expect(code(bars(client, 20, "1 min"))).toEqual([]);
    expect(code(bars(client, 21, "1 min"))).toEqual([]);
  });

  test("may be forbidden", () => {
    const client = fixture.clientAt(193);
    fixture.permissions = { ...everything, history: "none" };
    expect(bars(client, 1)[0]?.[4]).toContain("No market data permissions for NASDAQ STK");
  });
});
