import { isKnownAddress } from "../../http/client-address.ts";
import type { AccessStore } from "./store.ts";

/** Bounds on guessing and on filling up what is kept. */

const forgetAfterMs = 24 * 3600 * 1000;
const hourMs = 3_600_000;
const trustedForMs = 30 * 24 * 3600 * 1000;

/** How long to wait after so many failures: none for the first few, then twice as long each time. */
interface Delays {
  readonly free: number;
  readonly firstMs: number;
  readonly mostMs: number;
}

const ofAddress: Delays = { free: 3, firstMs: 2_000, mostMs: 15 * 60_000 };
/** From everywhere together. It ends soon, since it keeps the owner out as well. */
const ofAll: Delays = { free: 20, firstMs: 1_000, mostMs: 60_000 };

const everywhere = "*";

export interface AttemptLimits {
  /**
   * How long this address must wait before it may try; 0 is now. `isAlone`: it is no address but a browser that is
   * known, which waits for its own failures and nobody else's.
   */
  waitMs(kind: string, address: string, isAlone?: boolean): number;
  /** Counts a failure. Called before what is tried is looked at, so that tries at one time count as well. */
  failed(kind: string, address: string): void;
  /** Forgets the failures of this address, after it got it right. */
  succeeded(kind: string, address: string): void;
  /**
   * From now on this address, if it is one, waits for its own failures alone: strangers who fail without end, each from
   * an address of their own, would keep the owner out otherwise.
   */
  trust(kind: string, address: string): void;
  /** Whether this address may do `kind` once more within an hour, and counts it. */
  mayOnceMore(kind: string, address: string, perHour: number): boolean;
}

export function createAttemptLimits(store: AccessStore, now: () => number): AttemptLimits {
  const count = (kind: string, source: string, { free, firstMs, mostMs }: Delays): void => {
    const failures = store.attempts(kind, source, now()).count + 1;
    const waitMs = failures < free ? 0 : Math.min(mostMs, firstMs * 2 ** Math.min(failures - free, 30));
    store.setAttempts(kind, source, { count: failures, blockedUntil: now() + waitMs }, now() + forgetAfterMs);
  };

  const isTrusted = (kind: string, address: string): boolean =>
    store.attempts(trusted(kind), address, now()).count > 0;

  return {
    waitMs(kind, address, isAlone = false) {
      const sources = isAlone || isTrusted(kind, address) ? [address] : [address, everywhere];
      const waits = sources.map((source) => store.attempts(kind, source, now()).blockedUntil - now());
      return Math.max(0, ...waits);
    },

    failed(kind, address) {
      count(kind, address, ofAddress);
      count(kind, everywhere, ofAll);
    },

    succeeded(kind, address) {
      store.clearAttempts(kind, address);
      store.clearAttempts(kind, everywhere);
    },

    trust(kind, address) {
      if (!isKnownAddress(address)) return;
      store.setAttempts(trusted(kind), address, { count: 1, blockedUntil: 0 }, now() + trustedForMs);
    },

    mayOnceMore(kind, address, perHour) {
      const { count: done, blockedUntil: hourEndsAt } = store.attempts(kind, address, now());
      if (done >= perHour) return false;
      const endsAt = done === 0 ? now() + hourMs : hourEndsAt;
      store.setAttempts(kind, address, { count: done + 1, blockedUntil: endsAt }, endsAt);
      return true;
    },
  };
}

const trusted = (kind: string): string => `${kind} trusted`;
