import { expect, test } from "vitest";
import { dateText, dayNumber, isTradingDay } from "../time/calendar.ts";
import { cboeHours, cmeHours, currencyHours, dayAt, dayByNumber, stockHours } from "./hours.ts";

const iso = (at: number | undefined) => (at === undefined ? null : new Date(at).toISOString().slice(0, 16));
const session = (hours: typeof stockHours, date: string) => {
  const { regular } = dayByNumber(hours, dayNumber(date));
  return [iso(regular?.open), iso(regular?.close)];
};

test("opens at half past nine in New York on both sides of the clock changes", () => {
  expect(session(stockHours, "20260306")).toEqual(["2026-03-06T14:30", "2026-03-06T21:00"]);
  expect(session(stockHours, "20260309")).toEqual(["2026-03-09T13:30", "2026-03-09T20:00"]);
  expect(session(stockHours, "20261030")).toEqual(["2026-10-30T13:30", "2026-10-30T20:00"]);
  expect(session(stockHours, "20261102")).toEqual(["2026-11-02T14:30", "2026-11-02T21:00"]);
});

test("makes the days of a clock change 23 and 25 hours long, without a gap to their neighbours", () => {
  for (const [date, hours] of [
    ["20260308", 23],
    ["20261101", 25],
    ["20260601", 24],
  ] as const) {
    const day = dayByNumber(stockHours, dayNumber(date));
    expect(day.end - day.start).toBe(hours * 3_600_000);
    expect(dayByNumber(stockHours, day.number + 1).start).toBe(day.end);
    expect(dayAt(stockHours, day.start).number).toBe(day.number);
    expect(dayAt(stockHours, day.end - 1).number).toBe(day.number);
  }
});

test("keeps New York's holidays and half days", () => {
  const closed = [
    "20260101",
    "20260119",
    "20260216",
    "20260403",
    "20260525",
    "20260619",
    "20260703",
    "20260907",
    "20261126",
    "20261225",
  ];
  const everyDay = Array.from({ length: 365 }, (_, index) => dayNumber("20260101") + index);
  const quiet = everyDay.filter((day) => isTradingDay(day, "none") && !isTradingDay(day, "exchange"));
  expect(quiet.map(dateText)).toEqual(closed);
  expect(session(stockHours, "20261127")).toEqual(["2026-11-27T14:30", "2026-11-27T18:00"]);
  expect(session(cboeHours, "20261224")).toEqual(["2026-12-24T14:30", "2026-12-24T18:00"]);
  expect(session(stockHours, "20261225")).toEqual([null, null]);
});

test("lets currencies and futures open the evening before", () => {
  expect(session(currencyHours, "20261123")).toEqual(["2026-11-22T22:15", "2026-11-23T22:00"]);
  expect(session(currencyHours, "20261121")).toEqual([null, null]);
  const monday = dayByNumber(cmeHours, dayNumber("20261123"));
  expect([iso(monday.extended?.open), iso(monday.extended?.close)]).toEqual([
    "2026-11-22T23:00",
    "2026-11-23T22:00",
  ]);
  expect(dateText(dayAt(currencyHours, Date.UTC(2026, 10, 23, 22, 1)).number)).toBe("20261124");
});
