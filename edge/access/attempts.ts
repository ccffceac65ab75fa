import type { AccessStore } from "./store.ts";

/** Bounds on guessing and on filling up what is kept. */

const forgetAfterMs = 24 * 3600 * 1000;
const hourMs = 3_600_000;

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

export interface Attempts {
  /** How long this address must wait before it may try; 0 is now. */
  waitMs(kind: string, address: string): number;
  /** Counts a failure. Called before what is tried is looked at, so that tries at one time count as well. */
  failed(kind: string, address: string): void;
  /** Forgets the failures of this address, after it got it right. */
  succeeded(kind: string, address: string): void;
  /** Whether this address may do `kind` once more within an hour, and counts it. */
  mayOnceMore(kind: string, address: string, perHour: number): boolean;
}

export function createAttempts(store: AccessStore, now: () => number): Attempts {
  const count = (kind: string, source: string, { free, firstMs, mostMs }: Delays): void => {
    const failures = store.attempts(kind, source, now()).count + 1;
    const waitMs = failures < free ? 0 : Math.min(mostMs, firstMs * 2 ** Math.min(failures - free, 30));
    store.setAttempts(kind, source, { count: failures, blockedUntil: now() + waitMs }, now() + forgetAfterMs);
  };

  return {
    waitMs: (kind, address) =>
      Math.max(
        0,
        ...[address, everywhere].map((source) => store.attempts(kind, source, now()).blockedUntil - now()),
      ),

    failed(kind, address) {
      count(kind, address, ofAddress);
      count(kind, everywhere, ofAll);
    },

    succeeded(kind, address) {
      store.clearAttempts(kind, address);
      store.clearAttempts(kind, everywhere);
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

const [local, unknown] = ["local", "unknown"];

/** Whether this is the address of somebody, and not of all who come without one. */
export const isKnownAddress = (address: string): boolean => address !== local && address !== unknown;

/** Where a request comes from. Only Cloudflare's own header is believed, and on one's own computer not even that. */
export function addressOf(request: Request, publicUrl: string): string {
  if (publicUrl.startsWith("http:")) return local;
  const address = (request.headers.get("CF-Connecting-IP") ?? unknown).slice(0, 64);
  // whoever has one of these has all of its network
  return address.includes(":") ? address.split(":").slice(0, 4).join(":") : address;
}
