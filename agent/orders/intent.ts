import { createHash } from "node:crypto";
import { TwsError } from "../../shared/errors.ts";

/** One wish to trade. The same id always means the same order, however often it arrives. */
export interface Intent {
  /** Unique to whoever wishes: grant and idempotency key. */
  readonly id: string;
  /** Of the exact order. */
  readonly digest: string;
}

/** Where intents and their outcomes are kept. */
export interface Intents<Outcome> {
  /**
   * The first outcome of the intent, still running or over; `run` is called for a new one only. An intent whose run
   * throws an error for which `wasNotSent` holds counts as new again. Throws invalid_input for an id that another
   * order has.
   */
  once(intent: Intent, run: () => Promise<Outcome>): Promise<Outcome>;
  /** Whether `once` would answer with an earlier outcome. */
  has(id: string): boolean;
}

/** The oldest are forgotten beyond this many; TWS itself still knows their orders by orderRef. */
const kept = 10_000;

/** Intents of this process; they end with it. */
export function createIntents<Outcome>(wasNotSent: (error: unknown) => boolean): Intents<Outcome> {
  const known = new Map<string, { readonly digest: string; readonly outcome: Promise<Outcome> }>();
  return {
    once({ id, digest }, run) {
      const before = known.get(id);
      if (before !== undefined) {
        return before.digest === digest ? before.outcome : Promise.reject(otherOrder());
      }
      const outcome = run();
      known.set(id, { digest, outcome });
      outcome.catch((error: unknown) => {
        if (wasNotSent(error)) known.delete(id);
      });
      if (known.size > kept) {
        const [oldest] = known.keys();
        if (oldest !== undefined) known.delete(oldest);
      }
      return outcome;
    },
    has: (id) => known.has(id),
  };
}

export const otherOrder = (): TwsError =>
  new TwsError(
    "invalid_input",
    "idempotencyKey: it was used for another order. Choose a new key for a new order.",
  );

/** The same for equal values, whatever the order of their keys. */
export const digestOf = (value: Readonly<Record<string, unknown>>): string =>
  createHash("sha256").update(JSON.stringify(value, sortedKeys)).digest("hex");

const sortedKeys = (_key: string, value: unknown): unknown =>
  value !== null && typeof value === "object" && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** The reference of an intent's order at TWS: made from the id alone, so that it is found again after a restart. */
export const orderRefOf = (id: string): string =>
  `ag1:${createHash("sha256").update(id).digest("hex").slice(0, 24)}`;
