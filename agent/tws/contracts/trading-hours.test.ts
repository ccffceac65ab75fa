import { expect, test } from "vitest";
import { tradesAt, tradingHoursOf } from "./trading-hours.ts";

const eastern = (text: string) => tradingHoursOf(text, "US/Eastern");
const utc = (day: number, hour: number, minute = 0) => Date.UTC(2026, 10, day, hour, minute);

test.each([
  // New York is five hours behind in winter
  [utc(24, 8, 59), false],
  [utc(24, 9), true],
  [utc(25, 0, 59), true],
  [utc(25, 1), false],
  [utc(25, 15), false],
  // after the days that were told
  [utc(26, 15), null],
] as const)("tells whether an instrument trades at %d", (at, trades) => {
  const hours = eastern("20261124:0400-20261124:2000;20261125:CLOSED");
  expect(hours === null ? "unread" : tradesAt(hours, at)).toBe(trades);
});

test("reads sessions that begin on the evening before, and several of one day", () => {
  const night = tradingHoursOf("20261123:1700-20261124:1600", "US/Central");
  expect(night?.sessions).toEqual([{ opensAt: utc(23, 23), closesAt: utc(24, 22) }]);
  const twice = eastern("20261124:0930-1200,1300-1600");
  expect(twice?.sessions).toHaveLength(2);
});

test("knows the hours across a change of the clocks", () => {
  const hours = eastern("20261030:0930-20261030:1600;20261102:0930-20261102:1600");
  const opens = hours?.sessions.map(({ opensAt }) => new Date(opensAt).toISOString());
  expect(opens).toEqual(["2026-10-30T13:30:00.000Z", "2026-11-02T14:30:00.000Z"]);
});

test.each([null, "always", "20261124:0930", "2026-11-24:0930-1600"])("reads nothing from %j", (text) => {
  expect(tradingHoursOf(text, "US/Eastern")).toBeNull();
});

test("reads nothing by a clock that this machine does not know", () => {
  expect(tradingHoursOf("20261124:0930-20261124:1600", "Nowhere/At All")).toBeNull();
});
