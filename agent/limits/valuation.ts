import type { Contract } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { Quote } from "../../shared/events.ts";
import type { CheckedOrder } from "./proposed-order.ts";
import { valueOfTrade, whyWithoutValue } from "../tws/contracts/contract-value.ts";
import type { PricedInstrument, PriceValue } from "../tws/contracts/contract-value.ts";
import { toCents } from "./amounts.ts";
import type { Money } from "./exchange-rates.ts";
import type { OrderSpec } from "../tws/orders/order-wire.ts";
import { worstPrice } from "./worst-price.ts";
import type { PriceTerms } from "./worst-price.ts";

/** What the value of an order rests on. */
export interface Basis {
  readonly contract: Contract;
  readonly priceMagnifier: PricedInstrument["priceMagnifier"];
  readonly money: Money;
  readonly quote: () => Promise<Quote>;
}

/** What an order comes to, in whole cents of the account's currency, rounded up. */
export interface OrderValue {
  /** What it adds to what works already: all of it for a new order, nothing for a change that only shrinks. */
  readonly added: number;
  /** All that the order comes to, if it adds anything. Null only for a reduction of a position that has no price. */
  readonly whole: number | null;
}

/**
 * Throws `unknowable` when a price, a rate or a multiplier that the value needs cannot be had. Of exits only what they
 * would open has a value.
 */
export async function valueOrder(order: CheckedOrder, basis: Basis): Promise<OrderValue> {
  const own = await ownValue(order, basis);
  let opened = 0;
  for (const { terms, quantity } of order.openings) opened += quantity * (await unitValue(terms, basis));
  const opens = toCents(opened);
  const value = { added: own.added + opens, whole: own.whole + opens };
  if (Number.isFinite(value.whole)) return value;
  throw unknowable("its value is beyond all numbers");
}

async function ownValue(
  { spec, changes, isExit }: CheckedOrder,
  basis: Basis,
): Promise<{ readonly added: number; readonly whole: number }> {
  requireKnownTerms(spec);
  if (isExit) return { added: 0, whole: 0 };
  const unit = await unitValue(spec, basis);
  if (changes === null) {
    const whole = toCents(spec.quantity * unit);
    return { added: whole, whole };
  }
  const open = Math.max(0, spec.quantity - changes.filled);
  const before = changes.remaining * (await unitValue(changes, basis));
  const added = Math.max(0, toCents(open * unit - before));
  return { added, whole: added === 0 ? 0 : toCents(spec.quantity * unit) };
}

/** Everything that an order can say, so that what is added to it is either valued or refused. */
const knownTerms: Readonly<Record<keyof OrderSpec, true>> = {
  contract: true,
  account: true,
  action: true,
  quantity: true,
  orderType: true,
  limitPrice: true,
  auxPrice: true,
  trailStopPrice: true,
  limitOffset: true,
  tif: true,
  goodTillDate: true,
  outsideRth: true,
  orderRef: true,
  parentId: true,
  ocaGroup: true,
};

/** Throws `unknowable` for an order that says more than is known here: it may move where the order trades. */
export function requireKnownTerms(spec: OrderSpec): void {
  const found = Object.entries(spec).find(
    ([name, value]: [string, unknown]) =>
      !Object.hasOwn(knownTerms, name) && value !== null && value !== undefined && value !== false,
  );
  if (found !== undefined) throw unknowable(`where an order with ${found[0]} trades is not known`);
}

/** One of quantity at the worst price of the order, in the account's currency. */
async function unitValue(terms: PriceTerms, basis: Basis): Promise<number> {
  const { contract, money } = basis;
  requireValue(valueOfTrade(basis, { quantity: 1, price: 0, rate: 1 }));
  const rate = await money.rateOf(contract.currency);
  // a quantity of EUR.USD is of EUR
  const own = contract.secType === "CASH" ? await money.rateOf(contract.symbol) : null;
  if (rate === null && own !== null) return own;
  if (rate === null)
    throw new NoPriceError(`TWS gives no rate from ${contract.currency} to ${money.currency}`);
  const price = await priceOf(terms, basis);
  return Math.max(own ?? 0, requireValue(valueOfTrade(basis, { quantity: 1, price, rate })));
}

function requireValue(value: PriceValue): number {
  if (value.kind === "value") return value.amount;
  throw unknowable(value.why);
}

async function priceOf(terms: PriceTerms, { contract, quote }: Basis): Promise<number> {
  const stated = worstPrice(terms, null);
  const found = stated.kind === "needs_quote" ? worstPrice(terms, await quote()) : stated;
  switch (found.kind) {
    case "price":
      return found.price;
    case "unknown":
      throw unknowable(found.why);
    case "needs_quote":
      throw noPrice(contract.symbol);
    default:
      return found satisfies never;
  }
}

export const noPrice = (name: string): Error => new NoPriceError(`TWS has no price of ${name}`);

/** Throws `unknowable` for a security type whose value does not follow from its price. */
export function requireKnownKind(secType: string): void {
  const why = whyWithoutValue(secType);
  if (why !== null) throw unknowable(why);
}

/** Why a limit cannot be checked; `notChecked` makes a refusal of it. */
class UnknowableError extends Error {
  override readonly name: string = "UnknowableError";
}

/** An `UnknowableError` for want of a price or a rate alone. */
class NoPriceError extends UnknowableError {
  override readonly name = "NoPriceError";
}

export const unknowable = (why: string): Error => new UnknowableError(why);

/** Those pass as they are: nothing can be checked, and the same call may succeed later. */
const passing: ReadonlySet<string> = new Set([
  "tws_offline",
  "tws_upstream_down",
  "cancelled",
  "pacing",
  "rate_limited",
]);

/** The session is gone or the caller has left, so that no order goes out at all. */
const ending: ReadonlySet<string> = new Set(["tws_offline", "tws_upstream_down", "cancelled"]);

/** True where a check failed since a price or a rate could not be had, and for nothing else. */
export function isForWantOfPrice(error: unknown): boolean {
  if (error instanceof NoPriceError) return true;
  if (!(error instanceof TwsError)) return false;
  // a refusal has what it was refused for as its cause
  if (error.cause !== undefined && error.code === "trading_refused") return isForWantOfPrice(error.cause);
  return error.code !== "trading_refused" && !ending.has(error.code);
}

/** What a failed check means for the order: null for what has nothing to do with it. */
export function whyNotChecked(error: unknown): string | null {
  if (error instanceof UnknowableError) return error.message;
  if (!(error instanceof TwsError) || passing.has(error.code)) return null;
  return error.message.replace(/\.$/, "");
}

export function whyOrThrow(error: unknown): string {
  const why = whyNotChecked(error);
  if (why === null) throw error;
  return why;
}
