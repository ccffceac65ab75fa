import type { Order } from "../../shared/order.ts";
import type { IntentState } from "../journal/intent-states.ts";
import type { Journal } from "../journal/journal.ts";
import type { RequestContext, TwsSession } from "../tws/session/api.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";

interface OpenOrdersDeps {
  readonly session: Pick<TwsSession, "clientId">;
  readonly orderBook: Pick<OrderBook, "whenRead" | "openOrders" | "working">;
  readonly journal: Pick<Journal, "unfinished">;
}

/** The book does not show these yet, or TWS has not said whether it has them. */
const mayBeOpen: ReadonlySet<IntentState> = new Set(["reserved", "sending", "unknown"]);

/** Counts the working orders of an account, whoever placed them. */
export function createOpenOrders({ session, orderBook, journal }: OpenOrdersDeps) {
  /** Orders of other clients, as TWS listed them last: it does not tell us of their ends. */
  let others: readonly Order[] = [];

  return {
    /** Throws as `whenRead` and `openOrders` of the book do. */
    async refresh(context: RequestContext): Promise<void> {
      await orderBook.whenRead(context.signal);
      const listed = await orderBook.openOrders(context);
      others = listed.filter(({ clientId }) => clientId !== session.clientId);
    },

    /** At this moment, with those that are about to be sent; may run within a transaction of the journal. */
    count(account: string): number {
      const own = orderBook.working(account).filter(({ clientId }) => clientId === session.clientId);
      const known = new Set(own.map(({ orderRef }) => orderRef));
      const unseen = journal
        .unfinished()
        .filter(({ kind, state, account: owner }) => {
          const isPlaced = kind === "place" || kind === "bracket" || kind === "basket";
          return isPlaced && owner === account && mayBeOpen.has(state);
        })
        .flatMap(({ legs }) => legs.filter(({ orderRef }) => !known.has(orderRef)));
      return own.length + unseen.length + others.filter((order) => order.account === account).length;
    },
  };
}
