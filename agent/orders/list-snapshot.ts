import { TwsError } from "../../shared/errors.ts";
import type { Journal } from "../journal/journal.ts";
import { currentTime, positions } from "../tws/account/account.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";
import type { ExecutionRow } from "../tws/orders/order-wire.ts";
import type { RequestContext, TwsSession } from "../tws/session/api.ts";
import type { ListsProof } from "./order-fate.ts";

/** What TWS's lists, its positions and its clock said at one time. */
export interface ListSnapshot {
  /** When TWS was asked, by the clock of the process. */
  readonly requestedAt: number;
  /** The same in Unix milliseconds. */
  readonly askedAt: number;
  /** The references on any of the lists. */
  readonly refs: ReadonlySet<string>;
  /** What the lists prove about an order that was sent at this Unix time. */
  readonly proofFor: (sentAt: number) => ListsProof;
  /** The position of an account in an instrument; null when TWS has not told its positions. */
  readonly positionOf: (account: string, conId: number) => number | null;
  /** The position without the fills listed: it stays as it is while lists and positions tell the same story. */
  readonly positionBefore: (account: string, conId: number) => number | null;
}

interface Deps {
  readonly orderBook: OrderBook;
  readonly session: TwsSession;
  readonly journal: Journal;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** Clocks that are further apart say nothing of which of two orders came first. */
const mostSkewMs = 60_000;
/** TWS tells its time in whole seconds. */
const usualSkewMs = 2_000;

/**
 * Reads all lists once, and TWS's positions and clock where an order that is looked for `isWanting` on them. Throws as
 * `readAll` does.
 */
export async function readSnapshot(
  deps: Deps,
  context: RequestContext,
  isWanting: () => boolean,
): Promise<ListSnapshot> {
  const { orderBook, session, journal, now } = deps;
  // what TWS lists is of the time when it was asked
  const requestedAt = performance.now();
  const askedAt = now();
  const { refs, fills, wholeSince } = await orderBook.readAll(context);
  const [held, seconds] = isWanting()
    ? await Promise.all([orNull(positions(session, context)), orNull(currentTime(session, context))])
    : [null, null];
  const skewMs = seconds === null ? null : seconds * 1000 - now();
  const since = wholeSince === null || skewMs === null ? null : onOurClock(wholeSince, skewMs);
  const positionOf = (account: string, conId: number) =>
    held === null
      ? null
      : held
          .filter((row) => row.account === account && row.contract.conId === conId)
          .reduce((sum, { position }) => sum + position, 0);
  return {
    requestedAt,
    askedAt,
    refs,
    proofFor(sentAt) {
      if (since === null || since > sentAt) return "unproven";
      return isMissing({ journal, session }, refs, since) ? "short" : "whole";
    },
    positionOf,
    positionBefore(account, conId) {
      const position = positionOf(account, conId);
      return position === null ? null : position - filledIn(fills, account, conId);
    },
  };
}

/** Null when the clocks are too far apart. */
function onOurClock(at: number, skewMs: number): number | null {
  if (Math.abs(skewMs) > mostSkewMs) return null;
  return Math.abs(skewMs) <= usualSkewMs ? at : at - skewMs;
}

/** Whether an order that is known to be at TWS, or to have filled there since then, is on none of the lists. */
function isMissing(
  { journal, session }: Pick<Deps, "journal" | "session">,
  refs: ReadonlySet<string>,
  since: number,
): boolean {
  const ofLogin = new Set(session.accounts());
  return journal
    .filledSince(since)
    .some(({ orderRef, account }) => ofLogin.has(account) && !refs.has(orderRef));
}

function filledIn(fills: readonly ExecutionRow[], account: string, conId: number): number {
  return fills
    .filter(({ execution, contract }) => execution.acctNumber === account && contract.conId === conId)
    .reduce((sum, { execution: { side, shares } }) => sum + (side === "BOT" ? shares : -shares), 0);
}

/** What TWS does not tell is not known, and nothing is concluded from it. */
const orNull = <T>(read: Promise<T>): Promise<T | null> =>
  read.catch((error: unknown) => {
    if (error instanceof TwsError) return null;
    throw error;
  });
