import { TwsError } from "../../shared/errors.ts";
import { hasEndedForGood } from "../../shared/order.ts";
import { isLost, isUnsent } from "../journal/intent-states.ts";
import type { Intent, Journal } from "../journal/journal.ts";
import type { OrderSpec } from "../tws/orders/order-wire.ts";
import { digestOfTerms } from "./intent-id.ts";
import type { Reconciler } from "./reconciler.ts";

/** How long after its answer an order without a key is taken for a repeat of it. */
const repeatedWithinMs = 10_000;

/** The orders that one intent is about to place. */
export interface Claim {
  readonly intentId: string;
  readonly grantId: string;
  readonly specs: readonly OrderSpec[];
}

interface Held {
  readonly intentId: string;
  /** The grant, and what the orders come to. */
  readonly key: string;
  /** Its call has not ended. */
  isRunning: boolean;
  /** By the clock of the process, which nobody sets; null while it is not known that TWS has it. */
  answeredAt: number | null;
}

interface Deps {
  readonly journal: Journal;
  readonly observed: Pick<Reconciler, "ordersOf" | "shownOf">;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Milliseconds on a clock that only rises. */
  readonly elapsed: () => number;
}

const keyOf = (grantId: string, specs: readonly OrderSpec[]): string => `${grantId} ${digestOfTerms(specs)}`;

/**
 * The orders that are on their way, unknown, or answered moments ago, by what they come to: the same order in other
 * words is the same order. What an earlier process has left is read from its journal.
 */
export function createDuplicates({ journal, observed, now, elapsed }: Deps) {
  const byIntent = new Map<string, Held>();
  const byKey = new Map<string, Set<Held>>();
  /** In the order of their answers. */
  const answered = new Set<Held>();
  let isSeeded = false;

  function hold(held: Held): void {
    byIntent.set(held.intentId, held);
    const equal = byKey.get(held.key) ?? new Set();
    byKey.set(held.key, equal.add(held));
    if (held.answeredAt !== null) answered.add(held);
  }

  function drop(held: Held): void {
    byIntent.delete(held.intentId);
    answered.delete(held);
    const equal = byKey.get(held.key);
    equal?.delete(held);
    if (equal?.size === 0) byKey.delete(held.key);
  }

  function noteAnswer(held: Held): void {
    if (held.answeredAt !== null) return;
    held.answeredAt = elapsed();
    answered.add(held);
  }

  function dropOld(): void {
    const before = elapsed() - repeatedWithinMs;
    for (const held of answered) {
      if ((held.answeredAt ?? before) > before) return;
      drop(held);
    }
  }

  /** Reads the orders that an earlier process has left: its clock is not ours, so one that was set back counts as an answer of now. */
  function seed(): void {
    if (isSeeded) return;
    for (const { intent, answeredAt } of journal.possiblyRepeated(now() - repeatedWithinMs)) {
      const { intentId, grantId, legs } = intent;
      const specs = legs.flatMap(({ sent }) => sent ?? []);
      if (byIntent.has(intentId) || specs.length === 0 || specs.length < legs.length) continue;
      const age = answeredAt === null ? null : Math.max(0, now() - answeredAt);
      const key = keyOf(grantId, specs);
      hold({ intentId, key, isRunning: false, answeredAt: age === null ? null : elapsed() - age });
    }
    isSeeded = true;
  }

  /** The intent that is still the equal of a new one; null when nothing of it can be at TWS, or it was long ago. */
  function standing(held: Held): Intent | null {
    const intent = journal.intent(held.intentId);
    if (intent === null) return null;
    if (held.isRunning || isLost(intent.state)) return intent;
    if (isUnsent(intent.state) || intent.state === "absent") {
      drop(held);
      return null;
    }
    noteAnswer(held);
    return isOver(intent) ? null : intent;
  }

  /** Its orders have ended without a fill, so a repeat duplicates nothing. */
  function isOver(intent: Intent): boolean {
    if (intent.state === "rejected") {
      // of a bracket that TWS refused in part, the entry may have filled
      const known = [...observed.shownOf(intent), ...intent.legs.flatMap(({ shown }) => shown ?? [])];
      return known.every(({ filled }) => filled === 0);
    }
    return observed.ordersOf(intent)?.every((order) => hasEndedForGood(order) && order.filled === 0) ?? false;
  }

  function refusal(held: Held, intent: Intent): TwsError {
    const ids = intent.legs.map(({ orderId }) => orderId).join(", ");
    const named = ids === "" ? "" : ` (order ${ids})`;
    const seconds = Math.max(1, Math.round((elapsed() - (held.answeredAt ?? elapsed())) / 1000));
    const words = held.isRunning
      ? `An identical order${named} is being placed; nothing was placed now.`
      : isLost(intent.state)
        ? `It is not known yet what became of an identical order${named}; nothing was placed now.`
        : `An identical order${named} was placed ${seconds} s ago; nothing was placed now.`;
    return new TwsError("duplicate_order", words, {
      intent: { intentId: intent.intentId, idempotencyKey: intent.idempotencyKey },
    });
  }

  journal.onAnswered((intentId) => {
    const held = byIntent.get(intentId);
    if (held !== undefined && !held.isRunning) noteAnswer(held);
  });

  try {
    seed();
  } catch (error) {
    // a journal that cannot be read now is read before the first order
    if (!(error instanceof TwsError)) throw error;
  }

  return {
    /**
     * Holds orders as being placed from now on. Those of one call are no repeats of each other. Throws duplicate_order
     * where `checks` and one of them is the equal of an order of another call, and then holds none.
     */
    claim(claims: readonly Claim[], checks: boolean): void {
      seed();
      dropOld();
      const own = new Set(claims.map(({ intentId }) => intentId));
      const keyed = claims.map(({ intentId, grantId, specs }) => ({ intentId, key: keyOf(grantId, specs) }));
      for (const { key } of checks ? keyed : []) {
        for (const held of byKey.get(key) ?? []) {
          const intent = own.has(held.intentId) ? null : standing(held);
          if (intent !== null) throw refusal(held, intent);
        }
      }
      for (const { intentId, key } of keyed) {
        const before = byIntent.get(intentId);
        if (before !== undefined) drop(before);
        hold({ intentId, key, isRunning: true, answeredAt: null });
      }
    },

    /** The call of an intent has ended: its answer begins the time in which a repeat is refused. */
    release(intentId: string): void {
      const held = byIntent.get(intentId);
      if (held === undefined) return;
      held.isRunning = false;
      const state = journal.intent(intentId)?.state ?? "refused";
      if (isUnsent(state) || state === "absent") drop(held);
      else if (!isLost(state)) noteAnswer(held);
    },
  };
}
export type Duplicates = ReturnType<typeof createDuplicates>;
