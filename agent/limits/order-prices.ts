import type { Quote } from "../../shared/events.ts";
import { OrderType } from "../../shared/order.ts";
import type { Action, OrderPrices } from "../../shared/order.ts";

/** What an order says of its price. `orderType` may be one that we do not place, when it is read from TWS. */
export interface PriceTerms extends OrderPrices {
  readonly action: Action;
  readonly orderType: string;
}

/** The market's price for a purchase of now, in the contract's currency. */
type Market = () => Promise<number>;

/**
 * The highest price at which the order can trade, as far as anybody can say. A purchase has a cap in its limit; a sale
 * trades at the market when that is above its limit. The market is asked only where the order names no cap.
 */
export async function worstPrice(terms: PriceTerms, market: Market): Promise<number> {
  const { action, limitPrice, auxPrice, trailStopPrice, limitOffset } = terms;
  const stated = (...prices: readonly (number | null)[]) =>
    prices.filter((price) => price !== null).map(Math.abs);
  const capped = async (cap: number | null) =>
    action === "BUY" && cap !== null ? Math.abs(cap) : Math.max(await market(), ...stated(cap));
  const { data: type } = OrderType.safeParse(terms.orderType);
  switch (type) {
    case "LMT":
    case "LOC":
    case "LIT":
    case "STP LMT":
    case "REL":
      return capped(limitPrice);
    case "TRAIL LIMIT":
      // the stop of a purchase only falls
      return capped(trailStopPrice === null ? null : trailStopPrice + Math.abs(limitOffset ?? 0));
    case "TRAIL": {
      const now = await market();
      const amount = action === "BUY" ? Math.abs(auxPrice ?? 0) : 0;
      return Math.max(now + amount, ...stated(trailStopPrice));
    }
    case "MKT":
    case "MOC":
      return market();
    case "STP":
    case "MIT":
      return Math.max(await market(), ...stated(auxPrice));
    case undefined:
      return Math.max(await market(), ...stated(limitPrice, trailStopPrice));
    default:
      return type satisfies never;
  }
}

/** The prices that an order names, by their fields; `market` is the middle of now, from which a trailing stop starts. */
export function statedPrices(
  terms: PriceTerms,
  market: number,
): { readonly field: string; readonly price: number }[] {
  const { action, orderType, limitPrice, auxPrice, trailStopPrice, limitOffset } = terms;
  const sign = action === "BUY" ? 1 : -1;
  const prices: { field: string; price: number }[] = [];
  const add = (field: string, price: number | null) => {
    if (price !== null) prices.push({ field, price });
  };
  add("limitPrice", limitPrice);
  switch (orderType) {
    case "TRAIL":
    case "TRAIL LIMIT": {
      const stop = trailStopPrice ?? (auxPrice === null ? null : market + sign * Math.abs(auxPrice));
      add(trailStopPrice === null ? "auxPrice" : "trailStopPrice", stop);
      if (stop !== null && limitOffset !== null) add("limitOffset", stop + sign * Math.abs(limitOffset));
      break;
    }
    case "REL":
      // an offset from the best quote
      break;
    default:
      add("auxPrice", auxPrice);
  }
  return prices;
}

/** Whether the order names any price at all, so that a distance can be told. */
export const hasStatedPrice = (terms: PriceTerms): boolean => statedPrices(terms, 0).length > 0;

const real = (price: number | null): number | null => (price !== null && price > 0 ? price : null);

/** What a purchase costs now; null when the quote has no price. */
export const askOf = ({ ask, bid, last, close }: Quote): number | null =>
  real(ask) ?? real(last) ?? real(bid) ?? real(close);

/** Where the market is; null when the quote has no price. */
export function middleOf({ ask, bid, last, close }: Quote): number | null {
  const [high, low] = [real(ask), real(bid)];
  if (high !== null && low !== null) return (high + low) / 2;
  return real(last) ?? real(close) ?? high ?? low;
}
