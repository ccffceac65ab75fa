import type { Instrument } from "./instruments.ts";

/** The trading session of one calendar day in the instrument's zone; open and close are null on a closed day. */
export interface SessionDay {
  /** yyyymmdd */
  readonly date: string;
  readonly open: number | null;
  readonly close: number | null;
}

/** What a market looks like at one instant. A null price or size is "none", which the wire sends as -1 or 0. */
export interface Quote {
  readonly at: number;
  readonly bid: number | null;
  readonly ask: number | null;
  /** Null for currencies. */
  readonly last: number | null;
  readonly bidSize: number | null;
  readonly askSize: number | null;
  readonly lastSize: number | null;
  /** When the last trade happened. */
  readonly lastAt: number;
  /** Of the day so far, all 24 hours of it, as bars with useRth false show it; of midpoints for currencies. */
  readonly open: number;
  readonly high: number;
  readonly low: number;
  /** The previous regular session's close. */
  readonly close: number;
  /** Of the day so far; null for currencies and indices. */
  readonly volume: number | null;
  readonly halted: boolean;
  /** Options only. */
  readonly greeks: OptionGreeks | null;
}

export interface OptionGreeks {
  readonly impliedVolatility: number;
  readonly delta: number;
  readonly price: number;
  readonly gamma: number;
  readonly vega: number;
  readonly theta: number;
  readonly underlyingPrice: number;
}

export type BarSource = "TRADES" | "MIDPOINT" | "BID" | "ASK" | "BID_ASK" | "ADJUSTED_LAST";

export interface Bar {
  /** Start of the bar; for bars that follow the calendar, midnight of their first day in the instrument's zone, and of a week its last. */
  readonly at: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  /** -1 for MIDPOINT, BID and ASK, as on the wire. */
  readonly volume: number;
  readonly wap: number;
  readonly count: number;
}

export interface BarQuery {
  readonly instrument: Instrument;
  readonly endAt: number;
  /** As the client asked: "2 D" is the last two trading days, "3600 S" the last hour. */
  readonly duration: { readonly count: number; readonly unit: "S" | "D" | "W" | "M" | "Y" };
  readonly barSizeMs: number;
  /** "1 day", "1 week" and "1 month" bars follow the calendar; others are barSizeMs long. */
  readonly calendar: "day" | "week" | "month" | null;
  readonly source: BarSource;
  readonly useRth: boolean;
}

/** Every method is a pure function of the seed, the instrument and the time: asked twice, it answers the same. */
export interface Market {
  quote(instrument: Instrument, at: number): Quote;
  /** Oldest first; the last bar is the unfinished one and closes at quote(instrument, endAt).last. */
  bars(query: BarQuery): Bar[];
  /** The earliest instant for which there are bars. */
  headAt(instrument: Instrument): number;
  /** Sessions from the day of `at` on; regular or all hours. */
  sessions(instrument: Instrument, at: number, days: number, useRth: boolean): SessionDay[];
  isOpen(instrument: Instrument, at: number, useRth: boolean): boolean;
  /** What an option is worth at a spot and a volatility of one's own; null for what is no option. */
  optionAt(instrument: Instrument, at: number, spot: number, volatility: number): OptionGreeks | null;
  /** The volatility at which an option is worth `price`; null when there is none, or it is no option. */
  volatilityFor(instrument: Instrument, at: number, spot: number, price: number): number | null;
}
