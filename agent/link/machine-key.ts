import { randomUUID } from "node:crypto";
import { link, mkdir, open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { calculateJwkThumbprint, importJWK, type JWTPayload, SignJWT } from "jose";
import { generateKeyPair, exportJWK } from "jose";
import { z } from "zod";
import {
  fingerprintOf,
  type ProofPurpose,
  proofPaths,
  proofTimes,
  PublicKey,
} from "../../shared/machine-key.ts";
import { TwsError } from "../../shared/errors.ts";

/** The file that holds this machine's key: a private JWK, readable by its owner alone. */
const KeyFile = PublicKey.extend({ d: z.string().regex(/^[A-Za-z0-9_-]{43}$/) });

/** The key by which this machine is known at its edge. The private half does not leave this file's functions. */
export interface AgentKey {
  /** The key's thumbprint. */
  readonly keyId: string;
  /** The same in words that people can compare. */
  readonly fingerprint: string;
  readonly publicKey: PublicKey;
  /** A JWT by this key. */
  sign(claims: JWTPayload): Promise<string>;
}

/** The key in `file`. Throws `unauthorized` when there is none, `forbidden` when others can read it, `invalid_input` when it is damaged. */
export async function loadKey(file: string): Promise<AgentKey> {
  const key = await readKey(file);
  if (key !== null) return key;
  throw new TwsError("unauthorized", `This machine has no key: there is no file ${file}.`, {
    nextStep: "Pair this machine with your edge first: tws-edge pair https://your-edge",
  });
}

/** The key in `file`, made now if there is none. */
export async function loadOrCreateKey(file: string): Promise<AgentKey> {
  const known = await readKey(file);
  if (known !== null) return known;
  await createKey(file);
  return loadKey(file);
}

/** Where a new key waits until the edge has taken it. */
export const draftOf = (file: string): string => `${file}.new`;

/** Puts the new key in the place of the old one, which is gone with this. */
export async function adoptDraft(file: string): Promise<void> {
  await rename(draftOf(file), file).catch((error: unknown) => {
    throw cannot("write", file, error);
  });
}

/** As `loadKey`, but null where there is no file. */
export async function readKey(file: string): Promise<AgentKey | null> {
  const text = await readPrivately(file);
  if (text === null) return null;
  try {
    const { d, ...publicKey } = KeyFile.parse(JSON.parse(text));
    return await keyOf(publicKey, d);
  } catch (cause) {
    throw new TwsError("invalid_input", `The key file ${file} is damaged: it holds no Ed25519 key.`, {
      nextStep: `Restore it from a copy, or delete it and pair this machine again: tws-edge pair https://your-edge`,
      cause,
    });
  }
}

async function keyOf(publicKey: PublicKey, d: string): Promise<AgentKey> {
  const privateKey = await importJWK({ ...publicKey, d }, "EdDSA");
  const keyId = await calculateJwkThumbprint(publicKey);
  const sign = (claims: JWTPayload) =>
    new SignJWT(claims).setProtectedHeader({ alg: "EdDSA", typ: "JWT", kid: keyId }).sign(privateKey);
  return { keyId, fingerprint: fingerprintOf(keyId), publicKey, sign };
}

/** The text of a file that nobody else can read; null if there is none. */
async function readPrivately(file: string): Promise<string | null> {
  const handle = await open(file, "r").catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return null;
    throw cannot("read", file, error);
  });
  if (handle === null) return null;
  try {
    const { mode } = await handle.stat();
    // Windows has no such bits: there the user's profile folder keeps others out
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      throw new TwsError(
        "forbidden",
        `Other users of this machine can read the key file ${file} (mode ${(mode & 0o777).toString(8)}), so it is not used.`,
        {
          nextStep: `Run: chmod 600 '${file}'. If somebody may have copied it, revoke the key at the edge, delete the file and pair again.`,
        },
      );
    }
    return await handle.readFile("utf8");
  } catch (error) {
    if (error instanceof TwsError) throw error;
    throw cannot("read", file, error);
  } finally {
    await handle.close();
  }
}

/** Whole or not at all, and never over a key that is there: another process may be doing the same. */
async function createKey(file: string): Promise<void> {
  const { privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  const { kty, crv, x, d } = await exportJWK(privateKey);
  const draft = `${file}.${randomUUID()}`;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(draft, "wx", 0o600);
    try {
      await handle.writeFile(`${JSON.stringify({ kty, crv, x, d }, null, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(draft, file);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw cannot("write", file, error);
  } finally {
    await unlink(draft).catch(() => undefined);
  }
}

function cannot(verb: "read" | "write", file: string, error: unknown): TwsError {
  return new TwsError("forbidden", `Cannot ${verb} the key file ${file} (${codeOf(error)}).`, {
    nextStep: "Check the folder's permissions, or set TWS_EDGE_KEY to another path.",
    cause: error,
  });
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "unknown error";

/**
 * A proof that we have the key, for one request or connection to the edge at `edge` (any address of it): short-lived,
 * good once, and for nothing else than its purpose.
 */
export function proofOf(key: AgentKey, edge: string, purpose: ProofPurpose, nowMs: number): Promise<string> {
  const iat = Math.floor(nowMs / 1000);
  const aud = `${originOf(edge)}${proofPaths[purpose]}`;
  return key.sign({ aud, iat, exp: iat + proofTimes.lifeS, jti: randomUUID() });
}

/** `https://tws.example.com` from any address of the edge, a WebSocket's too. */
export const originOf = (edge: string): string => new URL(edge).origin.replace(/^ws/, "http");
