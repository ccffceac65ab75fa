import { z } from "zod";
import { ApprovalPlace } from "./errors.ts";
import { Mode } from "./status.ts";

/** An order that waits for the owner. All of it is the agent's word. */
export const PendingApproval = z.object({
  approvalId: z.string().max(64),
  /** SHA-256 of the exact order, in hex; what is approved is this and nothing else. */
  digest: z.string().length(64),
  account: z.string().max(50),
  mode: Mode,
  /** One line for each order: "BUY 10 AAPL (STK, NASDAQ, USD) LMT 180.5 DAY". */
  orders: z.array(z.string().max(300)).min(1).max(30),
  /** In the account's currency, such as "about 1,805.00 USD"; empty where it is not known. */
  value: z.string().max(100),
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
