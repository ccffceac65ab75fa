import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import type { AuditEntry } from "../../shared/audit.ts";
import { TwsError } from "../../shared/errors.ts";
import { type IntentText, openArchive } from "./archive-file.ts";
import { type Archive, archiveNameFor, archivePath, archivesOf } from "./archives.ts";
import { auditAfter, checkEntries, headOf, movedHeadOf, trailOf } from "./audit-trail.ts";
import type { JournalFile, JournalObserver } from "./database.ts";
import { IntentState, isUnsent } from "./intent-states.ts";

export const dayMs = 86_400_000;

/** Rows in one step: few, so that no order waits for it noticeably. */
const most = { intents: 100, entries: 400 } as const;

export interface ArchivingStep {
  readonly file: JournalFile;
  /** Unix milliseconds: what has ended before it, and entries of the trail before it, are moved. */
  readonly before: number;
  readonly now: number;
  readonly observe?: JournalObserver;
}

/** What one step has moved. */
export interface Moved {
  readonly intents: number;
  readonly entries: number;
  /** The name of the archive; null where there was nothing to move. */
  readonly archive: string | null;
}

/** What may be moved now, in all. */
export function countArchivable(file: JournalFile, before: number): { intents: number; entries: number } {
  return file.read((db) => ({
    intents: Number(db.prepare("SELECT count(*) AS n FROM ended WHERE ended_at < ?").get(before)?.["n"]),
    entries: Math.max(0, lastMovable(db, before) - movedHeadOf(db).seq),
  }));
}

/** The entry before the first that is too young. The last one stays: the trail goes on from it. */
function lastMovable(db: DatabaseSync, before: number): number {
  const head = headOf(db);
  const young = new Date(before).toISOString();
  const row = db.prepare("SELECT seq FROM audit WHERE at >= ? ORDER BY seq LIMIT 1").get(young);
  const last = row === undefined ? head.seq : z.int().parse(row["seq"]) - 1;
  return Math.min(last, head.seq - 1);
}

/**
 * Moves some of what is old enough to the archive of this month: it is on disk there before it is deleted here, and what
 * an end between the two has left in both is written over by the next step. Throws journal_unavailable.
 */
export function archiveSome({ file, before, now, observe = () => {} }: ArchivingStep): Moved {
  const found = file.read((db) => ({
    intents: oldIntents(db, before),
    entries: oldEntries(db, before),
    trailId: trailOf(db).trailId,
    archives: archivesOf(db),
  }));
  const { intents, entries, trailId, archives } = found;
  if (intents.length === 0 && entries.length === 0) return { intents: 0, entries: 0, archive: null };
  const month = new Date(now).toISOString().slice(0, 7);
  const name = nameFor(file.path, trailId, month, archives);
  const isListed = archives.some((one) => one.name === name);
  observe("archive", "before");
  const archive = openArchive(archivePath(file.path, name), trailId, !isListed);
  try {
    archive.add(intents, entries);
  } finally {
    archive.close();
  }
  observe("archive", "after");
  const moved = file.write("archived", (db) => remove(db, name, intents, entries));
  observe("archived", "after");
  return { ...moved, archive: name };
}

/** The newest of those there are, or one of a later month: a clock set back does not write into what is closed. */
function nameFor(path: string, trailId: string, month: string, archives: readonly Archive[]): string {
  const name = archiveNameFor(path, trailId, month);
  const newest = archives.at(-1)?.name;
  if (newest === undefined) return name;
  const monthOf = (one: string): string => /\.archive-(\d{4}-\d\d)-/.exec(one)?.[1] ?? "";
  return monthOf(newest) >= month ? newest : name;
}

function oldIntents(db: DatabaseSync, before: number): IntentText[] {
  return db
    .prepare("SELECT intent_id FROM ended WHERE ended_at < ? ORDER BY ended_at LIMIT ?")
    .all(before, most.intents)
    .flatMap((row) => {
      const intentId = z.string().parse(row["intent_id"]);
      const text = textOf(db, intentId);
      return text === null ? [] : [{ intentId, text }];
    });
}

