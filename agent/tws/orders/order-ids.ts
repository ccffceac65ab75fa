import { TwsError } from "../../../shared/errors.ts";
import { firstRequestId, isRequestId, keepForOrder } from "../session/request-table.ts";

/** TWS keeps ids in 32 bits with a sign. */
const greatestId = 2_147_483_647;

/**
 * Order ids of this process. TWS reserves none when it names the next one, so ids are counted here: above what TWS
 * said on this connection, above all ids seen, and above all ids used before, whatever became of those orders and
 * however large the ids are: programs that number by the clock use ids far above 1,000,000,000. `isKnown` tells the
 * ids that an order of this client has.
 */
export function createOrderIds(isKnown: (orderId: number) => boolean) {
  let next = 1;
  const isTaken = (orderId: number): boolean => isKnown(orderId) || isRequestId(orderId);
  return {
    /** No id up to this one is given out again. */
    saw(orderId: number): void {
      if (orderId >= firstRequestId) keepForOrder(orderId);
      if (orderId >= next) next = orderId + 1;
    },
    /** TWS's own next id; it may fall behind ours after a restart of TWS, never pull ours back. */
    startsAt(nextValidId: number): void {
      next = Math.max(next, nextValidId);
    },
    /** Throws tws_error when there is none left. */
    take(): number {
      while (next <= greatestId && isTaken(next)) next += 1;
      if (next > greatestId) {
        throw new TwsError(
          "tws_error",
          "TWS shows an order with the largest id there is; nothing was sent.",
          {
            nextStep:
              "The owner cancels the order with the id 2147483647 in TWS, resets the API order id sequence there, gives the agent another TWS_CLIENT_ID and starts it again.",
          },
        );
      }
      const orderId = next;
      next += 1;
      if (orderId >= firstRequestId) keepForOrder(orderId);
      return orderId;
    },
  };
}
