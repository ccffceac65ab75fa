import { TwsError } from "../../../shared/errors.ts";
import type { CompletedOrder, Execution, Order } from "../../../shared/order.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import type { Log } from "../../process/log.ts";
import { createExecutions } from "./executions.ts";
import { reserveBracket } from "./order-bracket.ts";
import type { BracketSpec } from "./order-bracket.ts";
import { cancelAll } from "./order-cancel-all.ts";
import type { CancelledAll } from "./order-cancel-all.ts";
import { cancelOrder } from "./order-cancel.ts";
import { changedSpec, reserveChange } from "./order-change.ts";
import type { OrderChanges } from "./order-change.ts";
import { requireUpstream, usualOrderTimes } from "./order-context.ts";
import type { OrderTimes, Reservation } from "./order-context.ts";
import { listenToOrders } from "./order-events.ts";
import { createOrderIds } from "./order-ids.ts";
import { reserveOrder } from "./order-place.ts";
import { previewOrder } from "./order-preview.ts";
import type { OrderPreview } from "./order-preview.ts";
import { createOrderRecords } from "./order-records.ts";
import type { OrderRecord } from "./order-records.ts";
import { createOrderRefresh } from "./order-refresh.ts";
import type { OrderLists } from "./order-refresh.ts";
import { requestExecutions } from "./order-requests.ts";
import type { OrderSpec } from "./order-wire.ts";

const isReadOnly = (error: unknown): error is TwsError =>
  error instanceof TwsError && error.code === "read_only_api";

/**
 * What TWS says about orders, and the only way to send one. After each new connection the book reads the open
 * orders and today's fills again, and no order is sent before that. Make it with the session, before that connects.
 */
