import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  aapl,
  createHandlersFixture,
  type HandlersFixture,
  eurusd,
  type FakeClient,
  type Fields,
} from "../test-support/handlers.fixture.ts";
import { everything } from "../faults/permissions.ts";
import { readStrictly } from "../test-support/message-layouts.fixture.ts";

let fixture: HandlersFixture;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  fixture = createHandlersFixture();
});
afterEach(() => {
  fixture.handlers.close();
  vi.useRealTimers();
});

const company: Fields = [265598, "AAPL", "STK", "SMART", "", "USD", ""];
const ids = (rows: readonly string[][]): string => rows.map(([id]) => id).join(" ");
const errors = (rows: readonly string[][]) => rows.filter(([id]) => id === "4").map((row) => Number(row[3]));

/** The rows of one message's list, of `each` fields. */
function listOf(row: readonly string[] | undefined, each: number): string[][] {
  const values = row?.slice(3, -1) ?? [];
  return Array.from({ length: values.length / each }, (_, index) =>
    values.slice(index * each, (index + 1) * each),
  );
}

function pastTicks(client: FakeClient, what: string, count = 20, end = "20261119-21:00:00", contract = aapl) {
  return fixture.ask(client, 96, 1001, ...contract, 0, "", end, count, what, 1, 0, "");
}

describe("ticks of the past", () => {
  test.each([151, 193])("have their own message for trades, quotes and midpoints at %i", (version) => {
    const client = fixture.clientAt(version);
    for (const [what, id] of [
      ["TRADES", "98"],
      ["BID_ASK", "97"],
      ["MIDPOINT", "96"],
    ] as const) {
      const [row = []] = pastTicks(client, what);
      expect(readStrictly(row, version)).toMatchObject({ id, done: "1" });
      expect(row[2]).toBe("20");
    }
  });

  test("end where they were asked to end, oldest first, within regular hours", () => {
    const rows = listOf(pastTicks(fixture.clientAt(193), "TRADES")[0], 6);
    const times = rows.map(([time]) => Number(time));
    const close = Date.parse("2026-11-19T21:00:00Z") / 1000;
    expect(times).toEqual(Array.from({ length: 20 }, (_, index) => close - 20 + index));
  });

  test("begin where they were asked to begin", () => {
    const client = fixture.clientAt(193);
    const [row] = fixture.ask(client, 96, 1001, ...aapl, 0, "20261119-14:00:00", "", 3, "BID_ASK", 1, 0, "");
    const open = Date.parse("2026-11-19T14:30:00Z") / 1000;
    expect(listOf(row, 6).map(([time]) => Number(time))).toEqual([open, open + 1, open + 2]);
  });

  test("are refused without an end or a start, beyond 1000, and where there are none", () => {
    const client = fixture.clientAt(193);
    expect(errors(pastTicks(client, "TRADES", 20, ""))).toEqual([321]);
    expect(errors(pastTicks(client, "TRADES", 1001))).toEqual([321]);
    expect(errors(pastTicks(client, "TRADES", 20, "20261119-21:00:00", eurusd))).toEqual([10187]);
    expect(errors(pastTicks(client, "TRADES", 20, "yesterday"))).toEqual([10314]);
  });
});

describe("ticks one by one", () => {
  const start = (client: FakeClient, reqId: number, type: string, contract = aapl, past = 0) =>
    fixture.ask(client, 97, reqId, ...contract, type, past, 0);

  test("come each second in the layout of their kind, after those of the past", () => {
    const client = fixture.clientAt(193);
    expect(ids(start(client, 1, "AllLast", aapl, 10))).toBe("98");
    start(client, 3, "BidAsk");
    start(client, 4, "MidPoint", eurusd);
    fixture.pass(3_000);
    const ticks = client.rows.filter(([id]) => id === "99").map((row) => readStrictly(row, 193));
    expect(ticks.filter(({ type }) => type === "2")).toHaveLength(3);
    expect(ticks.filter(({ type }) => type === "3")).toHaveLength(3);
    expect(ticks.filter(({ type }) => type === "4")).toHaveLength(3);
  });

  test("are few at once, need permission, and end by their id", () => {
    const client = fixture.clientAt(193);
    for (const reqId of [1, 2, 3, 4, 5]) start(client, reqId, "Last");
    expect(errors(start(client, 6, "Last"))).toEqual([10190]);
    expect(fixture.ask(client, 98, 1)).toEqual([]);
    expect(errors(fixture.ask(client, 98, 1))).toEqual([300]);
    expect(errors(start(client, 6, "Last", eurusd))).toEqual([10189]);
    fixture.permissions = { ...everything, ticks: false };
    expect(errors(start(client, 6, "Last"))).toEqual([10189]);
  });
});

