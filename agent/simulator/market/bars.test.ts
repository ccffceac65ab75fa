import { expect, test } from "vitest";
import type { Bar, BarQuery } from "../model/market.ts";
import { createFixture, instrumentOf, mondayMorning } from "../test-support/world.fixture.ts";

const { world } = createFixture();
const { market } = world;
const apple = instrumentOf(world, 265598);
const euro = instrumentOf(world, 12087792);
const spx = instrumentOf(world, 416904);
const minute = 60_000;
const now = mondayMorning + 7 * minute + 12_345;

const bars = (change: Partial<BarQuery>): Bar[] =>
  market.bars({
    instrument: apple,
    endAt: now,
    duration: { count: 1, unit: "D" },
    barSizeMs: minute,
    calendar: null,
    source: "TRADES",
    useRth: true,
    ...change,
  });
const daily = { barSizeMs: 86_400_000, calendar: "day" } as const;
const dates = (list: Bar[]) => list.map(({ at }) => new Date(at).toISOString().slice(0, 10));
const clocks = (list: Bar[]) => list.map(({ at }) => new Date(at).toISOString().slice(11, 16));
const sum = (list: Bar[]) => list.reduce((total, { volume }) => total + volume, 0);

test("ends the last bar at the quote of that instant, for every size of bar", () => {
  const { last } = market.quote(apple, now);
  for (const barSizeMs of [1000, 5000, 30_000, minute, 5 * minute, 60 * minute]) {
    expect(bars({ barSizeMs }).at(-1)?.close).toBe(last);
  }
  for (const calendar of ["day", "week", "month"] as const) {
    expect(bars({ ...daily, calendar, duration: { count: 1, unit: "Y" } }).at(-1)?.close).toBe(last);
  }
  const { bid, ask } = market.quote(euro, now);
  const close = (source: BarQuery["source"]) =>
    bars({ instrument: euro, source, useRth: false }).at(-1)?.close;
  expect([close("BID"), close("ASK")]).toEqual([bid, ask]);
  expect(close("MIDPOINT")).toBeCloseTo(((bid ?? 0) + (ask ?? 0)) / 2, 8);
});

test("opens each bar where the one before it closed", () => {
  const minutes = bars({});
  for (const [index, bar] of minutes.slice(1).entries()) expect(bar.open).toBe(minutes[index]?.close);
});

test("shows in every minute what its quotes touched, no more and no less", () => {
  for (const bar of bars({}).slice(-20, -1)) {
    const lasts = Array.from(
      { length: 241 },
      (_, slot) => market.quote(apple, bar.at + slot * 250).last ?? 0,
    );
    expect([bar.open, Math.max(...lasts), Math.min(...lasts), lasts.at(-1)]).toEqual([
      bar.open,
      bar.high,
      bar.low,
      bar.close,
    ]);
    expect(bar.wap).toBeGreaterThanOrEqual(bar.low);
    expect(bar.wap).toBeLessThanOrEqual(bar.high);
  }
});

test.each([1000, 5000, minute, 15 * minute, 60 * minute])(
  "adds bars of %s ms up to the day's bar",
  (barSizeMs) => {
    const [day] = bars(daily);
    const parts = bars({ barSizeMs });
    expect(parts[0]?.open).toBe(day?.open);
    expect(parts.at(-1)?.close).toBe(day?.close);
    expect(Math.max(...parts.map(({ high }) => high))).toBe(day?.high);
    expect(Math.min(...parts.map(({ low }) => low))).toBe(day?.low);
    expect(sum(parts)).toBe(day?.volume);
  },
);

test("agrees with the quote about the whole day and about the last session's close", () => {
  const quote = market.quote(apple, now);
  const [day] = bars({ ...daily, useRth: false });
  expect(quote).toMatchObject({ open: day?.open, high: day?.high, low: day?.low, volume: day?.volume });
  const [friday, monday] = bars({ ...daily, duration: { count: 2, unit: "D" } });
  expect(dates([friday, monday].filter((bar) => bar !== undefined))).toEqual(["2026-11-20", "2026-11-23"]);
  expect(quote.close).toBe(friday?.close);
});

test("answers the same when asked again later, except for the bar that was not finished", () => {
  const then = bars({});
  const later = bars({ endAt: now + 30 * minute });
  expect(later.slice(0, then.length - 1)).toEqual(then.slice(0, -1));
  expect(later[then.length - 1]?.at).toBe(then.at(-1)?.at);
  expect(later.length).toBe(then.length + 30);
});

