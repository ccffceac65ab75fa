import { describe, expect, test } from "vitest";
import { dayIn, readTime, zoneOfGreeting } from "./time-zone.ts";

test.each([
  ["US/Eastern", "20260312 09:30:00", "2026-03-12T13:30:00.000Z"],
  ["US/Eastern", "20261130  09:30:00", "2026-11-30T14:30:00.000Z"],
  ["America/New_York", "20261101 09:30:00", "2026-11-01T14:30:00.000Z"],
  ["US/Eastern", "20261101 00:30:00", "2026-11-01T04:30:00.000Z"],
  ["Europe/Berlin", "20260329 09:00:00", "2026-03-29T07:00:00.000Z"],
  ["Asia/Tokyo", "20260312 00:00", "2026-03-11T15:00:00.000Z"],
  ["Central European Standard Time", "20260312 10:00:00", "2026-03-12T09:00:00.000Z"],
  ["Mitteleurop\u00e4ische Zeit", "20260312 09:30:00", null],
  [null, "20260312 09:30:00", null],
])("a time without a zone is on the clock of %s: %s", (zone, text, instant) => {
  expect(readTime(text, zone)).toBe(instant);
});

test.each([
  ["19801212-14:30:00", "1980-12-12T14:30:00.000Z"],
  ["20261120 10:31:02 US/Eastern", "2026-11-20T15:31:02.000Z"],
  ["20261120  10:31:02 US/Eastern", "2026-11-20T15:31:02.000Z"],
  ["20261120-10:31:02 US/Eastern", "2026-11-20T15:31:02.000Z"],
  ["20261120 - 10:31:02 US/Eastern", "2026-11-20T15:31:02.000Z"],
  ["20261218 08:30 US/Central", "2026-12-18T14:30:00.000Z"],
  ["20261218 23:30:00 JST", "2026-12-18T14:30:00.000Z"],
  ["20261218 09:00:00 Tokyo Standard Time", "2026-12-18T00:00:00.000Z"],
  ["2026-11-20 15:30:00.0", "2026-11-20T15:30:00.000Z"],
  ["2026-11-20T15:30:00.250Z", "2026-11-20T15:30:00.250Z"],
  ["1795444200", "2026-11-23T14:30:00.000Z"],
  ["2026-03-23 13:25:15.0", "2026-03-23T13:25:15.000Z"],
  ["1775385000000", "2026-04-05T10:30:00.000Z"],
  ["1795444200123", "2026-11-23T14:30:00.123Z"],
  ["315621000", "1980-01-02T00:30:00.000Z"],
  ["20261118", "2026-11-18"],
  ["2026-11-18", "2026-11-18"],
])("reads %s whatever the zone", (text, expected) => {
  expect(readTime(text, "UTC")).toBe(expected);
});

test.each([
  "",
  "0",
  "soon",
  "20261340",
  "20260230 10:00:00",
  "20261120 25:00:00",
  "20261120 10:00:00 Nowhere/City",
])("gives null for %j", (text) => {
  expect(readTime(text, "UTC")).toBeNull();
});

test("reads seconds that are a number, and nothing", () => {
  expect(readTime(1_795_444_200, null)).toBe("2026-11-23T14:30:00.000Z");
  expect(readTime(undefined, "UTC")).toBeNull();
});

test("an instant is another day elsewhere", () => {
  const at = "2026-12-18T21:00:00.000Z";
  expect(["US/Central", "Asia/Tokyo", "Nowhere"].map((zone) => dayIn(zone, at))).toEqual([
    "20261218",
    "20261219",
    null,
  ]);
});

describe("the zone of TWS's machine", () => {
  test.each([
    ["20260405 23:49:38 Central European Standard Time", "Central European Standard Time"],
    ["20260405 23:49:38 US/Eastern", "US/Eastern"],
    ["20260405 23:49:38 JST", "JST"],
    ["20260405 23:49:38 Mitteleurop?ische Zeit", null],
    ["20260405 23:49:38", null],
  ])("by %s", (greeting, zone) => {
    expect(zoneOfGreeting(greeting)).toBe(zone);
  });
});
