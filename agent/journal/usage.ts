import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";

/** What counts against the limits of a day and a minute. */
export interface Usage {
  /** In the account's currency. */
  readonly value: number;
  readonly ordersInMinute: number;
}

/** Sums are kept for so long a time each: midnight is at the beginning of one in every time zone. */
const quarterMs = 900_000;

/** Rounded up, so that many small orders never count for less than they come to. */
const cents = `(CAST(value * 100 - 1e-6 AS INTEGER) + (value * 100 - 1e-6 > CAST(value * 100 - 1e-6 AS INTEGER)))`;

/** An intent that may be at TWS, or has been; the entry of a bracket that TWS has refused in part may have filled. */
const countedNow = `
  SELECT account, grant_id, approval_id IS NOT NULL AS is_approved, coalesce(sent_at, created_at) AS at,
         ${cents} AS cents
  FROM intent WHERE intent_id = :intentId AND value <> 0
    AND (state IN ('reserved', 'sending', 'unknown', 'acked', 'done')
      OR state = 'rejected' AND EXISTS
        (SELECT 1 FROM leg WHERE leg.intent_id = intent.intent_id AND json_extract(shown, '$.filled') > 0))`;

const CountedRow = z.object({
  account: z.string(),
  grant_id: z.string(),
  is_approved: z.int(),
  at: z.int(),
  cents: z.int(),
});

/** Counts an intent as it is now, within the transaction that has changed it. */
export function recount(db: DatabaseSync, intentId: string): void {
  const known = db
    .prepare("SELECT account, grant_id, is_approved, at, cents FROM counted WHERE intent_id = ?")
    .get(intentId);
  const before = known === undefined ? null : CountedRow.parse(known);
  const found = db.prepare(countedNow).get({ intentId });
  const next = found === undefined ? null : CountedRow.parse(found);
  if (JSON.stringify(before) === JSON.stringify(next)) return;
  if (before !== null) {
    add(db, before, -before.cents);
    db.prepare("DELETE FROM counted WHERE intent_id = ?").run(intentId);
  }
  if (next === null) return;
  add(db, next, next.cents);
  db.prepare(
    "INSERT INTO counted (intent_id, account, grant_id, is_approved, at, cents) VALUES (?, ?, ?, ?, ?, ?)",
  ).run(intentId, next.account, next.grant_id, next.is_approved, next.at, next.cents);
}

function add(db: DatabaseSync, row: z.infer<typeof CountedRow>, cents: number): void {
  const { account, at, grant_id, is_approved } = row;
  db.prepare(
    `INSERT INTO used (account, quarter, grant_id, is_approved, cents) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET cents = cents + excluded.cents`,
  ).run(account, Math.floor(at / quarterMs), grant_id, is_approved, cents);
}

/** No call is as long, and there is an index by when it came. */
const longestCallMs = 3_600_000;

/**
 * The whole quarters of an hour since then, the part of one before them, and what came before and is to be sent: it
 * counts when it is sent.
 */
const sumOf = (whose: string, indexed: string, isWanted: string) => `
  SELECT (SELECT coalesce(sum(cents), 0) FROM used WHERE ${whose} AND quarter >= :quarter)
    + (SELECT coalesce(sum(cents), 0) FROM counted INDEXED BY ${indexed} WHERE ${whose} AND at >= :since AND at < :wholeFrom)
    + (SELECT coalesce(sum(${cents}), 0) FROM intent INDEXED BY intent_by_state
       WHERE state = 'reserved' AND created_at >= :from AND created_at < :since AND ${isWanted}) AS n`;

/** The statements behind the limits, for a test of how SQLite reads them. */
export const usageStatements = {
  day: sumOf("account = :whose", "counted_by_account", "account = :whose"),
  unapproved: sumOf(
    "grant_id = :whose AND is_approved = 0",
    "counted_by_grant",
    "grant_id = :whose AND approval_id IS NULL",
  ),
  /** Orders that were sent in the last minute, and those that are about to be. */
  minute: `
    SELECT (SELECT count(*) FROM intent INDEXED BY intent_by_sending JOIN leg USING (intent_id)
       WHERE sent_at >= :minute AND kind IN ('place', 'bracket', 'modify') AND state NOT IN ('received', 'refused'))
     + (SELECT count(*) FROM intent INDEXED BY intent_by_time JOIN leg USING (intent_id)
       WHERE created_at >= :minute AND sent_at IS NULL AND kind IN ('place', 'bracket', 'modify')
         AND state NOT IN ('received', 'refused')) AS n`,
} as const;

function valueSince(db: DatabaseSync, sql: string, whose: string, since: number): number {
  const quarter = Math.ceil(since / quarterMs);
  const row = db
    .prepare(sql)
    .get({ whose, since, quarter, wholeFrom: quarter * quarterMs, from: since - longestCallMs });
  return Number(row?.["n"] ?? 0) / 100;
}

/** The value that a grant has placed and changed without the owner's approval since then, in all accounts. */
export const unapprovedValueOf = (db: DatabaseSync, grantId: string, since: number): number =>
  valueSince(db, usageStatements.unapproved, grantId, since);

/** What an account has used of the day since `dayBegan`, and of the last minute; for `check` of reserve. */
export function usageOf(db: DatabaseSync, account: string, dayBegan: number, now: number): Usage {
  const orders = db.prepare(usageStatements.minute).get({ minute: now - 60_000 });
  return {
    value: valueSince(db, usageStatements.day, account, dayBegan),
    ordersInMinute: Number(orders?.["n"] ?? 0),
  };
}

/** No limit looks further back: APPROVAL_WINDOW is 9999 hours at most. */
const longestWindowMs = 420 * 86_400_000;

/** Forgets some of what no limit looks back to, the oldest first. Returns how many intents that were. */
export function forgetUsage(db: DatabaseSync, now: number): number {
  const before = now - longestWindowMs;
  db.prepare("DELETE FROM used WHERE quarter < ?").run(Math.floor(before / quarterMs));
  const { changes } = db
    .prepare(
      "DELETE FROM counted WHERE rowid IN (SELECT rowid FROM counted ORDER BY rowid LIMIT 500) AND at < ?",
    )
    .run(before);
  return Number(changes);
}
