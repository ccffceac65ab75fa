import { dayAt, stockHours } from "../market/hours.ts";
import { bondTerms } from "../market/bonds.ts";
import type { Book, Holding } from "./positions.ts";
import { baseCurrency, cloneBook, valueOf } from "./positions.ts";
import type { Instrument, SecType, Universe } from "../model/instruments.ts";
import type { Pnl, Position } from "../model/ledger.ts";
import type { Market } from "../model/market.ts";
import type { Micros } from "./money.ts";
import { sumCents, toAmount, toCents } from "./money.ts";

/** Prices and rates at one instant. */
export interface Marks {
  /** What a holding is valued at: the last trade. */
  price(instrument: Instrument): number;
  /** Units of the base currency for one of another. */
  rate(currency: string): number;
}

export function marksAt(universe: Universe, market: Market, at: number): Marks {
  const middle = (pair: Instrument) => {
    const { bid, ask } = market.quote(pair, at);
    return ((bid ?? 0) + (ask ?? 0)) / 2;
  };
  const pairOf = (name: string) =>
    universe.listed.find(({ localSymbol, secType }) => secType === "CASH" && localSymbol === name);
  return {
    price: (instrument) => market.quote(instrument, at).last ?? 0,
    rate(currency) {
      if (currency === baseCurrency) return 1;
      const direct = pairOf(`${currency}.${baseCurrency}`);
      if (direct !== undefined) return middle(direct);
      const inverse = pairOf(`${baseCurrency}.${currency}`);
      return inverse === undefined ? 0 : 1 / middle(inverse);
    },
  };
}

/** What a day's profit is measured from: the previous close of each instrument at an instant, and the rates of then. */
export function marksAtClose(universe: Universe, market: Market, at: number): Marks {
  return {
    ...marksAt(universe, market, at),
    price: (instrument) => market.quote(instrument, at).close,
  };
}

export function positionOf(account: string, holding: Holding, marks: Marks): Position {
  const { instrument, quantity, cost, realized } = holding;
  const marketPrice = marks.price(instrument);
  const value = valueOf(instrument, quantity, marketPrice);
  return {
    account,
    instrument,
    quantity,
    avgCost: quantity === 0 ? 0 : Math.round((toAmount(cost) / quantity) * 1e6) / 1e6,
    // quotes are in parts of the currency, and an account in the currency
    marketPrice: marketPrice / instrument.priceMagnifier,
    marketValue: toCents(value),
    unrealizedPnl: toCents(value - cost),
    realizedPnl: toCents(realized),
  };
}

/** A book as it was when the account's day began: midnight in New York. */
export interface DayStart {
  readonly at: number;
  readonly nextAt: number;
  readonly book: Book;
  /** Unrealized profit then, by contract id, once asked for. */
  readonly unrealized: Map<number, Micros>;
}

export function startDay(book: Book, now: number): DayStart {
  const { start, end } = dayAt(stockHours, now);
  return { at: start, nextAt: end, book: cloneBook(book), unrealized: new Map() };
}

function unrealizedAtStart(day: DayStart, conId: number, marksThen: Marks): Micros {
  let unrealized = day.unrealized.get(conId);
  if (unrealized === undefined) {
    const holding = day.book.holdings.get(conId);
    unrealized =
      holding === undefined || holding.quantity === 0
        ? 0
        : valueOf(holding.instrument, holding.quantity, marksThen.price(holding.instrument)) - holding.cost;
    day.unrealized.set(conId, unrealized);
  }
  return unrealized;
}

/** Profit of one holding in its own currency; daily is what was realized plus how the unrealized changed since the close of the day before. */
export function holdingPnl(holding: Holding, day: DayStart, marks: Marks, marksThen: Marks): Pnl {
  const { instrument, quantity, cost, realized } = holding;
  const unrealized = quantity === 0 ? 0 : valueOf(instrument, quantity, marks.price(instrument)) - cost;
  return {
    daily: toCents(realized + unrealized - unrealizedAtStart(day, instrument.conId, marksThen)),
    unrealized: toCents(unrealized),
    realized: toCents(realized),
  };
}

/** Profit of a book in the base currency: the sum of its holdings'. */
export function bookPnl(book: Book, day: DayStart, marks: Marks, marksThen: Marks): Pnl {
  const each = [...book.holdings.values()].map((holding) => {
    const rate = marks.rate(holding.instrument.currency);
    const { daily, unrealized, realized } = holdingPnl(holding, day, marks, marksThen);
    return {
      daily: cents(daily * rate),
      unrealized: cents(unrealized * rate),
      realized: cents(realized * rate),
    };
  });
  return {
    daily: sumCents(each.map((pnl) => pnl.daily)),
    unrealized: sumCents(each.map((pnl) => pnl.unrealized)),
    realized: sumCents(each.map((pnl) => pnl.realized)),
  };
}

function cents(amount: number): number {
  return Math.round(amount * 100) / 100 + 0;
}

