import { EventName } from "@stoqey/ib";
import type { Contract } from "../../../shared/contract.ts";
import { TwsError } from "../../../shared/errors.ts";
import type { marketDataTools } from "../../../shared/tools/market-data.ts";
import type { OutputOf } from "../../../shared/tools/define.ts";
import type { RequestContext, RequestControl, TwsSession } from "../session/api.ts";
import { meaningOf, twsErrorFor } from "../session/errors.ts";
import { contractToTws, textOrNull } from "../contracts/translate.ts";
import { countOf, quotedPriceOf } from "../session/figures.ts";

export type Level = OutputOf<(typeof marketDataTools)["ibkr_get_market_depth"]>["bids"][number];

export interface Book {
  /** Best first. */
  readonly bids: Level[];
  readonly asks: Level[];
}

export interface DepthRequest {
  readonly contract: Contract;
  /** Levels of each side. */
  readonly rows: number;
  /** One book over all venues, or that of the contract's venue alone. */
  readonly isSmart: boolean;
}

interface DepthTimes {
  /** So long after the last new level, the book is taken for whole. */
  readonly quietMs: number;
  readonly longestMs: number;
}

const usualTimes: DepthTimes = { quietMs: 400, longestMs: 3_000 };

interface Change {
  readonly position: number;
  /** 0 inserts, 1 updates, 2 deletes. */
  readonly operation: number;
  /** 0 ask, 1 bid. */
  readonly side: number;
  readonly level: Level | null;
}

/**
 * The order book of now: what TWS sends until nothing new comes, then the request is withdrawn, since few books may be
 * open at once. Throws no_market_data, pacing (too many books), no_data (nothing came) or tws_offline.
 */
export async function depthSnapshot(
  session: TwsSession,
  { contract, rows, isSmart }: DepthRequest,
  context: RequestContext,
  times: DepthTimes = usualTimes,
): Promise<Book> {
  const what = `the market depth of ${contract.symbol}`;
  const sides: { bid: Level[]; ask: Level[] } = { bid: [], ask: [] };
  const lastLookAt = performance.now() + times.longestMs;
  let quiet: NodeJS.Timeout | null = null;
  let reason: TwsError | null = null;

  const take = (control: RequestControl<Book>, change: Change): void => {
    const side = change.side === 1 ? sides.bid : sides.ask;
    const before = side.length;
    apply(side, change);
    // what only changes or leaves makes the book no more whole
    if (quiet !== null && side.length <= before) return;
    if (quiet !== null) clearTimeout(quiet);
    quiet = setTimeout(
      () => control.resolve({ bids: sides.bid.slice(0, rows), asks: sides.ask.slice(0, rows) }),
      Math.min(times.quietMs, lastLookAt - performance.now()),
    );
  };

  try {
    return await session.request<Book>(
      {
        lane: "data",
        what,
        start: (ib, reqId) => ib.reqMktDepth(reqId, contractToTws(contract), rows, isSmart),
        cancel: (ib, reqId) => ib.cancelMktDepth(reqId, isSmart),
        cancelAfter: true,
        on: {
          [EventName.updateMktDepth]: (control, _id, position, operation, side, price, size) =>
            take(control, { position, operation, side, level: levelOf(contract.secType, price, size, null) }),
          [EventName.updateMktDepthL2]: (control, _id, position, maker, operation, side, price, size) =>
            take(control, {
              position,
              operation,
              side,
              level: levelOf(contract.secType, price, size, textOrNull(maker)),
            }),
        },
        notice: (notice) => {
          if (notice.code === 317) {
            sides.bid = [];
            sides.ask = [];
            return true;
          }
          if (meaningOf(notice) === "advisory" && notice.code > 10_000) reason = twsErrorFor(notice, what);
          return false;
        },
      },
      { ...context, timeoutMs: Math.min(context.timeoutMs, times.longestMs + times.quietMs) },
    );
  } catch (error) {
    if (error instanceof TwsError && error.code === "timeout") throw reason ?? empty(what);
    throw error;
  } finally {
    if (quiet !== null) clearTimeout(quiet);
  }
}

function apply(side: Level[], { position, operation, level }: Change): void {
  switch (operation) {
    case 0:
      if (level !== null) side.splice(position, 0, level);
      return;
    case 1:
      if (level !== null) side[position] = level;
      return;
    case 2:
      side.splice(position, 1);
      return;
    default:
  }
}

function levelOf(
  secType: string,
  price: number | undefined,
  size: number | undefined,
  venue: string | null,
): Level | null {
  const [at, many] = [quotedPriceOf(price, { secType, size }), countOf(size)];
  return at === null || many === null ? null : { price: at, size: many, venue };
}

function empty(what: string): TwsError {
  return new TwsError("no_data", `TWS sent nothing for ${what}.`, {
    nextStep: "The market may be closed, or the venue keep no book: call ibkr_get_quotes instead.",
  });
}
