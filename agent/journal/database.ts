import { closeSync, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { TwsError } from "../../shared/errors.ts";

/** The journal's place on disk for a journal that ends with the process. */
export const inMemory = ":memory:";

/** For tests that stop the process at a step: called around each write, by the name of the step. */
export type JournalObserver = (step: string, phase: "before" | "after") => void;

/** Another process has the journal open for orders. */
export class JournalTakenError extends Error {
  override readonly name = "JournalTakenError";
}

export interface JournalFile {
  /** As it was opened; `inMemory` for one that ends with the process. */
  readonly path: string;
  /** Runs `work` as one transaction that is on disk when this returns. Throws journal_unavailable when it is not. */
  write<T>(step: string, work: (db: DatabaseSync) => T): T;
  /** Throws journal_unavailable. */
  read<T>(work: (db: DatabaseSync) => T): T;
  /** Why the last write failed, or the journal could not be opened; null when all is well. */
  failure(): string | null;
  close(): void;
}

interface OpenOptions {
  readonly path: string;
  /** Held by the one agent that sends orders; other commands of this machine look and freeze without it. */
  readonly exclusive: boolean;
  /** Begins with an empty journal: for a TWS that is new as well. Only together with `exclusive`. */
  readonly fresh?: boolean;
  readonly observe?: JournalObserver;
}

const migrations = [
  `CREATE TABLE intent (
     intent_id TEXT PRIMARY KEY,
     grant_id TEXT NOT NULL,
     client TEXT NOT NULL,
     idempotency_key TEXT NOT NULL,
     tool TEXT NOT NULL,
     kind TEXT NOT NULL,
     digest TEXT NOT NULL,
     account TEXT NOT NULL,
     state TEXT NOT NULL,
     created_at INTEGER NOT NULL,
     not_after INTEGER NOT NULL,
     sent_at INTEGER,
     value REAL,
     outcome TEXT
   ) STRICT;
   CREATE INDEX intent_by_key ON intent (grant_id, idempotency_key);
   CREATE INDEX intent_by_state ON intent (state);
   CREATE INDEX intent_by_time ON intent (created_at);
   CREATE TABLE leg (
     intent_id TEXT NOT NULL REFERENCES intent,
     leg TEXT NOT NULL,
     order_id INTEGER NOT NULL,
     client_id INTEGER NOT NULL,
     order_ref TEXT NOT NULL,
     spec TEXT NOT NULL,
     perm_id INTEGER,
     shown TEXT,
     PRIMARY KEY (intent_id, leg)
   ) STRICT;
   CREATE INDEX leg_by_order ON leg (order_id);
   CREATE INDEX leg_by_perm ON leg (perm_id);
   CREATE TABLE approval (
     approval_id TEXT PRIMARY KEY,
     grant_id TEXT NOT NULL,
     digest TEXT NOT NULL,
     state TEXT NOT NULL,
     expires_at INTEGER NOT NULL,
     body TEXT NOT NULL
   ) STRICT;
   CREATE TABLE freeze (
     only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
     by TEXT NOT NULL,
     since TEXT NOT NULL,
     reason TEXT NOT NULL
   ) STRICT;
   CREATE TABLE audit (
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
   ) STRICT;`,
  // a journal that begins anew has another trail, which is not the old one cut short
  `CREATE TABLE fact (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
   INSERT INTO fact (key, value) VALUES ('trail', lower(hex(randomblob(16))));`,
  // what a grant has placed without approval is told apart from what the owner has approved
  "ALTER TABLE intent ADD COLUMN approval_id TEXT;",
  // the agent's answers to commands that were given beside it
  `CREATE TABLE command (
     command_id TEXT PRIMARY KEY,
     kind TEXT NOT NULL,
     approval_id TEXT NOT NULL,
     given_at INTEGER NOT NULL,
     answer TEXT,
     pid INTEGER,
     answered_at INTEGER
   ) STRICT;`,
  // when it was first known what became of an order: a repeat is told from a second order by the time since
  `CREATE TABLE answer (
     intent_id TEXT PRIMARY KEY,
     answered_at INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX answer_by_time ON answer (answered_at);`,
  // what counts against the limits is added up as it happens, in quarters of an hour, however much the journal holds
  `CREATE TABLE counted (
     intent_id TEXT PRIMARY KEY,
     account TEXT NOT NULL,
     grant_id TEXT NOT NULL,
     is_approved INTEGER NOT NULL,
     at INTEGER NOT NULL,
     cents INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX counted_by_account ON counted (account, at);
   CREATE INDEX counted_by_grant ON counted (grant_id, is_approved, at);
   CREATE TABLE used (
     account TEXT NOT NULL,
     quarter INTEGER NOT NULL,
     grant_id TEXT NOT NULL,
     is_approved INTEGER NOT NULL,
     cents INTEGER NOT NULL,
     PRIMARY KEY (account, quarter, grant_id, is_approved)
   ) STRICT;
   CREATE INDEX used_by_grant ON used (grant_id, is_approved, quarter);
   INSERT INTO counted
     SELECT intent_id, account, grant_id, approval_id IS NOT NULL, coalesce(sent_at, created_at),
            CAST(value * 100 - 1e-6 AS INTEGER) + (value * 100 - 1e-6 > CAST(value * 100 - 1e-6 AS INTEGER))
     FROM intent WHERE value <> 0 AND (state IN ('reserved', 'sending', 'unknown', 'acked', 'done')
       OR state = 'rejected' AND EXISTS (SELECT 1 FROM leg WHERE leg.intent_id = intent.intent_id
         AND json_extract(shown, '$.filled') > 0));
   INSERT INTO used SELECT account, at / 900000, grant_id, is_approved, sum(cents) FROM counted GROUP BY 1, 2, 3, 4;
   CREATE INDEX intent_by_sending ON intent (sent_at) WHERE sent_at IS NOT NULL;`,
  // what was told of an order and was wrong, and since when the agent has been cancelling one itself
  `CREATE TABLE revision (
     intent_id TEXT PRIMARY KEY REFERENCES intent,
     corrected TEXT,
     cancelling_at INTEGER
   ) STRICT;`,
  // since when an intent is at its end, what was moved to archives, and what is kept of that
  `CREATE TABLE ended (intent_id TEXT PRIMARY KEY, ended_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
   INSERT INTO ended
     SELECT intent_id, max(created_at, coalesce(sent_at, 0), coalesce(CAST(strftime('%s', told) AS INTEGER) * 1000 + 999, 0))
     FROM intent LEFT JOIN (SELECT intent_id, max(at) AS told FROM audit GROUP BY intent_id) USING (intent_id)
     WHERE state IN ('done', 'refused', 'rejected');
   CREATE INDEX ended_by_time ON ended (ended_at);
   CREATE TABLE archive (
     archive_id INTEGER PRIMARY KEY,
     name TEXT NOT NULL UNIQUE,
     first_seq INTEGER NOT NULL,
     last_seq INTEGER NOT NULL,
     last_hash TEXT NOT NULL,
     first_at TEXT NOT NULL,
     last_at TEXT NOT NULL,
     intents INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE archived (
     intent_id TEXT PRIMARY KEY,
     archive_id INTEGER NOT NULL REFERENCES archive,
     state TEXT NOT NULL,
     created_at INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE archived_order_id (client_id INTEGER PRIMARY KEY, greatest INTEGER NOT NULL) STRICT;
   CREATE INDEX leg_by_client ON leg (client_id, order_id);`,
] as const;

/**
 * Opens the journal, or makes it. Throws JournalTakenError when another agent has it; one that is damaged or cannot
 * be written opens all the same, and then every use of it throws journal_unavailable: reads of TWS go on, orders do not.
 * Each use tries anew, so that it works again once the cause is gone.
 */
export function openJournalFile({
  path,
  exclusive,
  fresh = false,
  observe = () => {},
}: OpenOptions): JournalFile {
  const isFile = path !== inMemory;
  let failure: string | null = null;
  let opened: OpenDatabase | null = null;
  let lock: DatabaseSync | null = null;
  let mustEmpty = isFile && exclusive && fresh;
  let isClosed = false;

  function tryToOpen(): OpenDatabase {
    if (isClosed) throw new Error("it has been closed");
    if (isFile) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (isFile && exclusive) lock ??= takeLock(path);
    if (mustEmpty) removeDatabase(path);
    mustEmpty = false;
    return isFile ? openDatabase(path) : { db: prepared(new DatabaseSync(path)), inode: null };
  }

  try {
    opened = tryToOpen();
  } catch (error) {
    if (error instanceof JournalTakenError) throw error;
    failure = wordsOf(error);
  }

  function unavailable(cause: unknown): TwsError {
    failure = wordsOf(cause);
    // what is damaged is looked through before it is used again
    if (isDamage(cause)) {
      opened?.db.close();
      opened = null;
    }
    return new TwsError("journal_unavailable", `The order journal cannot be used (${failure}).`, { cause });
  }

  function open(): DatabaseSync {
    try {
      opened ??= tryToOpen();
      // to a file that was moved or deleted SQLite goes on writing, and nobody would find it again
      if (opened.inode !== null && inodeOf(path) !== opened.inode) {
        throw new Error(
          `the file ${path} was moved, deleted or replaced; put it back, or start the agent anew`,
        );
      }
      return opened.db;
    } catch (error) {
      throw unavailable(error);
    }
  }

  return {
    path,
    write(step, work) {
      observe(step, "before");
      const db = open();
      if (db.isTransaction) throw new Error(`The journal cannot write "${step}" within another step.`);
      let result;
      try {
        db.exec("BEGIN IMMEDIATE");
        result = work(db);
        db.exec("COMMIT");
      } catch (error) {
        rollBack(db);
        if (!isOfJournal(error)) throw error;
        throw unavailable(error);
      }
      failure = null;
      observe(step, "after");
      return result;
    },
    read(work) {
      const db = open();
      try {
        return work(db);
      } catch (error) {
        if (!isOfJournal(error)) throw error;
        throw unavailable(error);
      }
    },
    failure: () => failure,
    close() {
      isClosed = true;
      opened?.db.close();
      opened = null;
      lock?.close();
      lock = null;
    },
  };
}

/** Whether an agent has the journal open for orders now. */
export function isJournalTaken(path: string): boolean {
  if (!existsAt(`${path}.lock`)) return false;
  const lock = new DatabaseSync(`${path}.lock`, { readOnly: true });
  try {
    lock.prepare("SELECT count(*) FROM sqlite_master").get();
    return false;
  } catch (error) {
    if (sqliteCodeOf(error) === busy) return true;
    throw error;
  } finally {
    lock.close();
  }
}

/** Writes what is there already, to see whether that can be done. Throws journal_unavailable. */
export function proveWritable(file: JournalFile): void {
  file.write("proof", (db) => db.exec(`PRAGMA user_version = ${versionOf(db)}`));
}

interface OpenDatabase {
  readonly db: DatabaseSync;
  /** Which file it is, whatever its name becomes; null in memory. */
  readonly inode: bigint | null;
}

/** Primary result codes of SQLite. */
const busy = 5;
const corrupt = 11;
const notADatabase = 26;

function sqliteCodeOf(error: unknown): number | null {
  const isSqlite = error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";
  // the upper bits tell its kinds apart
  return isSqlite && "errcode" in error ? Number(error.errcode) & 0xff : null;
}

/** Whose errors are about the journal, and not of the work itself: SQLite's, and of rows that are none of ours any more. */
const isOfJournal = (error: unknown): boolean => sqliteCodeOf(error) !== null || isOfRow(error);

const isOfRow = (error: unknown): boolean =>
  error instanceof z.ZodError ||
  error instanceof SyntaxError ||
  (error instanceof Error && "code" in error && error.code === "ERR_OUT_OF_RANGE");

function isDamage(error: unknown): boolean {
  const code = sqliteCodeOf(error);
  return code === corrupt || code === notADatabase;
}

const wordsOf = (error: unknown): string =>
  isOfRow(error)
    ? "a row in it is damaged"
    : (error instanceof Error ? error.message : String(error)).slice(0, 300);

function rollBack(db: DatabaseSync): void {
  try {
    if (db.isTransaction) db.exec("ROLLBACK");
  } catch {
    // SQLite has rolled it back itself
  }
}

/** How long another process that only looks whether the lock is taken may delay us. */
const lookedAtMs = 200;

/** An open transaction on a file beside the journal: the system releases it however the process ends. */
function takeLock(path: string): DatabaseSync {
  makePrivately(`${path}.lock`);
  const lock = new DatabaseSync(`${path}.lock`, { timeout: lookedAtMs });
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    lock.close();
    if (sqliteCodeOf(cause) !== busy) throw cause;
    throw new JournalTakenError(
      `Another agent has the order journal ${path} open. Stop it, or give this one its own with TWS_EDGE_JOURNAL and TWS_CLIENT_ID.`,
      { cause },
    );
  }
  return lock;
}

