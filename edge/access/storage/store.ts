import { z } from "zod";
import { Caller } from "../../../shared/caller.ts";
import { migrate } from "../../storage/migrations.ts";
import { expiringTables, migrations } from "./migrations.ts";
import { Policy } from "../../rpc/access.ts";

/** All that the object `Access` keeps on disk besides the OAuth library's records. Instants in Unix milliseconds. */

/** What the owner has agreed to for one client. */
export interface Consent {
  readonly grantId: string;
  readonly clientId: string;
  /** What the client calls itself, or its verified domain. */
  readonly client: string;
  readonly policy: Policy;
  readonly createdAt: string;
  /** When it was last asked for by a token; coarse. */
  readonly usedAt: string | null;
}

/** How often something was tried, and until when it may not be tried again. */
export interface Attempts {
  readonly count: number;
  readonly blockedUntil: number;
}

const ConsentRow = z.object({
  grant_id: z.string(),
  client_id: z.string(),
  client: z.string(),
  policy: z.string(),
  created_at: z.string(),
  used_at: z.string().nullable(),
});

export type AccessStore = ReturnType<typeof openAccessStore>;

/** Brings the tables up to date and opens them. */
export function openAccessStore(storage: DurableObjectStorage) {
  const { sql } = storage;
  migrate(storage, migrations);

  return {
    addConsent({ grantId, clientId, client, policy, createdAt }: Consent): void {
      sql.exec(
        `INSERT INTO consent (grant_id, client_id, client, policy, created_at, used_at, expires_at)
         VALUES (?, ?, ?, ?, ?, NULL, ?)`,
        grantId,
        clientId,
        client,
        JSON.stringify(policy),
        createdAt,
        Date.parse(policy.expiresAt),
      );
    },

    consent(grantId: string): Consent | null {
      const [row] = sql.exec("SELECT * FROM consent WHERE grant_id = ?", grantId).toArray();
      return row === undefined ? null : toConsent(row);
    },

    consents: (): Consent[] =>
      sql.exec("SELECT * FROM consent ORDER BY created_at DESC").toArray().map(toConsent),

    noteUse(grantId: string, at: string): void {
      sql.exec("UPDATE consent SET used_at = ? WHERE grant_id = ?", at, grantId);
    },

    removeConsent(grantId: string): void {
      sql.exec("DELETE FROM consent WHERE grant_id = ?", grantId);
    },

    attempts(kind: string, source: string, now: number): Attempts {
      const [row] = sql
        .exec<{ count: number; blocked_until: number }>(
          "SELECT count, blocked_until FROM attempt WHERE kind = ? AND source = ? AND expires_at > ?",
          kind,
          source,
          now,
        )
        .toArray();
      return { count: row?.count ?? 0, blockedUntil: row?.blocked_until ?? 0 };
    },

    setAttempts(kind: string, source: string, { count, blockedUntil }: Attempts, expiresAt: number): void {
      sql.exec(
        "INSERT OR REPLACE INTO attempt (kind, source, count, blocked_until, expires_at) VALUES (?, ?, ?, ?, ?)",
        kind,
        source,
        count,
        blockedUntil,
        expiresAt,
      );
    },

    clearAttempts(kind: string, source: string): void {
      sql.exec("DELETE FROM attempt WHERE kind = ? AND source = ?", kind, source);
    },

    addTicket(hash: string, endpoint: string, caller: Caller, expiresAt: number): void {
      sql.exec(
        "INSERT INTO ticket (hash, endpoint, caller, expires_at) VALUES (?, ?, ?, ?)",
        hash,
        endpoint,
        JSON.stringify(caller),
        expiresAt,
      );
    },

    /** The ticket, which is gone with this. */
    takeTicket(hash: string, now: number): { readonly endpoint: string; readonly caller: Caller } | null {
      const [row] = sql
        .exec<{ endpoint: string; caller: string; expires_at: number }>(
          "DELETE FROM ticket WHERE hash = ? RETURNING endpoint, caller, expires_at",
          hash,
        )
        .toArray();
      if (row === undefined || row.expires_at <= now) return null;
      return { endpoint: row.endpoint, caller: Caller.parse(JSON.parse(row.caller)) };
    },

    removeTicketsOf(grantId: string): void {
      sql.exec("DELETE FROM ticket WHERE json_extract(caller, '$.grantId') = ?", grantId);
    },

    /** Deletes what has expired; consents are for others to end. Returns when the next row does; null if none does. */
    sweep(now: number): number | null {
      for (const table of expiringTables) sql.exec(`DELETE FROM ${table} WHERE expires_at <= ?`, now);
      const next = [...expiringTables, "consent"].map((table) => {
        const [row] = sql
          .exec<{ next: number | null }>(`SELECT MIN(expires_at) AS next FROM ${table}`)
          .toArray();
        return row?.next ?? Infinity;
      });
      const soonest = Math.min(...next);
      return soonest === Infinity ? null : soonest;
    },
  };
}

function toConsent(row: unknown): Consent {
  const { grant_id, client_id, client, policy, created_at, used_at } = ConsentRow.parse(row);
  return {
    grantId: grant_id,
    clientId: client_id,
    client,
    policy: Policy.parse(JSON.parse(policy)),
    createdAt: created_at,
    usedAt: used_at,
  };
}
