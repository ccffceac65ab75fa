import { z } from "zod";

/** What the object `Access` keeps of the owner: sign-ins, browsers that are known, and what they have not seen yet. */

export interface Session {
  /** SHA-256 of the cookie, which names the session in forms. */
  readonly hash: string;
  /** Null for a sign-in that an earlier release has written. */
  readonly createdAt: string | null;
  readonly usedAt: string | null;
  /** Where it came from; null where nobody told. */
  readonly address: string | null;
}

/** A browser in which the owner has signed in. */
export interface Device {
  readonly hash: string;
  readonly createdAt: string;
  readonly usedAt: string;
}

export interface Notice {
  readonly id: number;
  readonly at: string;
  readonly words: string;
}

const mostDevices = 50;
/** More than the owner reads. What comes later never pushes out what came first. */
const mostNotices = 100;
const moreNotices = "More has happened than is listed here: look through what has access below.";

const SessionRow = z.object({
  hash: z.string(),
  created_at: z.string().nullable(),
  used_at: z.string().nullable(),
  address: z.string().nullable(),
});
const DeviceRow = z.object({ hash: z.string(), created_at: z.string(), used_at: z.string() });
const NoticeRow = z.object({ id: z.int(), at: z.string(), words: z.string() });

export type OwnerStore = ReturnType<typeof openOwnerStore>;

/** After `openAccessStore`, which brings the tables up to date. */
export function openOwnerStore({ sql }: DurableObjectStorage) {
  const rows = (query: string, ...values: readonly (string | number | null)[]) =>
    sql.exec(query, ...values).toArray();

  const notices = (): Notice[] => rows("SELECT * FROM notice ORDER BY id").map((row) => NoticeRow.parse(row));

  return {
    addSession({ hash, createdAt, address }: Omit<Session, "usedAt">, csrf: string, expiresAt: number): void {
      rows(
        "INSERT INTO session (hash, csrf, expires_at, created_at, used_at, address) VALUES (?, ?, ?, ?, ?, ?)",
        hash,
        csrf,
        expiresAt,
        createdAt,
        createdAt,
        address,
      );
    },

    /** What a form of this session must carry; null when there is no such session. */
    csrfOf(hash: string, now: number): string | null {
      const [row] = rows("SELECT csrf FROM session WHERE hash = ? AND expires_at > ?", hash, now);
      return row === undefined ? null : z.object({ csrf: z.string() }).parse(row).csrf;
    },

    noteSessionUse(hash: string, at: string): void {
      rows("UPDATE session SET used_at = ? WHERE hash = ?", at, hash);
    },

    sessions: (now: number): Session[] =>
      rows("SELECT * FROM session WHERE expires_at > ? ORDER BY expires_at DESC", now).map((row) => {
        const { hash, created_at, used_at, address } = SessionRow.parse(row);
        return { hash, createdAt: created_at, usedAt: used_at, address };
      }),

    removeSession(hash: string): void {
      rows("DELETE FROM session WHERE hash = ?", hash);
    },

    /** Ends every sign-in and forgets every browser. */
    removeAll(): void {
      rows("DELETE FROM session");
      rows("DELETE FROM device");
    },

    isDevice: (hash: string, now: number): boolean =>
      rows("SELECT hash FROM device WHERE hash = ? AND expires_at > ?", hash, now).length > 0,

    /** Where there are too many, the one that was used longest ago is known no more. */
    saveDevice(hash: string, at: string, expiresAt: number): void {
      rows(
        `INSERT INTO device (hash, created_at, used_at, expires_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (hash) DO UPDATE SET used_at = excluded.used_at, expires_at = excluded.expires_at`,
        hash,
        at,
        at,
        expiresAt,
      );
      rows(
        "DELETE FROM device WHERE hash NOT IN (SELECT hash FROM device ORDER BY used_at DESC LIMIT ?)",
        mostDevices,
      );
    },

    devices: (now: number): Device[] =>
      rows("SELECT * FROM device WHERE expires_at > ? ORDER BY used_at DESC", now).map((row) => {
        const { hash, created_at, used_at } = DeviceRow.parse(row);
        return { hash, createdAt: created_at, usedAt: used_at };
      }),

    removeDevice(hash: string): void {
      rows("DELETE FROM device WHERE hash = ?", hash);
    },

    notices,

    /** Keeps words for the owner until they say that they have seen them. */
    tell(words: string): void {
      const kept = notices();
      if (kept.length >= mostNotices) return;
      const isLast = kept.length === mostNotices - 1;
      const now = Date.now();
      rows(
        "INSERT INTO notice (id, at, words) VALUES (?, ?, ?)",
        // by time, so that what was seen on an old page never includes what came after it
        Math.max(now, (kept.at(-1)?.id ?? 0) + 1),
        new Date(now).toISOString(),
        isLast ? moreNotices : words.slice(0, 500),
      );
    },

    /** The owner has seen all up to this one. */
    seen(id: number): void {
      rows("DELETE FROM notice WHERE id <= ?", id);
    },
  };
}
