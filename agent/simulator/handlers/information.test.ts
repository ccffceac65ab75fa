import { Decoder } from "@stoqey/ib/dist/core/io/decoder.js";
import { Encoder } from "@stoqey/ib/dist/core/io/encoder.js";
import { Instrument, LocationCode, ScanCode, WshEventData } from "@stoqey/ib";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  aapl,
  createHandlersFixture,
  type HandlersFixture,
  type FakeClient,
  type Fields,
} from "../test-support/handlers.fixture.ts";
import { tokenFields } from "../test-support/raw-client.fixture.ts";
import { scannerXml } from "./scanner-xml.ts";
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

const errors = (rows: readonly string[][]) => rows.filter(([id]) => id === "4").map((row) => Number(row[3]));
const only = (rows: readonly string[][], id: number) => rows.filter((row) => row[0] === String(id));
const hourMs = 3_600_000;
/** The version from which clients know the calendar of events. */
const wsh = 161;

function history(client: FakeClient, providers = "BRFG+DJNL", start = "", end = "", count = 10): string[][] {
  return fixture.ask(client, 86, 1001, 265598, providers, start, end, count, "");
}

function scan(
  client: FakeClient,
  code: string,
  filters: Fields = ["", "", "", "", ""],
  type = "",
  reqId = 1001,
) {
  const where = [50, "STK", "STK.US.MAJOR", code];
  return fixture.ask(client, 22, reqId, ...where, ...filters, ...Array(11).fill(""), type, "", "");
}

const symbols = (rows: readonly string[][]): string[] => {
  const row = only(rows, 20)[0] ?? expect.fail("no scan");
  return Array.from({ length: Number(row[3]) }, (_, index) => row[4 + index * 16 + 2] ?? "");
};

/** What a widely used client makes of everything here at one version: its complaints, and the names of its events. */
function talk(version: number): { readonly complaints: string[]; readonly rows: string[][] } {
  const client = fixture.clientAt(version, version);
  const complaints: string[] = [];
  const decoder = new Decoder({
    serverVersion: version,
    emitEvent: () => undefined,
    emitInfo: () => undefined,
    emitError: (text, code) => void (code === 505 && complaints.push(text)),
  });
  const encoder = new Encoder({
    serverVersion: version,
    sendMsg: (...tokens) => void fixture.ask(client, ...tokenFields(tokens)),
    emitError: (text) => void complaints.push(text),
  });
  encoder.reqNewsProviders();
  encoder.reqHistoricalNews(1001, 265598, "BRFG+BRFUPDN", "", "", 5, []);
  const [, , , provider = "", articleId = ""] = only(client.rows, 86)[0] ?? [];
  encoder.reqNewsArticle(1002, provider, articleId, []);
  encoder.reqNewsBulletins(true);
  encoder.reqContractDetails(1003, { symbol: "BRFG:BRFG_ALL", exchange: "BRFG", conId: 890_000_001 });
  encoder.reqMktData(1004, { conId: 890_000_001, exchange: "BRFG" }, "mdoff,292", false, false);
  encoder.reqScannerParameters();
  encoder.reqScannerSubscription(1005, { scanCode: ScanCode.MOST_ACTIVE, numberOfRows: 5 }, [], []);
  const place = { instrument: Instrument.STK, locationCode: LocationCode.STK_US_MAJOR };
  encoder.reqScannerSubscription(1006, { ...place, scanCode: ScanCode.MOST_ACTIVE }, [], []);
  encoder.cancelScannerSubscription(1006);
  if (version >= wsh) {
    encoder.reqWshMetaData(1007);
    const [start, end, count] =
      version >= 173 ? (["20261101", "20271101", 3] as const) : (["", "", 0] as const);
    encoder.reqWshEventData(1008, new WshEventData(265598, false, false, false, start, end, count));
  }
  fixture.pass(hourMs / 4);
  encoder.cancelNewsBulletins();
  for (const row of client.rows) {
    decoder.enqueueMessage([...row]);
    decoder.process();
  }
  fixture.handlers.forget(client);
  return { complaints, rows: client.rows };
}

test.each([151, 161, 163, 170, 171, 172, 173, 186, 193])("speaks each message exactly at %i", (version) => {
  const { complaints, rows } = talk(version);
  expect(complaints).toEqual([]);
  const seen = new Set(rows.map((row) => readStrictly(row, version)["id"]));
  const expected = [
    "10",
    "14",
    "19",
    "20",
    "83",
    "84",
    "85",
    "86",
    "87",
    ...(version >= wsh ? ["104", "105"] : []),
  ];
  expect(expected.filter((id) => !seen.has(id))).toEqual([]);
  // the one error is the end of the scan that was cancelled, after one without instrument and place
  expect(errors(rows)).toEqual([321, 162]);
});

