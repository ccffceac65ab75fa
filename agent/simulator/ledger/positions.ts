import { bondUnit } from "../market/bonds.ts";
import { commissionCurrency } from "./commission.ts";
import type { Instrument } from "../model/instruments.ts";
import type { Micros } from "./money.ts";
import { micros, wholeCents } from "./money.ts";

/** Currency that accounts are kept in. */
export const baseCurrency = "USD";

export interface Holding {
  readonly instrument: Instrument;
  /** Negative when short. */
  quantity: number;
  /** What the quantity cost with commissions, negative when short. A part of it that is closed is rounded to cents. */
  cost: Micros;
  /** The same without commissions: what a future's gain is measured from. */
  entry: Micros;
  /** Gained today by closing, commissions deducted. */
  realized: Micros;
}

/** Cash and holdings of one account. Holdings closed today stay, with quantity 0, for what they realized. */
export interface Book {
  readonly account: string;
  readonly cash: Map<string, Micros>;
  readonly holdings: Map<number, Holding>;
}

export interface Fill {
  readonly instrument: Instrument;
  /** Negative for a sale. */
  readonly quantity: number;
  readonly price: number;
  readonly commission: number;
}

export function cloneBook(book: Book): Book {
  const holdings = [...book.holdings].map(([conId, holding]) => [conId, { ...holding }] as const);
  return { account: book.account, cash: new Map(book.cash), holdings: new Map(holdings) };
}

function addCash(book: Book, currency: string, amount: Micros): void {
  book.cash.set(currency, (book.cash.get(currency) ?? 0) + amount);
}

/** Value of a quantity at a price, in the instrument's currency. */
export function valueOf(instrument: Instrument, quantity: number, price: number): Micros {
  const unit = instrument.secType === "BOND" ? bondUnit : (instrument.multiplier ?? 1);
  return micros((quantity * price * unit) / instrument.priceMagnifier);
}

/** Books a fill; the realized profit of the part that closes, null when none does. */
export function applyFill(book: Book, fill: Fill): Micros | null {
  const { instrument, quantity, price } = fill;
  const commission = micros(fill.commission);
  addCash(book, commissionCurrency(instrument), -commission);
  if (instrument.secType === "CASH") {
    addCash(book, instrument.symbol, micros(quantity));
    addCash(book, instrument.currency, -valueOf(instrument, quantity, price));
    return null;
  }
  const holding = holdingOf(book, instrument);
  const settledAtOnce = instrument.secType !== "FUT";
  if (settledAtOnce) addCash(book, instrument.currency, -valueOf(instrument, quantity, price));

  const closing =
    Math.sign(holding.quantity) === -Math.sign(quantity)
      ? Math.min(Math.abs(holding.quantity), Math.abs(quantity))
      : 0;
  const closingFee = wholeCents((commission * closing) / Math.abs(quantity));
  let realized: Micros | null = null;
  if (closing > 0) {
    const share = closing / Math.abs(holding.quantity);
    const cost = wholeCents(holding.cost * share);
    const entry = wholeCents(holding.entry * share);
    const proceeds = valueOf(instrument, closing * Math.sign(holding.quantity), price);
    realized = proceeds - cost - closingFee;
    if (!settledAtOnce) addCash(book, instrument.currency, proceeds - entry);
    holding.quantity -= closing * Math.sign(holding.quantity);
    holding.cost -= cost;
    holding.entry -= entry;
    holding.realized += realized;
  }
  const opening = (Math.abs(quantity) - closing) * Math.sign(quantity);
  if (opening !== 0) {
    const value = valueOf(instrument, opening, price);
    holding.quantity += opening;
    holding.entry += value;
    holding.cost += value + commission - closingFee;
  }
  return realized;
}

function holdingOf(book: Book, instrument: Instrument): Holding {
  let holding = book.holdings.get(instrument.conId);
  if (holding === undefined) {
    holding = { instrument, quantity: 0, cost: 0, entry: 0, realized: 0 };
    book.holdings.set(instrument.conId, holding);
  }
  return holding;
}
