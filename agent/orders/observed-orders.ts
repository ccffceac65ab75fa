import type { Order } from "../../shared/order.ts";
import { hasEnded } from "../../shared/order.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";
import type { Intent, Leg } from "../journal/journal.ts";

const notListed = "TWS does not list this order now; this is how it was known last.";

/** An Inactive order has ended when TWS was seen to list it no more, or had refused it; else it may have woken since. */
const isEnd = (order: Order, state: Intent["state"]): boolean =>
  order.status === "Inactive"
    ? state === "rejected" || (state === "done" && order.isFinal === true)
    : hasEnded(order);

/** The orders of an intent: as TWS shows them now, else as it has shown them last. */
export function createObservedOrders(orderBook: Pick<OrderBook, "shown" | "shownOwn" | "hasEnded">) {
  /** What TWS has shown to this process. An order without a reference of ours is known by its id alone. */
  function live({ orderRef, orderId, clientId }: Leg): Order | null {
    const order = orderRef === "" ? orderBook.shownOwn(orderId) : orderBook.shown(orderRef);
    // TWS's list of ended orders has no ids
    return order === null || order.orderId !== 0 ? order : { ...order, orderId, clientId };
  }

  /** A state of long ago is not shown as that of now. */
  function shown(leg: Leg, state: Intent["state"]): Order | null {
    const now = live(leg);
    if (now !== null || leg.shown === null || isEnd(leg.shown, state)) return now ?? leg.shown;
    const { warnings } = leg.shown;
    return {
      ...leg.shown,
      status: "Unknown",
      isFinal: false,
      warnings: warnings.includes(notListed) ? warnings : [...warnings, notListed],
    };
  }

  return {
    live,

    /** One of them; null when it was never shown. */
    orderOf: ({ state }: Intent, leg: Leg): Order | null => shown(leg, state),

    /** Null while one is missing, or it has none. */
    ordersOf({ legs, state }: Intent): readonly Order[] | null {
      const orders = legs.flatMap((leg) => shown(leg, state) ?? []);
      return orders.length === legs.length && orders.length > 0 ? orders : null;
    },

    /** Those that TWS has shown to this process. */
    liveOf: ({ legs }: Pick<Intent, "legs">): readonly Order[] => legs.flatMap((leg) => live(leg) ?? []),

    isEveryLegLive: ({ legs }: Pick<Intent, "legs">): boolean =>
      legs.length > 0 && legs.every((leg) => live(leg) !== null),

    /** Whether nothing is to be learned of it any more: it has ended, or was given up as no longer listed. */
    isOver(leg: Leg): boolean {
      // asked of every open order whenever TWS says something
      if (leg.orderRef !== "") {
        const isOver = orderBook.hasEnded(leg.orderRef);
        if (isOver !== null) return isOver;
      }
      const now = leg.orderRef === "" ? live(leg) : null;
      if (now !== null) return hasEnded(now);
      return leg.shown !== null && (isEnd(leg.shown, "acked") || leg.shown.status === "Unknown");
    },
  };
}
export type ObservedOrders = ReturnType<typeof createObservedOrders>;
