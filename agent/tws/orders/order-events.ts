import { EventName } from "@stoqey/ib";
import type { TwsNotice, TwsSession } from "../session/api.ts";
import type { NoticeKind } from "../session/notice-table.ts";
import { noticeKind } from "../session/errors.ts";
import type { Executions } from "./executions.ts";
import type { createOrderIds } from "./order-ids.ts";
import type { OrderRecord, OrderRecords } from "./order-records.ts";
import { parseCommission, parseExecution, parseOpenOrder, parseStatus } from "./order-wire.ts";
import type { OrderRow } from "./order-wire.ts";

/** What TWS answers to one message about an order, while we wait for it. */
export interface Exchange {
  /** The connection ended after the message was written. */
  dropped: boolean;
  /** The notice that refuses it, if one has come. */
  refusal: TwsNotice | null;
  /** The notice that TWS does not find the order, if one has come. */
  notFound: TwsNotice | null;
  /** What other notices mean, in the order they came. */
  readonly notices: NoticeKind[];
  /** The last openOrder for the order since the message. */
  shown: OrderRow | null;
  /** Ends the waiting for what TWS says about it. */
  close(): void;
}

interface Deps {
  readonly session: TwsSession;
  readonly records: OrderRecords;
  readonly executions: Executions;
  readonly ids: ReturnType<typeof createOrderIds>;
  /** Called when TWS has said something of an order that only its lists can make certain. */
  readonly onUncertain: () => void;
}

/** Takes in what TWS says about orders, and wakes whoever waits for it. */
export function listenToOrders({ session, records, executions, ids, onUncertain }: Deps) {
  const exchanges = new Map<Exchange, number>();
  const wakers = new Set<() => void>();
  const wake = () => {
    for (const waker of wakers) waker();
  };
  /** An answer that is waited for is judged by who waits. */
  const lookAt = (record: OrderRecord | undefined) => {
    if (record === undefined || exchangesOf(record.orderId).length > 0) return;
    if (record.status !== "Unknown" && records.isUncertain(record)) onUncertain();
  };
  const exchangesOf = (orderId: number) =>
    [...exchanges].flatMap(([exchange, id]) => (id === orderId ? [exchange] : []));

  const offs = [
    session.on(EventName.openOrder, (...args) => {
      const row = parseOpenOrder(...args);
      if (row.order.whatIf) return;
      ids.saw(row.orderId);
      lookAt(records.openOrder(row));
      if (row.order.clientId === session.clientId)
        for (const exchange of exchangesOf(row.orderId)) exchange.shown = row;
      wake();
    }),
    session.on(EventName.orderStatus, (...args) => {
      const row = parseStatus(...args);
      ids.saw(row.orderId);
      lookAt(records.status(row));
      wake();
    }),
    session.on(EventName.execDetails, (...args) => {
      const row = parseExecution(...args);
      ids.saw(row.execution.orderId ?? 0);
      executions.add(row);
      records.execution(row);
      wake();
    }),
    session.on(EventName.commissionReport, (...args) => {
      executions.addCommission(parseCommission(...args));
      wake();
    }),
    session.on(EventName.orderBound, (permId, clientId, orderId) => {
      records.bound(permId, clientId, orderId);
      ids.saw(orderId);
      wake();
    }),
    session.on(EventName.nextValidId, (orderId) => ids.startsAt(orderId)),
    session.onConnected((nextValidId) => ids.startsAt(nextValidId)),
    session.onNotice((notice) => {
      // a system message is of no order
      const record = notice.id === -1 ? undefined : records.byId(notice.id);
      if (record === undefined) return;
      const kind = noticeKind(notice);
      const about = exchangesOf(notice.id);
      for (const exchange of about) {
        exchange.notices.push(kind);
        if (kind === "not_found") exchange.notFound ??= notice;
        if (kind === "refused" || kind === "duplicate_id") exchange.refusal ??= notice;
      }
      // a bare "Order Canceled - reason:" says no more than the status does
      const saysMore = kind === "cancelled" && !/reason:\s*$/i.test(notice.text);
      const unasked = kind === "refused" && about.length === 0;
      if (kind === "warning" || saysMore || unasked) records.warn(record, notice.text);
      const isOwn = record.clientId === session.clientId;
      if (about.length === 0 && isOwn && !record.isFinal && (kind === "refused" || kind === "cancelled")) {
        record.doubt = kind;
        onUncertain();
      }
      wake();
    }),
    session.onDisconnected(() => {
      for (const exchange of exchanges.keys()) exchange.dropped = true;
      wake();
    }),
  ];

  return {
    /** Opens the ear for one message about the order; before it is written. */
    exchange(orderId: number): Exchange {
      const exchange: Exchange = {
        dropped: false,
        refusal: null,
        notFound: null,
        notices: [],
        shown: null,
        close: () => void exchanges.delete(exchange),
      };
      exchanges.set(exchange, orderId);
      return exchange;
    },

    /** Resolves true once `isSo` holds, asked again after each event; false after `timeoutMs` or an abort. */
    until(isSo: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
      if (isSo()) return Promise.resolve(true);
      if (signal?.aborted === true) return Promise.resolve(false);
      return new Promise((resolve) => {
        const end = (held: boolean) => {
          clearTimeout(timer);
          wakers.delete(waker);
          signal?.removeEventListener("abort", onAbort);
          resolve(held);
        };
        const waker = () => {
          if (isSo()) end(true);
        };
        const onAbort = () => end(false);
        const timer = setTimeout(() => end(isSo()), timeoutMs);
        wakers.add(waker);
        signal?.addEventListener("abort", onAbort, { once: true });
      });
    },

    /** Lets everyone who waits look again. */
    wake,

    /** Told after each event. Returns the way to stop. */
    onChange(listener: () => void): () => void {
      const waker = () => listener();
      wakers.add(waker);
      return () => void wakers.delete(waker);
    },

    /** Stops listening to the session. */
    close(): void {
      for (const off of offs) off();
    },
  };
}
export type OrderEvents = ReturnType<typeof listenToOrders>;
