import { fromBase64Url, toBase64Url } from "../crypto/base64url.ts";

/**
 * Session ids of the 2025 revisions. An id proves by its signature that we issued it, to which grant and when, so
 * that an `initialize` stores nothing and a request with a session id can be served by any Worker.
 */

/** After this a session is over; its client initialises again, as the protocol says. */
const lifetimeMs = 30 * 24 * 3600 * 1000;

/** How a client can be asked to show something to the person before it, as it has declared. */
export interface Elicits {
  readonly form: boolean;
  readonly url: boolean;
}

export interface Session {
  /** Names the McpSession object. */
  readonly name: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
  /** What its client declared at `initialize`. */
  readonly elicits: Elicits;
}

/** In an id; one without this part is of a client that declared nothing. */
const encodeElicits = ({ form, url }: Elicits): string => `${form ? "f" : ""}${url ? "u" : ""}`;

/** The HMAC key in `secret`. */
export const importSessionKey = (secret: string): Promise<CryptoKey> =>
  crypto.subtle.importKey("raw", new TextEncoder().encode(secret), { name: "HMAC", hash: "SHA-256" }, false, [
    "sign",
    "verify",
  ]);

/** A new session id for one grant. */
export async function mintSessionId(
  key: CryptoKey,
  grantId: string,
  now: number,
  elicits: Elicits,
): Promise<string> {
  const name = toBase64Url(crypto.getRandomValues(new Uint8Array(16)));
  const parts = [name, now.toString(36), encodeElicits(elicits)].filter((part) => part !== "");
  const mac = await crypto.subtle.sign("HMAC", key, signed(parts, grantId));
  return `${parts.join(".")}.${toBase64Url(new Uint8Array(mac))}`;
}

/** Null for an id that we did not issue to this grant, or that is too old. */
export async function readSessionId(
  key: CryptoKey,
  sessionId: string,
  grantId: string,
  now: number,
): Promise<Session | null> {
  const match = /^([\w-]{22})\.([0-9a-z]{1,11})(?:\.(f|u|fu))?\.([\w-]{43})$/.exec(sessionId);
  const [, name, issuedAt, declared, mac] = match ?? [];
  if (name === undefined || issuedAt === undefined || mac === undefined) return null;
  const parts = [name, issuedAt, declared].filter((part) => part !== undefined);
  const signature = fromBase64Url(mac);
  const isOurs =
    signature !== null && (await crypto.subtle.verify("HMAC", key, signature, signed(parts, grantId)));
  const expiresAt = Number.parseInt(issuedAt, 36) + lifetimeMs;
  if (!isOurs || now >= expiresAt) return null;
  const elicits = { form: declared?.includes("f") ?? false, url: declared?.includes("u") ?? false };
  return { name, expiresAt, elicits };
}

const signed = (parts: readonly string[], grantId: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(new TextEncoder().encode(JSON.stringify([...parts, grantId])));
