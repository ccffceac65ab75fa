import type { DatabaseSync } from "node:sqlite";

/** What counts against the limits of a day and a minute. */
export interface Usage {
  /** In the account's currency. */
  readonly value: number;
  readonly ordersInMinute: number;
}

/** Of a bracket that TWS has refused in part, the entry may have filled. */
const filledNevertheless = `state = 'rejected' AND EXISTS
  (SELECT 1 FROM leg WHERE leg.intent_id = intent.intent_id AND json_extract(shown, '$.filled') > 0)`;

/** No call is as long, and there is an index by when it came. */
const longestCallMs = 3_600_000;

/** These may be at TWS, or have been. */
const mayHaveTraded = `(state IN ('reserved', 'sending', 'unknown', 'acked', 'done') OR ${filledNevertheless})`;

/** What a grant has placed and changed without the owner's approval since then, in all accounts. */
export function unapprovedValueOf(db: DatabaseSync, grantId: string, since: number): number {
  // the plus keeps SQLite from reading all that the grant has ever asked for
  const row = db
    .prepare(
      `SELECT coalesce(sum(value), 0) AS n FROM intent
       WHERE +grant_id = ? AND approval_id IS NULL AND created_at >= ?
         AND (state = 'reserved' OR coalesce(sent_at, created_at) >= ?) AND ${mayHaveTraded}`,
    )
    .get(grantId, since - longestCallMs, since);
  return Number(row?.["n"] ?? 0);
}

/** What an account has used of the day since `dayBegan`, and of the last minute; for `check` of reserve. */
export function usageOf(db: DatabaseSync, account: string, dayBegan: number, now: number): Usage {
  // an intent received before midnight may be sent after it
  const value = db
    .prepare(
      `SELECT coalesce(sum(value), 0) AS n FROM intent WHERE account = ? AND created_at >= ?
         AND (state = 'reserved' OR coalesce(sent_at, created_at) >= ?)
         AND ${mayHaveTraded}`,
    )
    .get(account, dayBegan - longestCallMs, dayBegan);
  const orders = db
    .prepare(
      `SELECT count(*) AS n FROM leg JOIN intent USING (intent_id)
       WHERE kind IN ('place', 'bracket', 'modify') AND state NOT IN ('received', 'refused')
         AND created_at >= ? AND coalesce(sent_at, created_at) >= ?`,
    )
    .get(now - longestCallMs, now - 60_000);
  return { value: Number(value?.["n"] ?? 0), ordersInMinute: Number(orders?.["n"] ?? 0) };
}
