import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { AuditEntry, type AuditHead, auditText, emptyHead, type Trail } from "../../shared/audit.ts";

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

/** The last entry of the trail that was moved: the journal's own begin behind it. */
export function movedHeadOf(db: DatabaseSync): AuditHead {
  const row = db
    .prepare("SELECT last_seq, last_hash FROM archive WHERE last_seq > 0 ORDER BY archive_id DESC LIMIT 1")
    .get();
  if (row === undefined) return emptyHead;
  const { last_seq: seq, last_hash: hash } = z
    .object({ last_seq: z.int(), last_hash: z.string() })
    .parse(row);
  return { seq, hash };
}

/** Which chain it is, and where it ends now. */
export function trailOf(db: DatabaseSync): Trail {
  const row = db.prepare("SELECT value FROM fact WHERE key = 'trail'").get();
  return { trailId: z.object({ value: z.string().min(1) }).parse(row).value, head: headOf(db) };
}

/** Adds a step to the chain, within the transaction of what it tells. */
export function appendAudit(db: DatabaseSync, step: AuditStep, now: number): void {
  const head = headOf(db);
  const entry = {
    seq: head.seq + 1,
    at: new Date(now).toISOString(),
    step: step.step,
    intentId: clip(step.intentId, 64),
    grantId: clip(step.grantId, 100),
    client: clip(step.client, 200),
    tool: clip(step.tool, 100),
    account: clip(step.account, 50),
    digest: clip(step.digest, 64),
    outcome: clip(step.outcome, 300),
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

/** As the entry's schema allows it, and as the file gives it back: half of a character would come back as another. */
const clip = (text: string | undefined, most: number): string => (text ?? "").slice(0, most).toWellFormed();

/** The entries behind `seq`, oldest first, at most `limit`. A row that is no entry any more is a ZodError. */
export const auditAfter = (db: DatabaseSync, seq: number, limit: number): AuditEntry[] =>
  db.prepare("SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?").all(seq, limit).map(toEntry);

export const toEntry = (row: unknown): AuditEntry => AuditEntry.parse(Row.parse(row));

/** From which entry to which a part of the trail reaches, and from when to when. */
export interface AuditSpan {
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** ISO 8601. */
  readonly firstAt: string;
  readonly lastAt: string;
}

const End = z.object({ seq: z.int(), at: z.string() });

/** What is in the journal itself; zeros and empty without an entry. */
export function spanOf(db: DatabaseSync): AuditSpan {
  const end = (order: "ASC" | "DESC") =>
    End.parse(
      db.prepare(`SELECT seq, at FROM audit ORDER BY seq ${order} LIMIT 1`).get() ?? { seq: 0, at: "" },
    );
  const first = end("ASC");
  const last = end("DESC");
  return { firstSeq: first.seq, lastSeq: last.seq, firstAt: first.at, lastAt: last.at };
}

/** What to look for in the trail. */
export interface AuditQuery {
  /** The newest of those that fit, at most this many. */
  readonly last: number;
  /** Unix milliseconds; null for all. */
  readonly since: number | null;
  /** Beginning of the intentId; null for all. */
  readonly intentId: string | null;
}

/** Entries that fit, oldest first. A row that is no entry any more is a ZodError. */
export function findAudit(db: DatabaseSync, { last, since, intentId }: AuditQuery): AuditEntry[] {
  const rows = db
    .prepare(
      `SELECT * FROM audit WHERE at >= ? AND substr(intent_id, 1, length(?)) = ? ORDER BY seq DESC LIMIT ?`,
    )
    .all(since === null ? "" : new Date(since).toISOString(), intentId ?? "", intentId ?? "", last);
  return rows.map(toEntry).toReversed();
}

/** What is wrong with a chain, if anything is. */
export type ChainFault =
  | { readonly fault: "missing"; readonly seq: number }
  | { readonly fault: "altered"; readonly seq: number }
  | { readonly fault: "cut"; readonly seq: number };

/** A chain from its first entry to the last one that is good. */
export interface CheckedChain {
  readonly head: AuditHead;
  readonly fault: ChainFault | null;
}

/** The first fault from the first entry to the head, which may be known from elsewhere: a chain cut short is whole by itself. */
export const verifyChain = (db: DatabaseSync, known: AuditHead = emptyHead): ChainFault | null =>
  checkChain(db, known).fault;

/** As `verifyChain`, with how far the chain is good. It begins behind what was moved to archives. */
export function checkChain(db: DatabaseSync, known: AuditHead = emptyHead): CheckedChain {
  // from below 1: an entry smuggled in before the first is one too many
  const rows = db.prepare("SELECT * FROM audit ORDER BY seq").iterate();
  const { head, fault } = checkEntries(rows, movedHeadOf(db), known);
  if (fault !== null) return { head, fault };
  return { head, fault: head.seq < known.seq ? { fault: "cut", seq: head.seq + 1 } : null };
}

/** Whether the rows follow `from`, one after the other. */
export function checkEntries(rows: Iterable<unknown>, from: AuditHead, known: AuditHead): CheckedChain {
  let head = from;
  for (const row of rows) {
    const next = head.seq + 1;
    const entry = entryOrNull(row);
    const seq = entry?.seq ?? SeqRow.safeParse(row).data?.seq ?? next;
    if (seq > next) return { head, fault: { fault: "missing", seq: next } };
    const isGood =
      entry !== null && entry.seq === next && entry.previous === head.hash && hashOf(entry) === entry.hash;
    if (!isGood || (seq === known.seq && entry.hash !== known.hash)) {
      return { head, fault: { fault: "altered", seq } };
    }
    head = { seq, hash: entry.hash };
  }
  return { head, fault: null };
}

const SeqRow = z.object({ seq: z.int() });

/** Null for a row that is no entry any more. */
export function entryOrNull(row: unknown): AuditEntry | null {
  const entry = AuditEntry.safeParse(Row.safeParse(row).data);
  return entry.success ? entry.data : null;
}
