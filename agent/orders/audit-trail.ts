import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { type AuditEntry, type AuditHead, auditText, emptyHead } from "../../shared/audit.ts";
import { AuditEntry as Entry } from "../../shared/audit.ts";
import { z } from "zod";

/** What one step says of itself; what is left out is empty. */
export type AuditStep = Pick<AuditEntry, "step"> &
  Partial<Pick<AuditEntry, "intentId" | "grantId" | "client" | "tool" | "account" | "digest" | "outcome">>;

const Row = z
  .object({
    seq: z.int(),
    at: z.string(),
    step: z.string(),
    intent_id: z.string(),
    grant_id: z.string(),
    client: z.string(),
    tool: z.string(),
    account: z.string(),
    digest: z.string(),
    outcome: z.string(),
    previous: z.string(),
    hash: z.string(),
  })
  .transform(({ intent_id, grant_id, ...rest }) => ({ ...rest, intentId: intent_id, grantId: grant_id }));

export const hashOf = (entry: Omit<AuditEntry, "hash">): string =>
  createHash("sha256").update(auditText(entry)).digest("hex");

/** Where the chain ends now. Within a transaction nobody can add to it meanwhile. */
export function headOf(db: DatabaseSync): AuditHead {
  const row = db.prepare("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").get();
  return row === undefined ? emptyHead : z.object({ seq: z.int(), hash: z.string() }).parse(row);
}

/** Adds a step to the chain, within the transaction of what it tells. */
export function appendAudit(db: DatabaseSync, step: AuditStep, now: number): void {
  const head = headOf(db);
  const entry = {
    seq: head.seq + 1,
    at: new Date(now).toISOString(),
    step: step.step,
    intentId: step.intentId ?? "",
    grantId: step.grantId ?? "",
    client: (step.client ?? "").slice(0, 200),
    tool: step.tool ?? "",
    account: step.account ?? "",
    digest: step.digest ?? "",
    outcome: (step.outcome ?? "").slice(0, 300),
    previous: head.hash,
  };
  db.prepare(
    `INSERT INTO audit (seq, at, step, intent_id, grant_id, client, tool, account, digest, outcome, previous, hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    entry.seq,
    entry.at,
    entry.step,
    entry.intentId,
    entry.grantId,
    entry.client,
    entry.tool,
    entry.account,
    entry.digest,
    entry.outcome,
    entry.previous,
    hashOf(entry),
  );
}

/** The entries behind `seq`, oldest first, at most `limit`. A row that is no entry any more is a ZodError. */
export function auditAfter(db: DatabaseSync, seq: number, limit: number): AuditEntry[] {
  const rows = db.prepare("SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?").all(seq, limit);
  return rows.map((row) => Entry.parse(Row.parse(row)));
}

/** What is wrong with a chain, if anything is. */
export type ChainFault =
  | { readonly fault: "missing"; readonly seq: number }
  | { readonly fault: "altered"; readonly seq: number }
  | { readonly fault: "cut"; readonly seq: number };

/** The first fault from the first entry to the head, which may be known from elsewhere: a chain cut short is whole by itself. */
export function verifyChain(db: DatabaseSync, known: AuditHead = emptyHead): ChainFault | null {
  let head = emptyHead;
  for (;;) {
    let batch: AuditEntry[];
    try {
      batch = auditAfter(db, head.seq, 1_000);
    } catch {
      return { fault: "altered", seq: head.seq + 1 };
    }
    for (const { hash, ...entry } of batch) {
      if (entry.seq !== head.seq + 1) return { fault: "missing", seq: head.seq + 1 };
      if (entry.previous !== head.hash || hashOf(entry) !== hash) return { fault: "altered", seq: entry.seq };
      if (entry.seq === known.seq && hash !== known.hash) return { fault: "altered", seq: entry.seq };
      head = { seq: entry.seq, hash };
    }
    if (batch.length === 0) break;
  }
  return head.seq < known.seq ? { fault: "cut", seq: head.seq + 1 } : null;
}
