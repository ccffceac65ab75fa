import { describeQuote, describeValue, type PendingApproval } from "../../shared/approval.ts";
import { confirmed, exitCodeFor, unconfirmedWords } from "./confirmation.ts";
import { type Failure, jsonOf, plain } from "./output.ts";
import type { OpenJournal } from "./open-journal.ts";
import { createApprovals, type KnownApproval } from "../journal/approvals.ts";

export const approvalsHelp = `tws-edge approvals: what waits for your approval, oldest first.

  tws-edge approvals
  tws-edge approvals --json     the same as a JSON array

Approve or decline each with tws-edge approve ID or tws-edge decline ID. What nobody decides within five minutes is not
placed.
`;

export const approveHelp = `tws-edge approve: approves one order, or the orders of one bracket or basket, once.

  tws-edge approve 3f9a     the id as tws-edge approvals shows it, or the first four or more of its letters

It shows what was approved. The client places it when it calls again, within the five minutes of the approval.
`;

export const declineHelp = `tws-edge decline: declines one order, which is then not placed.

  tws-edge decline 3f9a     the id as tws-edge approvals shows it, or the first four or more of its letters
`;

export const approvalsOptions = { json: { type: "boolean" } } as const;

export function listApprovals(
  { file, path, now, out, note }: OpenJournal,
  { json }: { readonly json?: boolean },
): Failure {
  const pending = createApprovals(file, now).pending();
  if (json === true) {
    out(jsonOf(pending, 2));
    return null;
  }
  if (pending.length === 0) note(`Nothing waits for your approval (journal: ${path}).`);
  for (const [index, approval] of pending.entries()) {
    if (index > 0) out("");
    out(`${approval.approvalId}  ${leftOf(approval, now())} left`);
    linesOf(approval).forEach(out);
  }
  return null;
}

/** Letters that must be given at least: one could be a slip of the hand, and approve the wrong order. */
const leastOfId = 4;

/** The owner's decision on the approval whose id begins with `start`. */
export async function runDecision(
  desk: OpenJournal,
  decision: "approve" | "decline",
  start: string,
): Promise<Failure> {
  const { file, path, now, out } = desk;
  if (start.length < leastOfId) return failed(`Give at least ${leastOfId} letters of the id.`);
  const approvals = createApprovals(file, now);
  const known = approvals.beginningWith(start.toLowerCase());
  const waiting = known.filter(({ state }) => state === "pending");
  const [approval, ...others] = waiting.length > 0 ? waiting : known;
  if (approval === undefined) {
    return failed(
      `No approval's id begins with ${JSON.stringify(start)}. tws-edge approvals shows what waits (journal: ${path}).`,
    );
  }
  if (others.length > 0) {
    const ids = [approval, ...others].map(({ approvalId }) => `  ${approvalId}`);
    return failed([`Several ids begin with ${JSON.stringify(start)}; give more of it:`, ...ids].join("\n"));
  }
  if (approval.state !== "pending") return failed(overWords(approval, approval.state));
  // the very orders that are shown below, and no others
  approvals.decide(approval.approvalId, approval.digest, decision, "host");
  const answer = await confirmed(desk, { kind: decision, approvalId: approval.approvalId });
  const what = decision === "approve" ? "the approval" : "that it is declined";
  const isConfirmed = answer.kind === "confirmed";
  const title = decision === "approve" ? "Approved, once" : "Declined";
  out(isConfirmed ? `${title}:` : `${title} in the journal, and not confirmed:`);
  linesOf(approval).forEach(out);
  out(
    decision === "approve"
      ? `The client places it when it calls again, until ${approval.expiresAt}.`
      : "It is not placed.",
  );
  if (!isConfirmed) return { words: unconfirmedWords(answer, what), exitCode: exitCodeFor(answer) };
  out(`The agent that runs (process ${answer.pid}) has confirmed it.`);
  return null;
}

const failed = (words: string): Failure => ({ words, exitCode: 1 });

function overWords({ expiresAt }: KnownApproval, state: Exclude<KnownApproval["state"], "pending">): string {
  const anew = "If the order is still wanted, the client asks anew when it calls again.";
  switch (state) {
    case "expired":
      return `This approval expired at ${expiresAt}, so nothing was approved. ${anew}`;
    case "approved":
      return "This approval was given already; the client has not used it yet.";
    case "declined":
      return `This approval was declined already. ${anew}`;
    case "used":
      return `This approval was given and used already: each is good for one order. ${anew}`;
    default:
      return state satisfies never;
  }
}

function linesOf(approval: PendingApproval): string[] {
  const { mode, account, orders, quotes, createdAt, reason, client, grantId } = approval;
  return [
    `  ${mode.toUpperCase()} account ${plain(account)}, value ${plain(describeValue(approval))}`,
    ...orders.flatMap((order, index) => [
      `  ${plain(order)}`,
      `    ${plain(describeQuote(quotes[index], createdAt))}`,
    ]),
    `  Asked by ${plain(client)} (grant ${plain(grantId)}); needs approval: ${plain(reason)}`,
  ];
}

function leftOf({ expiresAt }: PendingApproval, now: number): string {
  const seconds = Math.max(0, Math.floor((Date.parse(expiresAt) - now) / 1000));
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
