import { TwsError } from "../../../shared/errors.ts";
import type { RequestContext, TwsSession } from "./api.ts";
import { upstreamDown } from "./errors.ts";

export interface ReadContext extends RequestContext {
  /** To be called when the request is written: nobody joins it from then on. */
  readonly written: () => void;
}

interface Question {
  /** Equal for equal answers. */
  readonly key: string;
  /** Words for messages: "the account summary". */
  readonly what: string;
}

export type Read<T> = (
  question: Question,
  context: RequestContext,
  ask: (context: ReadContext) => Promise<T>,
) => Promise<T>;

/** One request for all who ask the same. */
interface Shared<T> {
  readonly answer: Promise<T>;
  readonly left: AbortController;
  readonly isWritten: () => boolean;
  callers: number;
}

/** The callers' own times end a request; this one is longer than any of them. */
const longestMs = 600_000;

/**
 * One kind of read, which many may ask for at once. Who asks for the same shares one request to TWS, but only while
 * that is not written yet: TWS takes our messages in their order, so what is written after a call began knows all that
 * TWS had confirmed before the call, an order that it took or a fill. What was written before may not know it, and is
 * never joined. So however many ask, one request runs and one waits. A caller that leaves takes nothing from the
 * others; when the last one has left, the request is withdrawn.
 */
export function createRead<T>(session: TwsSession): Read<T> {
  const joinable = new Map<string, Shared<T>>();
  /** When the latest request of each key is over, well or not. */
  const over = new Map<string, Promise<void>>();

  const begin = (key: string, ask: (context: ReadContext) => Promise<T>): Shared<T> => {
    const left = new AbortController();
    let isWritten = false;
    const close = (): void => {
      if (joinable.get(key) === shared) joinable.delete(key);
    };
    const written = (): void => {
      isWritten = true;
      close();
    };
    const run = async (): Promise<T> => {
      await over.get(key);
      left.signal.throwIfAborted();
      return ask({ timeoutMs: longestMs, signal: left.signal, written });
    };
    const answer = run();
    const ended = endOf(answer);
    const shared: Shared<T> = { answer, left, isWritten: () => isWritten, callers: 0 };
    joinable.set(key, shared);
    over.set(key, ended);
    left.signal.addEventListener("abort", close, { once: true });
    const forget = async (): Promise<void> => {
      await ended;
      close();
      if (over.get(key) === ended) over.delete(key);
    };
    void forget();
    return shared;
  };

  return async ({ key, what }, { timeoutMs, signal }, ask) => {
    const cancelled = (): TwsError => new TwsError("cancelled", `The request for ${what} was cancelled.`);
    const late = (): TwsError => {
      if (session.status().tws.state === "upstream_down") return upstreamDown();
      const seconds = Math.round(timeoutMs / 100) / 10;
      return shared.isWritten()
        ? new TwsError("timeout", `TWS did not answer the request for ${what} within ${seconds} s.`)
        : new TwsError(
            "timeout",
            `Earlier requests kept TWS busy for ${seconds} s, so that for ${what} was not sent.`,
          );
    };
    if (signal.aborted) throw cancelled();
    const shared = joinable.get(key) ?? begin(key, ask);
    shared.callers += 1;
    const { promise: gone, reject } = Promise.withResolvers<never>();
    const leave = (error: TwsError): void => {
      reject(error);
      shared.callers -= 1;
      if (shared.callers === 0) shared.left.abort(error);
    };
    const onAbort = (): void => leave(cancelled());
    signal.addEventListener("abort", onAbort, { once: true });
    const timer = setTimeout(() => leave(late()), Math.max(0, timeoutMs));
    try {
      return await Promise.race([shared.answer, gone]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  };
}

/** Resolves when it is over, well or not. */
async function endOf(answer: Promise<unknown>): Promise<void> {
  await answer.catch(() => undefined);
}

/** What a session has one of, made when first asked for. */
export function perSession<T>(create: (session: TwsSession) => T): (session: TwsSession) => T {
  const made = new WeakMap<TwsSession, T>();
  return (session) => {
    const existing = made.get(session);
    if (existing !== undefined) return existing;
    const value = create(session);
    made.set(session, value);
    return value;
  };
}
