import type { Order } from "../../shared/order.ts";
import { valueOfTrade } from "../tws/contracts/contract-value.ts";
import type { PricedInstrument } from "../tws/contracts/contract-value.ts";
import { mapConcurrently } from "../call/concurrent-map.ts";
import { centsUp } from "./rebalance.ts";
import { sum } from "./statistics.ts";

/** What the working orders of an account may still take from it. */
export interface Claims {
  readonly orders: number;
  /** For purchases, in whole cents of the account's currency. */
  readonly cashCents: number;
  /** For sale, by conId. */
  readonly offered: ReadonlyMap<number, { readonly symbol: string; readonly quantity: number }>;
  /** Being bought, by conId. */
  readonly ordered: ReadonlySet<number>;
  /** Purchases that may cost something which nobody can say. */
  readonly unknown: readonly { readonly order: Order; readonly reason: string }[];
}

interface Prices {
  /** What one unit of a currency is worth in the account's; null where there is no rate. */
  readonly rateOf: (currency: string) => number | null;
  /** What an order is of; null where TWS does not say. */
  readonly instrumentOf: (order: Order) => Promise<PricedInstrument | null>;
  /** The highest price at which a purchase can trade, as quotes say it; null where nobody can say. */
  readonly worstOf: (order: Order) => Promise<number | null>;
}

type Cost = { readonly cents: number } | { readonly reason: string };

const atOnce = 10;

/**
 * Adds up what working orders may still take. Each counts whole, also where one would cancel another: a purchase for
 * what is left of it at the highest price at which it can trade, a sale for what is left of it.
 */
export async function claimsOf(orders: readonly Order[], prices: Prices): Promise<Claims> {
  const working = orders.filter(({ remaining }) => remaining > 0);
  const purchases = working.filter(({ action }) => action === "BUY");
  const offered = new Map<number, { readonly symbol: string; readonly quantity: number }>();
  for (const { action, contract, remaining } of working) {
    const { conId, symbol = "" } = contract;
    if (action === "BUY" || conId === undefined) continue;
    offered.set(conId, { symbol, quantity: (offered.get(conId)?.quantity ?? 0) + remaining });
  }
  const costs = await mapConcurrently(purchases, atOnce, async (order) => ({
    order,
    cost: await costOf(order, prices),
  }));
  return {
    orders: working.length,
    cashCents: sum(costs.map(({ cost }) => ("cents" in cost ? cost.cents : 0))),
    offered,
    ordered: new Set(purchases.flatMap(({ contract }) => contract.conId ?? [])),
    unknown: costs.flatMap(({ order, cost }) => ("reason" in cost ? [{ order, reason: cost.reason }] : [])),
  };
}

/** A purchase of these takes the value of its price in cash. */
const paidInFull: ReadonlySet<string> = new Set(["STK", "CRYPTO", "OPT", "FOP", "WAR"]);

async function costOf(order: Order, { rateOf, instrumentOf, worstOf }: Prices): Promise<Cost> {
  const { secType = "", currency = "" } = order.contract;
  // what one currency loses the other gains, and cash is that of all currencies
  if (secType === "CASH") return { cents: 0 };
  if (!paidInFull.has(secType))
    return { reason: `the cash that ${secType} takes does not follow from its price` };
  const rate = rateOf(currency);
  if (rate === null) return { reason: `TWS gives no rate for ${currency}` };
  const price = await worstOf(order);
  if (price === null) return { reason: "it has no limit, and TWS gives no price for it" };
  const instrument = await instrumentOf(order);
  if (instrument === null) return { reason: "TWS does not say in what unit its price is" };
  const value = valueOfTrade(instrument, { quantity: order.remaining, price: Math.max(0, price), rate });
  return value.kind === "value" ? { cents: centsUp(value.amount) } : { reason: value.why };
}
