import { dateText } from "./calendar.ts";
import { futuresAt } from "./futures.ts";
import type { Listing } from "./instruments.ts";
import { index, pair, stock } from "./instruments.ts";
import { INDICES, PAIRS, STOCKS } from "./listings.ts";
import { marketRule } from "./market-rules.ts";
import type { ContractQuery, Instrument, OptionChain, Right, Universe } from "./model.ts";
import type { OptionClass, OptionListing } from "./option-series.ts";
import {
  decodeOptionConId,
  expirationFridays,
  expirationOf,
  OPTION_CLASSES,
  optionConId,
  optionListing,
  optionsToday,
  strikesAround,
} from "./option-series.ts";

/** The universe as the market side sees it: what trades, and what makes it move. */
export interface Catalogue extends Universe {
  listing(conId: number): Listing | undefined;
  option(conId: number): OptionListing | undefined;
}

interface Chain {
  readonly series: OptionClass;
  readonly underlying: Listing;
  readonly fridays: readonly number[];
  readonly strikes: (friday: number) => readonly number[];
}

const SEARCH_LIMIT = 16;

/** What is listed at `now`. Expiries and strikes stay as they were then; `priceAt` says where strikes are centred. */
export function createUniverse(now: number, priceAt: (listing: Listing) => number): Catalogue {
  const futures = futuresAt(now);
  const linear = [...STOCKS.map(stock), ...INDICES.map(index), ...PAIRS.map(pair), ...futures];
  const byId = new Map(linear.map((listing) => [listing.instrument.conId, listing]));
  const options = new Map<number, OptionListing>();
  const today = optionsToday(now);
  const isLive = (instrument: Instrument) =>
    instrument.expiration === null || instrument.expiration >= dateText(today);

  const listed = linear.map(({ instrument }) => instrument).filter(isLive);

  const chains = OPTION_CLASSES.flatMap((series): Chain[] => {
    const underlying = byId.get(series.underlyingConId);
    if (underlying === undefined) return [];
    const price = priceAt(underlying);
    const strikes = (friday: number) => strikesAround(series, price, friday);
    return [{ series, underlying, fridays: expirationFridays(series, today), strikes }];
  });

  function makeOption(chain: Chain, friday: number, strike: number, right: Right): OptionListing {
    const conId = optionConId(chain.series, friday, strike, right);
    let listing = options.get(conId);
    if (listing === undefined) {
      listing = optionListing(chain.series, chain.underlying, friday, strike, right);
      options.set(conId, listing);
    }
    return listing;
  }

  function option(conId: number): OptionListing | undefined {
    const known = options.get(conId);
    if (known !== undefined) return known;
    const parts = decodeOptionConId(conId);
    const chain = chains.find(({ series }) => series === parts?.series);
    if (parts === undefined || chain === undefined) return undefined;
    const { friday, strike, right } = parts;
    const exists = chain.fridays.includes(friday) && chain.strikes(friday).includes(strike);
    return exists ? makeOption(chain, friday, strike, right) : undefined;
  }

  const byConId = (conId: number) => byId.get(conId)?.instrument ?? option(conId)?.instrument;

  function findOptions(query: ContractQuery): Instrument[] {
    const { symbol, expiration, strike, localSymbol } = query;
    const right = readRight(query.right);
    if (right === undefined || (symbol === null && localSymbol === null && query.tradingClass === null))
      return [];
    const found: Instrument[] = [];
    for (const chain of chains) {
      if (symbol !== null && chain.series.symbol !== symbol.toUpperCase()) continue;
      if (query.tradingClass !== null && chain.series.tradingClass !== query.tradingClass) continue;
      for (const friday of chain.fridays) {
        if (expiration !== null && !expirationOf(friday).startsWith(expiration)) continue;
        for (const listed of chain.strikes(friday)) {
          if (strike !== null && listed !== strike) continue;
          for (const side of ["C", "P"] as const) {
            if (right !== null && side !== right) continue;
            found.push(makeOption(chain, friday, listed, side).instrument);
          }
        }
      }
    }
    return found.filter((instrument) => matches(instrument, query));
  }

  function find(query: ContractQuery): Instrument[] {
    if (query.conId !== null && query.conId !== 0) {
      const instrument = byConId(query.conId);
      return instrument === undefined ? [] : routed([instrument], query.exchange);
    }
    if (query.secType === "OPT") return routed(findOptions(query), query.exchange);
    if (query.symbol === null && query.localSymbol === null) return [];
    const found = linear
      .map(({ instrument }) => instrument)
      .filter((instrument) => (query.includeExpired || isLive(instrument)) && matches(instrument, query));
    return routed(found, query.exchange);
  }

  return {
    find,
    byConId,
    search: (pattern) => search(listed, pattern),
    optionChains: (underlyingConId) =>
      chains.filter((chain) => chain.series.underlyingConId === underlyingConId).flatMap(chainRows),
    marketRule,
    listed,
    listing: (conId) => byId.get(conId),
    option,
  };
}

