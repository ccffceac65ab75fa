import { randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { approvalLifetimeMs, PendingApproval } from "../../shared/approval.ts";
import { type ApprovalPlace, TwsError } from "../../shared/errors.ts";
import { appendAudit } from "./audit-trail.ts";
import type { JournalFile } from "./database.ts";
import type { CallContext } from "../call/call-context.ts";

/** Where an approval is: each is good for one order, once. */
const ApprovalState = z.enum(["pending", "approved", "declined", "used", "expired"]);
type ApprovalState = z.infer<typeof ApprovalState>;

export interface KnownApproval extends PendingApproval {
  readonly state: ApprovalState;
}

/** Orders for which the owner's approval is requested. */
export type ApprovalRequest = Pick<
  PendingApproval,
  "digest" | "account" | "mode" | "orders" | "value" | "quotes" | "reason" | "client" | "grantId"
> & { readonly intentId: string; readonly tool: string };

/** The owner's decision on the exact orders of a grant. */
export type ApprovalDecision =
  | { readonly decision: "approved" | "declined"; readonly approvalId: string }
  | { readonly decision: "pending"; readonly approvalId: string; readonly expiresAt: string }
  | { readonly decision: "none" };

export interface Approvals {
  /** The decision on the newest approval requested for these orders by this grant that is not over. */
  decision(grantId: string, digest: string): ApprovalDecision;
  /** Asks the owner, once for the same orders of a grant at a time. Throws rate_limited when too many wait already. */
  ask(request: ApprovalRequest): { readonly approvalId: string; readonly expiresAt: string };
  /** What waits for the owner, oldest first. */
  pending(): PendingApproval[];
  /** Those whose id begins so, with what became of them, oldest first; until some minutes after their time is over. */
  beginningWith(start: string): KnownApproval[];
  /** Where the owner's word counts. */
  readonly place: ApprovalPlace;
  /**
   * The owner decides, once. Throws invalid_input for what does not wait, or is of other orders; forbidden where the
   * page may not decide.
   */
  decide(
    approvalId: string,
    digest: string | null,
    decision: "approve" | "decline",
    by: "host" | "page",
  ): void;
  /** Resolves when the owner has decided on something, or at the latest after `timeoutMs`. */
  whenDecided(timeoutMs: number, signal: AbortSignal): Promise<void>;
  /**
   * The owner's approval of exactly these orders, to be used once. Throws approval_required when the owner is still to
   * decide, which a repeated call waits for a while; trading_refused when they were not approved.
   */
  approved(
    request: Omit<ApprovalRequest, "value" | "quotes">,
    /** What the owner is shown of value and market; asked for only when the owner is. */
    price: () => Promise<Pick<ApprovalRequest, "value" | "quotes">>,
    context: Pick<CallContext, "signal" | "twsTimeoutMs">,
  ): Promise<string>;
}

/** More than one owner can look at. A grant has twice what is free at most, so that another finds room. */
const places = { all: 50, shareOfFree: 2 } as const;
/** How often the journal is polled for a decision of another process. */
const pollMs = 250;
/** Of what a request to TWS may take, what a repeated call waits for the owner. */
const waitShare = 0.8;

/** What is kept of it, with what the audit trail tells. */
const Body = PendingApproval.extend({
  intentId: z.string(),
  tool: z.string(),
  /** Where the owner has decided; null before, and where an earlier release did not write it down. */
  decidedBy: z.enum(["host", "page"]).nullable().default(null),
});

const Row = z.object({
  approval_id: z.string(),
  state: ApprovalState,
  expires_at: z.int(),
  body: z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(Body),
});

/** `at` is where the owner's word counts; a command of this machine decides wherever that is. */
export function createApprovals(file: JournalFile, now: () => number, at: ApprovalPlace = "page"): Approvals {
  const waiting = new Set<() => void>();

  function toApproval(row: unknown) {
    const { approval_id: approvalId, state, expires_at: expiresAt, body } = Row.parse(row);
    // what was used stays used; everything else ends with its time, so that the same orders can be asked for again
    return { approvalId, state: expiresAt <= now() && state !== "used" ? "expired" : state, body } as const;
  }

  const newest = (db: DatabaseSync, grantId: string, digest: string) => {
    const row = db
      .prepare("SELECT * FROM approval WHERE grant_id = ? AND digest = ? ORDER BY rowid DESC LIMIT 1")
      .get(grantId, digest);
    return row === undefined ? null : toApproval(row);
  };

  return {
    async approved(request, price, { signal, twsTimeoutMs }) {
      const { grantId, digest } = request;
      let found = this.decision(grantId, digest);
      const until = performance.now() + twsTimeoutMs * waitShare;
      while (found.decision === "pending" && performance.now() < until && !signal.aborted) {
        await this.whenDecided(until - performance.now(), signal);
        found = this.decision(grantId, digest);
      }
      switch (found.decision) {
        case "approved":
          return found.approvalId;
        case "declined":
          throw new TwsError("trading_refused", "The order was not approved, so nothing was placed.", {
            nextStep: "Ask the owner before you try another.",
          });
        case "pending":
          throw approvalRequired(request.reason, at, found);
        case "none":
          throw approvalRequired(request.reason, at, this.ask({ ...request, ...(await price()) }));
        default:
          return found satisfies never;
      }
    },

    decision(grantId, digest) {
      const row = file.read((db) => newest(db, grantId, digest));
      if (row === null) return { decision: "none" };
      switch (row.state) {
        case "approved":
          // from before the owner has taken that right from the page
          if (at === "host" && row.body.decidedBy !== "host") return { decision: "none" };
          return { decision: row.state, approvalId: row.approvalId };
        case "declined":
          return { decision: row.state, approvalId: row.approvalId };
        case "pending":
          return { decision: "pending", approvalId: row.approvalId, expiresAt: row.body.expiresAt };
        case "used":
        case "expired":
          return { decision: "none" };
        default:
          return row.state satisfies never;
      }
    },

    ask({ intentId, tool, ...request }) {
      // easily typed, and never taken for an option of a command
      const approvalId = randomBytes(16).toString("hex");
      const createdAt = now();
      const expiresAt = createdAt + approvalLifetimeMs;
      const body: z.infer<typeof Body> = {
        ...request,
        approvalId,
        createdAt: new Date(createdAt).toISOString(),
        expiresAt: new Date(expiresAt).toISOString(),
        intentId,
        tool,
        decidedBy: null,
      };
      return file.write("approval asked", (db) => {
        const before = newest(db, request.grantId, request.digest);
        if (before?.state === "pending") {
          return { approvalId: before.approvalId, expiresAt: before.body.expiresAt };
        }
        db.prepare("DELETE FROM approval WHERE expires_at < ?").run(createdAt - approvalLifetimeMs);
        requirePlace(db, request.grantId, createdAt);
        db.prepare(
          "INSERT INTO approval (approval_id, grant_id, digest, state, expires_at, body) VALUES (?, ?, ?, 'pending', ?, ?)",
        ).run(approvalId, request.grantId, request.digest, expiresAt, JSON.stringify(body));
        const { grantId, client, account, digest, reason } = request;
        const step = { step: "approval asked", intentId, grantId, client, tool, account, digest };
        appendAudit(db, { ...step, outcome: reason }, createdAt);
        return { approvalId, expiresAt: body.expiresAt };
      });
    },

    pending: () =>
      file.read((db) =>
        db
          .prepare("SELECT * FROM approval WHERE state = 'pending' AND expires_at > ? ORDER BY rowid")
          .all(now())
          .map((row) => PendingApproval.parse(toApproval(row).body)),
      ),

    beginningWith: (start) =>
      file.read((db) =>
        db
          .prepare("SELECT * FROM approval WHERE substr(approval_id, 1, length(?)) = ? ORDER BY rowid")
          .all(start, start)
          .map((row) => {
            const { body, state } = toApproval(row);
            return { ...PendingApproval.parse(body), state };
          }),
      ),

    place: at,

    decide(approvalId, digest, decision, by) {
      if (by === "page" && at === "host") throw decidedOnHost(approvalId);
      file.write("decided", (db) => {
        const row = db.prepare("SELECT * FROM approval WHERE approval_id = ?").get(approvalId);
        if (row === undefined) throw notWaiting("There is no such approval.");
        const { state: before, body } = toApproval(row);
        if (before !== "pending") throw notWaiting(`This approval is ${before} already.`);
        if (digest !== null && digest !== body.digest) {
          throw notWaiting("These are not the orders that wait for approval.");
        }
        const state = decision === "approve" ? "approved" : "declined";
        const decided: z.infer<typeof Body> = { ...body, decidedBy: by };
        db.prepare("UPDATE approval SET state = ?, body = ? WHERE approval_id = ?").run(
          state,
          JSON.stringify(decided),
          approvalId,
        );
        const { intentId, grantId, client, tool, account } = body;
        const step = { step: state, intentId, grantId, client, tool, account, digest: body.digest };
        appendAudit(db, { ...step, outcome: `by ${by}` }, now());
      });
      for (const wake of waiting) wake();
    },

    async whenDecided(timeoutMs, signal) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = () => resolve();
      // the command on this machine decides in a process of its own
      const before = decidedIn(file);
      const poll = setInterval(() => {
        if (decidedIn(file) !== before) resolve();
      }, pollMs);
      const timer = setTimeout(wake, timeoutMs);
      waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
      if (signal.aborted) wake();
      await promise;
      clearInterval(poll);
      clearTimeout(timer);
      waiting.delete(wake);
      signal.removeEventListener("abort", wake);
    },
  };
}

