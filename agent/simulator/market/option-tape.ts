import { optionPrice, optionValue, volatilityAt } from "./black-scholes.ts";
import { cleanPrice, incrementAt } from "./market-rules.ts";
import type { OptionGreeks } from "../model/market.ts";
import type { OptionListing } from "./option-series.ts";
import { volatilityOf } from "./price.ts";
import type { Range, Tape, Touch } from "./tape.ts";
import { boughtLast, createVolume, minuteMs, slotMs } from "./tape.ts";

const yearMs = 365.25 * 86_400_000;
const rate = 0.04;
const halfSpread = 0.008;

export interface OptionTape extends Tape {
  greeks(at: number): OptionGreeks;
  /** The same at a spot and a volatility that need not be the market's. */
  greeksAt(at: number, spot: number, volatility: number): OptionGreeks;
  /** Null when no volatility gives the price. */
  volatilityFor(at: number, spot: number, price: number): number | null;
}

/** Volatility of a strike: a smile around the price the chain is centred on, dearer for low strikes. */
export function impliedVolatility(listing: OptionListing, centre: number): number {
  const k = Math.max(-1, Math.min(1, Math.log(listing.strike / centre)));
  return volatilityOf(listing.underlying.motion) * (1.08 - 0.45 * k + 1.1 * k * k);
}

/** An option's tape follows its underlying's: whatever the underlying touches, the option's value touches. */
export function createOptionTape(
  seed: number,
  listing: OptionListing,
  underlying: Tape,
  centre: number,
): OptionTape {
  const volatility = impliedVolatility(listing, centre);
  const { strike, right, expiryAt, series } = listing;
  // time passes by the minute, so that a minute's extremes are those of the underlying
  const years = (at: number) => Math.max(0, (expiryAt - Math.floor(at / minuteMs) * minuteMs) / yearMs);
  // a future costs nothing to hold
  const carry = listing.underlying.instrument.secType === "FUT" ? 0 : rate;
  const terms = (at: number, spot: number) => ({
    right,
    spot,
    strike,
    years: years(at),
    rate: rate,
    carry,
    volatility,
  });
  const value = (at: number, spot: number) => optionPrice(terms(at, spot));
  const spotAt = (at: number) => middle(underlying.touch(at));

  function bidOf(theoretical: number): number {
    const step = incrementAt(series.rule, theoretical);
    return cleanPrice(Math.max(0, Math.floor((theoretical * (1 - halfSpread)) / step + 1e-6) * step));
  }
  function askOf(theoretical: number): number {
    const step = incrementAt(series.rule, theoretical);
    const ask = Math.ceil((theoretical * (1 + halfSpread)) / step - 1e-6) * step;
    return cleanPrice(Math.max(ask, bidOf(theoretical) + step));
  }

  function touch(at: number): Touch {
    const theoretical = value(at, spotAt(at));
    const bid = bidOf(theoretical);
    const ask = askOf(theoretical);
    const bought = boughtLast(seed, Math.floor(at / slotMs));
    return { bid, ask, last: bought || bid === 0 ? ask : bid };
  }

  function range(from: number, to: number): Range {
    let low = Infinity;
    let high = 0;
    const include = (theoretical: number) => {
      low = Math.min(low, theoretical);
      high = Math.max(high, theoretical);
    };
    for (let minute = from; minute < to; minute += 1) {
      const spots = underlying.range(minute, minute + 1);
      const at = minute * minuteMs;
      include(value(at, (spots.bidLow + spots.askLow) / 2));
      include(value(at, (spots.bidHigh + spots.askHigh) / 2));
      // the minute's far end is already one minute older
      include(value(at + minuteMs, spotAt(at + minuteMs)));
    }
    return { bidLow: bidOf(low), bidHigh: bidOf(high), askLow: askOf(low), askHigh: askOf(high) };
  }

  const greeksAt = (at: number, spot: number, assumed: number): OptionGreeks => {
    const { price, delta, gamma, vega, theta } = optionValue({ ...terms(at, spot), volatility: assumed });
    return {
      impliedVolatility: assumed,
      delta,
      price,
      gamma,
      vega,
      theta,
      underlyingPrice: cleanPrice(spot),
    };
  };

  const daily = Math.round(4000 * Math.exp(-20 * Math.abs(Math.log(strike / centre))));
  return {
    touch,
    range,
    volume: createVolume(seed, listing.hours, daily),
    greeks: (at) => greeksAt(at, spotAt(at), volatility),
    greeksAt,
    volatilityFor: (at, spot, price) => volatilityAt(terms(at, spot), price),
  };
}

function middle({ bid, ask }: Touch): number {
  return (bid + ask) / 2;
}
