import type { Order } from "../../shared/order.ts";
import { hasEnded } from "../../shared/order.ts";
import { positions } from "../tws/account/account.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";
import type { RequestContext, TwsSession } from "../tws/session/api.ts";
import type { CheckedOrder } from "./proposed-order.ts";

interface ReductionDeps {
  readonly session: TwsSession;
  readonly orderBook: Pick<OrderBook, "ofAccount">;
}

/**
 * The orders of one call that can only reduce a position, whatever else fills: each closes no more than what the
 * working orders of its side, and those before it in the call, leave of the position. `positionOf` has the units held.
 */
export function reducingOrders(
  call: readonly CheckedOrder[],
  working: readonly Order[],
  positionOf: (conId: number) => number,
): ReadonlySet<CheckedOrder> {
  const reducing = new Set<CheckedOrder>();
  for (const order of call) {
    const { spec, changes, isExit, openings } = order;
    const { conId } = spec.contract;
    const isOfSide = (other: Pick<Order, "contract" | "action">): boolean =>
      other.contract.conId === conId && other.action === spec.action;
    const others = working.filter((other) => isOfSide(other) && !hasEnded(other) && !isSame(other, changes));
    const before = call.slice(0, call.indexOf(order)).filter((other) => isOfSide(other.spec));
    const taken =
      others.reduce((sum, { remaining }) => sum + remaining, 0) +
      before.reduce((sum, other) => sum + openOf(other), 0);
    const position = positionOf(conId);
    const held = spec.action === "SELL" ? position : -position;
    if (!isExit && openings.length === 0 && openOf(order) <= held - taken) reducing.add(order);
  }
  return reducing;
}

/** Finds them by TWS's own list of positions; throws as that does. */
export function createReductions({ session, orderBook }: ReductionDeps) {
  return async (account: string, call: readonly CheckedOrder[], context: RequestContext) => {
    const [rows, working] = await Promise.all([
      positions(session, context),
      orderBook.ofAccount(account, context.signal),
    ]);
    return reducingOrders(
      call,
      working,
      (conId) => rows.find((row) => row.account === account && row.contract.conId === conId)?.position ?? 0,
    );
  };
}

const openOf = ({ spec, changes }: CheckedOrder): number =>
  Math.max(0, spec.quantity - (changes?.filled ?? 0));

const isSame = (other: Order, changes: Order | null): boolean =>
  changes !== null && other.orderId === changes.orderId && other.clientId === changes.clientId;
