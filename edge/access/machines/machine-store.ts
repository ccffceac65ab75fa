import { z } from "zod";
import { PublicKey } from "../../../shared/machine-key.ts";
import type { Key } from "../../rpc/access.ts";
import { Scope, Toolset } from "../../../shared/caller.ts";

/** What the object `Access` keeps of hosts, their agents' keys, pairings and script tokens. The tables are in ../storage/migrations.ts. */

export interface Host {
  readonly hostId: string;
  /** As the owner calls it. */
  readonly name: string;
  readonly createdAt: string;
}

/** A pairing that waits for its other half. */
export type Pairing = {
  readonly codeHash: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
} & (
  | {
      /** A machine has asked, and the owner enters its code. */
      readonly kind: "asked";
      readonly publicKey: PublicKey;
      readonly keyId: string;
      readonly machine: string;
      readonly suggestedName: string | null;
      readonly pollHash: string;
      readonly state: "open" | "paired" | "declined";
    }
  /** The owner has made a code, and a machine brings it. */
  | { readonly kind: "offered"; readonly target: Target }
);

/** The host that a key is to be for. */
export const Target = z.union([z.object({ hostId: z.string() }), z.object({ newName: z.string() })]);
export type Target = z.infer<typeof Target>;

export const ScriptToken = z.object({
  id: z.string(),
  keyId: z.string(),
  hostId: z.string(),
  name: z.string(),
  scopes: z.array(Scope),
  accounts: z.array(z.string()).nullable(),
  toolset: Toolset,
  audience: z.string(),
  createdAt: z.string(),
  /** Unix milliseconds. */
  expiresAt: z.int(),
});
export type ScriptToken = z.infer<typeof ScriptToken>;

export interface KeptToken extends ScriptToken {
  readonly revokedAt: string | null;
  readonly usedAt: string | null;
}

const HostRow = z.object({ host_id: z.string(), name: z.string(), created_at: z.string() });
const KeyRow = z.object({
  key_id: z.string(),
  public_key: z.string(),
  host_id: z.string(),
  machine: z.string(),
  paired_at: z.string(),
  used_at: z.string().nullable(),
  revoked_at: z.string().nullable(),
});
const Asked = z.object({
  kind: z.literal("asked"),
  publicKey: PublicKey,
  keyId: z.string(),
  machine: z.string(),
  suggestedName: z.string().nullable(),
  pollHash: z.string(),
  state: z.enum(["open", "paired", "declined"]),
});
const PairingBody = z.discriminatedUnion("kind", [
  Asked,
  z.object({ kind: z.literal("offered"), target: Target }),
]);
const TokenRow = z.object({
  token: z.string(),
  revoked_at: z.string().nullable(),
  used_at: z.string().nullable(),
});

export type MachineStore = ReturnType<typeof openMachineStore>;

