import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  aapl,
  createHandlersFixture,
  type HandlersFixture,
  eurusd,
  type FakeClient,
} from "../test-support/handlers.fixture.ts";

let fixture: HandlersFixture;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  fixture = createHandlersFixture();
});
afterEach(() => {
  fixture.handlers.close();
  vi.useRealTimers();
});

interface Draft {
  readonly end?: string;
  readonly bar?: string;
  readonly span?: string;
  readonly what?: string;
  readonly format?: number;
  readonly live?: number;
}

function history(client: FakeClient, reqId: number, draft: Draft = {}, contract = aapl): string[][] {
  const { end = "", bar = "1 hour", span = "1 D", what = "TRADES", format = 1, live = 0 } = draft;
  return fixture.ask(client, 20, reqId, ...contract, 0, end, bar, span, 1, what, format, live, "");
}

describe("history", () => {
  test("writes dates as each version and format wants them", () => {
    const end = "20261119 16:00:00 US/Eastern";
    const first = (version: number, draft: Draft) =>
      history(fixture.clientAt(version), 1001, { end, ...draft })[0]?.[5];
    expect(first(173, {})).toBe("20261119  09:30:00");
    expect(first(174, {})).toBe("20261119 09:30:00 US/Eastern");
    expect(first(193, { format: 2 })).toBe(String(Date.parse("2026-11-19T14:30:00Z") / 1000));
    expect(first(193, { bar: "1 day", format: 2 })).toBe("20261119");
  });

  test("takes the end in UTC, with a zone and in the exchange's own", () => {
    const ends = [
      "20261119-21:00:00",
      "20261119 16:00:00 US/Eastern",
      "20261119 16:00:00",
      "20261119 15:00:00 US/Central",
    ];
    const client = fixture.clientAt(193);
    const answers = ends.map((end, index) =>
      history(client, 1001 + index, { end })[0]
        ?.slice(2)
        .join(),
    );
    expect(answers[0]).toContain("20261119 15:00:00 US/Eastern");
    expect(new Set(answers).size).toBe(1);
  });

  test.for([
    { bar: "1 secs", span: "1 Y" },
    { bar: "1 secs", span: "90000 S" },
    { bar: "1 min", span: "20 Y" },
  ])("refuses more bars than TWS would send: %j", (draft) => {
    const text = "Historical Market Data Service error message:Time length exceed max.";
    const client = fixture.clientAt(193);
    expect(history(client, 1001, draft)).toEqual([["4", "2", "1001", "162", text, ""]]);
  });

  test("counts volume in lots before 175 and in shares from then on", () => {
    const end = "20261119-21:00:00";
    const before = Number(history(fixture.clientAt(174), 1001, { end })[0]?.[10]);
    const after = Number(history(fixture.clientAt(175), 1001, { end })[0]?.[10]);
    expect(before).toBe(Math.floor(after / 100));
  });

  test.each<readonly [string, Draft, number, number]>([
    ["a bad bar size", { bar: "7 mins" }, 193, 321],
    ["a bad duration", { span: "1 week" }, 193, 321],
    ["more days than a year", { span: "366 D", bar: "1 day" }, 193, 321],
    ["a bad end", { end: "20261301 10:00:00" }, 193, 10314],
    ["a bad end in an old version", { end: "yesterday" }, 170, 321],
    ["an end for bars that go on", { end: "20261119-21:00:00", live: 1 }, 193, 321],
    ["an end for adjusted bars", { end: "20261119-21:00:00", what: "ADJUSTED_LAST" }, 193, 321],
    ["an unknown kind of data", { what: "GUESSES" }, 193, 321],
    ["a kind of data nobody keeps", { what: "FEE_RATE" }, 193, 162],
    ["a time before all data", { end: "19700101-00:00:00" }, 193, 162],
    ["a schedule in a version without one", { what: "SCHEDULE", bar: "1 day" }, 164, 162],
  ])("refuses %s", (_what, draft, version, code) => {
    const rows = history(fixture.clientAt(version), 1001, draft);
    expect(rows.map((row) => row.slice(0, 4))).toEqual([["4", "2", "1001", String(code)]]);
  });

  test("names what has no data", () => {
    const [row] = history(fixture.clientAt(193), 1001, {}, eurusd);
    expect(row?.[4]).toBe(
      "Historical Market Data Service error message:HMDS query returned no data: EUR.USD@IDEALPRO Trades",
    );
  });

  test("keeps bars up to date every five seconds until cancelled", () => {
    const client = fixture.clientAt(193);
    history(client, 1001, { bar: "5 secs", span: "60 S", live: 1 });
    const from = client.rows.length;
    fixture.pass(21_000);
    const updates = client.rows.slice(from);
    expect(updates.every((row) => row[0] === "90" && row.length === 10)).toBe(true);
    const starts = updates.map((row) => row[3] ?? "");
    expect(starts).toEqual(starts.toSorted());
    expect(new Set(starts).size).toBeGreaterThanOrEqual(4);
    expect(fixture.ask(client, 25, 1, 1001)[0]?.slice(2, 4)).toEqual(["1001", "162"]);
    const after = client.rows.length;
    fixture.pass(10_000);
    expect(client.rows).toHaveLength(after);
    expect(fixture.ask(client, 25, 1, 1001)[0]?.[3]).toBe("366");
  });

  test("sends a schedule of sessions", () => {
    const draft = { what: "SCHEDULE", bar: "1 day", span: "5 D", end: "20261120-15:00:00" };
    const [row] = history(fixture.clientAt(193), 1001, draft);
    expect(row?.slice(0, 2)).toEqual(["106", "1001"]);
    expect(row?.[3]).toBe("20261120-16:00:00");
    expect(row?.[4]).toBe("US/Eastern");
    expect(row).toHaveLength(6 + 3 * Number(row?.[5]));
  });

  test("knows the first instant in both formats", () => {
    const head = (format: number) =>
      fixture.ask(fixture.clientAt(193), 87, 1001, ...aapl, 0, 1, "TRADES", format)[0]?.[2];
    expect(head(1)).toMatch(/^\d{8}-\d\d:\d\d:\d\d$/);
    expect(head(2)).toMatch(/^\d+$/);
  });
});
