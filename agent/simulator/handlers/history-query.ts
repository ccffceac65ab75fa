import type { Instrument } from "../model/instruments.ts";
import type { BarQuery, BarSource } from "../model/market.ts";
import type { HistoricalDataRequest } from "../wire/requests.ts";
import { parseStamp } from "../time/zone-time.ts";

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

interface BarSize {
  readonly ms: number;
  readonly calendar: BarQuery["calendar"];
}

function timed(ms: number): BarSize {
  return { ms, calendar: null };
}

const week: BarSize = { ms: 7 * dayMs, calendar: "week" };
const month: BarSize = { ms: 30 * dayMs, calendar: "month" };

const barSizes: ReadonlyMap<string, BarSize> = new Map([
  ["1 secs", timed(secondMs)],
  ["5 secs", timed(5 * secondMs)],
  ["10 secs", timed(10 * secondMs)],
  ["15 secs", timed(15 * secondMs)],
  ["30 secs", timed(30 * secondMs)],
  ["1 min", timed(minuteMs)],
  ["2 mins", timed(2 * minuteMs)],
  ["3 mins", timed(3 * minuteMs)],
  ["5 mins", timed(5 * minuteMs)],
  ["10 mins", timed(10 * minuteMs)],
  ["15 mins", timed(15 * minuteMs)],
  ["20 mins", timed(20 * minuteMs)],
  ["30 mins", timed(30 * minuteMs)],
  ["1 hour", timed(hourMs)],
  ["2 hours", timed(2 * hourMs)],
  ["3 hours", timed(3 * hourMs)],
  ["4 hours", timed(4 * hourMs)],
  ["8 hours", timed(8 * hourMs)],
  ["1 day", { ms: dayMs, calendar: "day" }],
  ["1 week", week],
  ["1W", week],
  ["1 month", month],
  ["1M", month],
]);

const sources: ReadonlyMap<string, BarSource> = new Map([
  ["TRADES", "TRADES"],
  ["AGGTRADES", "TRADES"],
  ["MIDPOINT", "MIDPOINT"],
  ["BID", "BID"],
  ["ASK", "ASK"],
  ["BID_ASK", "BID_ASK"],
  ["ADJUSTED_LAST", "ADJUSTED_LAST"],
]);

/** Kinds of data TWS knows and this market does not keep. */
const notKept: ReadonlySet<string> = new Set([
  "HISTORICAL_VOLATILITY",
  "OPTION_IMPLIED_VOLATILITY",
  "FEE_RATE",
]);

/** Yields of bonds are worked out from these prices. */
const yieldSources: ReadonlyMap<string, BarSource> = new Map([
  ["YIELD_BID", "BID"],
  ["YIELD_ASK", "ASK"],
  ["YIELD_BID_ASK", "BID_ASK"],
  ["YIELD_LAST", "TRADES"],
]);

const units: ReadonlyMap<string, BarQuery["duration"]["unit"]> = new Map([
  ["S", "S"],
  ["D", "D"],
  ["W", "W"],
  ["M", "M"],
  ["Y", "Y"],
]);

const badEndTimeText =
  "End Date/Time: The date, time, or time-zone entered is invalid. The correct format is yyyymmdd hh:mm:ss xx/xxxx where yyyymmdd and xx/xxxx are optional. E.g.: 20031126 15:59:00 US/Eastern  Note that there is a space between the date and time, and between the time and time-zone.  If no date is specified, current date is assumed. If no time-zone is specified, local time-zone is assumed(deprecated).  You can also provide yyyymmddd-hh:mm:ss time is in UTC. Note that there is a dash between the date and time in UTC notation.";

export type HistoryQuery =
  | { readonly type: "bars"; readonly query: BarQuery; readonly inYields: boolean }
  | { readonly type: "schedule"; readonly endAt: number; readonly days: number }
  | { readonly type: "invalid"; readonly code: number; readonly text: string };

function invalid(cause: string): HistoryQuery {
  return { type: "invalid", code: 321, text: `Error validating request.-'bQ' : cause - ${cause}` };
}

/** "AAPL@SMART Trades", as TWS names a query in its errors. */
export function queryName(instrument: Instrument, whatToShow: string): string {
  const symbol = instrument.secType === "CASH" ? instrument.localSymbol : instrument.symbol;
  return `${symbol}@${instrument.exchange} ${whatToShow.charAt(0)}${whatToShow.slice(1).toLowerCase()}`;
}

