import { TwsError } from "../../shared/errors.ts";
import { createTokenBuckets } from "./token-bucket.ts";
import { isKnownAddress } from "./client-address.ts";

/**
 * What one address may ask of this edge, as far as one Worker isolate sees it: cheap, and in front of everything that
 * costs. Far above what honest clients behind one address do. Where nobody says which address it is, strangers and the
 * owner would share one limit, and the strangers could use it up: there is none then.
 */
export const addressRates = {
  requests: { burst: 2_000, perSecond: 100 },
  /** Of requests that are refused for want of a good token, ticket or proof. */
  refusals: { burst: 100, perSecond: 2 },
} as const;

const mostAddresses = 10_000;

// facts about addresses, not about a request
const requests = createTokenBuckets(addressRates.requests, mostAddresses);
const refusals = createTokenBuckets(addressRates.refusals, mostAddresses);

/** Counts a request. Throws `rate_limited` for an address that has sent too many. */
export function admitAddress(address: string): void {
  if (!isKnownAddress(address)) return;
  const waitMs = requests.take(address, Date.now());
  if (waitMs > 0) throw tooMany("There were too many requests from this address.", waitMs);
}

/** Counts an answer 401. */
export function noteRefusal(address: string): void {
  if (isKnownAddress(address)) refusals.take(address, Date.now());
}

/**
 * Asked before something unknown is looked up. Throws `rate_limited` for an address that was refused too often, so that
 * guessing costs the object `Access` nothing.
 */
export function requireNotBlocked(address: string): void {
  const waitMs = refusals.waitMs(address, Date.now());
  if (waitMs > 0) throw tooMany("This address was refused too often.", waitMs);
}

const tooMany = (message: string, retryAfterMs: number): TwsError =>
  new TwsError("rate_limited", message, {
    retryAfterMs,
    nextStep: `Wait ${Math.ceil(retryAfterMs / 1000)} s, then send it again, and less often.`,
  });
