/** A rule that is taken away: `from` stands once in `file`, and the randomised run must notice `to`. */
export interface Mutant {
  readonly rule: string;
  /** Below the root of the project. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const fate = "agent/orders/order-fate.ts";

/** The rules on which it rests that no order is doubled and none is told falsely. */
export const mutants: readonly Mutant[] = [
  {
    rule: "what may have left is not sent anew",
    file: "agent/journal/intent-states.ts",
    from: `state === "received" || state === "reserved" || state === "refused";`,
    to: `state === "received" || state === "reserved" || state === "refused" || state === "sending";`,
  },
  {
    rule: "what an earlier process was sending is not denied",
    file: "agent/orders/reconciler.ts",
    from: `if (state === "received" || state === "reserved") journal.deny`,
    to: `if (state === "received" || state === "reserved" || state === "sending") journal.deny`,
  },
  {
    rule: "a message is on disk before it is written",
    file: "agent/orders/submission.ts",
    from: `        journal.sending(intentId);
        sending.isWritten = true;`,
    to: `        sending.isWritten = true;`,
  },
  {
    rule: "a repeat is answered by the first",
    file: "agent/orders/submission.ts",
    from: `    return isUnsent(known.state) ? start(`,
    to: `    return isUnsent(known.state) || known.state === "unknown" ? start(`,
  },
  {
    // each of the two holds what the other would miss: TWS is looked at twice, and when it has settled
    rule: "one look is no proof of absence, nor are two before TWS has settled",
    file: fate,
    from: `  [evidence.misses >= 2, "too_few_probes"],
  [evidence.isSettled, `,
    to: `  [evidence.misses >= 1, "too_few_probes"],
  [true, `,
  },
  { rule: "an unbroken line proves nothing", file: fate, from: `[evidence.isLineOver, `, to: `[true, ` },
  {
    rule: "a dialog may hold it behind a lost line",
    file: fate,
    from: `[evidence.isPastDialogs, "dialog_possible"]`,
    to: `[true, "dialog_possible"]`,
  },
  {
    rule: "lists that begin behind it prove nothing",
    file: fate,
    from: `[lists !== "unproven", `,
    to: `[true, `,
  },
  {
    rule: "absence waits for anything at all",
    file: fate,
    from: `  return doubtsIn([
    ...doubtsOfTime(evidence),
    [lists`,
    to: `  return doubtsIn([
    [true || lists`,
  },
  {
    rule: "an entry without its exits is cancelled",
    file: "agent/orders/bracket-repair.ts",
    from: `  if (entry === null || exits.includes(null)) return false;`,
    to: `  if (entry === null || exits.includes(null)) return true;`,
  },
  {
    rule: "what the agent cancels is no placed order",
    file: "agent/orders/intent-evidence.ts",
    from: `const isCancelling = intent.cancellingAt !== null;`,
    to: `const isCancelling = false;`,
  },
  {
    rule: "no id is given out twice",
    file: "agent/tws/orders/order-ids.ts",
    from: `      if (orderId >= next) next = orderId + 1;`,
    to: ``,
  },
  {
    rule: "a code nobody knows refuses nothing by itself",
    file: "agent/tws/orders/order-place.ts",
    from: `    await requireUnheld(orders, placing, refusal, unknown);`,
    to: ``,
  },
  {
    rule: "another client's order is no answer for ours",
    file: "agent/tws/orders/order-records.ts",
    from: `if (own !== undefined || isOwnId(orderId)) return own;`,
    to: `if (own !== undefined) return own;`,
  },
  {
    rule: "what was called absent or rejected is revised",
    file: "agent/orders/reconciler.ts",
    from: `    if (state !== "absent" && state !== "rejected") return intent;`,
    to: `    if (state !== "absent") return intent;`,
  },
];
