import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import { hasEnded, hasEndedForGood } from "../../shared/order.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";
import type { Intent, Leg } from "../journal/journal.ts";
import type { ObservedOrders } from "./observed-orders.ts";

const cancelMs = 5_000;

type Legs = readonly Leg[];
type View = Pick<ObservedOrders, "live">;

const entryOf = (legs: Legs): Leg | undefined => legs.find(({ leg }) => leg === "entry");
const exitsOf = (legs: Legs): Legs => legs.filter(({ leg }) => leg !== "entry");

/**
 * Returns whether the entry can leave no position without its exits: TWS has each leg, and the exits work, have done their
 * part, or are not needed.
 */
export function hasExits(legs: Legs, { live }: View): boolean {
  const entryLeg = entryOf(legs);
  const entry = entryLeg === undefined ? null : live(entryLeg);
  const exits = exitsOf(legs).map((leg) => live(leg));
  if (entry === null || exits.includes(null)) return false;
  if (hasEndedForGood(entry) && entry.filled === 0) return true;
  // the fill of one exit cancels the other
  const isOver = exits.some((exit) => exit !== null && exit.filled > 0);
  return isOver || exits.every((exit) => exit !== null && !hasEnded(exit));
}

/**
 * A bracket of which TWS has a part, after the process or the line that sent it has ended. Its entry is cancelled, and
 * with it by TWS the exits. Returns what to tell: order_rejected with what is left, outcome_unknown while the entry may
 * still work, and null when TWS turns out to have all of it.
 */
export async function repairBracket(
  { legs }: Intent,
  view: View,
  orderBook: OrderBook,
  signal: AbortSignal,
): Promise<TwsError | null> {
  const { live } = view;
  const entryLeg = entryOf(legs);
  if (entryLeg === undefined) return unknown("its entry");
  const missing = missingOf(legs, view);
  const entry = await cancelled(entryLeg, live(entryLeg), orderBook, signal);
  if (entry === null) return unknown(`the entry (order ${entryLeg.orderId})`);
  if (entry.filled === 0) {
    return new TwsError(
      "order_rejected",
      `TWS did not hold ${missing} of the bracket, so its entry (order ${entryLeg.orderId}) was cancelled; nothing was filled.`,
    );
  }
  // its fill may have been all that TWS had not listed yet
  if (hasExits(legs, view)) return null;
  const working = exitsOf(legs)
    .flatMap((leg) => live(leg) ?? [])
    .filter((order) => !hasEnded(order));
  const kept =
    working.length === 0
      ? "has no exit"
      : `has only order ${working.map(({ orderId }) => orderId).join(", ")}`;
  return new TwsError(
    "order_rejected",
    `TWS did not hold ${missingOf(legs, view)} of the bracket; ${entry.filled} of the entry (order ${entryLeg.orderId}) had filled, and that position ${kept}.`,
    { nextStep: "Protect or close the position now, with ibkr_place_order." },
  );
}

/** The legs that TWS does not show, and the exits that have ended without a fill, in words. */
function missingOf(legs: Legs, { live }: View): string {
  const isOut = (leg: Leg) => {
    const order = live(leg);
    return order === null || (leg !== entryOf(legs) && hasEnded(order) && order.filled === 0);
  };
  return legs.filter(isOut).map(nameOf).join(" and ");
}

/** The entry once it is over; null while nobody can say. */
async function cancelled(
  { orderId }: Leg,
  shown: Order | null,
  orderBook: OrderBook,
  signal: AbortSignal,
): Promise<Order | null> {
  if (shown !== null && hasEnded(shown)) return shown;
  try {
    const order = await orderBook.cancel(orderId, { timeoutMs: cancelMs, signal });
    return hasEnded(order) ? order : null;
  } catch (error) {
    if (error instanceof TwsError) return null;
    throw error;
  }
}

/**
 * Cancels an entry that TWS has not shown: it may hold it back, for somebody to let loose in its window. Returns what to
 * tell when it did; null when it knows of none, as is to be expected. Throws outcome_unknown when it does not say, and
 * order_not_changeable while another client's order would be cancelled in its place. `beforeWrite` is called right before
 * the cancellation is written.
 */
export async function cancelUnconfirmedEntry(
  { legs }: Intent,
  orderBook: OrderBook,
  signal: AbortSignal,
  beforeWrite: () => void,
): Promise<TwsError | null> {
  const entry = entryOf(legs);
  const spec = entry?.sent ?? null;
  if (entry === undefined || spec === null) return null;
  try {
    const order = await orderBook.cancelUnseen(entry.orderId, spec, signal, beforeWrite);
    if (!hasEnded(order) || order.filled > 0) throw unknown(nameOf(entry));
    return new TwsError(
      "order_rejected",
      `TWS held back ${nameOf(entry)} of the bracket, since its exits did not arrive, so it was cancelled; nothing was filled.`,
    );
  } catch (error) {
    if (error instanceof TwsError && error.code === "order_not_found") return null;
    throw error;
  }
}

const nameOf = ({ leg, orderId }: Leg): string => `${leg} (order ${orderId})`;

const unknown = (what: string): TwsError =>
  new TwsError(
    "outcome_unknown",
    `The state of ${what} in this bracket is unknown; checking with TWS again.`,
  );
