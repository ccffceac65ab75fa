import type { ApprovalQuote } from "../../shared/approval.ts";
import { TwsError } from "../../shared/errors.ts";
import { mapConcurrently } from "../call/concurrent-map.ts";
import { amountText } from "./amounts.ts";
import { sumOf, valuesOf } from "./market-limits.ts";
import type { Readings } from "./market-limits.ts";
import type { CheckedOrder, OrderPricing } from "./proposed-order.ts";
import { whyOrThrow } from "./valuation.ts";

const atOnce = 10;
const longestText = 100;

/** TWS answers for a moment only, which says nothing against the order. */
const busy: ReadonlySet<string> = new Set(["pacing", "rate_limited"]);

function whyUnknown(error: unknown): string {
  return error instanceof TwsError && busy.has(error.code) ? error.message : whyOrThrow(error);
}

/** The quotes and the value of orders for the owner's eyes; null, and said, where they are not known. */
export async function priceOrders(
  orders: readonly CheckedOrder[],
  readings: Readings,
): Promise<OrderPricing> {
  const quotes = await mapConcurrently(orders, atOnce, async ({ spec }): Promise<ApprovalQuote | null> => {
    try {
      const { bid, ask, last, time, dataType } = await readings.quote(spec.contract.conId);
      return { bid, ask, last, at: time, dataType };
    } catch (error) {
      whyUnknown(error);
      return null;
    }
  });
  const valued = await valuesOf(orders, readings).catch(whyUnknown);
  const value =
    typeof valued === "string"
      ? `not known: ${valued}`
      : `about ${amountText(sumOf(valued.values, "added"))} ${valued.currency}`;
  return { value: value.slice(0, longestText), quotes };
}
