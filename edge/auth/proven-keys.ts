import { keyIdOf } from "../access/machines/key-proofs.ts";
import { requireNotBlocked } from "../http/address-limits.ts";

/**
 * Keys that have proved themselves lately. A machine that shares its address with somebody who guesses is asked about
 * all the same: a proof is new each time, and its key is what stays.
 */
const proven = new Set<string>();
const mostRemembered = 1_000;

/** The proof that a request brings; empty where there is none. */
export const proofIn = (request: Request): string =>
  /^Bearer +(\S+) *$/i.exec(request.headers.get("Authorization") ?? "")?.[1] ?? "";

/** Throws `rate_limited` for a proof by a key that is not known to be good, from an address that was refused too often. */
export function requireNotBlockedFor(proof: string, address: string): void {
  if (!proven.has(keyIdOf(proof) ?? "")) requireNotBlocked(address);
}

/** The proof was taken. */
export function noteProven(proof: string): void {
  const keyId = keyIdOf(proof);
  if (keyId === null) return;
  if (proven.size >= mostRemembered) proven.clear();
  proven.add(keyId);
}