describe("news", () => {
  test("of the past come newest first, within their period, and say when there is more", () => {
    const rows = history(
      fixture.clientAt(193),
      "BRFG+DJNL",
      "2026-11-18 00:00:00.0",
      "2026-11-19 00:00:00.0",
      5,
    );
    const times = only(rows, 86).map((row) => String(row[2]));
    expect(times).toHaveLength(5);
    expect(times).toEqual(times.toSorted().toReversed());
    expect(times.every((time) => time.startsWith("2026-11-18 "))).toBe(true);
    expect(rows.at(-1)).toEqual(["87", "1001", "1"]);
  });

  test("are the same for the same seed, and each leads to its article", () => {
    const client = fixture.clientAt(193);
    const rows = history(client, "BRFG");
    expect(history(client, "BRFG")).toEqual(rows);
    for (const [, , , provider = "", id = ""] of only(rows, 86))
      expect(fixture.ask(client, 84, 1002, provider, id, "")[0]?.slice(0, 2)).toEqual(["83", "1002"]);
    expect(errors(fixture.ask(client, 84, 1002, "BRFG", "BRFG$nothing", ""))).toEqual([10172]);
  });

  test("are refused for unknown contracts and providers, and without permission", () => {
    const client = fixture.clientAt(193);
    expect(errors(fixture.ask(client, 86, 1001, 1, "BRFG", "", "", 5, ""))).toEqual([321]);
    expect(errors(history(client, "NOSUCH"))).toEqual([321]);
    fixture.permissions = { ...fixture.permissions, news: false };
    expect(errors(history(client))).toEqual([10276]);
    expect(fixture.ask(client, 85)).toEqual([["85", "0"]]);
  });

  test("of an instrument come as they are published, from the providers named, without prices", () => {
    const client = fixture.clientAt(193);
    const from = fixture.now();
    fixture.ask(client, 1, 11, 1001, ...aapl, 0, "mdoff,292:BRFG", 0, 0, "");
    fixture.pass(6 * hourMs);
    const live = only(client.rows, 84);
    expect(live.length).toBeGreaterThan(0);
    expect(live.every((row) => row[3] === "BRFG" && Number(row[2]) > from)).toBe(true);
    expect(only(client.rows, 1)).toEqual([]);
    const past = only(history(client, "BRFG", "", "", 300), 86).filter(
      (row) => Date.parse(`${row[2]}Z`) > from,
    );
    expect(live.map((row) => row[4]).toReversed()).toEqual(past.map((row) => row[4]));
    fixture.ask(client, 2, 1, 1001);
    const before = client.rows.length;
    fixture.pass(6 * hourMs);
    expect(client.rows.length).toBe(before);
  });

  test("of a whole provider are an instrument of their own", () => {
    const client = fixture.clientAt(193);
    const tape = ["", "DJNL:DJNL_ALL", "NEWS", "", "", "", "", "DJNL", "", "", "", ""];
    const [details = []] = fixture.ask(client, 9, 8, 1001, ...tape, 0, "", "", "");
    expect(readStrictly(details, 193)).toMatchObject({
      symbol: "DJNL:DJNL_ALL",
      secType: "NEWS",
      currency: "",
    });
    fixture.ask(client, 1, 11, 1002, ...tape, 0, "mdoff,292", 0, 0, "");
    fixture.pass(hourMs);
    expect(only(client.rows, 84).length).toBeGreaterThan(3);
    expect(new Set(only(client.rows, 84).map((row) => row[3]))).toEqual(new Set(["DJNL"]));
    expect(fixture.ask(client, 2, 1, 1002)).toEqual([]);
    expect(errors(fixture.ask(client, 2, 1, 1002))).toEqual([300]);
  });

  test("of the exchange come to those who asked for bulletins, those of today first if wanted", () => {
    const [all, fresh] = [fixture.clientAt(193, 1), fixture.clientAt(193, 2)];
    const today = fixture.ask(all, 12, 1, 1);
    expect(only(today, 14).length).toBeGreaterThan(0);
    expect(fixture.ask(fresh, 12, 1, 0)).toEqual([]);
    fixture.pass(8 * hourMs);
    expect(only(fresh.rows, 14).length).toBeGreaterThan(0);
    expect(only(all.rows, 14).length).toBe(today.length + fresh.rows.length);
  });
});

