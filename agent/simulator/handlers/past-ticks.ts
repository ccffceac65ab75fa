import type { QuoteTick, TradeTick } from "../wire/messages-data.ts";
import type { Instrument } from "../model/instruments.ts";
import type { Market } from "../model/market.ts";
import { unit } from "../market/noise.ts";

const secondMs = 1000;
const dayMs = 86_400_000;
/** How far TWS looks for ticks of regular hours: over a long weekend and then some. */
const daysLooked = 10;

export interface TickQuery {
  readonly instrument: Instrument;
  /** Exactly one of them is given: ticks from an instant on, or up to one. */
  readonly from: number | null;
  readonly to: number | null;
  readonly count: number;
  readonly useRth: boolean;
}

/** The seconds of which there are ticks, oldest first: one in each, as the tape has it. */
function secondsOf(market: Market, query: TickQuery, now: number): number[] {
  const { instrument, from, count, useRth } = query;
  const head = market.headAt(instrument);
  const last = Math.min(query.to ?? now, now);
  const first = Math.max(from ?? last - daysLooked * dayMs, head);
  const spans = useRth
    ? market
        .sessions(instrument, first, daysLooked + 2, true)
        .flatMap(({ open, close }) => (open === null || close === null ? [] : [{ open, close }]))
    : [{ open: first, close: last }];
  const found: number[] = [];
  for (const { open, close } of from === null ? spans.toReversed() : spans) {
    const start = Math.ceil(Math.max(open, first) / secondMs);
    const end = Math.floor(Math.min(close, last) / secondMs);
    const wanted = count - found.length;
    const length = Math.max(0, Math.min(wanted, end - start));
    const begin = from === null ? end - length : start;
    const seconds = Array.from({ length }, (_, index) => (begin + index) * secondMs);
    if (from === null) found.unshift(...seconds);
    else found.push(...seconds);
  }
  return found;
}

/** The trade of a second; one in twenty is of a kind that the tape does not report. */
export function tradeAt(market: Market, instrument: Instrument, at: number): TradeTick | null {
  const { last, lastSize } = market.quote(instrument, at);
  if (last === null) return null;
  const draw = (salt: number): number => unit(instrument.conId, at / secondMs, salt);
  const venues = instrument.validExchanges.filter((venue) => venue !== "SMART");
  const size = lastSize ?? 0;
  return {
    at,
    price: last,
    size,
    exchange: venues[Math.floor(draw(31) * venues.length)] ?? instrument.exchange,
    conditions: instrument.secType === "STK" && size < 100 ? " TI" : "",
    isUnreported: draw(32) < 0.05,
  };
}

export function quoteAt(market: Market, instrument: Instrument, at: number): QuoteTick | null {
  const { bid, ask, bidSize, askSize } = market.quote(instrument, at);
  if (bid === null || ask === null) return null;
  return { at, bid, ask, bidSize: bidSize ?? 0, askSize: askSize ?? 0 };
}

export function pastTrades(market: Market, query: TickQuery, now: number): TradeTick[] {
  return secondsOf(market, query, now).flatMap((at) => tradeAt(market, query.instrument, at) ?? []);
}

export function pastQuotes(market: Market, query: TickQuery, now: number): QuoteTick[] {
  return secondsOf(market, query, now).flatMap((at) => quoteAt(market, query.instrument, at) ?? []);
}
