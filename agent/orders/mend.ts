import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import { isFinal } from "../../shared/order.ts";
import type { OrderBook } from "../tws/order-book.ts";
import type { Intent, Leg } from "./journal.ts";

/**
 * A bracket of which TWS shows a part, after the process or the line that sent it has ended. Its entry is cancelled,
 * and with it by TWS the exits. Returns what to tell: order_rejected with what is left, or outcome_unknown while the
 * entry may still work.
 */
export async function mendBracket(
  { legs }: Intent,
  orderBook: OrderBook,
  signal: AbortSignal,
): Promise<TwsError> {
  const entryLeg = legs.find(({ leg }) => leg === "entry");
  if (entryLeg === undefined) return unknown("its entry");
  const shownOf = (leg: Leg) => orderBook.shown(leg.orderRef);
  const missing = legs.filter((leg) => shownOf(leg) === null).map(nameOf);
  const entry = await cancelled(entryLeg, orderBook, signal);
  if (entry === null) return unknown(`the entry (order ${entryLeg.orderId})`);
  const exits = legs.filter((leg) => leg !== entryLeg).flatMap((leg) => shownOf(leg) ?? []);
  const working = exits.filter(({ status }) => !isFinal(status));
  if (entry.filled === 0) {
    return new TwsError(
      "order_rejected",
      `TWS did not have ${missing.join(" and ")} of the bracket, so its entry (order ${entry.orderId}) was cancelled; nothing was filled.`,
    );
  }
  const kept =
    working.length === 0
      ? "has no exit"
      : `has only order ${working.map(({ orderId }) => orderId).join(", ")}`;
  return new TwsError(
    "order_rejected",
    `TWS did not have ${missing.join(" and ")} of the bracket; ${entry.filled} of the entry (order ${entry.orderId}) had filled, and that position ${kept}.`,
    { nextStep: "Protect or close the position now, with ibkr_place_order." },
  );
}

/** The entry once it is over; null while nobody can say. */
async function cancelled(entry: Leg, orderBook: OrderBook, signal: AbortSignal): Promise<Order | null> {
  const shown = orderBook.shown(entry.orderRef);
  // an Inactive one may be parked, and wake
  if (shown !== null && isFinal(shown.status) && shown.status !== "Inactive") return shown;
  try {
    const order = await orderBook.cancel(entry.orderId, { timeoutMs: 5_000, signal });
    return isFinal(order.status) ? order : null;
  } catch (error) {
    if (error instanceof TwsError) return null;
    throw error;
  }
}

const nameOf = ({ leg, orderId }: Leg): string => `${leg} (order ${orderId})`;

const unknown = (what: string): TwsError =>
  new TwsError(
    "outcome_unknown",
    `Of this bracket it is not known what became of ${what}; TWS is asked again.`,
  );
