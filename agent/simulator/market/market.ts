import { barsOf, Extremes } from "./bars.ts";
import { dateText } from "../time/calendar.ts";
import type { Day, Hours } from "./hours.ts";
import { dayAt, dayByNumber, previousTradingDay, sessionOf } from "./hours.ts";
import type { Listing } from "./instruments.ts";
import { cleanPrice } from "./market-rules.ts";
import type { Instrument } from "../model/instruments.ts";
import type { Bar, BarQuery, Market, Quote, SessionDay } from "../model/market.ts";
import { hash, hashText, unit } from "./noise.ts";
import type { OptionListing } from "./option-series.ts";
import { createOptionTape, type OptionTape } from "./option-tape.ts";
import type { Path } from "./price.ts";
import type { Tape } from "./tape.ts";
import { createTape, minuteMs, slotMs } from "./tape.ts";
import type { Catalogue } from "./universe.ts";

/** Days of which the running extremes are kept; enough for every line that a client may watch at once. */
const keptDays = 2000;
const optionHistoryMs = 270 * 86_400_000;

/** An instrument with its tape and what else its quotes need. */
interface Traded {
  readonly tape: Tape;
  readonly hours: Hours;
  readonly seed: number;
  readonly headAt: number;
  readonly displayed: number;
  readonly lot: number;
  readonly kind: "traded" | "index" | "currency";
  /** Null for what is no option. */
  readonly option: OptionTape | null;
}

/** The running extremes of a day, up to each whole minute of it. */
interface DayTable {
  readonly day: Day;
  readonly minutes: Extremes[];
  readonly open: number;
  readonly close: number;
  volume: { at: number; sum: number };
  /** How far the present minute has been looked at. */
  latest: { readonly at: number; readonly extremes: Extremes } | null;
}

/**
 * The market of a seed. It never sleeps: quotes move at any hour of any day, and a quote's open, high, low and volume
 * are those of its instrument's whole day, as bars with `useRth` false show it. `close` is the last regular session's.
 */
