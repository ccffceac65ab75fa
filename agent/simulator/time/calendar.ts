/** Days, zones and holidays. A day is its number since 1970-01-01; a minute of the day may be negative (the evening before). */

const dayMs = 86_400_000;
const minuteMs = 60_000;

/** Day number of "yyyymmdd". */
export function dayNumber(date: string): number {
  return dayOfParts(Number(date.slice(0, 4)), Number(date.slice(4, 6)), Number(date.slice(6, 8)));
}

/** Day number of a year, a month from 1 and a day of the month; months and days may overflow. */
export function dayOfParts(year: number, month: number, day: number): number {
  return Math.floor(Date.UTC(year, month - 1, day) / dayMs);
}

export function dateText(day: number): string {
  return new Date(day * dayMs).toISOString().slice(0, 10).replaceAll("-", "");
}

export function partsOf(day: number): { year: number; month: number; day: number } {
  const date = new Date(day * dayMs);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}

/** 0 is Sunday. */
export function weekday(day: number): number {
  return (((day + 4) % 7) + 7) % 7;
}

/** The nth (from 1) given weekday of a month. */
export function nthWeekday(year: number, month: number, wanted: number, nth: number): number {
  const first = dayOfParts(year, month, 1);
  return first + ((wanted - weekday(first) + 7) % 7) + 7 * (nth - 1);
}

const formatters = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, Map<number, number | null>>();

function readOffset(zone: string, at: number): number {
  let formatter = formatters.get(zone);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    formatters.set(zone, formatter);
  }
  const parts: Record<string, number> = {};
  for (const part of formatter.formatToParts(at)) parts[part.type] = Number(part.value);
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1000) * 1000;
}

/** Milliseconds to add to UTC for the wall clock of a zone at an instant. */
export function zoneOffset(zone: string, at: number): number {
  let days = offsets.get(zone);
  if (days === undefined) offsets.set(zone, (days = new Map()));
  const day = Math.floor(at / dayMs);
  let known = days.get(day);
  if (known === undefined) {
    // a day whose ends differ has a clock change in it, and every instant of it must be asked for
    const start = readOffset(zone, day * dayMs);
    known = start === readOffset(zone, (day + 1) * dayMs) ? start : null;
    days.set(day, known);
  }
  return known ?? readOffset(zone, at);
}

/** The day a zone's calendar shows. */
export function localDay(zone: string, at: number): number {
  return Math.floor((at + zoneOffset(zone, at)) / dayMs);
}

/** The instant when a zone's clock shows the given minute of the given day. */
export function zonedAt(zone: string, day: number, minute: number): number {
  const wall = day * dayMs + minute * minuteMs;
  const guess = wall - zoneOffset(zone, wall);
  return wall - zoneOffset(zone, guess);
}

/** Western Easter Sunday, by the anonymous Gregorian algorithm. */
function easter(year: number): number {
  const a = year % 19;
  const b = Math.floor(year / 100);
  const c = year % 100;
  const d = (19 * a + b - Math.floor(b / 4) - Math.floor((b - Math.floor((b + 8) / 25) + 1) / 3) + 15) % 30;
  const e = (32 + 2 * (b % 4) + 2 * Math.floor(c / 4) - d - (c % 4)) % 7;
  const f = d + e - 7 * Math.floor((a + 11 * d + 22 * e) / 451) + 114;
  return dayOfParts(year, Math.floor(f / 31), (f % 31) + 1);
}

interface Holidays {
  /** US stock exchanges are closed. */
  readonly closed: ReadonlySet<number>;
  /** They close at 13:00. */
  readonly early: ReadonlySet<number>;
  /** Nearly everything is closed: New Year, Good Friday, Christmas. */
  readonly major: ReadonlySet<number>;
}

const years = new Map<number, Holidays>();

function observed(day: number): number {
  const name = weekday(day);
  if (name === 6) return day - 1;
  return name === 0 ? day + 1 : day;
}

function holidaysOf(year: number): Holidays {
  const known = years.get(year);
  if (known !== undefined) return known;
  const newYear = dayOfParts(year, 1, 1);
  const goodFriday = easter(year) - 2;
  const christmas = dayOfParts(year, 12, 25);
  const thanksgiving = nthWeekday(year, 11, 4, 4);
  const closed = new Set([
    // New Year on a Saturday is not moved into the old year
    weekday(newYear) === 0 ? newYear + 1 : newYear,
    nthWeekday(year, 1, 1, 3),
    nthWeekday(year, 2, 1, 3),
    goodFriday,
    nthWeekday(year, 6, 1, 1) - 7,
    observed(dayOfParts(year, 7, 4)),
    nthWeekday(year, 9, 1, 1),
    thanksgiving,
    observed(christmas),
  ]);
  if (year >= 2022) closed.add(observed(dayOfParts(year, 6, 19)));
  const early = [thanksgiving + 1, dayOfParts(year, 12, 24), dayOfParts(year, 7, 3)];
  const holidays = {
    closed,
    early: new Set(early.filter((day) => !closed.has(day) && weekday(day) % 6 !== 0)),
    major: new Set([newYear, goodFriday, christmas]),
  };
  years.set(year, holidays);
  return holidays;
}

export type HolidayRule = "exchange" | "major" | "none" | "always";

/** Whether a day is a working day under a rule; weekends are under `always` alone. */
export function isTradingDay(day: number, rule: HolidayRule): boolean {
  if (rule === "always") return true;
  if (weekday(day) % 6 === 0) return false;
  if (rule === "none") return true;
  const holidays = holidaysOf(partsOf(day).year);
  return !(rule === "exchange" ? holidays.closed : holidays.major).has(day);
}

export function closesEarly(day: number): boolean {
  return holidaysOf(partsOf(day).year).early.has(day);
}

/** The last working day of the US exchanges on or before a day. */
export function tradingDayOnOrBefore(day: number): number {
  let candidate = day;
  while (!isTradingDay(candidate, "exchange")) candidate -= 1;
  return candidate;
}
