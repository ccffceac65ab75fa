export type SecType = "STK" | "IND" | "CASH" | "FUT" | "CONTFUT" | "OPT" | "FOP" | "BOND" | "CRYPTO";
export type Right = "C" | "P";
export type Action = "BUY" | "SELL";

export interface Instrument {
  readonly conId: number;
  readonly symbol: string;
  readonly secType: SecType;
  /** The exchange a contract row names: SMART for stocks and US options, the venue otherwise. */
  readonly exchange: string;
  /** Empty except for stocks. */
  readonly primaryExchange: string;
  readonly currency: string;
  readonly localSymbol: string;
  readonly tradingClass: string;
  /** Null where TWS sends an empty multiplier (stocks, currencies, indices, bonds). */
  readonly multiplier: number | null;
  /** yyyymmdd, null for everything that does not expire; a bond's maturity. */
  readonly expiration: string | null;
  readonly strike: number | null;
  readonly right: Right | null;
  /** yyyymm of a future or option, null otherwise: the month of delivery, which may be after that of expiry. */
  readonly contractMonth: string | null;
  readonly longName: string;
  readonly minTick: number;
  /** Smallest quantity and step of a quantity. */
  readonly minSize: number;
  readonly priceMagnifier: number;
  readonly validExchanges: readonly string[];
  /** Parallel to validExchanges. */
  readonly marketRuleIds: readonly number[];
  readonly orderTypes: readonly string[];
  readonly industry: string;
  readonly category: string;
  readonly subcategory: string;
  /** Such as "US/Eastern", "US/Central"; the zone of the hours below and of bar times on the wire. */
  readonly timeZoneId: string;
  /** COMMON, ETF; empty for what is not a stock. */
  readonly stockType: string;
  /** 0 when there is none. */
  readonly underlyingConId: number;
  readonly underlyingSymbol: string;
  readonly underlyingSecType: SecType | "";
  /** TWS's aggregation group, 1 for US stocks. */
  readonly aggGroup: number;
  /** The real expiry with time, as contractDetails shows it: "20261218 09:30:00 US/Central"; empty if none. */
  readonly lastTradeDate: string;
  readonly isin: string;
}

/** The debtor of a bond: TWS finds issuers by name, and an issuer's bonds by its id. */
export interface Issuer {
  readonly id: string;
  readonly name: string;
  /** The symbol under which a client asks for its bonds. */
  readonly symbol: string;
}

/** The fields of a contract as a client filled them in; null is "not given" and matches everything. */
export interface ContractQuery {
  readonly conId: number | null;
  readonly symbol: string | null;
  readonly secType: string | null;
  /** yyyymm or yyyymmdd. */
  readonly expiration: string | null;
  readonly strike: number | null;
  readonly right: string | null;
  readonly multiplier: number | null;
  readonly exchange: string | null;
  readonly primaryExchange: string | null;
  readonly currency: string | null;
  readonly localSymbol: string | null;
  readonly tradingClass: string | null;
  readonly includeExpired: boolean;
  /** An ISIN, or the CUSIP within it. */
  readonly secId?: string;
}

export interface OptionChain {
  readonly exchange: string;
  readonly underlyingConId: number;
  readonly tradingClass: string;
  readonly multiplier: number;
  readonly expirations: readonly string[];
  readonly strikes: readonly number[];
}

export interface Universe {
  /** Every instrument that matches all given fields, in a fixed order. An empty list is error 200. */
  find(query: ContractQuery): Instrument[];
  byConId(conId: number): Instrument | undefined;
  /** As reqMatchingSymbols: by start of symbol, or a word of the name; at most 16. Bonds are found by their issuers. */
  search(pattern: string): Instrument[];
  /** Those of whose bonds it knows, by start of symbol or a word of the name. */
  searchIssuers(pattern: string): Issuer[];
  /** Every bond that an issuer owes. */
  bondsOf(issuerId: string): Instrument[];
  /** One row for each exchange and trading class. */
  optionChains(underlyingConId: number): OptionChain[];
  /** Price increments of a market rule, ascending by lowEdge; undefined for a rule that does not exist. */
  marketRule(id: number): readonly { readonly lowEdge: number; readonly increment: number }[] | undefined;
  /** All instruments that are not options. */
  readonly listed: readonly Instrument[];
}
