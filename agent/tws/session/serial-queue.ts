import { TwsError } from "../../../shared/errors.ts";
import type { RequestContext } from "./api.ts";

export type Turns = <T>(
  what: string,
  context: RequestContext,
  task: (context: RequestContext) => Promise<T>,
) => Promise<T>;

/**
 * Lets tasks run one after the other, for requests of which TWS allows one at a time. The wait counts against the
 * task's own time; throws timeout or cancelled if the turn does not come.
 */
export function createTurns(): Turns {
  let last: Promise<void> = Promise.resolve();

  return async (what, context, task) => {
    const before = last;
    const { promise: done, resolve: finish } = Promise.withResolvers<void>();
    // whoever leaves early still passes the turn on only after those before
    last = before.then(() => done);
    const startedAt = performance.now();
    try {
      await turnOrEnd(before, what, context);
      return await task({ ...context, timeoutMs: context.timeoutMs - (performance.now() - startedAt) });
    } finally {
      finish();
    }
  };
}

async function turnOrEnd(
  turn: Promise<void>,
  what: string,
  { timeoutMs, signal }: RequestContext,
): Promise<void> {
  const { promise: end, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new TwsError("cancelled", `The request for ${what} was cancelled.`));
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(
    () => {
      reject(
        new TwsError(
          "timeout",
          `Other requests for ${what} kept TWS busy for ${Math.round(timeoutMs / 1000)} s.`,
        ),
      );
    },
    Math.max(0, timeoutMs),
  );
  try {
    await Promise.race([turn, end]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}
