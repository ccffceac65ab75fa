import type { Contract } from "../../../shared/contract.ts";
import { TwsError } from "../../../shared/errors.ts";
import type { Quote } from "../../../shared/events.ts";
import type { QuoteEvent, QuoteStreams, RequestContext } from "../session/api.ts";
import { filledFields, isComplete } from "./ticks.ts";

export interface SnapshotTimes {
  /** So long after the last new field, what is there is all there is. */
  readonly quietMs: number;
  /** The day's open, volume and halt come right behind the prices: so long after the last of them nothing does. */
  readonly restMs: number;
  /** TWS itself gives a snapshot up after 11 s. */
  readonly longestMs: number;
}

interface SnapshotSource extends Pick<QuoteStreams, "watch"> {
  /** The notice of TWS about an instrument's data without ending it. */
  noticeOn(contract: Contract): TwsError | null;
}

/**
 * A snapshot made from a stream: complete within one burst of ticks where TWS's own takes up to 11 s, and free when
 * somebody watches the instrument already.
 */
export async function takeSnapshot(
  source: SnapshotSource,
  contract: Contract,
  context: RequestContext,
  times: SnapshotTimes,
): Promise<{ readonly quote: Quote; readonly asOf: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<Quote>();
  const longestMs = Math.min(times.longestMs, context.timeoutMs);
  let quote: Quote | null = null;
  let filled = 0;
  let stale: TwsError | null = null;
  let quiet: NodeJS.Timeout | null = null;

  const finish = (): void => {
    if (quote !== null && stale === null && hasPrice(quote)) resolve(quote);
  };
  const onState = (event: QuoteEvent & { readonly kind: "state" }): void => {
    stale = event.state === "stale" || event.state === "ended" ? (event.error ?? noPrice(contract)) : null;
    // a broken farm may not be this instrument's, so its ticks are waited for
    if (stale !== null && (event.state === "ended" || stale.code !== "tws_upstream_down")) reject(stale);
  };
  const onQuote = (next: Quote): void => {
    quote = next;
    const isWhole = isComplete(next, contract.secType);
    if (isWhole && (times.restMs === 0 || isAtRest(next, times.restMs))) return finish();
    if (filledFields(next) <= filled) return;
    filled = filledFields(next);
    if (quiet !== null) clearTimeout(quiet);
    quiet = setTimeout(finish, isWhole ? times.restMs : times.quietMs);
  };
  const onAbort = (): void =>
    reject(new TwsError("cancelled", `The quote of ${contract.symbol} was cancelled.`));

  const longest = setTimeout(() => {
    finish();
    reject(stale ?? source.noticeOn(contract) ?? noPrice(contract));
  }, longestMs);
  if (context.signal.aborted) onAbort();
  context.signal.addEventListener("abort", onAbort, { once: true });
  const unwatch = source.watch(contract, (event) => {
    if (event.kind === "state") onState(event);
    else onQuote(event.quote);
  });
  try {
    return { quote: await promise, asOf: new Date().toISOString() };
  } finally {
    unwatch();
    clearTimeout(longest);
    if (quiet !== null) clearTimeout(quiet);
    context.signal.removeEventListener("abort", onAbort);
  }
}

/** Somebody watches it already, and what came behind its first prices has come. */
const isAtRest = ({ time }: Quote, restMs: number): boolean =>
  time !== null && Date.now() - Date.parse(time) > restMs;

const hasPrice = ({ bid, ask, last, close }: Quote): boolean =>
  bid !== null || ask !== null || last !== null || close !== null;

function noPrice({ symbol }: Contract): TwsError {
  return new TwsError("timeout", `TWS sent no price of ${symbol}.`, {
    nextStep: "The market may be closed or the instrument not traded: ask for historical data instead.",
  });
}
