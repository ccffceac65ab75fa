import { partsOf, dayOfParts, weekday, zonedAt } from "../time/calendar.ts";
import type { Day, Hours, Span } from "./hours.ts";
import { dayAt, dayByNumber } from "./hours.ts";
import { cleanPrice } from "./market-rules.ts";
import type { Bar, BarQuery, BarSource } from "../model/market.ts";
import type { Tape, Touch } from "./tape.ts";
import { minuteMs, slotMs } from "./tape.ts";

/** One stretch of trading that bars may not cross: a regular session, or a whole day. */
interface Segment extends Span {
  readonly day: Day;
}

/** The extremes of a stretch of tape, both its ends included. */
export class Extremes {
  bidLow = Infinity;
  bidHigh = -Infinity;
  askLow = Infinity;
  askHigh = -Infinity;
  lastLow = Infinity;
  lastHigh = -Infinity;

  touch({ bid, ask, last }: Touch): void {
    if (bid < this.bidLow) this.bidLow = bid;
    if (bid > this.bidHigh) this.bidHigh = bid;
    if (ask < this.askLow) this.askLow = ask;
    if (ask > this.askHigh) this.askHigh = ask;
    if (last < this.lastLow) this.lastLow = last;
    if (last > this.lastHigh) this.lastHigh = last;
  }

  /** Whole minutes, as their numbers since 1970. */
  minutes(tape: Tape, from: number, to: number): void {
    if (from >= to) return;
    const { bidLow, bidHigh, askLow, askHigh } = tape.range(from, to);
    if (bidLow < this.bidLow) this.bidLow = bidLow;
    if (bidHigh > this.bidHigh) this.bidHigh = bidHigh;
    if (askLow < this.askLow) this.askLow = askLow;
    if (askHigh > this.askHigh) this.askHigh = askHigh;
    // each minute's top is bought and its bottom sold, unless nobody bids
    const lastLow = bidLow === 0 ? askLow : bidLow;
    if (lastLow < this.lastLow) this.lastLow = lastLow;
    if (askHigh > this.lastHigh) this.lastHigh = askHigh;
  }

  private slots(tape: Tape, from: number, to: number): void {
    for (let at = from; at < to; at = (Math.floor(at / slotMs) + 1) * slotMs) this.touch(tape.touch(at));
  }

  /** Everything from one instant to another, both included. */
  span(tape: Tape, from: number, to: number): void {
    const firstWhole = Math.ceil(from / minuteMs);
    const lastWhole = Math.max(firstWhole, Math.floor(to / minuteMs));
    this.slots(tape, from, Math.min(to, firstWhole * minuteMs));
    this.minutes(tape, firstWhole, lastWhole);
    this.slots(tape, lastWhole * minuteMs, to);
    this.touch(tape.touch(to));
  }
}

/** Bars of a tape as TWS would answer; empty when nothing is that old. */
export function barsOf(tape: Tape, hours: Hours, query: BarQuery, headAt: number): Bar[] {
  const { calendar, source } = query;
  const segments = segmentsOf(hours, query, headAt);
  if (calendar === null) return segments.flatMap((segment) => intraday(tape, hours, query, segment));
  const periods: { key: number; at: number; spans: Span[] }[] = [];
  for (const { day, open, close } of segments) {
    const key = periodStart[calendar](day.number);
    // named by its date, since the session of a future opens the evening before
    const at = zonedAt(hours.zone, day.number, 0);
    const known = periods.at(-1);
    const period = known?.key === key ? known : { key, at, spans: [] };
    if (period !== known) periods.push(period);
    // TWS dates a week by the last of its days that has traded
    if (calendar === "week") period.at = at;
    period.spans.push({ open, close });
  }
  return periods.map(({ at, spans }) => bar(tape, source, at, spans));
}

/** First day of the period a day is part of; weeks begin on Monday. */
const periodStart: Record<"day" | "week" | "month", (day: number) => number> = {
  day: (day) => day,
  week: (day) => day - ((weekday(day) + 6) % 7),
  month: (day) => day - partsOf(day).day,
};

/** The last point of the wall clock's grid of bars, so an hourly bar of a session from 9:30 is half an hour long. */
function gridFloor(hours: Hours, day: Day, barSizeMs: number, at: number): number {
  const midnight = zonedAt(hours.zone, day.number, hours.cut);
  return midnight + Math.floor((at - midnight) / barSizeMs) * barSizeMs;
}

