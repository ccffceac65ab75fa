import { z } from "zod";

/**
 * The state of an order intent. Nothing has left in received, reserved and refused; sending may have left, and so may
 * unknown, which TWS has not answered for; acked is at TWS, and done has ended there. TWS has refused what is rejected;
 * what is absent was probed for, and TWS does not have it.
 */
export const IntentState = z.enum([
  "received",
  "reserved",
  "sending",
  "unknown",
  "acked",
  "done",
  "refused",
  "rejected",
  "absent",
]);
export type IntentState = z.infer<typeof IntentState>;

/** Nothing has left for TWS. */
export const isUnsent = (state: IntentState): boolean =>
  state === "received" || state === "reserved" || state === "refused";

/** It may have left, and TWS has not answered for it. */
export const isLost = (state: IntentState): state is "sending" | "unknown" =>
  state === "sending" || state === "unknown";

/** There is nothing more to learn of it; an absent one may come up after all. */
export const isAtEnd = (state: IntentState): boolean =>
  state === "done" || state === "refused" || state === "rejected";
