import { TwsError } from "../../shared/errors.ts";
import type { Intent } from "../journal/journal.ts";

export const wordsOfState = {
  received: "It is being prepared; nothing has been sent.",
  reserved: "It has an order id and is about to be sent.",
  acked: "TWS has it.",
  done: "It has ended at TWS.",
  refused: "It was not sent.",
  rejected: "TWS has refused it.",
  absent: "It was sent, and TWS does not have it: it was looked for twice.",
} as const;

export const neverLeft = (): TwsError =>
  new TwsError("cancelled", "The agent stopped before the order was sent, so nothing was placed.", {
    nextStep: "Nothing was placed. Call again to place it.",
  });

export const notThere = ({ sentAt }: Intent): TwsError =>
  new TwsError(
    "order_rejected",
    `The order did not reach TWS: sent at ${new Date(sentAt ?? 0).toISOString()}, it is neither among the working nor the ended orders nor the fills, looked for twice.`,
    { nextStep: "Nothing was placed. If it is still wanted, place it with a new idempotencyKey." },
  );

export const notChanged = ({ legs }: Intent): TwsError =>
  new TwsError(
    "order_rejected",
    `The change of order ${legs[0]?.orderId ?? ""} did not reach TWS; the order is as it was.`,
    { nextStep: "Look at the order with ibkr_get_order_status; if it still works, change it again." },
  );