function removeDatabase(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
}

/** An empty file that only its owner can read, unless there is one; SQLite gives what it puts beside it the same mode. */
function makePrivately(path: string): void {
  // a file that is there may be read-only, which the journal finds out by itself
  if (!existsAt(path)) closeSync(openSync(path, "a", 0o600));
}

function openDatabase(path: string): OpenDatabase {
  makePrivately(path);
  const inode = inodeOf(path);
  return { db: prepared(new DatabaseSync(path, { timeout: 2_000 })), inode };
}

const inodeOf = (path: string): bigint | null =>
  statSync(path, { bigint: true, throwIfNoEntry: false })?.ino ?? null;

const existsAt = (path: string): boolean => inodeOf(path) !== null;

/** The database, whole and of this release; closed when it is not. */
function prepared(db: DatabaseSync): DatabaseSync {
  try {
    // each commit is synced to the disk before it returns, also with a log
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    const sound = db.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
    if (sound !== "ok") throw new Error(`the file is damaged: ${String(sound)}`);
    migrate(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function migrate(db: DatabaseSync): void {
  if (versionOf(db) === migrations.length) return;
  // another process may be doing the same: who comes second finds it done
  db.exec("BEGIN IMMEDIATE");
  const version = versionOf(db);
  if (version > migrations.length) throw new Error("it was written by a later release");
  for (const sql of migrations.slice(version)) db.exec(sql);
  db.exec(`PRAGMA user_version = ${migrations.length}`);
  db.exec("COMMIT");
}

const versionOf = (db: DatabaseSync): number =>
  Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
