import type { Instrument } from "../model/instruments.ts";
import type { World } from "../model/world.ts";

/** What a scan ranks by, the highest first; null for what it says nothing of. */
export type Measure = (instrument: Instrument, at: number) => number | null;

const dayMs = 86_400_000;

/** Shares outstanding, or units of a fund, in millions. */
const sharesOutstanding: Readonly<Record<string, number>> = {
  AAPL: 14_840,
  MSFT: 7_430,
  NVDA: 24_300,
  AMZN: 10_650,
  GOOGL: 12_100,
  META: 2_520,
  TSLA: 3_320,
  AMD: 1_620,
  INTC: 4_770,
  NFLX: 4_240,
  CSCO: 3_950,
  IBM: 935,
  JPM: 2_720,
  "BRK B": 2_160,
  XOM: 4_220,
  JNJ: 2_410,
  KO: 4_300,
  WMT: 7_970,
  DIS: 1_790,
  BA: 760,
  GE: 1_055,
  V: 1_930,
  SHOP: 1_300,
  RY: 1_405,
};

/** In millions of its currency; null for funds and whatever is no company. */
export function marketCap({ symbol, stockType }: Instrument, price: number): number | null {
  const shares = sharesOutstanding[symbol];
  return stockType !== "COMMON" || shares === undefined ? null : shares * price;
}

/** The measures that the simulator knows, by scan code. */
export function createMeasures({ market, universe }: World): (scanCode: string) => Measure | null {
  const priceOf: Measure = (instrument, at) => {
    const { last, close } = market.quote(instrument, at);
    return last ?? close;
  };

  const change: Measure = (instrument, at) => {
    const { last, close } = market.quote(instrument, at);
    return last === null || close === 0 ? null : last / close - 1;
  };

  const sinceOpen: Measure = (instrument, at) => {
    const { last, open } = market.quote(instrument, at);
    return last === null || open === 0 ? null : last / open - 1;
  };

  const gap: Measure = (instrument, at) => {
    const { open, close } = market.quote(instrument, at);
    return close === 0 ? null : open / close - 1;
  };

  const volume: Measure = (instrument, at) => market.quote(instrument, at).volume;

  const turnover: Measure = (instrument, at) => {
    const traded = volume(instrument, at);
    return traded === null ? null : traded * (priceOf(instrument, at) ?? 0);
  };

  /** The day's volume over an average day's. */
  const heat: Measure = (instrument, at) => {
    const traded = volume(instrument, at);
    if (traded === null) return null;
    const days = market.bars({
      instrument,
      endAt: at - dayMs,
      duration: { count: 20, unit: "D" },
      barSizeMs: dayMs,
      calendar: "day",
      source: "TRADES",
      useRth: true,
    });
    const sum = days.reduce((total, bar) => total + Math.max(0, bar.volume), 0);
    return sum === 0 ? null : (traded * days.length) / sum;
  };

  const range: Measure = (instrument, at) => {
    const { high, low, close } = market.quote(instrument, at);
    return close === 0 ? null : (high - low) / close;
  };

  /** Of the call nearest to the money that expires next. */
  const impliedVolatility: Measure = (instrument, at) => {
    const chain = universe.optionChains(instrument.conId)[0];
    const expiration = chain?.expirations.find((day) => Date.parse(isoDay(day)) > at + dayMs);
    if (chain === undefined || expiration === undefined) return null;
    const price = priceOf(instrument, at) ?? 0;
    const strike = chain.strikes.toSorted((a, b) => Math.abs(a - price) - Math.abs(b - price))[0];
    const option = universe.find({
      conId: null,
      symbol: instrument.symbol,
      secType: "OPT",
      expiration,
      strike: strike ?? 0,
      right: "C",
      multiplier: null,
      exchange: chain.exchange,
      primaryExchange: null,
      currency: instrument.currency,
      localSymbol: null,
      tradingClass: chain.tradingClass,
      includeExpired: false,
    })[0];
    return option === undefined ? null : (market.quote(option, at).greeks?.impliedVolatility ?? null);
  };

  const lowest =
    (measure: Measure): Measure =>
    (instrument, at) => {
      const value = measure(instrument, at);
      return value === null ? null : -value;
    };

  const capitalisation: Measure = (instrument, at) => marketCap(instrument, priceOf(instrument, at) ?? 0);

  const known = new Map<string, Measure>([
    ["TOP_PERC_GAIN", change],
    ["TOP_PERC_LOSE", lowest(change)],
    ["TOP_OPEN_PERC_GAIN", sinceOpen],
    ["TOP_OPEN_PERC_LOSE", lowest(sinceOpen)],
    ["HIGH_OPEN_GAP", gap],
    ["LOW_OPEN_GAP", lowest(gap)],
    ["MOST_ACTIVE", volume],
    ["MOST_ACTIVE_USD", turnover],
    ["HOT_BY_VOLUME", heat],
    ["HOT_BY_PRICE", (instrument, at) => Math.abs(change(instrument, at) ?? 0)],
    ["TOP_PRICE_RANGE", range],
    ["HIGH_OPT_IMP_VOLAT", impliedVolatility],
    ["LOW_OPT_IMP_VOLAT", lowest(impliedVolatility)],
    ["SCAN_price_DESC", priceOf],
    ["SCAN_price_ASC", lowest(priceOf)],
    ["SCAN_volume_DESC", volume],
    ["SCAN_volume_ASC", lowest(volume)],
    ["SCAN_marketCap_DESC", capitalisation],
    ["SCAN_marketCap_ASC", lowest(capitalisation)],
  ]);
  return (scanCode) => known.get(scanCode) ?? null;
}

const isoDay = (day: string): string => `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6, 8)}`;
