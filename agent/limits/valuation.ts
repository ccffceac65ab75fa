import type { Contract } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { Quote } from "../../shared/events.ts";
import type { ProposedOrder } from "./proposed-order.ts";
import { isBond } from "../tws/contracts/bond-facts.ts";
import { toCents } from "./amounts.ts";
import type { Money } from "./exchange-rates.ts";
import { askOf, worstPrice } from "./order-prices.ts";
import type { PriceTerms } from "./order-prices.ts";

/** What the value of an order rests on. */
export interface Basis {
  readonly contract: Contract;
  readonly money: Money;
  readonly quote: () => Promise<Quote>;
}

/** What an order comes to, in whole cents of the account's currency, rounded up. */
export interface OrderValue {
  /** What it adds to what works already: all of it for a new order, nothing for an exit or a change that only shrinks. */
  readonly added: number;
  /** All that the order comes to, if it adds anything. */
  readonly whole: number;
}

/** A bond is traded in units of 1,000 of face value, and its price is in percent. */
const bondUnit = 1_000 / 100;

/** Throws `unknowable` when a price, a rate or a multiplier that the value needs cannot be had. */
export async function valueOrder(
  { spec, changes, isExit }: ProposedOrder,
  basis: Basis,
): Promise<OrderValue> {
  if (isExit && changes === null) return { added: 0, whole: 0 };
  if (changes === null) {
    const whole = toCents(spec.quantity * (await unitValue(spec, basis)));
    return { added: whole, whole };
  }
  const open = Math.max(0, spec.quantity - changes.filled);
  if (isExit) {
    // at another price it closes the same; only a greater quantity may open something
    const more = Math.max(0, open - changes.remaining);
    const added = more === 0 ? 0 : toCents(more * (await unitValue(spec, basis)));
    return { added, whole: added };
  }
  const unit = await unitValue(spec, basis);
  const before = changes.remaining * (await unitValue(changes, basis));
  const added = Math.max(0, toCents(open * unit - before));
  return { added, whole: added === 0 ? 0 : toCents(spec.quantity * unit) };
}

/** One of quantity at the worst price of the order, in the account's currency. */
async function unitValue(terms: PriceTerms, { contract, money, quote }: Basis): Promise<number> {
  const market = async (): Promise<number> => {
    const price = askOf(await quote());
    if (price === null) throw unknowable(`TWS has no price of ${contract.symbol}`);
    return price;
  };
  if (contract.secType === "CASH") {
    // a quantity of EUR.USD is of EUR, whatever it costs
    const rate = await money.rateOf(contract.symbol);
    if (rate !== null) return rate;
  }
  const rate = await money.rateOf(contract.currency);
  if (rate === null) throw unknowable(`TWS gives no rate from ${contract.currency} to ${money.currency}`);
  return unitsOf(contract) * (await worstPrice(terms, market)) * rate;
}

/** How many of what a price is of are in one of the quantity. */
function unitsOf({ secType, multiplier, symbol }: Contract): number {
  if (isBond(secType)) return bondUnit;
  switch (secType) {
    case "STK":
    case "CASH":
    case "CRYPTO":
    case "CFD":
    case "FUND":
    case "CMDTY":
      return multiplier ?? 1;
    case "OPT":
    case "FOP":
    case "FUT":
    case "WAR":
      if (multiplier !== null && multiplier > 0) return multiplier;
      throw unknowable(`TWS gives no multiplier of ${symbol}`);
    default:
      throw unknowable(`the value of ${secType} does not follow from its price`);
  }
}

/** Why a limit cannot be checked; `notChecked` makes a refusal of it. */
class UnknowableError extends Error {
  override readonly name = "UnknowableError";
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

/** What a failed check means for the order: null for what has nothing to do with it. */
export function whyNotChecked(error: unknown): string | null {
  if (error instanceof UnknowableError) return error.message;
  if (!(error instanceof TwsError) || passing.has(error.code)) return null;
  return error.message.replace(/\.$/, "");
}