export function noData(instrument: Instrument, whatToShow: string): string {
  const name = queryName(instrument, whatToShow);
  return `Historical Market Data Service error message:HMDS query returned no data: ${name}`;
}

function parseDuration(text: string): BarQuery["duration"] | null {
  const match = /^(\d{1,6}) ([SDWMY])$/.exec(text.trim().toUpperCase());
  const unit = units.get(match?.[2] ?? "");
  const count = Number(match?.[1] ?? 0);
  return unit === undefined || count === 0 ? null : { count, unit };
}

const daysOfUnit = { S: 0, D: 1, W: 7, M: 30, Y: 365 } as const;

/** TWS answers no query of a year in seconds, and we could not hold the answer. */
const mostBars = 100_000;
const mostShortBars = 20_000;

function isTooLong({ count, unit }: BarQuery["duration"], { ms, calendar }: BarSize): boolean {
  const durationMs = unit === "S" ? count * secondMs : count * daysOfUnit[unit] * dayMs;
  return calendar === null && durationMs / ms > (ms < minuteMs ? mostShortBars : mostBars);
}

function endOf(request: HistoricalDataRequest, instrument: Instrument, now: number): number | null {
  if (request.endDateTime === "") return now;
  const at = parseStamp(request.endDateTime, instrument.timeZoneId);
  return at === null ? null : Math.min(at, now);
}

function badEndTime(serverVersion: number): HistoryQuery {
  return serverVersion >= 174
    ? { type: "invalid", code: 10314, text: badEndTimeText }
    : invalid("Invalid endDateTime, the format is yyyymmdd{space}{space}hh:mm:ss");
}

/** Turns a history request into a question to the market, or into TWS's complaint about it. */
export function historyQuery(
  request: HistoricalDataRequest,
  instrument: Instrument,
  serverVersion: number,
  now: number,
): HistoryQuery {
  const size = barSizes.get(request.barSize.trim());
  if (size === undefined) {
    const legal = [...barSizes.keys()].join(",");
    return invalid(`Historical data bar size setting is invalid. Legal ones are: ${legal}`);
  }
  const duration = parseDuration(request.duration);
  if (duration === null) {
    return invalid("Historical data query duration is invalid, it is an integer followed by S, D, W, M or Y");
  }
  if (duration.unit === "D" && duration.count > 365) {
    return invalid("Historical data requests for durations longer than 365 days must be made in years.");
  }
  if (isTooLong(duration, size)) {
    const text = "Historical Market Data Service error message:Time length exceed max.";
    return { type: "invalid", code: 162, text };
  }
  if (request.keepUpToDate && request.endDateTime !== "") {
    return invalid("End date is not supported when keeping the data up to date");
  }
  const endAt = endOf(request, instrument, now);
  if (endAt === null) return badEndTime(serverVersion);
  if (request.whatToShow === "SCHEDULE") {
    if (size.calendar !== "day") return invalid("Only a bar size of 1 day is supported for a schedule");
    return { type: "schedule", endAt, days: Math.max(1, duration.count * daysOfUnit[duration.unit]) };
  }
  if (instrument.secType === "CONTFUT" && request.endDateTime !== "") {
    const text = "Setting end date/time for continuous future security type is not allowed";
    return { type: "invalid", code: 10339, text };
  }
  if (instrument.secType === "CRYPTO" && request.whatToShow === "TRADES") {
    const text = "Expected what to show is AGGTRADES, please use that instead of TRADES.";
    return { type: "invalid", code: 10299, text };
  }
  const yieldSource = yieldSources.get(request.whatToShow);
  const isOfOthers = yieldSource !== undefined && instrument.secType !== "BOND";
  const isOfCoins = request.whatToShow === "AGGTRADES" && instrument.secType !== "CRYPTO";
  if (notKept.has(request.whatToShow) || isOfOthers || isOfCoins) {
    return { type: "invalid", code: 162, text: noData(instrument, request.whatToShow) };
  }
  const source = yieldSource ?? sources.get(request.whatToShow);
  if (source === undefined)
    return invalid(`Historical data request for '${request.whatToShow}' is not supported`);
  if (source === "ADJUSTED_LAST" && request.endDateTime !== "") {
    return invalid("End date not supported with adjusted last");
  }
  return {
    type: "bars",
    inYields: yieldSource !== undefined,
    query: {
      instrument,
      endAt,
      duration,
      barSizeMs: size.ms,
      calendar: size.calendar,
      source,
      useRth: request.useRth,
    },
  };
}
