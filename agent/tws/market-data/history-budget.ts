import { setTimeout as delay } from "node:timers/promises";
import { TwsError } from "../../../shared/errors.ts";
import type { RequestContext } from "../session/api.ts";

/** TWS's limits on history: more is a pacing violation (162), and then nothing comes for a while. */
export const historyLimits = {
  /** The same question is not asked again for so long; it is answered from the last time. */
  sameMs: 15_000,
  windowMs: 600_000,
  mostInWindow: 60,
  /** Of one instrument and kind of data. */
  burstMs: 2_000,
  mostInBurst: 5,
  mostOpen: 50,
} as const;

/** Of each kind, by up to two keys each: answers are bars by the thousand, so few are kept. */
const keptAnswers = 40;

export interface HistoryQuestion {
  /** Words for messages: "historical data of AAPL". */
  readonly what: string;
  /** The instrument and the kind of data. */
  readonly series: string;
  /** All of the question: equal for equal answers. */
  readonly key: string;
  /** TWS counts bid and ask as two. */
  readonly cost: 1 | 2;
}

export interface Dated<T> {
  readonly value: T;
  /** When TWS answered, ISO 8601. */
  readonly asOf: string;
}

interface Answer<T> extends Dated<T> {
  readonly at: number;
}

interface Budget {
  asked: { readonly at: number; readonly cost: number; readonly series: string }[];
  open: number;
}

/** All kinds of history of one TWS share its limits. */
const budgets = new WeakMap<object, Budget>();

function budgetOf(session: object): Budget {
  const existing = budgets.get(session);
  if (existing !== undefined) return existing;
  const budget: Budget = { asked: [], open: 0 };
  budgets.set(session, budget);
  return budget;
}

export type AskHistory<T> = (
  session: object,
  question: HistoryQuestion & {
    /** The key of a later question that has the same answer: up to now is up to that instant then. */
    readonly laterKey?: (value: T) => string | null;
  },
  context: RequestContext,
  ask: (context: RequestContext) => Promise<T>,
) => Promise<Dated<T>>;

/**
 * A kind of history, asked for within TWS's limits. What was answered less than 15 s ago is answered from that; who
 * asks while the same is on its way waits for it. A question too many throws `pacing`, which says how long to wait.
 */
export function createHistoryKind<T>(): AskHistory<T> {
  const kept = new WeakMap<object, Map<string, Answer<T>>>();
  const underway = new WeakMap<object, Map<string, Promise<unknown>>>();

  return async (session, question, context, ask) => {
    const { key } = question;
    const answers = mapOf(kept, session);
    const asking = mapOf(underway, session);
    const startedAt = performance.now();
    const left = (): RequestContext => ({
      ...context,
      timeoutMs: Math.max(1, context.timeoutMs - (performance.now() - startedAt)),
    });
    for (let other = asking.get(key); other !== undefined; other = asking.get(key))
      await settledOrLeft(other, question, left());
    for (const [old, { at }] of answers)
      if (performance.now() - at >= historyLimits.sameMs) answers.delete(old);
    const known = answers.get(key);
    if (known !== undefined) return known;

    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    asking.set(key, ended);
    try {
      const value = await withinLimits(budgetOf(session), question, left(), ask);
      const answer = { value, asOf: new Date().toISOString(), at: performance.now() };
      for (const name of [key, question.laterKey?.(value)]) {
        if (typeof name !== "string") continue;
        const [oldest] = answers.keys();
        if (answers.size >= keptAnswers && oldest !== undefined) answers.delete(oldest);
        answers.set(name, answer);
      }
      return answer;
    } finally {
      asking.delete(key);
      end();
    }
  };
}

function mapOf<T>(maps: WeakMap<object, Map<string, T>>, session: object): Map<string, T> {
  const existing = maps.get(session);
  if (existing !== undefined) return existing;
  const map = new Map<string, T>();
  maps.set(session, map);
  return map;
}

async function withinLimits<T>(
  budget: Budget,
  question: HistoryQuestion,
  context: RequestContext,
  ask: (context: RequestContext) => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  await takeTurn(budget, question, context);
  budget.open += 1;
  try {
    return await ask({ ...context, timeoutMs: context.timeoutMs - (performance.now() - startedAt) });
  } finally {
    budget.open -= 1;
  }
}

/** Waits until fewer than six of one series have been asked for within two seconds, then counts this one. */
async function takeTurn(
  budget: Budget,
  question: HistoryQuestion,
  { signal, timeoutMs }: RequestContext,
): Promise<void> {
  const { series, what } = question;
  const until = performance.now() + timeoutMs;
  for (;;) {
    const now = performance.now();
    const recent = budget.asked.filter(
      (one) => one.series === series && now - one.at < historyLimits.burstMs,
    );
    const blocking = recent.at(-historyLimits.mostInBurst);
    if (blocking === undefined) {
      takeFromWindow(budget, question);
      return;
    }
    const waitMs = blocking.at + historyLimits.burstMs - now;
    if (now + waitMs >= until) throw tooMuch(`Too many requests for ${what} at once.`, waitMs);
    try {
      await delay(waitMs, undefined, { signal });
    } catch {
      throw new TwsError("cancelled", `The request for ${what} was cancelled.`);
    }
  }
}

function takeFromWindow(budget: Budget, { cost, series, what }: HistoryQuestion): void {
  const now = performance.now();
  budget.asked = budget.asked.filter(({ at }) => now - at < historyLimits.windowMs);
  if (budget.open >= historyLimits.mostOpen)
    throw tooMuch(`${budget.open} requests for history are open at TWS, so ${what} must wait.`, 5_000);
  let spent = budget.asked.reduce((sum, one) => sum + one.cost, 0);
  if (spent + cost > historyLimits.mostInWindow) {
    // when enough of the oldest have left the window
    const last = budget.asked.find((one) => (spent -= one.cost) + cost <= historyLimits.mostInWindow);
    const waitMs = (last?.at ?? now) + historyLimits.windowMs - now;
    throw tooMuch(
      `The agent asks TWS for history at most 60 times in ten minutes, as IBKR asks, and that is used up: ${what} can be had in ${Math.ceil(waitMs / 1000)} s.`,
      waitMs,
    );
  }
  budget.asked.push({ at: now, cost, series });
}

function tooMuch(message: string, waitMs: number): TwsError {
  return new TwsError("pacing", message, { retryAfterMs: Math.max(1, Math.ceil(waitMs)) });
}

/** Waits for another's question to end, but no longer than the own caller does. */
async function settledOrLeft(
  other: Promise<unknown>,
  { what }: HistoryQuestion,
  { timeoutMs, signal }: RequestContext,
): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new TwsError("cancelled", `The request for ${what} was cancelled.`));
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(
    () => reject(new TwsError("timeout", `TWS did not answer the request for ${what} in time.`)),
    timeoutMs,
  );
  try {
    await Promise.race([other, promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}