export function createMarket(
  seed: number,
  catalogue: Catalogue,
  pathOf: (listing: Listing) => Path,
  centreOf: (listing: Listing) => number,
): Market {
  const all = new Map<number, Traded>();
  const tables = new Map<string, DayTable>();

  function linear(listing: Listing): Traded {
    const { instrument, hours, headAt, displayed, lot } = listing;
    const own = hashText(seed, `${instrument.localSymbol} ${instrument.currency}`);
    const kind =
      instrument.secType === "IND" ? "index" : instrument.secType === "CASH" ? "currency" : "traded";
    const tape = createTape(own, listing, pathOf(listing));
    return { tape, hours, seed: own, headAt, displayed, lot, kind, option: null };
  }

  function option(listing: OptionListing): Traded {
    const own = hash(seed, listing.instrument.conId);
    const { tape: underlying } = traded(listing.underlying.instrument);
    const tape = createOptionTape(own, listing, underlying, centreOf(listing.underlying));
    const headAt = listing.expiryAt - optionHistoryMs;
    return {
      tape,
      hours: listing.hours,
      seed: own,
      headAt,
      displayed: 25,
      lot: 1,
      kind: "traded",
      option: tape,
    };
  }

  function traded(instrument: Instrument): Traded {
    const known = all.get(instrument.conId);
    if (known !== undefined) return known;
    const listing = catalogue.listing(instrument.conId);
    const optioned = listing === undefined ? catalogue.option(instrument.conId) : undefined;
    const found = listing === undefined ? optioned && option(optioned) : linear(listing);
    if (found === undefined) throw new Error(`No instrument has the conId ${instrument.conId}.`);
    all.set(instrument.conId, found);
    return found;
  }

  function tableOf(instrument: Instrument, { tape, hours, kind }: Traded, at: number): DayTable {
    const day = dayAt(hours, at);
    const key = `${instrument.conId} ${day.number}`;
    const known = tables.get(key);
    if (known !== undefined) return known;
    const closedAt = previousTradingDay(hours, day).regular?.close ?? day.start;
    const first = tape.touch(day.start);
    const closing = tape.touch(closedAt);
    const price = (touch: typeof first) =>
      kind === "currency" ? cleanPrice((touch.bid + touch.ask) / 2) : touch.last;
    const table: DayTable = {
      day,
      minutes: [],
      open: price(first),
      close: price(closing),
      volume: { at: day.start, sum: 0 },
      latest: null,
    };
    const [oldest] = tables.keys();
    if (tables.size >= keptDays && oldest !== undefined) tables.delete(oldest);
    tables.set(key, table);
    return table;
  }

  /** The extremes from the day's start to an instant. */
  function extremesAt(tape: Tape, table: DayTable, at: number): Extremes {
    const { day, minutes, latest } = table;
    const first = day.start / minuteMs;
    const whole = Math.floor(at / minuteMs) - first;
    for (let index = minutes.length; index < whole; index += 1) {
      const next = Object.assign(new Extremes(), minutes[index - 1]);
      next.minutes(tape, first + index, first + index + 1);
      minutes.push(next);
    }
    const since = (first + whole) * minuteMs;
    const resumes = latest !== null && latest.at >= since && latest.at <= at;
    const extremes = Object.assign(new Extremes(), resumes ? latest.extremes : minutes[whole - 1]);
    extremes.span(tape, resumes ? latest.at : since, at);
    table.latest = { at, extremes };
    return extremes;
  }

  function volumeAt(tape: Tape, table: DayTable, at: number): number | null {
    const from = at >= table.volume.at ? table.volume : { at: table.day.start, sum: 0 };
    const more = tape.volume(from.at, at);
    if (more === null) return null;
    table.volume = { at, sum: from.sum + more };
    return table.volume.sum;
  }

  function quote(instrument: Instrument, at: number): Quote {
    const it = traded(instrument);
    const { bid, ask, last } = it.tape.touch(at);
    const table = tableOf(instrument, it, at);
    const extremes = extremesAt(it.tape, table, at);
    const second = Math.floor(at / 1000);
    const size = (side: number) =>
      Math.max(1, Math.round((it.displayed * (0.4 + 1.4 * unit(it.seed, second, side))) / it.lot)) * it.lot;
    const currency = it.kind === "currency";
    const index = it.kind === "index";
    const unbid = index || bid === 0;
    return {
      at,
      bid: unbid ? null : bid,
      ask: index ? null : ask,
      last: currency ? null : last,
      bidSize: unbid ? null : size(8),
      askSize: index ? null : size(9),
      lastSize: currency || index ? null : Math.max(1, Math.round(size(10) / 4)),
      lastAt: Math.floor(at / slotMs) * slotMs,
      open: table.open,
      high: currency ? cleanPrice((extremes.bidHigh + extremes.askHigh) / 2) : extremes.lastHigh,
      low: currency ? cleanPrice((extremes.bidLow + extremes.askLow) / 2) : extremes.lastLow,
      close: table.close,
      volume: volumeAt(it.tape, table, at),
      halted: false,
      greeks: it.option?.greeks(at) ?? null,
    };
  }

  function bars(query: BarQuery): Bar[] {
    const { tape, hours, kind, headAt } = traded(query.instrument);
    const trades = query.source === "TRADES" || query.source === "ADJUSTED_LAST";
    // TWS has no trades of currencies, and nothing but trades of an index
    if (kind === "currency" ? trades : kind === "index" && !trades) return [];
    return barsOf(tape, hours, query, headAt);
  }

  function sessions(instrument: Instrument, at: number, days: number, useRth: boolean): SessionDay[] {
    const { hours } = traded(instrument);
    const first = dayAt(hours, at).number;
    return Array.from({ length: days }, (_, index) => {
      const day = dayByNumber(hours, first + index);
      const session = sessionOf(day, useRth);
      return { date: dateText(day.number), open: session?.open ?? null, close: session?.close ?? null };
    });
  }

  return {
    quote,
    bars,
    headAt: (instrument) => traded(instrument).headAt,
    sessions,
    isOpen(instrument, at, useRth) {
      const session = sessionOf(dayAt(traded(instrument).hours, at), useRth);
      return session !== null && at >= session.open && at < session.close;
    },
    optionAt: (instrument, at, spot, volatility) =>
      traded(instrument).option?.greeksAt(at, spot, volatility) ?? null,
    volatilityFor: (instrument, at, spot, price) =>
      traded(instrument).option?.volatilityFor(at, spot, price) ?? null,
  };
}