export function createOrderBook(session: TwsSession, log: Log, ownTimes: Partial<OrderTimes> = {}) {
  const times = { ...usualOrderTimes, ...ownTimes };
  const executions = createExecutions(() => session.zone());
  const records = createOrderRecords(executions, session.clientId, () => session.zone());
  const ids = createOrderIds((orderId) => records.own(orderId) !== undefined);
  const events = listenToOrders({ session, records, executions, ids, onUncertain: () => void makeCertain() });
  const lists = createOrderRefresh({ session, records, executions });
  const orders = { session, records, executions, ids, events, lists, times };
  const closing = new AbortController();
  /** Whether the reading succeeded. */
  let reconciled: Promise<boolean> = Promise.resolve(true);
  /** Why the last reading did not. */
  let notRead: unknown = null;
  let wasUpstreamDown = false;
  /** Another agent may have ended orders since the ended ones were read. */
  let mustReadEnded = false;

  async function readLists(): Promise<void> {
    const context = { timeoutMs: times.listMs, signal: closing.signal };
    if (!mustReadEnded) return lists.refresh(context);
    await lists.readAll(context);
    mustReadEnded = false;
  }

  const reconcile = () => {
    reconciled = readLists().then(
      () => true,
      (error: unknown) => {
        notRead = error;
        // the session has said so already
        if (!closing.signal.aborted && !isReadOnly(error)) log.error("orders.not_read", { error });
        return false;
      },
    );
  };
  const offs = [
    session.onConnected(reconcile),
    session.onStatus(({ tws }) => {
      // fills of the outage may be missing even if TWS lost no data
      if (tws.state === "connected" && wasUpstreamDown) reconcile();
      wasUpstreamDown = tws.state === "upstream_down";
    }),
  ];

  let isMakingCertain = false;
  /** Reads TWS's lists while its news of an order leave open where that stands, and lets who waits look again. */
  async function makeCertain(): Promise<void> {
    if (isMakingCertain) return;
    isMakingCertain = true;
    const isUncertain = () =>
      records.all().some((record) => record.status !== "Unknown" && records.isUncertain(record));
    while (isUncertain() && session.status().tws.state === "connected" && !closing.signal.aborted) {
      await lists.openOrders({ timeoutMs: times.listMs, signal: closing.signal }).catch(() => []);
      events.wake();
      await events.until(() => !isUncertain(), times.listMs, closing.signal);
    }
    isMakingCertain = false;
  }

  /** Whether the orders have been read. Returns early when the call ends; what follows then refuses it. */
  async function whenReconciled(signal: AbortSignal): Promise<boolean> {
    const { promise: ended, resolve } = Promise.withResolvers<boolean>();
    const onAbort = () => resolve(false);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    let awaited: Promise<boolean> | null = null;
    let isRead = false;
    // a connection that ended meanwhile is followed by another reading
    while (awaited !== reconciled && !signal.aborted) {
      awaited = reconciled;
      isRead = await Promise.race([reconciled, ended]);
    }
    signal.removeEventListener("abort", onAbort);
    return isRead;
  }

  /** Reads once more what could not be read; the order asked for now may be among what is not known. */
  async function requireReconciled(signal: AbortSignal): Promise<void> {
    const failed = (await whenReconciled(signal)) ? null : reconciled;
    if (failed === null || signal.aborted) return;
    requireUpstream(session);
    // another call may have begun the next reading already
    if (failed === reconciled) reconcile();
    if ((await whenReconciled(signal)) || signal.aborted) return;
    if (isReadOnly(notRead)) throw notRead;
    throw new TwsError("timeout", "TWS has not listed its orders, so nothing was sent.", {
      nextStep: "Try again in a few seconds; this call has placed nothing.",
    });
  }

  /** Resolves with the next session in which the lists have been read; rejects when the book is closed. */
  async function whenBack(): Promise<void> {
    for (;;) {
      if (closing.signal.aborted) throw new TwsError("cancelled", "The agent is stopping.");
      const isUp = await session.whenConnected(times.listMs).then(
        () => true,
        () => false,
      );
      if (!isUp) {
        await events.until(() => session.status().tws.state === "connected", times.listMs, closing.signal);
        continue;
      }
      await whenReconciled(closing.signal);
      const isRead = await lists.refresh({ timeoutMs: times.listMs, signal: closing.signal }).then(
        () => true,
        () => false,
      );
      if (isRead) return;
    }
  }

  async function find(orderId: number, context: RequestContext): Promise<OrderRecord> {
    await whenReconciled(context.signal);
    const known = records.byId(orderId);
    if (known !== undefined && !records.isUncertain(known)) return known;
    const timeoutMs = known === undefined ? context.timeoutMs : Math.min(context.timeoutMs, times.listMs);
    try {
      await lists.refresh({ ...context, timeoutMs });
    } catch (error) {
      // what was sent can be cancelled also while TWS lists nothing
      const isUnlisted = error instanceof TwsError && error.code === "timeout";
      if (known === undefined || !isUnlisted) throw error;
    }
    const found = records.byId(orderId);
    const count = records.all().filter((record) => record.orderId === orderId).length;
    if (found === undefined && count > 1 && !records.isOwnId(orderId))
      throw new TwsError(
        "invalid_input",
        `orderId: ${count} orders of other API clients have the id ${orderId}.`,
        {
          nextStep: "Ask for it by its permId, which ibkr_get_open_orders shows.",
        },
      );
    if (found === undefined)
      throw new TwsError("order_not_found", `TWS shows no order with the id ${orderId}.`);
    return found;
  }

  return {
    /**
     * Resolves once the orders that TWS holds have been read on this connection, or the call has ended. Throws
     * tws_offline, tws_upstream_down, or timeout when TWS does not list them.
     */
    whenRead: requireReconciled,

    /** Another agent has served this host meanwhile: all lists are read again before the next order. */
    readAgain(): void {
      mustReadEnded = true;
      // without a session the next one begins with the reading
      if (session.connection > 0) reconcile();
    },

    /** No order id up to this one is given out: it was reserved by an earlier process, whatever became of it. */
    reserveIdsThrough: (orderId: number): void => ids.saw(orderId),

    /** `isOwn` tells the ids that orders of this client have had, listed or not: another client's order is no answer for them. */
    recogniseIds(isOwn: (orderId: number) => boolean): void {
      records.recogniseIds(isOwn);
    },

    /** See `reserveOrder`; refused like `whenRead` while it is not known what TWS holds. */
    async reserve(spec: OrderSpec, signal: AbortSignal): Promise<Reservation> {
      await requireReconciled(signal);
      return reserveOrder(orders, spec);
    },

    /** See `reserveBracket`; refused like `whenRead`. */
    async reserveBracket(spec: BracketSpec, signal: AbortSignal): Promise<Reservation> {
      await requireReconciled(signal);
      const { backWithinMs } = times;
      return reserveBracket(orders, spec, { whenBack, signal: closing.signal, backWithinMs });
    },

    /** See `previewOrder`; refused like `whenRead`, since the id it goes under may be that of a working order. */
    async preview(spec: OrderSpec, context: RequestContext): Promise<OrderPreview> {
      await requireReconciled(context.signal);
      return previewOrder(orders, spec, context);
    },

    /** See `cancelAll`. */
    async cancelAll(
      isWanted: ((account: string) => boolean) | null,
      context: RequestContext,
      beforeWrite: () => void = () => {},
    ): Promise<CancelledAll> {
      await whenReconciled(context.signal);
      return cancelAll(orders, isWanted, context, beforeWrite);
    },

    /**
     * See `reserveChange`; order_not_found for an id that TWS does not show. Each change sends the whole order, so two at
     * once undo each other: the next is reserved when this one is answered.
     */
    async reserveChange(
      orderId: number,
      changes: OrderChanges,
      context: RequestContext,
    ): Promise<Reservation> {
      return reserveChange(orders, await find(orderId, context), changes);
    },

    /** The order as it is, and as the change would send it. Throws as `reserveChange` does. */
    async changed(orderId: number, changes: OrderChanges, context: RequestContext) {
      const record = await find(orderId, context);
      return { order: records.toOrder(record), spec: changedSpec(orders, record, changes) };
    },

    /** See `cancelOrder`; `beforeWrite` is called right before the message is written. */
    async cancel(orderId: number, context: RequestContext, beforeWrite?: () => void): Promise<Order> {
      return cancelOrder(orders, await find(orderId, context), context.signal, beforeWrite);
    },

    /** Cancels an order of this client that TWS may hold without having shown it: the entry of a bracket, held back. */
    async cancelUnseen(
      orderId: number,
      spec: OrderSpec,
      signal: AbortSignal,
      beforeWrite?: () => void,
    ): Promise<Order> {
      const known = records.own(orderId);
      const record = known ?? records.expect(orderId, spec);
      try {
        return await cancelOrder(orders, record, signal, beforeWrite);
      } finally {
        if (known === undefined && !record.acknowledged) records.forget(record);
      }
    },

    /**
     * Reads all that TWS lists of today's orders: working, ended, and fills. What it does not show may be held by one of
     * its dialogs, or be of a time that the lists leave out. Throws the offline errors, timeout and cancelled.
     */
    async readAll(context: RequestContext): Promise<OrderLists> {
      await whenReconciled(context.signal);
      return lists.readAll(context);
    },

    /** The order that carries the reference, if TWS has shown it by now; asks nobody and waits for nothing. */
    shown(orderRef: string): Order | null {
      const record = records.byRef(orderRef);
      return record === undefined ? null : records.toOrder(record);
    },

    /** Whether what `shown` returns has ended; null where it returns none. */
    hasEnded(orderRef: string): boolean | null {
      const record = records.byRef(orderRef);
      if (record === undefined) return null;
      // one that is Inactive has ended once TWS lists it no more
      return record.isFinal && !records.isUncertain(record);
    },

    /** The order of this client with the id, as `shown`. */
    shownOwn(orderId: number): Order | null {
      const record = records.own(orderId);
      return record === undefined || !record.acknowledged ? null : records.toOrder(record);
    },

    /** The order with IBKR's permanent id; TWS is asked only if the book does not know. Throws order_not_found. */
    async getByPermId(permId: number, context: RequestContext): Promise<Order> {
      await whenReconciled(context.signal);
      const known = records.byPermId(permId);
      if (known === undefined) await lists.readAll(context);
      else if (records.isUncertain(known)) await lists.readAll(context).catch(() => undefined);
      const record = records.byPermId(permId);
      if (record !== undefined) return records.toOrder(record);
      throw new TwsError("order_not_found", `TWS shows no order with the permId ${permId}.`);
    },

    /** Where an order is; TWS is asked only if the book does not know. Throws order_not_found. */
    async get(orderId: number, context: RequestContext): Promise<Order> {
      return records.toOrder(await find(orderId, context));
    },

    /**
     * The order once `isSo` holds of it, or as it is after `timeoutMs`; `onChange` is called with each state on the
     * way. Throws order_not_found, and invalid_input for an order of another client, whose news TWS keeps from us.
     */
    async waitFor(
      orderId: number,
      isSo: (order: Order) => boolean,
      onChange: (order: Order) => void,
      context: RequestContext,
    ): Promise<Order> {
      const record = await find(orderId, context);
      if (record.clientId !== session.clientId && !record.isFinal) {
        throw new TwsError(
          "invalid_input",
          `orderId: order ${orderId} belongs to another API client, and TWS tells only that one of it.`,
          { nextStep: "Ask for it from time to time with ibkr_get_open_orders." },
        );
      }
      let shown = "";
      const isReached = () => {
        if (records.isUncertain(record)) return false;
        const order = records.toOrder(record);
        const now = `${order.status} ${order.filled}`;
        if (now !== shown) onChange(order);
        shown = now;
        return isSo(order);
      };
      await events.until(isReached, context.timeoutMs, context.signal);
      return records.toOrder(record);
    },

    /** The orders that ended today, of all clients, as TWS lists them now. */
    async completedOrders(context: RequestContext): Promise<CompletedOrder[]> {
      await whenReconciled(context.signal);
      const rows = await lists.completedOrders(context);
      return rows.map((row) => records.toCompleted(row));
    },

    /** The order that carries the reference, if TWS has shown it. */
    async byRef(orderRef: string, signal: AbortSignal): Promise<Order | null> {
      await whenReconciled(signal);
      const record = records.byRef(orderRef);
      return record === undefined ? null : records.toOrder(record);
    },

    /** Every working order, of all clients, as TWS lists them now. */
    async openOrders(context: RequestContext): Promise<Order[]> {
      const rows = await lists.openOrders(context);
      const listed = new Set(rows.flatMap((row) => records.of(row) ?? []));
      return [...listed]
        .filter(({ status }) => status !== "Filled" && status !== "Cancelled" && status !== "ApiCancelled")
        .map((record) => records.toOrder(record));
    },

    /** Today's fills, oldest first; what a correction replaced is gone. */
    async executions(context: RequestContext): Promise<Execution[]> {
      const execIds = await requestExecutions(session, context);
      await events.until(() => executions.haveCommissions(execIds), times.commissionMs, context.signal);
      return executions.named(execIds);
    },

    /** The orders of an account that TWS has shown, oldest first; waits until it has been asked for them. */
    async ofAccount(account: string, signal: AbortSignal): Promise<Order[]> {
      await whenReconciled(signal);
      return records.all().flatMap((record) => (record.account === account ? records.toOrder(record) : []));
    },

    /** The orders of an account that may still be filled, as the book has them at this moment; of all clients. */
    working(account: string): Order[] {
      return records
        .all()
        .flatMap((record) => (record.account === account && !record.isFinal ? records.toOrder(record) : []));
    },

    /** Told whenever TWS has said something about orders. Returns the way to stop. */
    onChange: (listener: () => void): (() => void) => events.onChange(listener),

    close(): void {
      closing.abort();
      for (const off of offs) off();
      events.close();
    },
  };
}
export type OrderBook = ReturnType<typeof createOrderBook>;
