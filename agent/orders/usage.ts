import type { DatabaseSync } from "node:sqlite";

/** What counts against the limits of a day and a minute. */
export interface Usage {
  /** In the account's currency. */
  readonly value: number;
  readonly ordersInMinute: number;
}

/** What an account has used of the day since `dayBegan`, and of the last minute; for `permit` of reserve. */
export function usageOf(db: DatabaseSync, account: string, dayBegan: number, now: number): Usage {
  const value = db
    .prepare(
      `SELECT coalesce(sum(value), 0) AS n FROM intent WHERE account = ? AND created_at >= ?
         AND state IN ('reserved', 'sending', 'unknown', 'acked', 'done')`,
    )
    .get(account, dayBegan);
  const orders = db
    .prepare(
      `SELECT count(*) AS n FROM leg JOIN intent USING (intent_id)
       WHERE kind IN ('place', 'bracket', 'modify') AND state NOT IN ('received', 'refused')
         AND created_at >= ? AND coalesce(sent_at, created_at) >= ?`,
    )
    // no call is as long as an hour, and there is an index by when it came
    .get(now - 3_600_000, now - 60_000);
  return { value: Number(value?.["n"] ?? 0), ordersInMinute: Number(orders?.["n"] ?? 0) };
}