/** Throws rate_limited where too many orders wait for the owner, of this grant or in all. */
function requirePlace(db: DatabaseSync, grantId: string, now: number): void {
  const row = db
    .prepare(
      "SELECT count(*) AS n, coalesce(sum(grant_id = ?), 0) AS mine FROM approval WHERE state = 'pending' AND expires_at > ?",
    )
    .get(grantId, now);
  const { n, mine } = z.object({ n: z.int(), mine: z.int() }).parse(row);
  if (mine < places.shareOfFree * (places.all - n)) return;
  throw new TwsError(
    "rate_limited",
    mine === 0
      ? "Too many orders wait for the owner's approval already."
      : `${mine} orders of this access wait for the owner's approval, as many as may.`,
    { nextStep: "Ask the owner to decide on those that wait, then call again." },
  );
}

/** Spends the approval within the transaction that reserves its order. Throws trading_refused when it is not to be had. */
export function useApproval(db: DatabaseSync, approvalId: string, digest: string, now: number): void {
  const { changes } = db
    .prepare(
      `UPDATE approval SET state = 'used'
       WHERE approval_id = ? AND digest = ? AND state = 'approved' AND expires_at > ?`,
    )
    .run(approvalId, digest, now);
  if (Number(changes) === 1) return;
  throw new TwsError(
    "trading_refused",
    "The order was not approved: its approval has been used, or has expired.",
    {
      nextStep: "Nothing was placed. Call again to ask the owner anew.",
    },
  );
}

