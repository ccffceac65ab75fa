import { z } from "zod";

/** One step of one order intent, as the agent has recorded it. Each names the one before it by its hash. */
export const AuditEntry = z.object({
  /** 1 for the first, without gaps. */
  seq: z.int().positive(),
  at: z.iso.datetime(),
  /** Such as received, approved, reserved, sending, acknowledged, rejected, unknown, done, frozen. */
  step: z.string().max(40),
  /** What it is about; empty for what is about no intent. */
  intentId: z.string().max(64),
  grantId: z.string().max(100),
  client: z.string().max(200),
  tool: z.string().max(100),
  account: z.string().max(50),
  /** SHA-256 of the exact order, in hex; empty for what is about no order. */
  digest: z.string().max(64),
  /** In words, without prices or quantities. */
  outcome: z.string().max(300),
  /** Hash of the entry before; 64 zeros for the first. */
  previous: z.string().length(64),
  /** SHA-256 of `auditText`, in hex. */
  hash: z.string().length(64),
});
export type AuditEntry = z.infer<typeof AuditEntry>;

export const firstPrevious = "0".repeat(64);

/** The text of which an entry's hash is made: its fields but the hash, as JSON, in this order. */
export const auditText = (entry: Omit<AuditEntry, "hash">): string =>
  JSON.stringify([
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
  ]);

/** Where a chain ends. */
export const AuditHead = z.object({ seq: z.int().nonnegative(), hash: z.string().length(64) });
export type AuditHead = z.infer<typeof AuditHead>;

/** The end of a chain without entries. */
export const emptyHead: AuditHead = { seq: 0, hash: firstPrevious };

/** One chain: that of one journal, from its first entry. */
export const Trail = z.object({ trailId: z.string().min(1).max(64), head: AuditHead });
export type Trail = z.infer<typeof Trail>;

/** Entries in one frame at most. */
export const auditBatch = 100;
