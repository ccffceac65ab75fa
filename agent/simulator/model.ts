/**
 * What the simulator's halves agree on: the wire side (server, requests, messages) speaks TWS's protocol and knows
 * no prices; the market side (instruments, market, ledger) knows prices and accounts and no bytes.
 *
 * Times are Unix milliseconds. Absent is null; only the wire side knows TWS's sentinels. Prices are in the
 * instrument's currency, sizes in units (shares, contracts, or units of the base currency).
 */

export type SecType = "STK" | "IND" | "CASH" | "FUT" | "OPT" | "FOP" | "BOND";
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
  /** Start of the bar; for bars that follow the calendar, midnight of their first day in the instrument's zone. */
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

export interface OrderRequest {
  readonly clientId: number;
  readonly orderId: number;
  readonly instrument: Instrument;
  /** The exchange the order is routed to, SMART included. */
  readonly routing: string;
  readonly action: Action;
  readonly quantity: number;
  readonly orderType: string;
  readonly limitPrice: number | null;
  readonly auxPrice: number | null;
  readonly tif: string;
  readonly outsideRth: boolean;
  readonly account: string;
  readonly transmit: boolean;
  readonly parentId: number;
  readonly ocaGroup: string;
  readonly ocaType: number;
  readonly orderRef: string;
  readonly whatIf: boolean;
  /** Every other field of placeOrder by its name, as text, to be echoed in openOrder. */
  readonly echo: Readonly<Record<string, string>>;
}

export type OrderStatus =
  | "PendingSubmit"
  | "PreSubmitted"
  | "Submitted"
  | "PendingCancel"
  | "Filled"
  | "Cancelled"
  | "Inactive";

export interface Order {
  readonly request: OrderRequest;
  readonly permId: number;
  readonly status: OrderStatus;
  readonly filled: number;
  readonly remaining: number;
  readonly avgFillPrice: number;
  readonly lastFillPrice: number;
  readonly whyHeld: string;
  /** Of all its fills so far; null before the first. */
  readonly commission: number | null;
  readonly warningText: string;
  /** Set when the order has ended. */
  readonly completedAt: number | null;
  /** As completedOrder words it: "Filled Size: 10", "Cancelled by Trader". */
  readonly completedStatus: string;
}

export interface Execution {
  readonly execId: string;
  readonly at: number;
  readonly order: Order;
  readonly exchange: string;
  readonly side: "BOT" | "SLD";
  readonly shares: number;
  readonly price: number;
  readonly cumQty: number;
  readonly avgPrice: number;
  readonly commission: number;
  readonly commissionCurrency: string;
  /** Null for a fill that opens or adds. */
  readonly realizedPnl: number | null;
}

export interface Position {
  readonly account: string;
  readonly instrument: Instrument;
  readonly quantity: number;
  /** TWS's average cost: for one unit, multiplier and commissions included. */
  readonly avgCost: number;
  readonly marketPrice: number;
  readonly marketValue: number;
  readonly unrealizedPnl: number;
  readonly realizedPnl: number;
}

export interface AccountValue {
  readonly key: string;
  readonly value: string;
  /** Empty for values that are not money. */
  readonly currency: string;
}

export interface MarginPreview {
  readonly initBefore: number;
  readonly maintBefore: number;
  readonly equityBefore: number;
  readonly initAfter: number;
  readonly maintAfter: number;
  readonly equityAfter: number;
  readonly commission: number;
  readonly commissionCurrency: string;
  readonly warningText: string;
}

export interface Pnl {
  readonly daily: number;
  readonly unrealized: number;
  readonly realized: number;
}

/** What the ledger tells the wire side, in the order a gateway would send it. */
export type LedgerEvent =
  /** Both openOrder and orderStatus go out. */
  | { readonly type: "order"; readonly order: Order }
  | { readonly type: "status"; readonly order: Order }
  | { readonly type: "execution"; readonly execution: Execution }
  | { readonly type: "commission"; readonly execution: Execution }
  /** A refusal, a warning (399) or the confirmation 202; goes to the client of the order. */
  | {
      readonly type: "error";
      readonly clientId: number;
      readonly orderId: number;
      readonly code: number;
      readonly text: string;
    }
  | { readonly type: "preview"; readonly request: OrderRequest; readonly preview: MarginPreview }
  | { readonly type: "position"; readonly position: Position }
  | { readonly type: "account"; readonly account: string };

export interface Ledger {
  readonly accounts: readonly string[];
  /** Next unused order id of a client; ids below it that are not open orders are 103. */
  nextValidId(clientId: number): number;
  /** New order, or modification when (clientId, orderId) is an open order. Answers come as events. */
  place(request: OrderRequest): void;
  /** Any client may cancel by order id; its own order wins. Answers come as events to that client. */
  cancel(clientId: number, orderId: number): void;
  cancelAll(clientId: number): void;
  /** The exchange corrects the price of a fill of today; false when there is none of that id. Told as events. */
  correct(execId: string, price: number): boolean;
  openOrders(): readonly Order[];
  /** Today's ended orders, oldest first. */
  completedOrders(): readonly Order[];
  executions(): readonly Execution[];
  positions(): readonly Position[];
  accountValues(account: string): readonly AccountValue[];
  pnl(account: string): Pnl;
  pnlSingle(
    account: string,
    conId: number,
  ): (Pnl & { readonly position: number; readonly value: number }) | undefined;
  /** Matches working orders against the market as it is now. The server calls it about ten times a second. */
  advance(): void;
  /** Returns the way to stop listening. */
  listen(listener: (event: LedgerEvent) => void): () => void;
}

/** The whole simulated world, before any socket. */
export interface World {
  readonly universe: Universe;
  readonly market: Market;
  readonly ledger: Ledger;
  readonly now: () => number;
}
