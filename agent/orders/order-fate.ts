import type { IntentState } from "../journal/intent-states.ts";
import type { IntentKind } from "../journal/journal.ts";

/** How TWS shows the orders of an intent. */
export type Shown = "all" | "some" | "none";

/** What TWS's lists prove about the time at which an order was sent. */
export type ListsProof =
  /** They reach back to before it was sent, and show all that is known to be there since. */
  | "whole"
  /** Something is missing from them that is known to have been at TWS. */
  | "short"
  /** Nothing on them is older than the order, so they may have begun behind it. */
  | "unproven";

/** All that bears on what became of an intent. Silence is none of it. */
export interface FateEvidence {
  readonly state: IntentState;
  readonly kind: IntentKind;
  readonly shown: Shown;
  /** TWS shows the first of its orders, which of a bracket is the entry. */
  readonly isFirstShown: boolean;
  /** Of a bracket whose legs TWS shows in part: its exits protect what its entry may fill. */
  readonly hasExits: boolean;
  /** Every order that TWS shows of it was refused, or cancelled without a fill, and cannot wake. */
  readonly isRefused: boolean;
  /** The agent has begun to cancel its entry, and it is not known that this is over. */
  readonly isCancelling: boolean;
  /** The cancellation of its entry has been sent as often as it will be, or the next time is not yet. */
  readonly mayCancel: boolean;
  /** A change whose order TWS shows with other terms, and which has ended. */
  readonly isMoot: boolean;
  /** The line that carried it has ended since, or TWS's own. On an unbroken one a dialog of TWS may hold it. */
  readonly isLineOver: boolean;
  /** TWS has its connection to IBKR. */
  readonly isUpstreamUp: boolean;
  /** Complete readings of all lists, far enough apart, that do not show it. */
  readonly misses: number;
  /** The lists were asked for so long after the last disconnect that TWS has read them again itself. */
  readonly isSettled: boolean;
  /** The lists were asked for so long after the last disconnect that no dialog of TWS waits any more. */
  readonly isPastDialogs: boolean;
  readonly lists: ListsProof;
  /** The position and the fills listed have told the same story at each reading; null where it was not read. */
  readonly positionsAgree: boolean | null;
}

/** What keeps an order from being called absent. */
export type Doubt =
  | "line_unbroken"
  | "upstream_down"
  | "too_few_probes"
  | "not_settled"
  | "dialog_possible"
  | "lists_short"
  | "lists_unproven"
  | "positions_unread"
  | "positions_moved"
  | "shown_in_part"
  | "id_shared"
  | "cancelling";

export type Fate =
  /** TWS shows all of it. */
  | { readonly verdict: "found" }
  /** TWS shows that it has refused it. */
  | { readonly verdict: "refused" }
  /** An entry without its exits: it is cancelled. */
  | { readonly verdict: "repair" }
  /** A bracket that TWS does not show may be held back there: its entry is cancelled before it is called absent. */
  | { readonly verdict: "withdraw" }
  /** What is known would have shown it, and does not. */
  | { readonly verdict: "absent" }
  /** TWS had it, and lists it no more. */
  | { readonly verdict: "unlisted" }
  | { readonly verdict: "unknown"; readonly doubts: readonly Doubt[] };

/** What became of an intent, by the evidence alone. The one place where this is decided. */
export function decideFate(evidence: FateEvidence): Fate {
  const { state, kind, shown } = evidence;
  const isBracket = kind === "bracket";
  if (isBracket && evidence.isCancelling && shown !== "none") return ofCancelled(evidence);
  if (shown !== "none" && evidence.isRefused && state !== "acked") return { verdict: "refused" };
  // exits without their entry protect what no list shows yet
  if (isBracket && evidence.isFirstShown && !evidence.hasExits && state !== "acked")
    return repairOrWait(evidence);
  if (shown === "all") return { verdict: "found" };
  if (shown === "some" && state !== "acked") return { verdict: "unknown", doubts: ["shown_in_part"] };
  return ofMissing(evidence);
}

/** An agent that has begun to cancel sees it through: the order is no working one meanwhile. */
function ofCancelled(evidence: FateEvidence): Fate {
  if (evidence.isRefused) return { verdict: "refused" };
  return repairOrWait(evidence);
}

const repairOrWait = ({ mayCancel }: FateEvidence): Fate =>
  mayCancel ? { verdict: "repair" } : { verdict: "unknown", doubts: ["cancelling"] };

function ofMissing(evidence: FateEvidence): Fate {
  const doubts = evidence.state === "acked" ? doubtsOfUnlisted(evidence) : doubtsOfAbsence(evidence);
  // what was called absent was withdrawn before that
  const isOpen = evidence.state !== "acked" && evidence.state !== "absent";
  const mayBeHeldBack = evidence.kind === "bracket" && isOpen && evidence.mayCancel;
  // held back, it trades nothing yet; the rest of the doubts need no dialog to be over
  if (mayBeHeldBack && doubts.every((doubt) => doubt === "dialog_possible")) return { verdict: "withdraw" };
  if (doubts.length > 0) return { verdict: "unknown", doubts };
  return { verdict: evidence.state === "acked" ? "unlisted" : "absent" };
}

/** An order that was at TWS is only no longer followed, and nothing is said of how it ended. */
function doubtsOfUnlisted(evidence: FateEvidence): Doubt[] {
  const { isUpstreamUp, misses, isPastDialogs } = evidence;
  return doubtsIn([
    [isUpstreamUp, "upstream_down"],
    [misses >= 2, "too_few_probes"],
    [isPastDialogs, "not_settled"],
  ]);
}

function doubtsOfAbsence(evidence: FateEvidence): Doubt[] {
  const { kind, lists, positionsAgree } = evidence;
  // a change trades nothing by itself, and its order is on the lists with the old terms
  if (kind === "modify") {
    return evidence.isMoot ? [] : doubtsIn([...doubtsOfTime(evidence)]);
  }
  return doubtsIn([
    ...doubtsOfTime(evidence),
    [lists !== "short", "lists_short"],
    [lists !== "unproven", "lists_unproven"],
    [positionsAgree !== null, "positions_unread"],
    [positionsAgree !== false, "positions_moved"],
  ]);
}

type Condition = readonly [isMet: boolean, doubt: Doubt];

const doubtsOfTime = (evidence: FateEvidence): readonly Condition[] => [
  [evidence.isLineOver, "line_unbroken"],
  [evidence.isUpstreamUp, "upstream_down"],
  [evidence.misses >= 2, "too_few_probes"],
  [evidence.isSettled, "not_settled"],
  [evidence.isPastDialogs, "dialog_possible"],
];

const doubtsIn = (conditions: readonly Condition[]): Doubt[] =>
  conditions.flatMap(([isMet, doubt]) => (isMet ? [] : [doubt]));
