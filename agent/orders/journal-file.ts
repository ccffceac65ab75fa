import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
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
] as const;

/**
 * Opens the journal, or makes it. Throws JournalTakenError when another agent has it; one that is damaged or cannot
 * be written opens all the same, and then every use of it throws journal_unavailable: reads of TWS go on, orders do not.
 */
export function openJournalFile({ path, exclusive, observe = () => {} }: OpenOptions): JournalFile {
  const isFile = path !== inMemory;
  let failure: string | null = null;
  let db: DatabaseSync | null = null;
  let lock: DatabaseSync | null = null;
  try {
    if (isFile) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (isFile && exclusive) lock = takeLock(path);
    db = openDatabase(path, isFile);
  } catch (error) {
    if (error instanceof JournalTakenError) throw error;
    failure = wordsOf(error);
    db?.close();
    db = null;
  }

  const unavailable = (cause: unknown): TwsError =>
    new TwsError("journal_unavailable", `The order journal cannot be written (${failure}).`, { cause });

  /** Whose errors are about the journal, and not of the work itself. */
  const isOfDatabase = (error: unknown) =>
    error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";

  function open(): DatabaseSync {
    if (db === null) throw unavailable(undefined);
    return db;
  }

  return {
    write(step, work) {
      observe(step, "before");
      const at = open();
      let result;
      try {
        at.exec("BEGIN IMMEDIATE");
        result = work(at);
        at.exec("COMMIT");
      } catch (error) {
        rollBack(at);
        if (!isOfDatabase(error)) throw error;
        failure = wordsOf(error);
        throw unavailable(error);
      }
      failure = null;
      observe(step, "after");
      return result;
    },
    read(work) {
      const at = open();
      try {
        return work(at);
      } catch (error) {
        if (!isOfDatabase(error)) throw error;
        failure = wordsOf(error);
        throw unavailable(error);
      }
    },
    failure: () => failure,
    close() {
      db?.close();
      lock?.close();
    },
  };
}

const wordsOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, 200);

function rollBack(db: DatabaseSync): void {
  try {
    db.exec("ROLLBACK");
  } catch {
    // it never began, or SQLite has rolled it back itself
  }
}

/** An open transaction on a file beside the journal: the system releases it however the process ends. */
function takeLock(path: string): DatabaseSync {
  const lock = new DatabaseSync(`${path}.lock`);
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    lock.close();
    throw new JournalTakenError(
      `Another agent has the order journal ${path} open. Stop it, or give this one its own with TWS_EDGE_JOURNAL and TWS_CLIENT_ID.`,
      { cause },
    );
  }
  return lock;
}

function openDatabase(path: string, isFile: boolean): DatabaseSync {
  const isNew = isFile && !existsSync(path);
  const db = new DatabaseSync(path, { timeout: 2_000 });
  try {
    // each commit is synced to the disk before it returns, also with a log
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    if (isNew) chmodSync(path, 0o600);
    const sound = db.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
    if (sound !== "ok") throw new Error(`the file is damaged: ${String(sound)}`);
    migrate(db);
  } catch (error) {
    db.close();
    throw error;
  }
  return db;
}

function migrate(db: DatabaseSync): void {
  const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (version > migrations.length) throw new Error("it was written by a later release");
  for (const [index, sql] of migrations.entries()) {
    if (index < version) continue;
    db.exec("BEGIN IMMEDIATE");
    db.exec(sql);
    db.exec(`PRAGMA user_version = ${index + 1}`);
    db.exec("COMMIT");
  }
}
