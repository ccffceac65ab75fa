import type { Hours } from "./hours.ts";
import {
  cboeHours,
  cryptoHours,
  currencyHours,
  hongKongHours,
  indexHours,
  londonHours,
  stockHours,
  tokyoHours,
} from "./hours.ts";
import { incrementAt } from "./market-rules.ts";
import type { Instrument } from "../model/instruments.ts";
import type { IndexRow, PairRow, StockRow } from "./listings.ts";

/** What moves a price: its logarithm is the base's, plus drift, plus a weighted sum of unit random walks. */
export interface Motion {
  /** The price on the reference day, when every walk is zero. */
  readonly base: number;
  /** Growth of the logarithm per year. */
  readonly drift: number;
  /** Weights are volatilities per year. */
  readonly terms: readonly { readonly stream: string; readonly weight: number }[];
}

export interface Listing {
  readonly instrument: Instrument;
  readonly motion: Motion;
  readonly hours: Hours;
  readonly tick: number;
  /** Ask minus bid in ticks; 0 for an index, which has only a last price. */
  readonly spreadTicks: number;
  /** Units a normal day; null where TWS reports none. */
  readonly dailyVolume: number | null;
  /** Size shown at the touch, and the lot it comes in. */
  readonly displayed: number;
  readonly lot: number;
  /** Earliest instant with data. */
  readonly headAt: number;
}

/** Annual volatility of the walk that all equities share. */
const marketVolatility = 0.15;
const equityDrift = 0.06;

const stockVenues =
  "SMART,AMEX,NYSE,CBOE,PHLX,ISE,CHX,ARCA,NASDAQ,DRCTEDGE,BEX,BATS,EDGEA,BYX,IEX,MEMX".split(",");

/** How a country's stocks trade. */
interface Place {
  readonly currency: string;
  readonly venues: readonly string[];
  readonly rule: number;
  readonly hours: Hours;
  /** Least quantity and its step, a round lot where the exchange trades nothing smaller. */
  readonly minSize: number;
  readonly priceMagnifier: number;
  readonly aggGroup: number;
  /** How its currency moves its prices. */
  readonly moves: Motion["terms"];
}

const usual: Place = {
  currency: "USD",
  venues: stockVenues,
  rule: 26,
  hours: stockHours,
  minSize: 1,
  priceMagnifier: 1,
  aggGroup: 1,
  moves: [],
};

const places: Readonly<Record<StockRow["primary"], Place>> = {
  NASDAQ: usual,
  NYSE: usual,
  ARCA: usual,
  TSE: {
    ...usual,
    currency: "CAD",
    venues: ["SMART", "TSE", "CHIX_CA", "OMEGA"],
    rule: 83,
    aggGroup: 1001,
    moves: [{ stream: "CAD", weight: -0.07 }],
  },
  LSE: {
    ...usual,
    currency: "GBP",
    venues: ["SMART", "LSE", "CHIXUK", "BATEUK", "TRQXUK"],
    rule: 144,
    hours: londonHours,
    priceMagnifier: 100,
    aggGroup: 1010,
  },
  SEHK: {
    ...usual,
    currency: "HKD",
    venues: ["SMART", "SEHK"],
    rule: 186,
    hours: hongKongHours,
    minSize: 100,
    aggGroup: 1020,
  },
  TSEJ: {
    ...usual,
    currency: "JPY",
    venues: ["SMART", "TSEJ", "JPNNEXT", "CHIXJ"],
    rule: 193,
    hours: tokyoHours,
    minSize: 100,
    aggGroup: 1030,
  },
};
const commonOrders =
  "ADJUST,ALERT,DAY,FOK,GTC,GTD,IOC,LIT,LMT,MIT,MKT,OCA,OUTSIDERTH,REL,STP,STPLMT,TRAIL,TRAILLMT,WHATIF".split(
    ",",
  );

export const orderTypes = {
  stock: [...commonOrders, "LOC", "MOC", "OPG"],
  derivative: commonOrders,
  currency: commonOrders.filter((type) => type !== "OUTSIDERTH" && type !== "REL"),
  index: [],
} as const;

export function marketTerm(beta: number): { stream: string; weight: number } {
  return { stream: "market", weight: marketVolatility * beta };
}

/** What is left of a volatility for the instrument's own walk once the market has taken its share. */
function ownWeight(volatility: number, beta: number): number {
  return Math.sqrt(Math.max(volatility ** 2 - (marketVolatility * beta) ** 2, 0.000_004));
}

export const blankFields: Pick<
  Instrument,
  | "primaryExchange"
  | "multiplier"
  | "expiration"
  | "strike"
  | "right"
  | "contractMonth"
  | "minSize"
  | "priceMagnifier"
  | "industry"
  | "category"
  | "subcategory"
  | "stockType"
  | "underlyingConId"
  | "underlyingSymbol"
  | "underlyingSecType"
  | "lastTradeDate"
  | "isin"
> = {
  primaryExchange: "",
  multiplier: null,
  expiration: null,
  strike: null,
  right: null,
  contractMonth: null,
  minSize: 1,
  priceMagnifier: 1,
  industry: "",
  category: "",
  subcategory: "",
  stockType: "",
  underlyingConId: 0,
  underlyingSymbol: "",
  underlyingSecType: "",
  lastTradeDate: "",
  isin: "",
};

