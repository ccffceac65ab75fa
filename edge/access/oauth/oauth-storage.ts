/**
 * The part of Workers KV that the OAuth library asks for, kept in this object's SQLite: what is written is seen at once
 * and everywhere, nothing has to be created in an account, and what has expired is gone whoever cleans up when.
 */
export interface OAuthStorage {
  get(key: string, options?: { readonly type?: string } | string): Promise<unknown>;
  put(
    key: string,
    value: string,
    options?: { readonly expirationTtl?: number; readonly expiration?: number; readonly metadata?: unknown },
  ): Promise<void>;
  delete(key: string): Promise<void>;
  list(options?: { readonly prefix?: string; readonly limit?: number; readonly cursor?: string }): Promise<{
    readonly keys: readonly {
      readonly name: string;
      readonly expiration?: number;
      readonly metadata?: unknown;
    }[];
    readonly list_complete: boolean;
    readonly cursor?: string;
  }>;
  /** Deletes what has expired. Returns when the next record expires, in Unix milliseconds; null if none does. */
  sweep(): number | null;
  count(prefix: string): number;
  /** Deletes clients registered before `before` (Unix seconds) that nobody has agreed to; returns when the next may go. */
  sweepClients(before: number): number | null;
  /** Deletes the oldest client that nobody has agreed to; false when there is none. */
  removeOldestUnusedClient(): boolean;
}

const mostListed = 1_000;

/** What comes after every key with this prefix, so that the index finds them. */
const after = (prefix: string): string => `${prefix}\u{10ffff}`;

const unused =
  "key >= 'client:' AND key < 'client;' AND substr(key, 8) NOT IN (SELECT client_id FROM consent)";
const registeredAt = "json_extract(value, '$.registrationDate')";

export function createOAuthStorage(sql: SqlStorage, now: () => number): OAuthStorage {
  const seconds = () => Math.floor(now() / 1000);

  return {
    async get(key, options) {
      const [row] = sql
        .exec<{ value: string }>(
          "SELECT value FROM record WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)",
          key,
          seconds(),
        )
        .toArray();
      if (row === undefined) return null;
      const type = typeof options === "string" ? options : options?.type;
      return type === "json" ? JSON.parse(row.value) : row.value;
    },

    async put(key, value, { expirationTtl, expiration, metadata } = {}) {
      const expiresAt = expiration ?? (expirationTtl === undefined ? null : seconds() + expirationTtl);
      sql.exec(
        "INSERT OR REPLACE INTO record (key, value, metadata, expires_at) VALUES (?, ?, ?, ?)",
        key,
        value,
        metadata === undefined ? null : JSON.stringify(metadata),
        expiresAt,
      );
    },

    async delete(key) {
      sql.exec("DELETE FROM record WHERE key = ?", key);
    },

    async list({ prefix = "", limit = mostListed, cursor = "" } = {}) {
      const most = Math.min(limit, mostListed);
      const rows = sql
        .exec<{ key: string; metadata: string | null; expires_at: number | null }>(
          `SELECT key, metadata, expires_at FROM record
           WHERE key > ? AND key >= ? AND key < ? AND (expires_at IS NULL OR expires_at > ?)
           ORDER BY key LIMIT ?`,
          cursor,
          prefix,
          after(prefix),
          seconds(),
          most + 1,
        )
        .toArray();
      const shown = rows.slice(0, most);
      const last = shown.at(-1);
      return {
        keys: shown.map(({ key, metadata, expires_at }) => ({
          name: key,
          ...(expires_at !== null && { expiration: expires_at }),
          ...(metadata !== null && { metadata: JSON.parse(metadata) }),
        })),
        list_complete: rows.length <= most,
        ...(rows.length > most && last !== undefined && { cursor: last.key }),
      };
    },

    sweep() {
      sql.exec("DELETE FROM record WHERE expires_at <= ?", seconds());
      const [row] = sql.exec<{ next: number | null }>("SELECT MIN(expires_at) AS next FROM record").toArray();
      return row?.next == null ? null : row.next * 1000;
    },

    sweepClients(before) {
      sql.exec(`DELETE FROM record WHERE ${unused} AND ${registeredAt} <= ?`, before);
      const [row] = sql
        .exec<{ first: number | null }>(`SELECT MIN(${registeredAt}) AS first FROM record WHERE ${unused}`)
        .toArray();
      return row?.first ?? null;
    },

    removeOldestUnusedClient() {
      const oldest = `SELECT key FROM record WHERE ${unused} ORDER BY ${registeredAt}, rowid LIMIT 1`;
      return sql.exec(`DELETE FROM record WHERE key = (${oldest})`).rowsWritten > 0;
    },

    count(prefix) {
      const [row] = sql
        .exec<{ count: number }>(
          "SELECT COUNT(*) AS count FROM record WHERE key >= ? AND key < ? AND (expires_at IS NULL OR expires_at > ?)",
          prefix,
          after(prefix),
          seconds(),
        )
        .toArray();
      return row?.count ?? 0;
    },
  };
}