/** Another text after each decision; null while the journal cannot be read, which who waits learns as it goes on. */
function decidedIn(file: JournalFile): string | null {
  try {
    const row = file.read((db) =>
      db
        .prepare(
          "SELECT group_concat(approval_id) AS ids FROM approval WHERE state IN ('approved', 'declined', 'used')",
        )
        .get(),
    );
    return String(row?.["ids"]);
  } catch (error) {
    if (error instanceof TwsError) return null;
    throw error;
  }
}

const approvalRequired = (
  reason: string,
  at: ApprovalPlace,
  { approvalId, expiresAt }: { approvalId: string; expiresAt: string },
) =>
  new TwsError("approval_required", `${reason} Nothing was placed yet.`, {
    approval: { approvalId, expiresAt, at },
  });

const decidedOnHost = (approvalId: string): TwsError =>
  new TwsError("forbidden", "Orders are approved and declined on the TWS host alone (APPROVAL_AT=host).", {
    nextStep: /^[\w-]+$/.test(approvalId)
      ? `On the computer where TWS runs: npm run -s tws-edge -- approve ${approvalId}`
      : "Decide on the computer where TWS runs, with tws-edge approvals.",
  });

const notWaiting = (message: string): TwsError =>
  new TwsError("invalid_input", message, {
    nextStep: "Reload the list of what waits. The client asks anew when it calls again.",
  });