describe("scans", () => {
  const priceOf = (symbol: string) => {
    const found = fixture.world.universe.listed.find(
      (one) => one.symbol === symbol && one.currency === "USD",
    );
    return fixture.world.market.quote(found ?? expect.fail(symbol), fixture.now());
  };

  test("rank by what their code says", () => {
    const client = fixture.clientAt(193);
    const gains = symbols(scan(client, "TOP_PERC_GAIN")).map((symbol) => {
      const { last, close } = priceOf(symbol);
      return (last ?? 0) / close;
    });
    expect(gains.length).toBeGreaterThan(20);
    expect(gains).toEqual(gains.toSorted((a, b) => b - a));
    const volumes = symbols(scan(client, "MOST_ACTIVE", undefined, "", 1002)).map(
      (symbol) => priceOf(symbol).volume,
    );
    expect(volumes).toEqual(volumes.toSorted((a, b) => Number(b) - Number(a)));
    expect(symbols(scan(client, "TOP_PERC_LOSE", undefined, "", 1003))).toEqual(
      symbols(scan(client, "TOP_PERC_GAIN", undefined, "", 1004)).toReversed(),
    );
    for (const [index, code] of ["HOT_BY_VOLUME", "HIGH_OPT_IMP_VOLAT"].entries())
      expect(symbols(scan(client, code, undefined, "", 1005 + index)).length).toBeGreaterThan(0);
  });

  test("honour every filter", () => {
    const client = fixture.clientAt(193);
    const priced = symbols(scan(client, "MOST_ACTIVE", [100, 300, 5_000_000, "", ""])).map(priceOf);
    expect(priced.length).toBeGreaterThan(0);
    expect(
      priced.every(({ last, volume }) => Number(last) >= 100 && Number(last) <= 300 && Number(volume) >= 5e6),
    ).toBe(true);
    const giants = symbols(scan(client, "MOST_ACTIVE", ["", "", "", 3_000_000, ""], "", 1002));
    expect(giants).toContain("AAPL");
    expect(giants).not.toContain("KO");
    expect(symbols(scan(client, "MOST_ACTIVE", ["", "", "", "", 200_000], "", 1003))).not.toContain("AAPL");
    const funds = symbols(scan(client, "MOST_ACTIVE", undefined, "ETF", 1004));
    expect(funds).toContain("SPY");
    expect(funds).not.toContain("AAPL");
  });

  test("come again every half minute until they are cancelled", () => {
    const client = fixture.clientAt(193);
    scan(client, "MOST_ACTIVE");
    fixture.pass(61_000);
    expect(only(client.rows, 20)).toHaveLength(3);
    expect(errors(fixture.ask(client, 23, 1, 1001))).toEqual([162]);
    fixture.pass(61_000);
    expect(only(client.rows, 20)).toHaveLength(3);
  });

  test("are refused by an unknown code, and the eleventh; one that finds nothing says so", () => {
    const client = fixture.clientAt(193);
    expect(errors(scan(client, "NO_SUCH_SCAN"))).toEqual([162]);
    const nothing = scan(client, "MOST_ACTIVE", [1_000_000, "", "", "", ""]);
    expect(errors(nothing)).toEqual([165]);
    expect(symbols(nothing)).toEqual([]);
    for (let id = 1002; id <= 1010; id++) scan(client, "MOST_ACTIVE", undefined, "", id);
    expect(scan(client, "MOST_ACTIVE", undefined, "", 1011)[0]?.[4]).toMatch(/Only 10 simultaneous/);
  });

  test("of the day's heat warn of low precision while the market is closed", () => {
    fixture.pass(0);
    const client = fixture.clientAt(193);
    expect(errors(scan(client, "HOT_BY_VOLUME"))).toEqual([]);
    fixture.match(9 * hourMs);
    expect(errors(scan(client, "HOT_BY_VOLUME", undefined, "", 1002))).toEqual([492]);
  });

  test.each([200_000, 2_000_000])("their parameters are at least %i bytes long", (bytes) => {
    const xml = scannerXml(bytes);
    expect(xml.length).toBeGreaterThanOrEqual(bytes);
    expect(xml.length).toBeLessThan(bytes * 1.25);
  });
});

describe("the calendar of events", () => {
  const events = (client: FakeClient, ...rest: Fields) => fixture.ask(client, 102, 1002, ...rest);

  test("answers events only after their types were asked for", () => {
    const client = fixture.clientAt(193);
    const ask = () => events(client, 265598, "", 0, 0, 0, "20261201", "20270201", 5);
    expect(errors(ask())).toEqual([10282]);
    fixture.ask(client, 100, 1001);
    const [row] = ask();
    const found: unknown = JSON.parse(row?.[2] ?? "");
    expect(found).toHaveLength(5);
    expect(found).toEqual(
      expect.arrayContaining([expect.objectContaining({ conids: ["265598"], data: expect.any(Object) })]),
    );
  });

  test("takes companies from a filter too, and refuses what it cannot read", () => {
    const client = fixture.clientAt(171);
    fixture.ask(client, 100, 1001);
    expect(events(client, "", '{"watchlist":["8314"]}', 0, 0, 0)[0]?.[0]).toBe("105");
    expect(errors(events(client, "", "{", 0, 0, 0))).toEqual([10283]);
    expect(errors(events(client, "", "", 0, 0, 0))).toEqual([10283]);
  });

  test("is closed to those without permission", () => {
    fixture.permissions = { ...fixture.permissions, calendar: false };
    expect(fixture.ask(fixture.clientAt(193), 100, 1001)[0]?.slice(2, 5)).toEqual([
      "1001",
      "10276",
      "News is not allowed.",
    ]);
  });
});
