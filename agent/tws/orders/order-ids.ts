/** Request ids begin here, so an id at or above it is no order's. */
const firstRequestId = 1_000_000_000;

/**
 * Order ids of this process. TWS reserves none when it names the next one, so ids are counted here: above what TWS
 * said on this connection, above all ids seen, and above all ids used before, whatever became of those orders.
 */
export function createOrderIds() {
  let next = 1;
  return {
    /** No id up to this one is given out again. */
    saw(orderId: number): void {
      if (orderId >= next && orderId < firstRequestId) next = orderId + 1;
    },
    /** TWS's own next id; it may fall behind ours after a restart of TWS, never pull ours back. */
    startsAt(nextValidId: number): void {
      next = Math.max(next, nextValidId);
    },
    take(): number {
      const orderId = next;
      next += 1;
      return orderId;
    },
  };
}
