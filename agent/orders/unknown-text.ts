import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import type { Intent } from "../journal/journal.ts";
import type { Doubt } from "./order-fate.ts";

/** What the last reading of TWS's lists left open about an intent. */
export interface Sighting {
  /** Unix milliseconds. */
  readonly askedAt: number;
  /** The position in its instrument; null when TWS has not told it. */
  readonly position: number | null;
  readonly doubts: readonly Doubt[];
}

interface Search {
  readonly sighting: Sighting | null;
  /** Complete probes that did not show it. */
  readonly misses: number;
  /** What is done next, as a sentence. */
  readonly next: string;
}

const doubtText: Readonly<Record<Doubt, string>> = {
  line_unbroken: "the line that carried it still stands, so that a dialog in TWS may hold it",
  upstream_down: "TWS has lost its connection to IBKR",
  too_few_probes: "one look is not enough",
  not_settled: "TWS may still be reading its own lists after the last disconnect",
  dialog_possible: "a dialog in TWS may still hold it",
  lists_short: "the lists leave out orders that are known to have filled",
  lists_unproven: "nothing on the lists is older than it, so that they may have begun behind it",
  positions_unread: "TWS has not told its positions",
  positions_moved: "the position has moved without a fill that is listed",
  shown_in_part: "TWS shows a part of it",
  id_shared:
    "TWS may hold back its entry, which cannot be cancelled while an order of another API client works under the same id",
  cancelling: "the agent cancels its entry, which has no exits, and TWS has not confirmed that",
};

const at = (ms: number): string => new Date(ms).toISOString();

function positionText({ account, legs: [leg] }: Intent, sighting: Sighting | null | undefined): string {
  const position = sighting?.position ?? null;
  if (position === null) return `The position of ${account} in it is not known now.`;
  const symbol = leg?.shown?.contract.symbol;
  return `The position of ${account} in ${symbol ?? "its instrument"} is ${position} now.`;
}

/** What is known of an intent of which nobody can say what became of it, and what its owner can look at. */
export function unknownText(intent: Intent, { sighting, misses, next }: Search): string {
  const { sentAt, intentId, cancellingAt } = intent;
  const doubts = (sighting?.doubts ?? []).map((doubt) => doubtText[doubt]).join("; ");
  const sent = `It was sent${sentAt === null ? "" : ` at ${at(sentAt)}`}`;
  const looked =
    cancellingAt !== null
      ? `, and the agent has been cancelling its entry since ${at(cancellingAt)}, because TWS did not show all of the bracket`
      : `, and TWS has not shown it in ${misses} complete probes of its working orders, ended orders and fills${sighting === null ? "" : `, last at ${at(sighting.askedAt)}`}`;
  return [
    `${sent}${looked}.`,
    doubts === "" ? "" : `That is no proof: ${doubts}.`,
    positionText(intent, sighting),
    next,
    `In TWS look for a dialog that waits, and for orders and trades of that day with the reference ${intentId}.`,
    "Do not place it again.",
  ]
    .filter((part) => part !== "")
    .join(" ");
}

export const notAtTws = (intent: Intent, sighting: Sighting | undefined): TwsError =>
  new TwsError(
    "order_rejected",
    `The order did not reach TWS: sent at ${at(intent.sentAt ?? 0)}, it is neither among the working nor the ended orders nor the fills, which reach back to before it was sent and agree with the positions. ${positionText(intent, sighting)} It is looked for on, and what comes up is told.`,
    { nextStep: "Nothing was placed. If it is still wanted, place it with a new idempotencyKey." },
  );

/** TWS shows by its own lists that it has refused the orders, though nobody was there to hear it. */
export const refusedByTws = ({ legs }: Intent, shown: readonly Order[]): TwsError =>
  new TwsError(
    "order_rejected",
    `TWS shows ${shown.map(({ orderId, status }) => `order ${orderId} as ${status}`).join(" and ")}; nothing was filled, and ${legs.length > 1 ? "none of them works" : "it does not work"}.`,
  );

const correctionText = {
  absent: "This order was called absent before; that was wrong, TWS has it.",
  rejected: "This order was called rejected before; that was wrong, TWS has it.",
} as const;

/** The order as it is told to a caller who may have been told otherwise. */
export function withCorrection({ corrected }: Pick<Intent, "corrected">, order: Order): Order {
  return corrected === null ? order : { ...order, warnings: [...order.warnings, correctionText[corrected]] };
}