/** An account's worth in whole cents of the base currency. */
export interface Worth {
  readonly cash: number;
  readonly stocks: number;
  readonly options: number;
  readonly futureOptions: number;
  readonly corporateBonds: number;
  readonly treasuries: number;
  /** Gains of open futures since they were bought, which cash receives when they close. */
  readonly futures: number;
  /** cash + stocks + options + future options + bonds + futures. */
  readonly net: number;
  /** Stocks, options and bonds, long and short added up. */
  readonly gross: number;
  /** What margin loans may rest on: everything but options. */
  readonly loanable: number;
  readonly initial: number;
  readonly maintenance: number;
}

export function worthOf(book: Book, marks: Marks): Worth {
  const parts = {
    stocks: [0],
    options: [0],
    futureOptions: [0],
    corporateBonds: [0],
    treasuries: [0],
    futures: [0],
    gross: [0],
    initial: [0],
    maintenance: [0],
  };
  for (const holding of book.holdings.values()) {
    const { instrument, quantity, entry } = holding;
    if (quantity === 0) continue;
    const rate = marks.rate(instrument.currency);
    const value = valueOf(instrument, quantity, marks.price(instrument));
    const worth = cents(toCents(value) * rate);
    if (instrument.secType === "FUT") parts.futures.push(cents(toCents(value - entry) * rate));
    else parts.gross.push(Math.abs(worth));
    if (instrument.secType === "STK") parts.stocks.push(worth);
    if (instrument.secType === "OPT") parts.options.push(worth);
    if (instrument.secType === "FOP") parts.futureOptions.push(worth);
    const bondType = bondTerms(instrument)?.bondType;
    if (bondType === "CORP") parts.corporateBonds.push(worth);
    if (bondType === "GOVT") parts.treasuries.push(worth);
    const margin = marginRules[instrument.secType](holding, Math.abs(worth), marks);
    parts.initial.push(cents(margin.initial));
    parts.maintenance.push(cents(margin.maintenance));
  }
  const cash = sumCents(
    [...book.cash].map(([currency, amount]) => cents(toCents(amount) * marks.rate(currency))),
  );
  for (const [currency, amount] of book.cash) {
    const margin =
      currency === baseCurrency
        ? 0
        : cents(Math.abs(toAmount(amount)) * marks.rate(currency) * currencyMargin);
    parts.initial.push(margin);
    parts.maintenance.push(margin);
  }
  const stocks = sumCents(parts.stocks);
  const options = sumCents(parts.options);
  const futureOptions = sumCents(parts.futureOptions);
  const futures = sumCents(parts.futures);
  const corporateBonds = sumCents(parts.corporateBonds);
  const treasuries = sumCents(parts.treasuries);
  return {
    cash,
    stocks,
    options,
    futureOptions,
    corporateBonds,
    treasuries,
    futures,
    net: sumCents([cash, stocks, options, futureOptions, corporateBonds, treasuries, futures]),
    gross: sumCents(parts.gross),
    loanable: sumCents([cash, stocks, corporateBonds, treasuries, futures]),
    initial: sumCents(parts.initial),
    maintenance: sumCents(parts.maintenance),
  };
}

const currencyMargin = 0.025;

interface Margin {
  readonly initial: number;
  readonly maintenance: number;
}

const noMargin: Margin = { initial: 0, maintenance: 0 };

/** Margin of one holding worth so much, in the base currency, in the spirit of a US margin account. */
const marginRules: Record<SecType, (holding: Holding, worth: number, marks: Marks) => Margin> = {
  STK: ({ quantity }, worth) => evenMargin(worth * (quantity > 0 ? 0.25 : 0.3)),
  FUT: (_, worth) => ({ initial: worth * 0.07, maintenance: worth * 0.0636 }),
  OPT: (holding, worth, marks) => optionMargin(holding, worth + notionalOf(holding, marks) * 0.15),
  // a sold one may become its future
  FOP: (holding, worth, marks) => {
    const notional = notionalOf(holding, marks);
    return optionMargin(holding, worth + notional * 0.07, worth + notional * 0.0636);
  },
  CASH: () => noMargin,
  CONTFUT: () => noMargin,
  // paid in full
  CRYPTO: (_, worth) => evenMargin(worth),
  IND: () => noMargin,
  BOND: ({ instrument }, worth) =>
    evenMargin(worth * (bondTerms(instrument)?.bondType === "GOVT" ? 0.06 : 0.12)),
};

function evenMargin(amount: number): Margin {
  return { initial: amount, maintenance: amount };
}

/** A bought option is paid in full; a sold one is margined by its strike, above what buying it back costs. */
function optionMargin({ quantity }: Holding, initial: number, maintenance = initial): Margin {
  return quantity > 0 ? noMargin : { initial, maintenance };
}

/** What exercising would buy or sell, at the strike. */
function notionalOf({ instrument, quantity }: Holding, marks: Marks): number {
  const { multiplier, strike, currency } = instrument;
  return Math.abs(quantity) * (multiplier ?? 1) * (strike ?? 0) * marks.rate(currency);
}
