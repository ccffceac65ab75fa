import type { Limits } from "../limits/limits.ts";
import type { Orders } from "../orders/orders.ts";
import type { QuoteStreams, TwsSession } from "../tws/session/api.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";

/** What the handlers stand on. */
export interface HandlerDeps {
  readonly session: TwsSession;
  /** For looking only: whatever changes an order goes through `orders`. */
  readonly orderBook: OrderBook;
  readonly quotes: QuoteStreams;
  readonly limits: Limits;
  readonly orders: Orders;
  /** The only TWS that `ibkr_connect` connects to. */
  readonly target: { readonly host: string; readonly port: number; readonly clientId: number };
  /** Unix milliseconds. */
  readonly now: () => number;
}
