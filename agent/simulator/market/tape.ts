import type { Day } from "./hours.ts";
import { dayAt } from "./hours.ts";
import type { Hours } from "./hours.ts";
import type { Listing } from "./instruments.ts";
import { cleanPrice } from "./market-rules.ts";
import { unit } from "./noise.ts";
import type { Path } from "./price.ts";
import { volatilityOf } from "./price.ts";

export const slotMs = 250;
export const minuteMs = 60_000;
const slots = minuteMs / slotMs;
const yearMs = 365.25 * 86_400_000;

/** The best prices and the last trade during one slot of time. The last trade is at one of the two. */
export interface Touch {
  readonly bid: number;
  readonly ask: number;
  readonly last: number;
}

/** The extremes of both sides over whole minutes, both ends included. */
export interface Range {
  readonly bidLow: number;
  readonly bidHigh: number;
  readonly askLow: number;
  readonly askHigh: number;
}

/**
 * Everything that ever traded in one instrument, computed when asked. Prices stand still within a slot; every minute's
 * extremes are touched by some slot of it, so quotes and bars of every size agree.
 */
export interface Tape {
  /** A bid of 0 means that nobody bids. */
  touch(at: number): Touch;
  /** From the start of one minute to the start of a later one; minutes count from 1970. */
  range(from: number, to: number): Range;
  /** Traded from one instant to a later one; null where no volume is reported. */
  volume(from: number, to: number): number | null;
}

/** Which slots of a minute print its highest and lowest price; the slot at 0 belongs to both neighbours. */
function extremeSlots(seed: number, minute: number): { high: number; low: number } {
  const high = 1 + Math.floor(unit(seed, minute, 3) * (slots - 1));
  const low = 1 + Math.floor(unit(seed, minute, 4) * (slots - 2));
  return { high, low: low >= high ? low + 1 : low };
}

/** Whether the last trade of a slot was a buyer's; at a minute's extremes it is always so that they print. */
export function boughtLast(seed: number, slot: number): boolean {
  const minute = Math.floor(slot / slots);
  const index = slot - minute * slots;
  if (index !== 0) {
    const extremes = extremeSlots(seed, minute);
    if (index === extremes.high) return true;
    if (index === extremes.low) return false;
  }
  return unit(seed, slot, 5) < 0.5;
}

export function createTape(seed: number, listing: Listing, path: Path): Tape {
  const { tick, spreadTicks } = listing;
  const spread = spreadTicks * tick;
  // how far a minute strays beyond its two ends, in ticks
  const stray = volatilityOf(listing.motion) * Math.sqrt(minuteMs / yearMs) * 0.9;
  const ticksAt = (at: number) => Math.max(1, Math.round(path(at) / tick));

  // written over instead of replaced: a year of minutes passes through here
  const known = { minute: Number.NaN, first: 0, next: 0, high: 0, low: 0 };
  function minuteTicks(minute: number): typeof known {
    if (minute === known.minute) return known;
    const first = minute === known.minute + 1 ? known.next : ticksAt(minute * minuteMs);
    const next = ticksAt((minute + 1) * minuteMs);
    const reach = first * stray;
    known.minute = minute;
    known.first = first;
    known.next = next;
    known.high = Math.max(first, next) + Math.floor(unit(seed, minute, 1) * reach + 0.5);
    known.low = Math.max(1, Math.min(first, next) - Math.floor(unit(seed, minute, 2) * reach + 0.5));
    return known;
  }

  function bidTicks(slot: number): number {
    const minute = Math.floor(slot / slots);
    const index = slot - minute * slots;
    const { first, high, low } = minuteTicks(minute);
    if (index === 0) return first;
    const extremes = extremeSlots(seed, minute);
    if (index === extremes.high) return high;
    if (index === extremes.low) return low;
    return Math.min(high, Math.max(low, ticksAt(slot * slotMs)));
  }

  return {
    touch(at) {
      const slot = Math.floor(at / slotMs);
      const bid = cleanPrice(bidTicks(slot) * tick);
      const ask = cleanPrice(bid + spread);
      return { bid, ask, last: boughtLast(seed, slot) ? ask : bid };
    },
    range(from, to) {
      let low = Infinity;
      let high = 0;
      for (let minute = from; minute < to; minute += 1) {
        const ticks = minuteTicks(minute);
        if (ticks.low < low) low = ticks.low;
        if (ticks.high > high) high = ticks.high;
      }
      const bidLow = cleanPrice(low * tick);
      const bidHigh = cleanPrice(high * tick);
      return { bidLow, bidHigh, askLow: cleanPrice(bidLow + spread), askHigh: cleanPrice(bidHigh + spread) };
    },
    volume: createVolume(seed, listing.hours, listing.dailyVolume),
  };
}

/** Traded volume between two instants: busy at the session's ends, thin outside it, never negative. */
export function createVolume(seed: number, hours: Hours, daily: number | null): Tape["volume"] {
  if (daily === null) return () => null;
  let day: Day = dayAt(hours, 0);
  let scale = 1;

  function minuteVolume(minute: number): number {
    const at = minute * minuteMs;
    if (at < day.start || at >= day.end) {
      day = dayAt(hours, at);
      scale = daily === null ? 0 : daily * (0.7 + 0.9 * unit(seed, day.number, 6) ** 2);
    }
    const jitter = 0.4 + 1.2 * unit(seed, minute, 7);
    const session = day.regular;
    if (session === null || at < session.open || at >= session.close) {
      return Math.round(((scale * 0.05) / 1050) * jitter);
    }
    const length = session.close - session.open;
    const x = (2 * (at - session.open)) / length - 1;
    return Math.round((scale * 0.95 * minuteMs * (0.5 + 1.5 * x * x) * jitter) / length);
  }

  /** From the start of the minute to an instant within it. */
  const partial = (at: number) => {
    const minute = Math.floor(at / minuteMs);
    const passed = Math.floor(at / slotMs) * slotMs - minute * minuteMs;
    return passed === 0 ? 0 : Math.floor((minuteVolume(minute) * passed) / minuteMs);
  };

  return (from, to) => {
    let sum = partial(to) - partial(from);
    const end = Math.floor(to / minuteMs);
    for (let minute = Math.floor(from / minuteMs); minute < end; minute += 1) sum += minuteVolume(minute);
    return sum;
  };
}
