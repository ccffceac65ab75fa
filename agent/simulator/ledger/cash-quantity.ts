import type { Quote } from "../model/market.ts";
import type { OrderRequest } from "../model/ledger.ts";
import type { Refusal } from "./order-checks.ts";

/** Instruments that can be bought for an amount of cash. */
const soldForCash: ReadonlySet<string> = new Set(["CRYPTO", "CASH"]);

/** The amount in the currency of the instrument; null where the order names a quantity. */
function cashOf({ echo }: OrderRequest): number | null {
  const cash = Number.parseFloat(echo["cashQty"] ?? "");
  return Number.isFinite(cash) && cash > 0 && cash < 1e300 ? cash : null;
}

/** Why TWS would refuse the amount; null when it would not, and for an order without one. */
export function cashRefusal(request: OrderRequest): Refusal | null {
  const { quantity, instrument } = request;
  if (cashOf(request) === null || quantity > 0 || soldForCash.has(instrument.secType)) return null;
  return { code: 10244, text: "Cash quantity cannot be used for this order" };
}

/** The order with the quantity that its cash buys at its limit, or now without one; as it is when it names no cash. */
export function sizedByCash(request: OrderRequest, quote: Pick<Quote, "bid" | "ask">): OrderRequest {
  const cash = cashOf(request);
  const market = request.action === "BUY" ? quote.ask : quote.bid;
  const price = request.limitPrice ?? market;
  if (cash === null || request.quantity > 0 || price === null || price <= 0) return request;
  const { minSize } = request.instrument;
  const steps = Math.floor(cash / price / minSize);
  return { ...request, quantity: Number((steps * minSize).toFixed(8)) };
}
