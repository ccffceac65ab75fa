import { expect, test } from "vitest";
import { readInstant } from "./input-times.ts";

test.for([
  ["2026-11-20", "2026-11-20T00:00:00.000Z"],
  ["20261120", "2026-11-20T00:00:00.000Z"],
  ["20261120 15:30:00", "2026-11-20T15:30:00.000Z"],
  ["20261120  15:30:00", "2026-11-20T15:30:00.000Z"],
  ["20261120-15:30:00", "2026-11-20T15:30:00.000Z"],
  ["2026-11-20 15:30:00.0", "2026-11-20T15:30:00.000Z"],
  ["2026-11-20T15:30Z", "2026-11-20T15:30:00.000Z"],
  ["2026-11-20T15:30:00+02:00", "2026-11-20T13:30:00.000Z"],
  ["2026-11-20 15:30:00 +0200", "2026-11-20T13:30:00.000Z"],
  ["20261120 15:30:00 UTC", "2026-11-20T15:30:00.000Z"],
  ["20261120 10:30:00 US/Eastern", "2026-11-20T15:30:00.000Z"],
  ["2026-07-20 10:30:00 America/New_York", "2026-07-20T14:30:00.000Z"],
  ["1795188600", "2026-11-20T15:30:00.000Z"],
  ["1795188600000", "2026-11-20T15:30:00.000Z"],
  ["", undefined],
] as const)("%j is %s", ([text, at]) => {
  expect(readInstant("startDateTime", text)).toBe(at);
});

test.for(["yesterday", "2026-11-20 25:00:00", "20261120 15:61:00", "20261120 10:30:00 Nowhere/Else", "12"])(
  "%j is refused by name",
  (text) => {
    expect(() => readInstant("startDateTime", text)).toThrow(/^startDateTime: write it as/);
  },
);

test("a day that the calendar does not have is named as that", () => {
  expect(() => readInstant("endDateTime", "20260230 10:00:00")).toThrow(
    "endDateTime: there is no such date.",
  );
});
