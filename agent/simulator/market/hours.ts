import type { HolidayRule } from "../time/calendar.ts";
import { closesEarly, isTradingDay, localDay, zonedAt } from "../time/calendar.ts";

/** When an instrument trades. Minutes count from midnight of the session's date; negative is the evening before. */
export interface Hours {
  readonly zone: string;
  /** When one day ends and the next begins, trading or not. */
  readonly cut: number;
  readonly regular: readonly [number, number];
  readonly extended: readonly [number, number];
  readonly holidays: HolidayRule;
  /** Close on the days when the exchanges shut early; null when they do not shorten the session. */
  readonly earlyClose: number | null;
}

/** One day of an instrument. The days of the simulator are seamless: each ends where the next begins. */
export interface Day {
  readonly number: number;
  readonly start: number;
  readonly end: number;
  /** The regular session, null on a closed day. */
  readonly regular: Span | null;
  readonly extended: Span | null;
}

export interface Span {
  readonly open: number;
  readonly close: number;
}

const clock = (hours: number, minutes = 0) => hours * 60 + minutes;

export const stockHours: Hours = {
  zone: "US/Eastern",
  cut: 0,
  regular: [clock(9, 30), clock(16)],
  extended: [clock(4), clock(20)],
  holidays: "exchange",
  earlyClose: clock(13),
};
export const londonHours: Hours = {
  ...stockHours,
  zone: "GB-Eire",
  regular: [clock(8), clock(16, 30)],
  extended: [clock(8), clock(16, 30)],
  holidays: "none",
  earlyClose: null,
};
export const hongKongHours: Hours = {
  ...londonHours,
  zone: "Hongkong",
  regular: [clock(9, 30), clock(16)],
  extended: [clock(9, 30), clock(16)],
};
export const tokyoHours: Hours = {
  ...londonHours,
  zone: "Japan",
  regular: [clock(9), clock(15, 30)],
  extended: [clock(9), clock(15, 30)],
};
export const optionHours: Hours = { ...stockHours, extended: stockHours.regular };
export const indexHours: Hours = { ...stockHours, extended: stockHours.regular };
export const cboeHours: Hours = {
  zone: "US/Central",
  cut: 0,
  regular: [clock(8, 30), clock(15)],
  extended: [clock(8, 30), clock(15)],
  holidays: "exchange",
  earlyClose: clock(12),
};
export const indexOptionHours: Hours = {
  ...cboeHours,
  regular: [clock(8, 30), clock(15, 15)],
  extended: [clock(8, 30), clock(15, 15)],
};
export const currencyHours: Hours = {
  zone: "US/Eastern",
  cut: clock(-7),
  regular: [clock(-7, 15), clock(17)],
  extended: [clock(-7, 15), clock(17)],
  holidays: "none",
  earlyClose: null,
};
/** Around the clock, weekends included. */
export const cryptoHours: Hours = {
  zone: "UTC",
  cut: 0,
  regular: [0, clock(24)],
  extended: [0, clock(24)],
  holidays: "always",
  earlyClose: null,
};
export const cmeHours: Hours = {
  zone: "US/Central",
  cut: clock(-7),
  regular: [clock(8, 30), clock(16)],
  extended: [clock(-7), clock(16)],
  holidays: "major",
  earlyClose: clock(12),
};
/** Dealers quote bonds nearly around the clock, and TWS calls all of it regular. */
export const bondHours: Hours = {
  zone: "US/Eastern",
  cut: clock(-4),
  regular: [clock(-4), clock(17)],
  extended: [clock(-4), clock(17)],
  holidays: "exchange",
  earlyClose: clock(14),
};
export const grainHours: Hours = {
  ...cmeHours,
  cut: clock(-5),
  regular: [clock(8, 30), clock(13, 20)],
  extended: [clock(-5), clock(13, 20)],
};
export const nymexHours: Hours = {
  zone: "US/Eastern",
  cut: clock(-6),
  regular: [clock(9), clock(14, 30)],
  extended: [clock(-6), clock(17)],
  holidays: "major",
  earlyClose: clock(13, 30),
};

const known = new Map<Hours, Map<number, Day>>();

/** A day by its number. */
export function dayByNumber(hours: Hours, number: number): Day {
  let days = known.get(hours);
  if (days === undefined) known.set(hours, (days = new Map()));
  let day = days.get(number);
  if (day === undefined) days.set(number, (day = buildDay(hours, number)));
  return day;
}

function buildDay(hours: Hours, number: number): Day {
  const at = (minute: number) => zonedAt(hours.zone, number, minute);
  const trading = isTradingDay(number, hours.holidays);
  const early = hours.earlyClose !== null && closesEarly(number) ? hours.earlyClose : null;
  const span = ([open, close]: readonly [number, number]): Span | null =>
    trading ? { open: at(open), close: at(early ?? close) } : null;
  return {
    number,
    start: at(hours.cut),
    end: zonedAt(hours.zone, number + 1, hours.cut),
    regular: span(hours.regular),
    extended: span(hours.extended),
  };
}

/** The day an instant belongs to. */
export function dayAt(hours: Hours, at: number): Day {
  // the cut is never later than midnight, so the calendar's day or the one after it
  const day = dayByNumber(hours, localDay(hours.zone, at));
  return at < day.end ? day : dayByNumber(hours, day.number + 1);
}

export function sessionOf(day: Day, useRth: boolean): Span | null {
  return useRth ? day.regular : day.extended;
}

/** The last day before the given one that had a regular session. */
export function previousTradingDay(hours: Hours, day: Day): Day {
  let candidate = dayByNumber(hours, day.number - 1);
  while (candidate.regular === null) candidate = dayByNumber(hours, candidate.number - 1);
  return candidate;
}