function readRight(text: string | null): Right | null | undefined {
  switch (text?.toUpperCase()) {
    case undefined:
    case "":
    case "?":
      return null;
    case "C":
    case "CALL":
      return "C";
    case "P":
    case "PUT":
      return "P";
    default:
      return undefined;
  }
}

function matches(instrument: Instrument, query: ContractQuery): boolean {
  const { symbol, secType, expiration, multiplier, primaryExchange, currency, localSymbol, tradingClass } =
    query;
  if (symbol !== null && instrument.symbol !== symbol.toUpperCase()) return false;
  if (secType !== null && instrument.secType !== secType) return false;
  if (expiration !== null && !expires(instrument, expiration)) return false;
  if (multiplier !== null && instrument.multiplier !== multiplier) return false;
  if (currency !== null && instrument.currency !== currency.toUpperCase()) return false;
  if (localSymbol !== null && instrument.localSymbol !== localSymbol.toUpperCase()) return false;
  if (tradingClass !== null && instrument.tradingClass !== tradingClass) return false;
  if (primaryExchange === null || instrument.secType !== "STK") return true;
  return instrument.primaryExchange === (primaryExchange === "ISLAND" ? "NASDAQ" : primaryExchange);
}

/** A month means the delivery month, as in the name of the series; a day means the last trading day. */
function expires(instrument: Instrument, wanted: string): boolean {
  return wanted.length === 6 ? instrument.contractMonth === wanted : instrument.expiration === wanted;
}

/** Keeps what trades at an exchange, and lets the row name it when it is not the usual one. */
function routed(instruments: Instrument[], exchange: string | null): Instrument[] {
  if (exchange === null) return instruments;
  const wanted = exchange === "ISLAND" ? "NASDAQ" : exchange.toUpperCase();
  return instruments
    .filter((instrument) => instrument.validExchanges.includes(wanted))
    .map((instrument) => (instrument.exchange === wanted ? instrument : { ...instrument, exchange: wanted }));
}

function search(listed: readonly Instrument[], pattern: string): Instrument[] {
  const wanted = pattern.trim().toUpperCase();
  if (wanted === "") return [];
  const rank = ({ symbol, longName }: Instrument) => {
    if (symbol === wanted) return 0;
    if (symbol.startsWith(wanted)) return 1;
    return longName
      .toUpperCase()
      .split(/[^A-Z0-9&]+/)
      .some((word) => word.startsWith(wanted))
      ? 2
      : 3;
  };
  const named = new Map<string, Instrument>();
  for (const instrument of listed) {
    // a future is found through its product, so one row stands for all its months
    const key = instrument.secType === "FUT" ? `FUT ${instrument.symbol}` : String(instrument.conId);
    if (rank(instrument) < 3 && !named.has(key)) named.set(key, instrument);
  }
  return [...named.values()].sort((a, b) => rank(a) - rank(b)).slice(0, SEARCH_LIMIT);
}

function chainRows(chain: Chain): OptionChain[] {
  const strikes = new Set(chain.fridays.flatMap((friday) => chain.strikes(friday)));
  return chain.series.exchanges.map((exchange) => ({
    exchange,
    underlyingConId: chain.series.underlyingConId,
    tradingClass: chain.series.tradingClass,
    multiplier: 100,
    expirations: chain.fridays.map(expirationOf),
    strikes: [...strikes].sort((a, b) => a - b),
  }));
}
