import { closeSync, fsyncSync, openSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import type { AuditEntry } from "../../shared/audit.ts";
import { TwsError } from "../../shared/errors.ts";
import { toEntry } from "./audit-trail.ts";

/** An archive: what was moved out of the journal, in a database of its own beside it. */
export interface ArchiveFile {
  /** One transaction that is on disk when this returns. What is there already stays once. */
  add(intents: readonly IntentText[], entries: readonly AuditEntry[]): void;
  /** The text of an intent; null for none. */
  intent(intentId: string): string | null;
  /** Rows of the trail behind `seq` and not behind `through`, oldest first. */
  rowsAfter(seq: number, through: number, limit: number): unknown[];
  /** The newest entries that fit, oldest first. */
  findEntries(since: string, intentId: string, through: number, last: number): AuditEntry[];
  close(): void;
}

/** An intent as the journal has it: JSON of its row, those of its orders, and that of its revision. */
export interface IntentText {
  readonly intentId: string;
  readonly text: string;
}

const tables = `
  CREATE TABLE IF NOT EXISTS fact (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS intent (intent_id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    step TEXT NOT NULL,
    intent_id TEXT NOT NULL,
    grant_id TEXT NOT NULL,
    client TEXT NOT NULL,
    tool TEXT NOT NULL,
    account TEXT NOT NULL,
    digest TEXT NOT NULL,
    outcome TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
  ) STRICT;`;

/** Opens an archive of this trail, or makes it where `mayMake`. Throws journal_unavailable. */
export function openArchive(path: string, trailId: string, mayMake: boolean): ArchiveFile {
  const db = guarded(path, () => openDatabase(path, trailId, mayMake));
  return {
    add: (intents, entries) => guarded(path, () => add(db, intents, entries)),
    intent: (intentId) =>
      guarded(path, () => {
        const row = db.prepare("SELECT body FROM intent WHERE intent_id = ?").get(intentId);
        return row === undefined ? null : z.string().parse(row["body"]);
      }),
    rowsAfter: (seq, through, limit) =>
      guarded(path, () =>
        db
          .prepare("SELECT * FROM audit WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?")
          .all(seq, through, limit),
      ),
    findEntries: (since, intentId, through, last) =>
      guarded(path, () =>
        db
          .prepare(
            `SELECT * FROM audit WHERE at >= ? AND substr(intent_id, 1, length(?)) = ? AND seq <= ?
             ORDER BY seq DESC LIMIT ?`,
          )
          .all(since, intentId, intentId, through, last)
          .map(toEntry)
          .toReversed(),
      ),
    close: () => db.close(),
  };
}

/** Errors of an archive are none of the journal's: orders go on without it. */
function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const why =
      cause instanceof z.ZodError || !(cause instanceof Error) ? "a row in it is damaged" : cause.message;
    throw new TwsError("journal_unavailable", `The journal's archive ${path} cannot be used (${why}).`, {
      cause,
      nextStep: "Put the archive back as it was, beside the journal. Orders go on without it.",
    });
  }
}

function openDatabase(path: string, trailId: string, mayMake: boolean): DatabaseSync {
  const isNew = statSync(path, { throwIfNoEntry: false }) === undefined;
  if (isNew && !mayMake) throw new Error("it is missing");
  if (isNew) closeSync(openSync(path, "a", 0o600));
  if (!isSafeFile(statSync(path))) throw new Error("other users can write it, or it is no file");
  const db = new DatabaseSync(path, { timeout: 2_000 });
  try {
    // a commit is on disk before it returns, with the name of the file
    db.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA");
    if (mayMake) make(db, trailId);
    if (isNew) syncFolder(dirname(path));
    const found = db.prepare("SELECT value FROM fact WHERE key = 'trail'").get()?.["value"];
    if (found !== trailId) throw new Error("it belongs to another journal");
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function make(db: DatabaseSync, trailId: string): void {
  db.exec(`BEGIN IMMEDIATE; ${tables}`);
  db.prepare("INSERT OR IGNORE INTO fact (key, value) VALUES ('trail', ?)").run(trailId);
  db.exec("COMMIT");
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function add(db: DatabaseSync, intents: readonly IntentText[], entries: readonly AuditEntry[]): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    // the journal's own word is the newer one: what was left by an end in the middle is written over
    const putIntent = db.prepare("INSERT OR REPLACE INTO intent (intent_id, body) VALUES (?, ?)");
    for (const { intentId, text } of intents) putIntent.run(intentId, text);
    const putEntry = db.prepare(
      `INSERT OR REPLACE INTO audit
         (seq, at, step, intent_id, grant_id, client, tool, account, digest, outcome, previous, hash)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    for (const {
      seq,
      at,
      step,
      intentId,
      grantId,
      client,
      tool,
      account,
      digest,
      outcome,
      ...chain
    } of entries) {
      putEntry.run(
        seq,
        at,
        step,
        intentId,
        grantId,
        client,
        tool,
        account,
        digest,
        outcome,
        chain.previous,
        chain.hash,
      );
    }
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** Not a pipe, and no other user's to write: a database may run code of whoever can write it. */
export function isSafeFile(stat: Stats): boolean {
  const uid = process.getuid?.();
  return uid === undefined || (stat.isFile() && stat.uid === uid && (stat.mode & 0o022) === 0);
}
