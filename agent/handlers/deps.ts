import type { Order } from "../../shared/order.ts";
import type { Limits } from "../limits.ts";
import type { Intents } from "../orders/intent.ts";
import type { QuoteStreams, RequestContext, TwsSession } from "../tws/api.ts";
import type { OrderBook } from "../tws/order-book.ts";
import type { CallContext } from "./handlers-for.ts";

/** What the handlers stand on. */
export interface HandlerDeps {
  readonly session: TwsSession;
  readonly orderBook: OrderBook;
  readonly quotes: QuoteStreams;
  readonly limits: Limits;
  readonly intents: Intents<readonly Order[]>;
  /** The only TWS that `ibkr_connect` accepts. */
  readonly target: { readonly host: string; readonly port: number; readonly clientId: number };
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** One request to TWS within a call. */
export const requestOf = ({ twsTimeoutMs, signal }: CallContext): RequestContext => ({
  timeoutMs: twsTimeoutMs,
  signal,
});
