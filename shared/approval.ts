import { z } from "zod";
import { ApprovalPlace } from "./errors.ts";
import { DataType, Mode } from "./status.ts";

const price = z.number().nullable();

/** The market of an order's instrument when the owner was asked; null is "TWS has not said". */
export const ApprovalQuote = z.object({
  bid: price,
  ask: price,
  last: price,
  /** When TWS last changed anything here. */
  at: z.iso.datetime().nullable(),
  dataType: DataType,
});
export type ApprovalQuote = z.infer<typeof ApprovalQuote>;

/** An order that waits for the owner. All of it is the agent's word. */
export const PendingApproval = z.object({
  approvalId: z.string().max(64),
  /** SHA-256 of the exact order, in hex; what is approved is this and nothing else. */
  digest: z.string().length(64),
  account: z.string().max(50),
  mode: Mode,
  /** One line for each order: "BUY 10 AAPL (STK, NASDAQ, USD) LMT 180.5 DAY". */
  orders: z.array(z.string().max(300)).min(1).max(30),
  /** In the account's currency: "about 1,805.00 USD", or "not known: …"; empty in requests of earlier releases. */
  value: z.string().max(100),
  /** Of each order, in their turn; null where there is none. Empty in requests of earlier releases. */
  quotes: z.array(ApprovalQuote.nullable()).max(30).default([]),
  /** Why it must be approved. */
  reason: z.string().max(200),
  /** Who asks, as it calls itself. */
  client: z.string().max(200),
  grantId: z.string().max(100),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});
export type PendingApproval = z.infer<typeof PendingApproval>;

/** What the owner's pages ask of the agent. Nothing here can loosen a limit. */
export const OwnerRequest = z.discriminatedUnion("kind", [
  /** What waits for the owner; answered with OwnerAnswer. */
  z.object({ kind: z.literal("owner") }),
  /** Once, for one order as the page has shown it. Answered with OwnerAnswer. */
  z.object({
    kind: z.literal("decide"),
    approvalId: z.string().max(64),
    digest: z.string().length(64),
    decision: z.enum(["approve", "decline"]),
  }),
  /** Stops new orders. Answered with OwnerAnswer. */
  z.object({ kind: z.literal("freeze"), reason: z.string().max(200) }),
  /** Lifts what this page has stopped; what the host or the loss limit stopped stays. Answered with OwnerAnswer. */
  z.object({ kind: z.literal("unfreeze") }),
]);
export type OwnerRequest = z.infer<typeof OwnerRequest>;

/** What the agent answers: all that waits for the owner now. */
export const OwnerAnswer = z.object({
  approvals: z.array(PendingApproval).max(200),
  /** Where they are decided. */
  at: ApprovalPlace.default("page"),
});
export type OwnerAnswer = z.infer<typeof OwnerAnswer>;

/** How long the owner has to decide. */
export const approvalLifetimeMs = 5 * 60_000;

/** The command with which the owner decides on the TWS host. */
export const hostCommand = (decision: "approve" | "decline", id: string): string =>
  `npm run -s tws-edge -- ${decision} ${id}`;

/** A quote in words: "bid 199 ask 200 last 199.5 (live, 2 s old when asked)". */
export function describeQuote(quote: ApprovalQuote | null | undefined, askedAt: string): string {
  if (quote == null) return "price not known";
  const { bid, ask, last, at, dataType } = quote;
  const known = (value: number | null) => (value === null ? "not known" : String(value));
  const ageMs = at === null ? null : Math.max(0, Date.parse(askedAt) - Date.parse(at));
  const age = ageMs === null ? "age not known" : `${Math.round(ageMs / 1_000)} s old when asked`;
  return `bid ${known(bid)}, ask ${known(ask)}, last ${known(last)} (${dataType}, ${age})`;
}

/** The value in words, also where it is not known. */
export const describeValue = ({ value }: Pick<PendingApproval, "value">): string =>
  value === "" ? "not known" : value;