/** After `openAccessStore`, which brings the tables up to date. */
export function openMachineStore({ sql }: DurableObjectStorage) {
  const rows = (query: string, ...values: readonly (string | number | null)[]) =>
    sql.exec(query, ...values).toArray();

  return {
    hosts: (): Host[] => rows("SELECT * FROM agent_host ORDER BY created_at, host_id").map(toHost),

    saveHost({ hostId, name, createdAt }: Host): void {
      rows(
        "INSERT OR REPLACE INTO agent_host (host_id, name, created_at) VALUES (?, ?, ?)",
        hostId,
        name,
        createdAt,
      );
    },

    keys: (): Key[] => rows("SELECT * FROM agent_key ORDER BY paired_at DESC").map(toKey),

    key(keyId: string): Key | null {
      const [row] = rows("SELECT * FROM agent_key WHERE key_id = ?", keyId);
      return row === undefined ? null : toKey(row);
    },

    saveKey({ keyId, publicKey, hostId, machine, pairedAt, usedAt, revokedAt }: Key): void {
      rows(
        `INSERT OR REPLACE INTO agent_key (key_id, public_key, host_id, machine, paired_at, used_at, revoked_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
        keyId,
        JSON.stringify(publicKey),
        hostId,
        machine,
        pairedAt,
        usedAt,
        revokedAt,
      );
    },

    /** Of a key that is good; whatever else is kept of it stays as it is. */
    noteKeyUse(keyId: string, at: string): void {
      rows("UPDATE agent_key SET used_at = ? WHERE key_id = ? AND revoked_at IS NULL", at, keyId);
    },

    /** False when it was taken before. */
    takeProof(id: string, expiresAt: number): boolean {
      return (
        sql.exec("INSERT OR IGNORE INTO proof (id, expires_at) VALUES (?, ?)", id, expiresAt).rowsWritten > 0
      );
    },

    savePairing({ codeHash, expiresAt, ...body }: Pairing): void {
      rows(
        "INSERT OR REPLACE INTO pairing (code_hash, poll_hash, body, expires_at) VALUES (?, ?, ?, ?)",
        codeHash,
        body.kind === "asked" ? body.pollHash : null,
        JSON.stringify(body),
        expiresAt,
      );
    },

    pairingByCode: (codeHash: string, now: number): Pairing | null =>
      onlyPairing(rows("SELECT * FROM pairing WHERE code_hash = ? AND expires_at > ?", codeHash, now)),

    pairingByPoll: (pollHash: string, now: number): Pairing | null =>
      onlyPairing(rows("SELECT * FROM pairing WHERE poll_hash = ? AND expires_at > ?", pollHash, now)),

    /** False when it was gone already. */
    removePairing: (codeHash: string): boolean =>
      rows("DELETE FROM pairing WHERE code_hash = ? RETURNING code_hash", codeHash).length > 0,

    /** Counts a wrong code against every open code of this kind, and ends those that have `most` against them. */
    countWrongCode(kind: Pairing["kind"], most: number): void {
      const open =
        "json_extract(body, '$.kind') = ? AND ifnull(json_extract(body, '$.state'), 'open') = 'open'";
      rows(`UPDATE pairing SET wrong = wrong + 1 WHERE ${open}`, kind);
      rows(`DELETE FROM pairing WHERE wrong >= ? AND ${open}`, most, kind);
    },

    addToken(token: ScriptToken): void {
      rows(
        "INSERT INTO script_token (id, key_id, token, expires_at) VALUES (?, ?, ?, ?)",
        token.id,
        token.keyId,
        JSON.stringify(token),
        token.expiresAt,
      );
    },

    token(id: string): KeptToken | null {
      const [row] = rows("SELECT * FROM script_token WHERE id = ?", id);
      return row === undefined ? null : toToken(row);
    },

    tokensOf: (keyId: string): KeptToken[] =>
      rows("SELECT * FROM script_token WHERE key_id = ? ORDER BY rowid DESC", keyId).map(toToken),

    tokens: (): KeptToken[] => rows("SELECT * FROM script_token ORDER BY rowid DESC").map(toToken),

    revokeToken(id: string, at: string): void {
      rows("UPDATE script_token SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", at, id);
    },

    /** Those whose time is up, which are gone with this. */
    takeExpiredTokens: (now: number): KeptToken[] =>
      rows("DELETE FROM script_token WHERE expires_at <= ? RETURNING *", now).map(toToken),

    noteTokenUse(id: string, at: string): void {
      rows("UPDATE script_token SET used_at = ? WHERE id = ?", at, id);
    },
  };
}

function toHost(row: unknown): Host {
  const { host_id, name, created_at } = HostRow.parse(row);
  return { hostId: host_id, name, createdAt: created_at };
}

function toKey(row: unknown): Key {
  const { key_id, public_key, host_id, machine, paired_at, used_at, revoked_at } = KeyRow.parse(row);
  return {
    keyId: key_id,
    publicKey: PublicKey.parse(JSON.parse(public_key)),
    hostId: host_id,
    machine,
    pairedAt: paired_at,
    usedAt: used_at,
    revokedAt: revoked_at,
  };
}

function onlyPairing([row]: readonly Record<string, unknown>[]): Pairing | null {
  if (row === undefined) return null;
  const { code_hash, body, expires_at } = z
    .object({ code_hash: z.string(), body: z.string(), expires_at: z.int() })
    .parse(row);
  return { codeHash: code_hash, expiresAt: expires_at, ...PairingBody.parse(JSON.parse(body)) };
}

function toToken(row: unknown): KeptToken {
  const { token, revoked_at, used_at } = TokenRow.parse(row);
  return { ...ScriptToken.parse(JSON.parse(token)), revokedAt: revoked_at, usedAt: used_at };
}