/** All that the journal has of an intent. */
function textOf(db: DatabaseSync, intentId: string): string | null {
  const intent = db.prepare("SELECT * FROM intent WHERE intent_id = ?").get(intentId);
  if (intent === undefined) return null;
  const legs = db.prepare("SELECT * FROM leg WHERE intent_id = ? ORDER BY rowid").all(intentId);
  const revision = db.prepare("SELECT * FROM revision WHERE intent_id = ?").get(intentId) ?? null;
  return JSON.stringify({ intent, legs, revision });
}

/** Whole entries alone are moved: where the chain is broken it stays, for whoever looks into it. */
function oldEntries(db: DatabaseSync, before: number): AuditEntry[] {
  const from = movedHeadOf(db);
  const last = lastMovable(db, before);
  const count = Math.min(most.entries, last - from.seq);
  if (count <= 0) return [];
  const rows = db.prepare("SELECT * FROM audit ORDER BY seq LIMIT ?").all(count);
  const { fault } = checkEntries(rows, from, from);
  if (fault !== null) {
    throw new TwsError("journal_unavailable", `The audit trail is broken at entry ${fault.seq}.`, {
      nextStep: "Nothing is archived. tws-edge audit verify tells more.",
    });
  }
  return auditAfter(db, from.seq, count);
}

const MovedRow = z.object({
  intent: z.object({ state: IntentState, created_at: z.int() }),
  legs: z.array(z.object({ client_id: z.int(), order_id: z.int() })),
});

/** Deletes what is in the archive, within one transaction; what has changed since it was copied stays. */
function remove(
  db: DatabaseSync,
  name: string,
  copied: readonly IntentText[],
  copiedEntries: readonly AuditEntry[],
): { intents: number; entries: number } {
  const intents = copied.filter(({ intentId, text }) => textOf(db, intentId) === text);
  const [first] = copiedEntries;
  // another process may have moved them meanwhile
  const entries = first !== undefined && movedHeadOf(db).seq === first.seq - 1 ? copiedEntries : [];
  const archiveId = listArchive(db, name, intents.length, entries);
  for (const { intentId, text } of intents) removeIntent(db, archiveId, intentId, text);
  const last = entries.at(-1);
  if (last !== undefined) db.prepare("DELETE FROM audit WHERE seq <= ?").run(last.seq);
  return { intents: intents.length, entries: entries.length };
}

function listArchive(
  db: DatabaseSync,
  name: string,
  intents: number,
  entries: readonly AuditEntry[],
): number {
  db.prepare("INSERT OR IGNORE INTO archive VALUES (NULL, ?, 0, 0, '', '', '', 0)").run(name);
  db.prepare("UPDATE archive SET intents = intents + ? WHERE name = ?").run(intents, name);
  const first = entries[0];
  const last = entries.at(-1);
  if (first !== undefined && last !== undefined) {
    db.prepare(
      `UPDATE archive SET first_at = iif(first_seq = 0, ?, first_at), first_seq = iif(first_seq = 0, ?, first_seq),
         last_seq = ?, last_hash = ?, last_at = ? WHERE name = ?`,
    ).run(first.at, first.seq, last.seq, last.hash, last.at, name);
  }
  const row = db.prepare("SELECT archive_id FROM archive WHERE name = ?").get(name);
  return z.int().parse(row?.["archive_id"]);
}

function removeIntent(db: DatabaseSync, archiveId: number, intentId: string, text: string): void {
  const { intent, legs } = MovedRow.parse(JSON.parse(text));
  // of what was not sent the key may be used again
  if (!isUnsent(intent.state)) {
    db.prepare("INSERT INTO archived (intent_id, archive_id, state, created_at) VALUES (?, ?, ?, ?)").run(
      intentId,
      archiveId,
      intent.state,
      intent.created_at,
    );
  }
  for (const { client_id, order_id } of legs) {
    db.prepare(
      `INSERT INTO archived_order_id (client_id, greatest) VALUES (?, ?)
       ON CONFLICT (client_id) DO UPDATE SET greatest = max(greatest, excluded.greatest)`,
    ).run(client_id, order_id);
  }
  for (const table of ["leg", "revision", "answer", "ended", "intent"]) {
    db.prepare(`DELETE FROM ${table} WHERE intent_id = ?`).run(intentId);
  }
}