function intraday(tape: Tape, hours: Hours, { barSizeMs, source }: BarQuery, segment: Segment): Bar[] {
  const bars: Bar[] = [];
  let open = segment.open;
  while (open < segment.close) {
    const next = gridFloor(hours, segment.day, barSizeMs, open) + barSizeMs;
    const close = Math.min(next, segment.close);
    bars.push(bar(tape, source, open, [{ open, close }]));
    open = close;
  }
  return bars;
}

function bar(tape: Tape, source: BarSource, at: number, spans: readonly Span[]): Bar {
  const first = spans[0]?.open ?? at;
  const end = spans.at(-1)?.close ?? at;
  const extremes = new Extremes();
  let volume = 0;
  for (const { open, close } of spans) {
    extremes.span(tape, open, close);
    volume += tape.volume(open, close) ?? 0;
  }
  const prices = pricesBySource[source](tape.touch(first), tape.touch(end), extremes);
  const traded = source === "TRADES" || source === "ADJUSTED_LAST";
  const { open, high, low, close } = prices;
  return {
    at,
    ...prices,
    volume: traded ? volume : -1,
    wap: traded ? cleanPrice(Math.round(((open + high + low + close) / 4) * 1000) / 1000) : -1,
    count: traded ? Math.ceil(volume / 90) : -1,
  };
}

type Prices = Pick<Bar, "open" | "high" | "low" | "close">;

const mid = (a: number, b: number) => cleanPrice((a + b) / 2);

function tradePrices(first: Touch, end: Touch, all: Extremes): Prices {
  return { open: first.last, high: all.lastHigh, low: all.lastLow, close: end.last };
}

const pricesBySource: Record<BarSource, (first: Touch, end: Touch, all: Extremes) => Prices> = {
  TRADES: tradePrices,
  ADJUSTED_LAST: tradePrices,
  BID: (first, end, all) => ({ open: first.bid, high: all.bidHigh, low: all.bidLow, close: end.bid }),
  ASK: (first, end, all) => ({ open: first.ask, high: all.askHigh, low: all.askLow, close: end.ask }),
  MIDPOINT: (first, end, all) => ({
    open: mid(first.bid, first.ask),
    high: mid(all.bidHigh, all.askHigh),
    low: mid(all.bidLow, all.askLow),
    close: mid(end.bid, end.ask),
  }),
  // TWS puts the bid into open and low, the ask into high and close
  BID_ASK: (first, end, all) => ({ open: first.bid, high: all.askHigh, low: all.bidLow, close: end.ask }),
};

/** The stretches a query covers, oldest first; the last one ends where the market is. */
function segmentsOf(hours: Hours, query: BarQuery, headAt: number): Segment[] {
  const { duration, endAt, useRth } = query;
  const newestFirst: Segment[] = [];
  const last = dayAt(hours, endAt).number;
  const earliest = dayAt(hours, headAt).number;
  const oldest = oldestDay[duration.unit](last, duration.count);
  let left = duration.unit === "S" ? duration.count * 1000 : Infinity;
  for (let number = last; number >= earliest && left > 0; number -= 1) {
    const day = dayByNumber(hours, number);
    const span = useRth ? day.regular : { open: day.start, close: day.end };
    if (span === null || span.open >= endAt) continue;
    // a quiet period is answered with the last day there was
    if (number < oldest && newestFirst.length > 0) break;
    const close = Math.min(span.close, endAt);
    const from = left === Infinity ? span.open : gridFloor(hours, day, query.barSizeMs, close - left);
    newestFirst.push({ day, open: Math.max(span.open, from), close });
    left -= close - span.open;
    if (duration.unit === "D" && newestFirst.length >= duration.count) break;
  }
  return newestFirst.toReversed();
}

/** First day of a duration that counts by the calendar; the same day a month ago is not part of it. */
const oldestDay: Record<BarQuery["duration"]["unit"], (last: number, count: number) => number> = {
  S: () => -Infinity,
  D: () => -Infinity,
  W: (last, count) => last - 7 * count + 1,
  M: (last, count) => {
    const { year, month, day } = partsOf(last);
    return dayOfParts(year, month - count, day) + 1;
  },
  Y: (last, count) => {
    const { year, month, day } = partsOf(last);
    return dayOfParts(year - count, month, day) + 1;
  },
};