export function stock(row: StockRow): Listing {
  const place = places[row.primary];
  const { venues, rule } = place;
  // a tick of its own where the price decides it, as in London
  const tick = Math.max(0.01, incrementAt(rule, row.price));
  const [industry = "", category = "", subcategory = ""] = row.sector;
  return {
    instrument: {
      ...blankFields,
      conId: row.conId,
      symbol: row.symbol,
      secType: "STK",
      exchange: "SMART",
      primaryExchange: row.primary,
      currency: place.currency,
      minSize: place.minSize,
      priceMagnifier: place.priceMagnifier,
      localSymbol: row.symbol,
      tradingClass: row.primary === "NASDAQ" ? "NMS" : row.symbol,
      longName: row.name,
      minTick: 0.01,
      validExchanges: venues,
      marketRuleIds: venues.map(() => rule),
      orderTypes: orderTypes.stock,
      industry,
      category,
      subcategory,
      timeZoneId: place.hours.zone,
      stockType: row.type,
      aggGroup: place.aggGroup,
      isin: row.isin,
    },
    motion: {
      base: row.price,
      drift: equityDrift,
      terms: [
        marketTerm(row.beta),
        { stream: row.follows, weight: ownWeight(row.volatility, row.beta) },
        ...place.moves,
      ],
    },
    hours: place.hours,
    tick,
    spreadTicks: row.volume > 40_000_000 || tick > 0.01 ? 1 : Math.max(1, Math.round(row.price * 0.006)),
    dailyVolume: row.volume,
    displayed: Math.max(100, Math.round(row.volume / 10_000_000) * 100),
    lot: 100,
    headAt: Date.UTC(row.since, 0, 2, 14, 30),
  };
}

export function index(row: IndexRow): Listing {
  return {
    instrument: {
      ...blankFields,
      conId: row.conId,
      symbol: row.symbol,
      secType: "IND",
      exchange: row.exchange,
      currency: "USD",
      localSymbol: row.symbol,
      tradingClass: row.symbol,
      longName: row.name,
      minTick: 0.01,
      validExchanges: [row.exchange],
      marketRuleIds: [26],
      orderTypes: orderTypes.index,
      industry: "Indices",
      category: row.category,
      subcategory: "*",
      timeZoneId: row.exchange === "CBOE" ? "US/Central" : "US/Eastern",
      aggGroup: 3,
    },
    motion: {
      base: row.price,
      drift: equityDrift,
      terms: [
        marketTerm(row.beta),
        ...(row.ownVolatility > 0 ? [{ stream: row.symbol, weight: row.ownVolatility }] : []),
      ],
    },
    hours: row.exchange === "CBOE" ? cboeHours : indexHours,
    tick: 0.01,
    spreadTicks: 0,
    dailyVolume: null,
    displayed: 0,
    lot: 1,
    headAt: Date.UTC(1990, 0, 2, 14, 30),
  };
}

/** A pair is the quotient of two currencies' walks, so crosses leave no arbitrage. */
export function pair(row: PairRow): Listing {
  const [base = "", quote = ""] = row.pair.split(".");
  const yen = quote === "JPY";
  const tick = yen ? 0.005 : 0.00005;
  return {
    instrument: {
      ...blankFields,
      conId: row.conId,
      symbol: base,
      secType: "CASH",
      exchange: "IDEALPRO",
      currency: quote,
      localSymbol: row.pair,
      tradingClass: row.pair,
      longName: row.name,
      minTick: tick,
      validExchanges: ["IDEALPRO"],
      marketRuleIds: [yen ? 59 : 239],
      orderTypes: orderTypes.currency,
      timeZoneId: "US/Eastern",
      aggGroup: 4,
    },
    motion: {
      base: row.price,
      drift: 0,
      terms: [
        { stream: base, weight: base === "USD" ? 0 : 0.07 },
        { stream: quote, weight: quote === "USD" ? 0 : -0.07 },
      ].filter((term) => term.weight !== 0),
    },
    hours: currencyHours,
    tick,
    spreadTicks: 1,
    dailyVolume: null,
    displayed: 2_000_000,
    lot: 250_000,
    headAt: Date.UTC(2005, 2, 10),
  };
}

/** A coin against dollars, which trades at one venue at any hour. */
export function coin(row: PairRow): Listing {
  const [base = "", quote = ""] = row.pair.split(".");
  return {
    instrument: {
      ...blankFields,
      conId: row.conId,
      symbol: base,
      secType: "CRYPTO",
      exchange: "PAXOS",
      currency: quote,
      localSymbol: row.pair,
      tradingClass: base,
      longName: row.name,
      minTick: 0.25,
      minSize: 0.00000001,
      validExchanges: ["PAXOS"],
      marketRuleIds: [67],
      orderTypes: ["ADJUST", "ALERT", "GTC", "IOC", "LMT", "MKT", "WHATIF"],
      timeZoneId: "UTC",
      aggGroup: 4,
    },
    motion: { base: row.price, drift: 0, terms: [{ stream: base, weight: 0.5 }] },
    hours: cryptoHours,
    tick: 0.25,
    spreadTicks: 40,
    dailyVolume: 4_000,
    displayed: 1,
    lot: 0.01,
    headAt: Date.UTC(2021, 8, 13),
  };
}