test("answers a question asked in the night with the session that was over", () => {
  const night = bars({ ...daily, endAt: Date.UTC(2026, 10, 22, 9) });
  expect(dates(night)).toEqual(["2026-11-20"]);
  expect(night[0]?.close).toBe(market.quote(apple, Date.UTC(2026, 10, 20, 21)).last);
});

test("puts bars on the wall clock, so the first hourly bar of a session is half an hour", () => {
  const endAt = Date.UTC(2026, 10, 20, 23);
  expect(clocks(bars({ barSizeMs: 60 * minute, endAt }))).toEqual([
    "14:30",
    "15:00",
    "16:00",
    "17:00",
    "18:00",
    "19:00",
    "20:00",
  ]);
});

test("follows New York's clock through its change", () => {
  const inMarch = bars({
    barSizeMs: 60 * minute,
    endAt: Date.UTC(2026, 2, 10),
    duration: { count: 2, unit: "D" },
  });
  expect(clocks(inMarch).filter((clock) => clock.endsWith("30"))).toEqual(["14:30", "13:30"]);
  const sunday = bars({ barSizeMs: 60 * minute, endAt: Date.UTC(2026, 2, 9, 3, 59), useRth: false });
  expect(sunday).toHaveLength(23);
});

test("counts a month back to the day after, and leaves out weekends and holidays", () => {
  const month = dates(
    bars({ ...daily, endAt: Date.UTC(2026, 3, 11, 12), duration: { count: 1, unit: "M" } }),
  );
  expect(month).toHaveLength(21);
  expect([month[0], month.at(-1)]).toEqual(["2026-03-12", "2026-04-10"]);
  expect(month).not.toContain("2026-04-03");
});

test("covers 60 minutes of 3600 seconds, going back into the last session when there are too few", () => {
  const hour = { count: 3600, unit: "S" } as const;
  expect(bars({ duration: hour, endAt: mondayMorning })).toHaveLength(60);
  const early = bars({ duration: hour, endAt: Date.UTC(2026, 10, 23, 15) });
  expect(clocks([...early.slice(0, 1), ...early.slice(-1)])).toEqual(["20:30", "14:59"]);
  expect(early).toHaveLength(60);
});

test("groups days into weeks from Monday and into months", () => {
  const weeks = bars({ ...daily, calendar: "week", duration: { count: 1, unit: "M" } });
  expect(dates(weeks)).toEqual(
    ["2026-10-30", "2026-11-06", "2026-11-13", "2026-11-20", "2026-11-23"].slice(-weeks.length),
  );
  const months = bars({ ...daily, calendar: "month", duration: { count: 3, unit: "M" } });
  expect(dates(months).map((date) => date.slice(0, 7))).toEqual(["2026-08", "2026-09", "2026-10", "2026-11"]);
});

test("has no trades of currencies, only trades of an index, and no volume for either", () => {
  expect(bars({ instrument: euro })).toEqual([]);
  expect(bars({ instrument: spx, source: "MIDPOINT" })).toEqual([]);
  expect(bars({ instrument: spx })[0]).toMatchObject({ volume: 0 });
  expect(bars({ instrument: euro, source: "MIDPOINT" })[0]).toMatchObject({ volume: -1, count: -1 });
});

test("has nothing from before an instrument was listed", () => {
  expect(bars({ endAt: market.headAt(apple) - 86_400_000 })).toEqual([]);
  const all = bars({
    ...daily,
    endAt: market.headAt(apple) + 10 * 86_400_000,
    duration: { count: 1, unit: "Y" },
  });
  expect(all.length).toBeLessThan(10);
});

test("names the daily bar of a currency by its session's date", () => {
  const days = bars({ ...daily, instrument: euro, source: "MIDPOINT", duration: { count: 2, unit: "D" } });
  // midnight in New York is 5:00 in November
  expect(days.map(({ at }) => new Date(at).toISOString())).toEqual([
    "2026-11-20T05:00:00.000Z",
    "2026-11-23T05:00:00.000Z",
  ]);
});

test("computes a year of days and a day of minutes in the time between two frames", () => {
  const timed = (change: Partial<BarQuery>) => {
    const from = performance.now();
    const { length } = bars(change);
    return { length, ms: performance.now() - from };
  };
  // generous: what matters is that nobody replays history tick by tick
  const year = timed({ ...daily, duration: { count: 1, unit: "Y" } });
  expect(year.length).toBeGreaterThan(245);
  expect(year.ms).toBeLessThan(500);
  expect(timed({}).ms).toBeLessThan(200);
});
