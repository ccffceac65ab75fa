import type { AccountOrders, StreamState } from "../../shared/events.ts";
import { isFinal } from "../../shared/order.ts";
import type { Order } from "../../shared/order.ts";
import { modeOf } from "../../shared/status.ts";
import type { TwsSession } from "./api.ts";
import type { OrderBook } from "./order-book.ts";

export type OrdersEvent =
  | { readonly kind: "orders"; readonly data: AccountOrders }
  | { readonly kind: "state"; readonly state: StreamState; readonly reason: string };

interface Watched {
  readonly session: TwsSession;
  readonly orderBook: Pick<OrderBook, "ofAccount" | "onChange">;
  readonly account: string;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** An order changes several times in a row; the changes are told as one. */
const mergeMs = 50;
const mostOrders = 100;
const mostWarnings = 3;

/**
 * The orders of one account as the book has them: all at once, and again after each change. Working orders come
 * before ended ones where there are too many. Returns the way to stop.
 */
export function watchOrders(
  { session, orderBook, account, log }: Watched,
  listener: (event: OrdersEvent) => void,
): () => void {
  const stopping = new AbortController();
  let told = "";
  let timer: NodeJS.Timeout | null = null;
  let state: StreamState = "live";

  const setState = (next: StreamState, reason: string): void => {
    if (state === next) return;
    state = next;
    listener({ kind: "state", state, reason });
  };
  const tell = async (): Promise<void> => {
    timer = null;
    const { connection } = session;
    const orders = await orderBook.ofAccount(account, stopping.signal);
    // what was read of an earlier session is followed by another reading
    if (stopping.signal.aborted || connection !== session.connection) return;
    if (state === "gap") setState("live", "");
    const shown = pictureOf(orders);
    const text = JSON.stringify(shown);
    if (text === told) return;
    told = text;
    const time = new Date().toISOString();
    listener({ kind: "orders", data: { account, mode: modeOf(account), time, ...shown } });
  };
  const tellSoon = (): void => {
    timer ??= setTimeout(
      () => void tell().catch((error: unknown) => log("tws.watcher_failed", { account, error })),
      mergeMs,
    );
  };

  const { state: now } = session.status().tws;
  if (now !== "connected") setState("stale", now === "upstream_down" ? noUpstream : noSession);
  if (session.connection > 0) tellSoon();
  let wasUpstreamDown = now === "upstream_down";
  const offs = [
    orderBook.onChange(tellSoon),
    session.onConnected(() => {
      setState("gap", "TWS has begun a new session; the orders are read again.");
      tellSoon();
    }),
    session.onDisconnected(() => setState("stale", noSession)),
    session.onStatus(({ tws }) => {
      if (tws.state === "upstream_down") setState("stale", noUpstream);
      // the book reads the orders of the outage again
      if (tws.state === "connected" && wasUpstreamDown) {
        setState("gap", "TWS had lost its connection to IBKR; the orders are read again.");
        tellSoon();
      }
      wasUpstreamDown = tws.state === "upstream_down";
    }),
  ];
  return () => {
    stopping.abort();
    if (timer !== null) clearTimeout(timer);
    for (const off of offs) off();
  };
}

const noSession = "There is no session with TWS.";
const noUpstream = "TWS is running but has lost its connection to IBKR.";

function pictureOf(all: readonly Order[]): Pick<AccountOrders, "orders" | "ordersTotal"> {
  const working = all.filter(({ status }) => !isFinal(status)).slice(-mostOrders);
  const room = mostOrders - working.length;
  const ended = room === 0 ? [] : all.filter(({ status }) => isFinal(status)).slice(-room);
  const shown = new Set([...working, ...ended]);
  const orders = all.flatMap((order) =>
    shown.has(order)
      ? { ...order, warnings: order.warnings.slice(-mostWarnings).map((text) => text.slice(0, 300)) }
      : [],
  );
  return { orders, ordersTotal: all.length };
}
