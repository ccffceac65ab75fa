import type { Client } from "../wire/client.ts";
import type { Request } from "../wire/requests.ts";
import { usualText } from "../wire/tws-texts.ts";

/** The kinds of request that a reply can be scripted for, by the simulator's names. */
export type RequestKind = Exclude<Request["type"], "startApi" | "ignored" | "unsupported" | "unknown">;

/** What TWS says to every request of a kind, whatever it usually would. */
export type Reply =
  /** The error alone. Under the request's or order's id; -1 for a request without one. */
  | { readonly does: "refuse"; readonly code: number; readonly text?: string; readonly times?: number }
  /** The error first, and then the usual answer. */
  | { readonly does: "remark"; readonly code: number; readonly text?: string; readonly times?: number }
  /** Nothing comes. */
  | { readonly does: "ignore"; readonly times?: number };

const kinds: Readonly<Record<RequestKind, true>> = {
  advisorData: true,
  accountSummary: true,
  accountUpdates: true,
  accountUpdatesMulti: true,
  allOpenOrders: true,
  autoOpenOrders: true,
  cancelAccountSummary: true,
  cancelAccountUpdatesMulti: true,
  cancelEventTypes: true,
  cancelEvents: true,
  cancelHistoricalData: true,
  cancelMarketData: true,
  cancelMarketDepth: true,
  cancelNewsBulletins: true,
  cancelOrder: true,
  cancelPnl: true,
  cancelPnlSingle: true,
  cancelPositions: true,
  cancelPositionsMulti: true,
  cancelRealTimeBars: true,
  cancelScan: true,
  cancelTickByTick: true,
  completedOrders: true,
  contractDetails: true,
  currentTime: true,
  eventTypes: true,
  depthExchanges: true,
  events: true,
  executions: true,
  familyCodes: true,
  fundamentals: true,
  globalCancel: true,
  headTimestamp: true,
  histogram: true,
  historicalData: true,
  historicalNews: true,
  historicalTicks: true,
  impliedVolatility: true,
  managedAccounts: true,
  marketData: true,
  marketDataType: true,
  marketDepth: true,
  marketRule: true,
  matchingSymbols: true,
  newsArticle: true,
  newsBulletins: true,
  newsProviders: true,
  nextValidId: true,
  openOrders: true,
  optionChains: true,
  optionPrice: true,
  placeOrder: true,
  pnl: true,
  pnlSingle: true,
  positions: true,
  positionsMulti: true,
  realTimeBars: true,
  scan: true,
  scannerParameters: true,
  smartComponents: true,
  softDollarTiers: true,
  tickByTick: true,
  userInfo: true,
};

export const requestKinds: readonly string[] = Object.keys(kinds);
export const isRequestKind = (name: string): name is RequestKind => Object.hasOwn(kinds, name);

export interface Replies {
  /** Null ends it. */
  set(kind: RequestKind, reply: Reply | null): void;
  /** Does what is scripted for the request; `answer` is what would be done otherwise. */
  handle(client: Client, request: Request, answer: () => void): void;
}

/** The id under which TWS refuses a request: -1 for one without. */
export function idOf(request: Request): number {
  if ("reqId" in request) return request.reqId;
  return "orderId" in request ? request.orderId : -1;
}

/** Stands between the requests and the handlers that answer them. */
export function createReplies(): Replies {
  const replies = new Map<string, { readonly reply: Reply; left: number }>();

  return {
    set(kind, reply) {
      if (reply === null) replies.delete(kind);
      else replies.set(kind, { reply, left: reply.times ?? Number.POSITIVE_INFINITY });
    },
    handle(client, request, answer) {
      const entry = replies.get(request.type);
      if (entry === undefined) return answer();
      entry.left -= 1;
      if (entry.left <= 0) replies.delete(request.type);
      const { reply } = entry;
      if (reply.does === "ignore") return;
      const id = idOf(request);
      client.error(id, reply.code, reply.text ?? usualText(reply.code, id));
      if (reply.does === "remark") answer();
    },
  };
}
