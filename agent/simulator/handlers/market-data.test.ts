import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  aapl,
  createHandlersFixture,
  type HandlersFixture,
  eurusd,
  type FakeClient,
  type Fields,
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

function quote(client: FakeClient, reqId: number, contract: Fields, generic = "", snapshot = 0): string[][] {
  return fixture.ask(client, 1, 11, reqId, ...contract, 0, generic, snapshot, 0, "");
}

const apple = () => fixture.world.universe.byConId(265598) ?? expect.fail("no AAPL");

describe("market data", () => {
  test("opens with the type, the parameters, and then prices as a gateway orders them", () => {
    const rows = quote(fixture.clientAt(193), 1001, aapl);
    const withTick = new Set(["1", "2", "45", "46"]);
    const shown = rows.map((row) => (withTick.has(row[0] ?? "") ? `${row[0]}/${row[3]}` : row[0]));
    const burst = "58 81 1/1 2/0 1/2 2/3 1/4 2/5 2/8 1/6 1/7 1/9 1/14 46/45 45/49";
    expect(shown.join(" ")).toBe(burst);
    expect(rows[0]).toEqual(["58", "1", "1001", "1"]);
    expect(rows[1]).toEqual(["81", "1001", "0.01", "9c0001", "3"]);
    const now = fixture.world.market.quote(apple(), fixture.now());
    expect(rows[2]).toEqual(["1", "6", "1001", "1", String(now.bid), String(now.bidSize), "1"]);
  });

  test("sends afterwards only what has changed, no more than four times a second", () => {
    const client = fixture.clientAt(193);
    quote(client, 1001, aapl);
    const from = client.rows.length;
    fixture.pass(10_000);
    const last = client.rows.slice(from).filter((row) => row[0] === "1" && row[3] === "4");
    expect(last.length).toBeGreaterThan(5);
    expect(last.length).toBeLessThanOrEqual(40);
    const prices = last.map((row) => row[4]);
    expect(prices.every((price, index) => price !== prices[index - 1])).toBe(true);
  });

  test("counts sizes in lots before 159 and in shares from then on", () => {
    const volumeAt = (version: number): number => {
      const row = quote(fixture.clientAt(version), 1001, aapl).find(
        (each) => each[0] === "2" && each[3] === "8",
      );
      return Number(row?.[4]);
    };
    expect(volumeAt(158)).toBe(Math.floor(volumeAt(159) / 100));
  });

  test("ends a complete snapshot at once and does not know it afterwards", () => {
    const client = fixture.clientAt(193);
    const rows = quote(client, 1001, eurusd, "", 1);
    expect(rows.at(-1)).toEqual(["57", "1", "1001"]);
    expect(fixture.handlers.lines()).toBe(0);
    const refusal = ["4", "2", "1001", "300", "Can't find EId with tickerId:1001", ""];
    expect(fixture.ask(client, 2, 1, 1001)).toEqual([refusal]);
  });

  test("ends an incomplete snapshot after eleven seconds", () => {
    fixture.handlers.close();
    fixture = createHandlersFixture((world) => ({
      ...world,
      market: { ...world.market, quote: (asset, at) => ({ ...world.market.quote(asset, at), bid: null }) },
    }));
    const client = fixture.clientAt(193);
    const rows = quote(client, 1001, aapl, "", 1);
    expect(rows.find((row) => row[0] === "1" && row[3] === "1")?.[4]).toBe("-1");
    fixture.pass(10_900);
    expect(client.rows.some((row) => row[0] === "57")).toBe(false);
    fixture.pass(500);
    expect(client.rows.filter((row) => row[0] === "57")).toHaveLength(1);
    expect(fixture.handlers.lines()).toBe(0);
  });

  test("shows greeks for options, in each version's layout", () => {
    const option = ["", "AAPL", "OPT", "20261218", 270, "C", 100, "SMART", "", "USD", "", ""];
    const old = quote(fixture.clientAt(155), 1001, option).filter((row) => row[0] === "21");
    const recent = quote(fixture.clientAt(156, 2), 1001, option).filter((row) => row[0] === "21");
    expect(old.at(-1)?.slice(0, 4)).toEqual(["21", "6", "1001", "13"]);
    expect(recent.at(-1)?.slice(0, 4)).toEqual(["21", "1001", "13", "0"]);
    expect(recent.at(-1)).toHaveLength(12);
  });

  const unknown = ["", "NOSUCH", "STK", "", "", "", "", "SMART", "", "USD", "", ""];
  const monthless = ["", "ES", "FUT", "", "", "", "", "CME", "", "USD", "", ""];
  const placeless = [265598, "", "", "", "", "", "", "", "", "", "", ""];
  test.each<readonly [string, Fields, string, number, string, string]>([
    ["a contract that does not exist", unknown, "", 0, "200", "No security"],
    ["a future without a month", monthless, "", 0, "200", "ambiguous"],
    ["a contract without an exchange", placeless, "", 0, "321", "exchange"],
    ["an unknown generic tick", aapl, "100,999", 0, "321", "Incorrect generic tick list of 100,999"],
    ["a snapshot with generic ticks", aapl, "233", 1, "321", "not applicable to generic ticks"],
  ])("refuses %s", (_what, contract, generic, snapshot, code, text) => {
    const rows = quote(fixture.clientAt(193), 1001, contract, generic, snapshot);
    expect(rows.map((row) => row.slice(0, 4))).toEqual([["4", "2", "1001", code]]);
    expect(rows[0]?.[4]).toContain(text);
    expect(fixture.handlers.lines()).toBe(0);
  });

  test("refuses a ticker id that is in use and keeps its line", () => {
    const client = fixture.clientAt(193);
    quote(client, 1001, aapl);
    expect(quote(client, 1001, eurusd)[0]?.slice(2, 4)).toEqual(["1001", "322"]);
    expect(fixture.handlers.lines()).toBe(1);
  });

  test("mdoff keeps prices away, and news may not be allowed", () => {
    fixture.permissions = { ...fixture.permissions, news: false };
    const rows = quote(fixture.clientAt(193), 1001, aapl, "mdoff,292:BRFG+DJNL");
    expect(rows.map((row) => (row[0] === "4" ? row[3] : row[0]))).toEqual(["10276", "58", "81"]);
  });

  test("a client that cannot take a tick sees the difference at a later turn", () => {
    const client = fixture.clientAt(193);
    quote(client, 1001, aapl);
    const from = client.rows.length;
    client.isSlow = true;
    fixture.pass(5000);
    expect(client.rows).toHaveLength(from);
    client.isSlow = false;
    fixture.pass(250);
    const shown = client.rows.slice(from).findLast((row) => row[0] === "2" && row[3] === "8")?.[4];
    expect(Number(shown)).toBeGreaterThan(0);
    expect(Number(shown)).toBeLessThanOrEqual(fixture.world.market.quote(apple(), fixture.now()).volume ?? 0);
  });
});
