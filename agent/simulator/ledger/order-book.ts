import type { WorkingOrder } from "./working-order.ts";

/** Every order of the session, found by who placed it under which id. */
export interface OrderBook {
  add(order: WorkingOrder): void;
  nextValidId(clientId: number): number;
  /** Not ended; staged ones included. */
  open(clientId: number, orderId: number): WorkingOrder | undefined;
  ended(clientId: number, orderId: number): WorkingOrder | undefined;
  openByOrderId(orderId: number): WorkingOrder | undefined;
  endedByOrderId(orderId: number): WorkingOrder | undefined;
  /** Oldest first. */
  allOpen(): WorkingOrder[];
  /** In the order they ended. */
  allEnded(): WorkingOrder[];
  /** Orders attached to a parent, ended ones included. */
  children(parent: WorkingOrder): WorkingOrder[];
  /** The open orders that a fill of this one concerns: its OCA group, or the other legs of its bracket. */
  siblings(order: WorkingOrder): WorkingOrder[];
}

export function createOrderBook(): OrderBook {
  const known = new Map<string, WorkingOrder>();
  const working = new Set<WorkingOrder>();
  const next = new Map<number, number>();
  const done: WorkingOrder[] = [];

  const key = (clientId: number, orderId: number) => `${clientId} ${orderId}`;
  const isOpen = (order: WorkingOrder | undefined) => order !== undefined && order.completedAt === null;

  function sweep(): void {
    for (const order of working) {
      if (isOpen(order)) continue;
      working.delete(order);
      done.push(order);
    }
    done.sort((a, b) => (a.completedAt ?? 0) - (b.completedAt ?? 0));
  }

  function get(clientId: number, orderId: number, open: boolean): WorkingOrder | undefined {
    const order = known.get(key(clientId, orderId));
    return order !== undefined && isOpen(order) === open ? order : undefined;
  }

  function openOnes(): WorkingOrder[] {
    return [...working].filter(isOpen);
  }

  return {
    add(order) {
      const { clientId, orderId } = order.request;
      sweep();
      known.set(key(clientId, orderId), order);
      working.add(order);
      next.set(clientId, Math.max(next.get(clientId) ?? 1, orderId + 1));
    },
    nextValidId: (clientId) => next.get(clientId) ?? 1,
    open: (clientId, orderId) => get(clientId, orderId, true),
    ended: (clientId, orderId) => get(clientId, orderId, false),
    openByOrderId: (orderId) => openOnes().find(({ request }) => request.orderId === orderId),
    endedByOrderId(orderId) {
      sweep();
      return done.findLast(({ request }) => request.orderId === orderId);
    },
    allOpen: openOnes,
    allEnded() {
      sweep();
      return [...done];
    },
    children: ({ request: parent }) =>
      [...working].filter(
        ({ request }) =>
          request.parentId === parent.orderId &&
          request.clientId === parent.clientId &&
          request.parentId !== 0,
      ),
    siblings(order) {
      const { ocaGroup, account, parentId, clientId } = order.request;
      return openOnes().filter(({ request: other, staged, held }) => {
        if (staged || other === order.request) return false;
        if (ocaGroup !== "") return other.ocaGroup === ocaGroup && other.account === account;
        return (
          parentId !== 0 &&
          held !== "parent" &&
          other.parentId === parentId &&
          other.clientId === clientId &&
          other.ocaGroup === ""
        );
      });
    },
  };
}