describe("market depth", () => {
  const open = (client: FakeClient, reqId: number, isSmart = 1, contract = aapl) =>
    fixture.ask(client, 10, 5, reqId, ...contract, 5, isSmart, "");

  test.each([151, 193])("shows a book of several venues, best prices first, at %i", (version) => {
    const client = fixture.clientAt(version);
    const [remark, ...rows] = open(client, 1);
    expect(remark?.slice(2, 4)).toEqual(["1", "2152"]);
    const book = rows.map((row) => readStrictly(row, version));
    expect(book).toHaveLength(10);
    expect(book[0]).toMatchObject({ id: "13", position: "0", operation: "0", side: "0", isSmart: "1" });
    const bids = book.filter(({ side }) => side === "1").map(({ price }) => Number(price));
    expect(bids).toEqual(bids.toSorted((a, b) => b - a));
    fixture.pass(2_000);
    const updates = client.rows.slice(11).map((row) => readStrictly(row, version)["operation"]);
    expect(new Set(updates)).toEqual(new Set(["1"]));
  });

  test("shows one venue's book without makers", () => {
    const [row = []] = open(fixture.clientAt(193), 1, 0);
    expect(readStrictly(row, 193)).toMatchObject({ id: "12", position: "0", operation: "0" });
  });

  test("begins anew after a reset", () => {
    const client = fixture.clientAt(193);
    open(client, 1, 0);
    const from = client.rows.length;
    fixture.handlers.resetDepth();
    const [reset, ...rows] = client.rows.slice(from);
    expect(reset?.[3]).toBe("317");
    expect(rows.map((row) => readStrictly(row, 193)["operation"])).toEqual(Array(10).fill("0"));
  });

  test("is had three times at once, of what has a book, and with permission", () => {
    const client = fixture.clientAt(193);
    for (const reqId of [1, 2, 3]) open(client, reqId, 0);
    expect(errors(open(client, 4))).toEqual([309]);
    expect(fixture.ask(client, 11, 1, 1, 0)).toEqual([]);
    expect(errors(fixture.ask(client, 11, 1, 1, 0))).toEqual([310]);
    fixture.permissions = { ...everything, depth: false };
    expect(errors(open(client, 4))).toEqual([10092]);
  });
});

test("real-time bars come every five seconds with what was traded", () => {
  const client = fixture.clientAt(193);
  fixture.ask(client, 50, 3, 1, ...aapl, 5, "TRADES", 1, "");
  expect(errors(fixture.ask(client, 50, 3, 2, ...eurusd, 5, "TRADES", 1, ""))).toEqual([321]);
  fixture.pass(15_000);
  const bars = client.rows.filter(([id]) => id === "50").map((row) => readStrictly(row, 193));
  expect(bars).toHaveLength(3);
  expect(bars.map(({ time }) => Number(time) % 5)).toEqual([0, 0, 0]);
  expect(fixture.ask(client, 51, 1, 1)).toEqual([]);
  expect(errors(fixture.ask(client, 51, 1, 1))).toEqual([300]);
  fixture.permissions = { ...everything, quotes: "api" };
  expect(errors(fixture.ask(client, 50, 3, 3, ...aapl, 5, "TRADES", 1, ""))).toEqual([10089]);
});

test("a histogram adds up what was traded at each price", () => {
  const client = fixture.clientAt(193);
  const [row = []] = fixture.ask(client, 88, 1, ...aapl, 0, 1, "2 days");
  expect(readStrictly(row, 193)).toMatchObject({ id: "89", reqId: "1" });
  expect(Number(row[2])).toBeGreaterThan(20);
  expect(errors(fixture.ask(client, 88, 1, ...aapl, 0, 1, "two days"))).toEqual([321]);
  expect(errors(fixture.ask(client, 88, 1, ...eurusd, 0, 1, "2 days"))).toEqual([162]);
});

test("reports on companies are XML, and refused in two ways", () => {
  const client = fixture.clientAt(193);
  const report = (type: string, contract: Fields = company) =>
    fixture.ask(client, 52, 2, 1, ...contract, type, "");
  const [row = []] = report("ReportsFinSummary");
  expect(readStrictly(row, 193)["data"]).toMatch(/^<\?xml.*<FinancialSummary><EPSs currency="USD"><EPS /s);
  expect(errors(report("NoSuchReport"))).toEqual([430]);
  expect(errors(report("RESC", ["", "EUR", "CASH", "IDEALPRO", "", "USD", ""]))).toEqual([430]);
  fixture.permissions = { ...everything, fundamentals: false };
  expect(errors(report("RESC"))).toEqual([10358]);
});
