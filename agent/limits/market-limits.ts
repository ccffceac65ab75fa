import type { Quote } from "../../shared/events.ts";
import { mapConcurrently } from "../call/concurrent-map.ts";
import { limitNames } from "./limits.ts";
import type { Bounds, Finding } from "./limits.ts";
import type { CheckedOrder } from "./proposed-order.ts";
import { amountText, isAbove, toCents } from "./amounts.ts";
import type { ContractDetails } from "../tws/contracts/translate.ts";
import type { Money } from "./exchange-rates.ts";
import { nameOf } from "./order-rules.ts";
import { noPrice, requireKnownKind, requireKnownTerms, unknowable, valueOrder } from "./valuation.ts";
import type { OrderValue } from "./valuation.ts";
import { hasStatedPrice, middleOf, statedPrices, unknownPrice } from "./worst-price.ts";

/** What limits read of TWS for the orders of one call, each thing once. */
export interface Readings {
  money(): Promise<Money>;
  instrument(conId: number): Promise<Pick<ContractDetails, "contract" | "priceMagnifier">>;
  quote(conId: number): Promise<Quote>;
}

export interface Valued {
  readonly currency: string;
  /** Of each order, in their turn. */
  readonly values: readonly OrderValue[];
}

const atOnce = 10;

/** How far the prices of the orders lie from the market. An exit may lie anywhere while it opens nothing. */
export async function distanceFindings(
  { priceDistancePercent: most }: Bounds,
  orders: readonly CheckedOrder[],
  readings: Readings,
): Promise<Finding[]> {
  if (most === null) return [];
  for (const { spec } of orders) requireKnownTerms(spec);
  const held = orders.flatMap(({ spec, isExit, openings }) => [
    ...(isExit ? [] : [spec]),
    ...openings.map(({ terms }) => terms),
  ]);
  const found = await mapConcurrently(held, atOnce, async (terms) => {
    const why = unknownPrice(terms);
    if (why !== null) throw unknowable(why);
    const { conId } = terms.contract;
    requireKnownKind(terms.contract.secType ?? (await readings.instrument(conId)).contract.secType);
    if (!hasStatedPrice(terms)) return [];
    const market = middleOf(await readings.quote(conId));
    if (market === null) throw noPrice(nameOf(terms.contract));
    return statedPrices(terms, market).map(({ field, price }): Finding => {
      // so that 95 is 5 % from 100, and not 5.000000000000004 %
      const percent = Number(((Math.abs(price - market) / market) * 100).toFixed(6));
      const asked = `${Number(percent.toFixed(4))} %`;
      return {
        name: limitNames.priceDistancePercent,
        limit: `${most} %`,
        asked,
        ok: percent <= most,
        sentence: `${field}: ${price} is ${asked} from the market of ${nameOf(terms.contract)} at ${Number(market.toFixed(6))}, and ${most} % is allowed.`,
      };
    });
  });
  return found.flat();
}

/** What the orders come to. */
export async function valuesOf(orders: readonly CheckedOrder[], readings: Readings): Promise<Valued> {
  const money = await readings.money();
  const values = await mapConcurrently(orders, atOnce, async (order) => {
    const { conId } = order.spec.contract;
    const { contract, priceMagnifier } = await readings.instrument(conId);
    return valueOrder(order, { contract, priceMagnifier, money, quote: () => readings.quote(conId) });
  });
  return { currency: money.currency, values };
}

export const sumOf = (values: readonly OrderValue[], kind: keyof OrderValue): number =>
  toCents(values.reduce((sum, value) => sum + (value[kind] ?? 0), 0));

/** The orders of one call count together: a basket is no way around the limit of an order. */
export function valueFindings({ orderValue }: Bounds, { currency, values }: Valued): Finding[] {
  if (orderValue === null) return [];
  const whole = sumOf(values, "whole");
  const words = (amount: number): string => `${amountText(amount)} ${currency}`;
  const what = values.length > 1 ? "these come together" : "this one comes";
  return [
    {
      name: limitNames.orderValue,
      limit: words(orderValue),
      asked: words(whole),
      ok: !isAbove(whole, orderValue),
      sentence: `An order may come to ${words(orderValue)}, and ${what} to ${words(whole)}.`,
    },
  ];
}
