import { realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { type ArchiveFile, openArchive } from "./archive-file.ts";
import type { AuditSpan } from "./audit-trail.ts";
import { IntentState } from "./intent-states.ts";

/** The journal's own list of its archives: which entries of the audit trail each has, and where it ends. */
export interface Archive extends AuditSpan {
  readonly archiveId: number;
  /** The name of its file, in the folder of the journal. */
  readonly name: string;
  readonly lastHash: string;
  /** Intents that were moved there. */
  readonly intents: number;
}

const Row = z
  .object({
    archive_id: z.int(),
    name: z.string(),
    first_seq: z.int(),
    last_seq: z.int(),
    last_hash: z.string(),
    first_at: z.string(),
    last_at: z.string(),
    intents: z.int(),
  })
  .transform(({ archive_id, first_seq, last_seq, last_hash, first_at, last_at, ...rest }) => ({
    ...rest,
    archiveId: archive_id,
    firstSeq: first_seq,
    lastSeq: last_seq,
    lastHash: last_hash,
    firstAt: first_at,
    lastAt: last_at,
  }));

/** Oldest first. */
export const archivesOf = (db: DatabaseSync): Archive[] =>
  db
    .prepare("SELECT * FROM archive ORDER BY archive_id")
    .all()
    .map((row) => Row.parse(row));

/** What the journal keeps for ever of an intent that was moved, of which something was sent. */
export interface ArchivedKey {
  readonly state: IntentState;
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly archive: string;
}

const KeyRow = z.object({ state: IntentState, created_at: z.int(), name: z.string() });

/** Null for an intent that was never archived, or of which nothing was sent. */
export function archivedKeyOf(db: DatabaseSync, intentId: string): ArchivedKey | null {
  const row = db
    .prepare(
      "SELECT state, created_at, name FROM archived JOIN archive USING (archive_id) WHERE intent_id = ?",
    )
    .get(intentId);
  if (row === undefined) return null;
  const { state, created_at: createdAt, name: archive } = KeyRow.parse(row);
  return { state, createdAt, archive };
}

/** Archives are beside the journal itself, whatever link it was opened by. */
export const archivePath = (journalPath: string, name: string): string =>
  join(dirname(realpathSync(journalPath)), name);

/** One for a month, and for a trail: a journal that begins anew has archives of its own. */
export const archiveNameFor = (journalPath: string, trailId: string, month: string): string =>
  `${basename(realpathSync(journalPath))}.archive-${month}-${trailId.slice(0, 8)}`;

/** Opens an archive for `work` alone. Throws journal_unavailable when it cannot be read. */
export function withArchive<T>(
  journalPath: string,
  name: string,
  trailId: string,
  work: (archive: ArchiveFile) => T,
): T {
  const archive = openArchive(archivePath(journalPath, name), trailId, false);
  try {
    return work(archive);
  } finally {
    archive.close();
  }
}
