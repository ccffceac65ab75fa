import type { IntentState } from "./journal.ts";

/** Nothing has left for TWS. */
export const isUnsent = (state: IntentState): boolean =>
  state === "received" || state === "reserved" || state === "refused";

/** It may have left, and TWS has not answered for it. */
export const isLost = (state: IntentState): state is "sending" | "unknown" =>
  state === "sending" || state === "unknown";

/** There is nothing more to learn of it; an absent one may come up after all. */
export const isAtEnd = (state: IntentState): boolean =>
  state === "done" || state === "refused" || state === "rejected";
