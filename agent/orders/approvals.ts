import { randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { approvalLifetimeMs, PendingApproval } from "../../shared/approval.ts";
import { TwsError } from "../../shared/errors.ts";
import { appendAudit } from "./audit-trail.ts";
import type { JournalFile } from "./journal-file.ts";
import type { CallContext } from "../handlers/handlers-for.ts";

/** Where an approval is: each is good for one order, once. */
type ApprovalState = "pending" | "approved" | "declined" | "used" | "expired";

/** What needs the owner's approval. */
export type Petition = Pick<
  PendingApproval,
  "digest" | "account" | "mode" | "orders" | "value" | "reason" | "client" | "grantId"
> & { readonly intentId: string; readonly tool: string };

/** Whether the owner has approved the exact orders of a grant. */
export type Verdict =
  | { readonly verdict: "approved" | "declined"; readonly approvalId: string }
  | { readonly verdict: "pending"; readonly approvalId: string; readonly expiresAt: string }
  | { readonly verdict: "none" };

export interface Approvals {
  /** Of the newest approval that was asked for these orders by this grant and is not over. */
  verdict(grantId: string, digest: string): Verdict;
  /** Asks the owner. Throws rate_limited when too many wait already. */
  ask(petition: Petition): { readonly approvalId: string; readonly expiresAt: string };
  /** What waits for the owner, oldest first. */
  pending(): PendingApproval[];
  /** The owner decides, once. Throws invalid_input for what does not wait, or is of other orders. */
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
  approved(petition: Petition, context: Pick<CallContext, "signal" | "twsTimeoutMs">): Promise<string>;
}

/** More than one owner can look at. */
const mostPending = 50;
/** How often a decision that another process has written is looked for. */
const lookEveryMs = 250;
/** Of what a request to TWS may take, what a repeated call waits for the owner. */
const waitShare = 0.8;

const Row = z.object({
  approval_id: z.string(),
  state: z.enum(["pending", "approved", "declined", "used", "expired"]),
  expires_at: z.int(),
  body: z.string(),
});

export function createApprovals(file: JournalFile, now: () => number): Approvals {
  const waiting = new Set<() => void>();

  /** Its row, expired if its time is over. */
  function find(db: DatabaseSync, where: string, ...values: readonly string[]) {
    const row = db
      .prepare(`SELECT * FROM approval WHERE ${where} ORDER BY rowid DESC LIMIT 1`)
      .get(...values);
    if (row === undefined) return null;
    const { approval_id: approvalId, state, expires_at: expiresAt, body } = Row.parse(row);
    const isOver = expiresAt <= now() && state !== "used";
    return { approvalId, state: isOver ? "expired" : state, expiresAt, body } as const;
  }

  function mark(db: DatabaseSync, approvalId: string, state: ApprovalState, step: string, outcome: string) {
    const row = find(db, "approval_id = ?", approvalId);
    const body = PendingApproval.parse(JSON.parse(row?.body ?? "{}"));
    db.prepare("UPDATE approval SET state = ? WHERE approval_id = ?").run(state, approvalId);
    const { grantId, client, account, digest } = body;
    appendAudit(db, { step, grantId, client, account, digest, outcome }, now());
  }

  return {
    async approved(petition, { signal, twsTimeoutMs }) {
      const { grantId, digest } = petition;
      let found = this.verdict(grantId, digest);
      const until = performance.now() + twsTimeoutMs * waitShare;
      while (found.verdict === "pending" && performance.now() < until && !signal.aborted) {
        await this.whenDecided(until - performance.now(), signal);
        found = this.verdict(grantId, digest);
      }
      switch (found.verdict) {
        case "approved":
          return found.approvalId;
        case "declined":
          throw new TwsError("trading_refused", "The order was not approved, so nothing was placed.", {
            nextStep: "Ask the owner before you try another.",
          });
        case "pending":
          throw approvalRequired(petition.reason, found);
        case "none":
          throw approvalRequired(petition.reason, this.ask(petition));
        default:
          return found satisfies never;
      }
    },

    verdict(grantId, digest) {
      const row = file.read((db) => find(db, "grant_id = ? AND digest = ?", grantId, digest));
      if (row === null) return { verdict: "none" };
      switch (row.state) {
        case "approved":
        case "declined":
          return { verdict: row.state, approvalId: row.approvalId };
        case "pending":
          return {
            verdict: "pending",
            approvalId: row.approvalId,
            expiresAt: new Date(row.expiresAt).toISOString(),
          };
        case "used":
        case "expired":
          return { verdict: "none" };
        default:
          return row.state satisfies never;
      }
    },

    ask({ intentId, tool, ...petition }) {
      const approvalId = randomBytes(16).toString("base64url");
      const createdAt = now();
      const expiresAt = createdAt + approvalLifetimeMs;
      const body: PendingApproval = {
        ...petition,
        approvalId,
        createdAt: new Date(createdAt).toISOString(),
        expiresAt: new Date(expiresAt).toISOString(),
      };
      file.write("approval asked", (db) => {
        db.prepare("DELETE FROM approval WHERE expires_at < ?").run(createdAt - approvalLifetimeMs);
        const count = db
          .prepare("SELECT count(*) AS n FROM approval WHERE state = 'pending' AND expires_at > ?")
          .get(createdAt);
        if (Number(count?.["n"]) >= mostPending) {
          throw new TwsError("rate_limited", "Too many orders wait for the owner's approval already.");
        }
        db.prepare(
          "INSERT INTO approval (approval_id, grant_id, digest, state, expires_at, body) VALUES (?, ?, ?, 'pending', ?, ?)",
        ).run(approvalId, petition.grantId, petition.digest, expiresAt, JSON.stringify(body));
        const { grantId, client, account, digest, reason } = petition;
        const step = { step: "approval asked", intentId, grantId, client, tool, account, digest };
        appendAudit(db, { ...step, outcome: reason }, createdAt);
      });
      return { approvalId, expiresAt: body.expiresAt };
    },

    pending: () =>
      file.read((db) =>
        db
          .prepare("SELECT body FROM approval WHERE state = 'pending' AND expires_at > ? ORDER BY rowid")
          .all(now())
          .map(({ body }) => PendingApproval.parse(JSON.parse(String(body)))),
      ),

    decide(approvalId, digest, decision, by) {
      file.write("decided", (db) => {
        const row = find(db, "approval_id = ?", approvalId);
        if (row === null) throw notWaiting("There is no such approval.");
        if (row.state !== "pending") throw notWaiting(`This approval is ${row.state} already.`);
        const body = PendingApproval.parse(JSON.parse(row.body));
        if (digest !== null && digest !== body.digest) {
          throw notWaiting("These are not the orders that wait for approval.");
        }
        const state = decision === "approve" ? "approved" : "declined";
        mark(db, approvalId, state, state, `by ${by}`);
      });
      for (const wake of waiting) wake();
    },

    async whenDecided(timeoutMs, signal) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = () => resolve();
      // the command on this machine decides in a process of its own
      const before = countDecided(file);
      const look = setInterval(() => {
        if (countDecided(file) !== before) resolve();
      }, lookEveryMs);
      const timer = setTimeout(wake, timeoutMs);
      waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
      if (signal.aborted) wake();
      await promise;
      clearInterval(look);
      clearTimeout(timer);
      waiting.delete(wake);
      signal.removeEventListener("abort", wake);
    },
  };
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

const countDecided = (file: JournalFile): number =>
  file.read((db) =>
    Number(
      db.prepare("SELECT count(*) AS n FROM approval WHERE state IN ('approved', 'declined')").get()?.["n"],
    ),
  );

const approvalRequired = (
  reason: string,
  { approvalId, expiresAt }: { approvalId: string; expiresAt: string },
) =>
  new TwsError("approval_required", `The owner has to approve this first: ${reason}. Nothing was placed.`, {
    approval: { approvalId, expiresAt },
  });

const notWaiting = (message: string): TwsError =>
  new TwsError("invalid_input", message, {
    nextStep: "Reload the list of what waits. The client asks anew when it calls again.",
  });
