import type { Order } from "../../shared/order.ts";
import { hasEnded } from "../../shared/order.ts";
import { positions } from "../tws/account/account.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";
import type { RequestContext, TwsSession } from "../tws/session/api.ts";
import type { CheckedOrder, Opening, ProposedOrder } from "./proposed-order.ts";

/** The entry of a bracket, and what its exits have closed of it. */
interface Entry {
  readonly filled: number;
  /** May still fill. */
  readonly open: number;
  /** By all exits together. */
  readonly closed: number;
}

/** How many units an exit opens: `open` is what may still fill of it, `held` the position that it would close. */
export function surplusOf(open: number, held: number, entry: Entry | null): number {
  const waiting = entry?.open ?? 0;
  const left = entry === null ? held : Math.min(entry.filled + waiting - entry.closed, held + waiting);
  return Math.max(0, open - Math.max(0, left));
}

interface ExitDeps {
  readonly session: TwsSession;
  readonly orderBook: Pick<OrderBook, "ofAccount" | "openOrders">;
}

/**
 * What an order would open as an exit, or what it leaves its exits to open as their entry: an exit closes what its entry
 * has filled or may fill, what the other exits have left of that, and never more than what the working orders of its
 * side leave of the position, since all of them share the one. `call` are the new orders of the same call, `orders` those
 * of the account, and `position` is that in the order's instrument.
 */
export function openingsOf(
  { spec, changes, isExit }: ProposedOrder,
  call: readonly ProposedOrder[],
  orders: readonly Order[],
  position: number,
): readonly Opening[] {
  if (changes === null) {
    if (!isExit) return [];
    const entry = call.find((other) => !other.isExit && other.spec.action !== spec.action);
    const waiting = { filled: 0, open: entry?.spec.quantity ?? 0, closed: 0 };
    return opening(spec, surplusOf(spec.quantity, unclaimed(spec, orders, position, null), waiting));
  }
  const open = Math.max(0, spec.quantity - changes.filled);
  if (isExit) {
    const entry = orders.find((other) => isOf(other, changes.parentId, changes));
    const held = unclaimed(spec, orders, position, changes);
    if (entry !== undefined) return opening(spec, surplusOf(open, held, stateOf(entry, orders)));
    // TWS forgets an entry that has ended: then the exit closes no more than it did before, since other exits have a claim
    return opening(spec, surplusOf(open, Math.min(held, changes.remaining), null));
  }
  const state = { ...stateOf(changes, orders), open };
  return exitsOf({ spec, changes }, orders).flatMap((exit) => {
    const terms = { ...exit, contract: spec.contract };
    return opening(terms, surplusOf(exit.remaining, unclaimed(terms, orders, position, exit), state));
  });
}

/** The working exits of an entry that is made smaller: they keep their quantity. */
function exitsOf({ spec, changes }: Pick<ProposedOrder, "spec" | "changes">, orders: readonly Order[]) {
  if (changes === null || spec.quantity >= changes.quantity) return [];
  return childrenOf(changes, orders).filter((exit) => !hasEnded(exit));
}

/** Finds what the orders of one call would open as exits. Reads TWS's positions only for exits; throws as that does. */
export function createExits({ session, orderBook }: ExitDeps) {
  return async (
    account: string,
    call: readonly ProposedOrder[],
    context: RequestContext,
  ): Promise<readonly CheckedOrder[]> => {
    const known = call.some(({ changes }) => changes !== null)
      ? await orderBook.ofAccount(account, context.signal)
      : [];
    const isConcerned = (order: ProposedOrder) => order.isExit || exitsOf(order, known).length > 0;
    if (!call.some(isConcerned)) return call.map((order) => ({ ...order, openings: [] }));
    // TWS tells of the orders of other clients only when it is asked
    const [rows] = await Promise.all([positions(session, context), orderBook.openOrders(context)]);
    const orders = await orderBook.ofAccount(account, context.signal);
    return call.map((order) => {
      const { conId } = order.spec.contract;
      const row = rows.find((one) => one.account === account && one.contract.conId === conId);
      return { ...order, openings: openingsOf(order, call, orders, row?.position ?? 0) };
    });
  };
}

const opening = (terms: Opening["terms"], quantity: number): readonly Opening[] =>
  quantity > 0 ? [{ terms, quantity }] : [];

/** The position that an order would close, in its units; negative where the order would add to it. */
const heldFor = ({ action }: Pick<Order, "action">, position: number): number =>
  action === "SELL" ? position : -position;

/**
 * The part of a position that the working orders of the same side leave for an order to close; negative as `heldFor` is. The
 * exits of one entry cancel each other, so the largest of them counts, and as far as the entry has still to fill they
 * wait for that. `except` is the order itself, whose family has no claim against it.
 */
function unclaimed(
  { action, contract: { conId } }: Pick<Order, "action" | "contract">,
  orders: readonly Order[],
  position: number,
  except: Order | null,
): number {
  const held = heldFor({ action }, position);
  const claims = new Map<string, number>();
  for (const other of orders) {
    if (other.contract.conId !== conId || other.action !== action || hasEnded(other)) continue;
    if (except !== null && isSameFamily(other, except)) continue;
    const entry = orders.find((one) => isOf(one, other.parentId, other));
    const waiting = entry === undefined || hasEnded(entry) ? 0 : entry.remaining;
    const family = `${other.clientId} ${other.parentId ?? `${other.orderId} ${other.permId}`}`;
    claims.set(family, Math.max(claims.get(family) ?? 0, other.remaining - waiting));
  }
  const claimed = [...claims.values()].reduce((sum, claim) => sum + claim, 0);
  return held <= 0 ? held : Math.max(0, held - claimed);
}

/** The same order, or another exit of the same entry. */
const isSameFamily = (other: Order, order: Order): boolean =>
  isOf(other, order.orderId, order) ||
  (order.parentId !== null && other.parentId === order.parentId && other.clientId === order.clientId);

const isOf = (other: Order, orderId: number | null, { clientId }: Order): boolean =>
  other.orderId === orderId && other.clientId === clientId;

const childrenOf = ({ orderId, clientId }: Order, family: readonly Order[]): readonly Order[] =>
  family.filter((other) => other.parentId === orderId && other.clientId === clientId);

function stateOf(entry: Order, family: readonly Order[]): Entry {
  const { filled, remaining } = entry;
  // an Inactive one may be parked, and wake; what it would open then is not there to be closed
  const closed = childrenOf(entry, family).reduce((sum, exit) => sum + exit.filled, 0);
  return { filled, open: hasEnded(entry) ? 0 : remaining, closed };
}
