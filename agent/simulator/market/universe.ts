import { bonds } from "./bond-listings.ts";
import { bond, bondTerms, isBondNamed, issuers } from "./bonds.ts";
import { dateText } from "../time/calendar.ts";
import { futuresAt } from "./futures.ts";
import type { Listing } from "./instruments.ts";
import { coin, index, pair, stock } from "./instruments.ts";
import { coins, indices, pairs, stocks } from "./listings.ts";
import { marketRule } from "./market-rules.ts";
import type {
  ContractQuery,
  Instrument,
  Issuer,
  OptionChain,
  Right,
  Universe,
} from "../model/instruments.ts";
import { optionClasses } from "./option-classes.ts";
import type { Expiry, OptionClass, OptionListing } from "./option-series.ts";
import {
  decodeOptionConId,
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

/** The options of a class on one underlying. */
interface Chain {
  readonly series: OptionClass;
  readonly underlying: Listing;
  readonly expiries: readonly Expiry[];
  readonly strikes: (expiry: Expiry) => readonly number[];
}

const searchLimit = 16;

/** What is listed at `now`. Expiries and strikes stay as they were then; `priceAt` says where strikes are centred. */
export function createUniverse(now: number, priceAt: (listing: Listing) => number): Catalogue {
  const futures = futuresAt(now);
  const linear = [
    ...stocks.map(stock),
    ...indices.map(index),
    ...pairs.map(pair),
    ...coins.map(coin),
    ...bonds.map(bond),
    ...futures,
  ];
  const byId = new Map(linear.map((listing) => [listing.instrument.conId, listing]));
  const options = new Map<number, OptionListing>();
  const today = optionsToday(now);
  const isLive = (instrument: Instrument) =>
    instrument.expiration === null || instrument.expiration >= dateText(today);

  const listed = linear.map(({ instrument }) => instrument).filter(isLive);

  const chains = optionClasses.flatMap((series) =>
    linear
      .filter(({ instrument }) => series.isOn(instrument))
      .map((underlying): Chain => {
        const price = priceAt(underlying);
        const expiries = series.expiries(underlying.instrument, today);
        return { series, underlying, expiries, strikes: (expiry) => strikesAround(series, price, expiry) };
      })
      .filter(({ expiries }) => expiries.length > 0),
  );

  function makeOption(chain: Chain, expiry: Expiry, strike: number, right: Right): OptionListing {
    const conId = optionConId(chain.series, expiry, strike, right);
    let listing = options.get(conId);
    if (listing === undefined) {
      listing = optionListing(chain.series, chain.underlying, expiry, strike, right);
      options.set(conId, listing);
    }
    return listing;
  }

  function option(conId: number): OptionListing | undefined {
    const known = options.get(conId);
    if (known !== undefined) return known;
    const parts = decodeOptionConId(conId);
    if (parts === undefined) return undefined;
    for (const chain of chains.filter(({ series }) => series.id === parts.classId)) {
      const expiry = chain.expiries.find(({ week }) => week === parts.week);
      const strike = parts.step * chain.series.strikeStep;
      if (expiry === undefined || !chain.strikes(expiry).includes(strike)) continue;
      return makeOption(chain, expiry, strike, parts.right);
    }
    return undefined;
  }

  const byConId = (conId: number) => byId.get(conId)?.instrument ?? option(conId)?.instrument;

  function findOptions(query: ContractQuery): Instrument[] {
    const { symbol, expiration, strike, localSymbol } = query;
    const right = readRight(query.right);
    if (right === undefined || (symbol === null && localSymbol === null && query.tradingClass === null))
      return [];
    const found: Instrument[] = [];
    for (const chain of chains) {
      if (chain.series.secType !== query.secType) continue;
      if (symbol !== null && chain.series.symbol !== symbol.toUpperCase()) continue;
      if (query.tradingClass !== null && chain.series.tradingClass !== query.tradingClass) continue;
      for (const expiry of chain.expiries) {
        if (expiration !== null && !expires(expiration, expiry.contractMonth, dateText(expiry.day))) continue;
        for (const listed of chain.strikes(expiry)) {
          if (strike !== null && listed !== strike) continue;
          for (const side of ["C", "P"] as const) {
            if (right !== null && side !== right) continue;
            found.push(makeOption(chain, expiry, listed, side).instrument);
          }
        }
      }
    }
    return found.filter((instrument) => matches(instrument, query));
  }

  /** The future that leads, of each product. */
  function findContinuous(query: ContractQuery): Instrument[] {
    const futures = listed.filter((one) => matches(one, { ...query, secType: "FUT" }));
    const leading = futures.filter(
      (one, index) => futures.findIndex(({ symbol }) => symbol === one.symbol) === index,
    );
    return leading.map(continuous);
  }

  function find(query: ContractQuery): Instrument[] {
    if (query.conId !== null && query.conId !== 0) {
      const instrument = byConId(query.conId);
      if (instrument === undefined) return [];
      const isContinuous = query.secType === "CONTFUT" && instrument.secType === "FUT";
      return routed([isContinuous ? continuous(instrument) : instrument], query.exchange);
    }
    if (query.secType === "CONTFUT") return routed(findContinuous(query), query.exchange);
    if (query.secType === "FUT+CONTFUT")
      return [...find({ ...query, secType: "FUT" }), ...find({ ...query, secType: "CONTFUT" })];
    if (query.secType === "OPT" || query.secType === "FOP") return routed(findOptions(query), query.exchange);
    if (query.symbol === null && query.localSymbol === null && query.secId === undefined) return [];
    const found = linear
      .map(({ instrument }) => instrument)
      .filter((instrument) => (query.includeExpired || isLive(instrument)) && matches(instrument, query));
    return routed(found, query.exchange);
  }

  return {
    find,
    byConId,
    search: (pattern) => search(listed, pattern),
    searchIssuers,
    bondsOf: (issuerId) => listed.filter((instrument) => bondTerms(instrument)?.issuer.id === issuerId),
    optionChains: (underlyingConId) =>
      chains.filter(({ underlying }) => underlying.instrument.conId === underlyingConId).flatMap(chainRows),
    marketRule,
    listed,
    listing: (conId) => byId.get(conId),
    option,
  };
}

/** TWS gives the continuous future the id of the one that leads. */
const continuous = (future: Instrument): Instrument => ({ ...future, secType: "CONTFUT" });

/** The CUSIP is within the ISIN in the United States and Canada. */
function hasId({ isin }: Instrument, secId: string): boolean {
  return isin !== "" && (isin === secId || (/^(US|CA)/.test(isin) && isin.slice(2, 11) === secId));
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
  // TWS looks among bonds only when it is asked to, and knows them by more names than one
  const isBond = instrument.secType === "BOND";
  if (isBond && secType !== "BOND") return false;
  const wanted = symbol?.toUpperCase() ?? instrument.symbol;
  if (isBond ? !isBondNamed(instrument, wanted) : instrument.symbol !== wanted) return false;
  if (query.secId !== undefined && !hasId(instrument, query.secId.toUpperCase())) return false;
  if (secType !== null && instrument.secType !== secType) return false;
  if (expiration !== null && !expires(expiration, instrument.contractMonth, instrument.expiration))
    return false;
  if (multiplier !== null && instrument.multiplier !== multiplier) return false;
  if (currency !== null && instrument.currency !== currency.toUpperCase()) return false;
  if (localSymbol !== null && instrument.localSymbol !== localSymbol.toUpperCase()) return false;
  if (tradingClass !== null && instrument.tradingClass !== tradingClass) return false;
  if (primaryExchange === null || instrument.secType !== "STK") return true;
  return instrument.primaryExchange === (primaryExchange === "ISLAND" ? "NASDAQ" : primaryExchange);
}

/** A month means the delivery month, as in the name of the series; a day means the last trading day. */
function expires(wanted: string, contractMonth: string | null, day: string | null): boolean {
  return wanted === (wanted.length === 6 ? contractMonth : day);
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
  const rank = ({ symbol, longName }: Instrument) => rankOf(wanted, symbol, longName);
  const named = new Map<string, Instrument>();
  for (const instrument of listed) {
    if (instrument.secType === "BOND") continue;
    // a future is found through its product, so one row stands for all its months
    const key = instrument.secType === "FUT" ? `FUT ${instrument.symbol}` : String(instrument.conId);
    if (rank(instrument) < 3 && !named.has(key)) named.set(key, instrument);
  }
  return [...named.values()].sort((a, b) => rank(a) - rank(b)).slice(0, searchLimit);
}

/** How well a word fits: 0 is the symbol itself, 3 is not at all. */
function rankOf(wanted: string, symbol: string, name: string): number {
  if (symbol === wanted) return 0;
  if (symbol.startsWith(wanted)) return 1;
  const words = name.toUpperCase().split(/[^A-Z0-9&]+/);
  return words.some((word) => word.startsWith(wanted)) ? 2 : 3;
}

function searchIssuers(pattern: string): Issuer[] {
  const wanted = pattern.trim().toUpperCase();
  return wanted === "" ? [] : issuers.filter(({ symbol, name }) => rankOf(wanted, symbol, name) < 3);
}

function chainRows({ series, underlying, expiries, strikes: strikesFor }: Chain): OptionChain[] {
  const strikes = new Set(expiries.flatMap((expiry) => strikesFor(expiry)));
  return series.exchanges.map((exchange) => ({
    exchange,
    underlyingConId: underlying.instrument.conId,
    tradingClass: series.tradingClass,
    multiplier: series.multiplier,
    expirations: expiries.map(({ day }) => dateText(day)),
    strikes: [...strikes].sort((a, b) => a - b),
  }));
}
