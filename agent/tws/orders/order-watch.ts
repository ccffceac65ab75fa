import { type AccountOrders, type Condition, conditionOf, live } from "../../../shared/events.ts";
import { TwsError } from "../../../shared/errors.ts";
import { hasEnded } from "../../../shared/order.ts";
import type { Order } from "../../../shared/order.ts";
import { modeOf } from "../../../shared/status.ts";
import type { TwsSession } from "../session/api.ts";
import type { OrderBook } from "./order-book.ts";
import type { Log } from "../../process/log.ts";

export type OrdersEvent =
  | { readonly kind: "orders"; readonly data: AccountOrders }
  | ({ readonly kind: "state" } & Condition);

interface Watched {
  readonly session: TwsSession;
  readonly orderBook: Pick<OrderBook, "whenRead" | "ofAccount" | "onChange">;
  readonly account: string;
  readonly log: Log;
}

/** An order changes several times in a row; the changes are told as one. */
const mergeMs = 50;
/** Until the orders are asked for again after TWS did not list them. */
const retryMs = 5_000;
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
  let condition = live;

  const setState = (next: Condition): void => {
    if (condition.state === next.state) return;
    condition = next;
    listener({ kind: "state", ...condition });
  };
  const tell = async (): Promise<void> => {
    timer = null;
    const { connection } = session;
    await orderBook.whenRead(stopping.signal);
    const orders = await orderBook.ofAccount(account, stopping.signal);
    // what was read of an earlier session is followed by another reading
    if (stopping.signal.aborted || connection !== session.connection) return;
    if (condition.state === "gap" || condition.reason === "silent") setState(live);
    const shown = pictureOf(orders);
    const text = JSON.stringify(shown);
    if (text === told) return;
    told = text;
    const time = new Date().toISOString();
    listener({ kind: "orders", data: { account, mode: modeOf(account), time, ...shown } });
  };
  const failed = (error: unknown): void => {
    if (stopping.signal.aborted) return;
    log.warn("orders.not_told", { account, error });
    // without a session the next one begins with a reading
    if (session.status().tws.state !== "connected") return;
    const why =
      error instanceof TwsError && error.code === "read_only_api"
        ? "The API of TWS is read-only, so it lists no orders; they are asked for again."
        : "TWS has not listed its orders; they are asked for again.";
    setState(conditionOf("silent", why));
    tellIn(retryMs);
  };
  const tryToTell = async (): Promise<void> => {
    try {
      await tell();
    } catch (error) {
      failed(error);
    }
  };
  const tellIn = (ms: number): void => {
    timer ??= setTimeout(() => void tryToTell(), ms);
  };
  const tellSoon = (): void => tellIn(mergeMs);

  const { state: now } = session.status().tws;
  if (now !== "connected")
    setState(conditionOf(now === "upstream_down" ? "tws_upstream_down" : "tws_offline"));
  if (session.connection > 0) tellSoon();
  let wasUpstreamDown = now === "upstream_down";
  const offs = [
    orderBook.onChange(tellSoon),
    session.onConnected(() => {
      setState(conditionOf("new_session", "TWS has begun a new session; the orders are read again."));
      tellSoon();
    }),
    session.onDisconnected(() => setState(conditionOf("tws_offline"))),
    session.onStatus(({ tws }) => {
      if (tws.state === "upstream_down" && !wasUpstreamDown) setState(conditionOf("tws_upstream_down"));
      // the book reads the orders of the outage again
      if (tws.state === "connected" && wasUpstreamDown) {
        setState(
          conditionOf("upstream_returned", "TWS had lost its connection to IBKR; the orders are read again."),
        );
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

function pictureOf(all: readonly Order[]): Pick<AccountOrders, "orders" | "ordersTotal"> {
  const working = all.filter((order) => !hasEnded(order)).slice(-mostOrders);
  const room = mostOrders - working.length;
  const ended = room === 0 ? [] : all.filter(hasEnded).slice(-room);
  const shown = new Set([...working, ...ended]);
  const orders = all.flatMap((order) =>
    shown.has(order)
      ? { ...order, warnings: order.warnings.slice(-mostWarnings).map((text) => text.slice(0, 300)) }
      : [],
  );
  return { orders, ordersTotal: all.length };
}
