import { cashRefusal, sizedByCash } from "./cash-quantity.ts";
import type { Accounts } from "./accounts.ts";
import { commissionCurrency, commissionOf } from "./commission.ts";
import { correctFill } from "./fill-corrections.ts";
import { limitOf, offer, reaches, spring } from "./matching.ts";
import type { Execution, Ledger, LedgerEvent, OrderRequest, OrderStatus } from "../model/ledger.ts";
import type { Market } from "../model/market.ts";
import { toAmount } from "./money.ts";
import { hash } from "../market/noise.ts";
import type { OrderBook } from "./order-book.ts";
import { createOrderBook } from "./order-book.ts";
import { mismatchOf, refusalOf } from "./order-checks.ts";
import { heldNotice, ignoresOutsideRth, orderTimes, outsideIgnored } from "./order-times.ts";
import type { WorkingOrder } from "./working-order.ts";
import { needsTrigger, newWorkingOrder, remainingOf, snapshot, withStopOf } from "./working-order.ts";

export interface LedgerOptions {
  readonly seed: number;
  readonly now: () => number;
  readonly market: Market;
  readonly accounts: Accounts;
  /** Orders wait for their exchange's hours, as with a real TWS. */
  readonly realHours: boolean;
}

const firstPermId = 1_400_000_000;
const canceled = "Order Canceled - reason:";

export function createLedger({ seed, now, market, accounts, realHours }: LedgerOptions): Ledger {
  const orders: OrderBook = createOrderBook();
  const executions: Execution[] = [];
  const listeners = new Set<(event: LedgerEvent) => void>();
  let permId = firstPermId + (hash(seed, 1) % 1_000_000) * 64;
  /** The last id of an order made by hand; -1 is that of system messages. */
  let handId = -1;
  let bindsNew = false;
  /** Orders that dialogs hold, by client and id. */
  const expected = new Set<string>();
  /** What ended or was filled before is on no list. */
  let listedFrom = 0;
  let executed = Math.floor(now() / 1000);

  const emit = (event: LedgerEvent) => {
    for (const listener of listeners) listener(event);
  };
  const fail = ({ clientId, orderId }: { clientId: number; orderId: number }, code: number, text: string) =>
    emit({ type: "error", clientId, orderId, code, text });
  const tell = (order: WorkingOrder, status: OrderStatus) => {
    order.status = status;
    emit({ type: "order", order: snapshot(order) });
  };

  function place(request: OrderRequest): void {
    accounts.roll();
    const open = orders.open(request.clientId, request.orderId);
    const sized = sizedByCash(request, market.quote(request.instrument, now()));
    const whole = open === undefined ? sized : withStopOf(open, sized);
    const refusal = cashRefusal(request) ?? refusalOf(whole, accounts.names, now());
    if (refusal !== null) return fail(request, refusal.code, refusal.text);
    const full = {
      ...whole,
      account: request.account || (accounts.names[0] ?? ""),
      tif: request.tif || "DAY",
    };
    if (request.orderId < 0 && open === undefined) {
      return fail(request, 10149, `Invalid order id: ${request.orderId}`);
    }
    if (request.whatIf) return preview(full);
    if (open !== undefined) return modify(open, full);
    const ended = orders.ended(request.clientId, request.orderId);
    if (ended?.status === "Filled") return fail(request, 104, "Cannot modify a filled order.");
    const isExpected = expected.delete(`${request.clientId} ${request.orderId}`);
    // a change that a dialog held back comes too late for an order that has ended meanwhile
    const isTooLate = isExpected && ended !== undefined;
    if (isTooLate || (!isExpected && request.orderId < orders.nextValidId(request.clientId)))
      return fail(request, 103, "Duplicate order id");
    if (request.parentId !== 0 && orders.open(request.clientId, request.parentId) === undefined) {
      return fail(request, 10006, "Missing parent order");
    }
    permId += 1;
    const order = newWorkingOrder(full, permId);
    orders.add(order);
    if (request.tif === "") fail(request, 10349, "Order TIF was set to DAY based on order preset.");
    if (request.transmit) transmit(order);
  }

  function placeByHand(terms: Omit<OrderRequest, "clientId" | "orderId">): void {
    permId += 1;
    handId -= 1;
    const order = newWorkingOrder({ ...terms, clientId: 0, orderId: handId }, permId);
    order.unbound = true;
    orders.add(order);
    if (bindsNew) bindOne(order);
    transmit(order);
  }

  function bindOne(order: WorkingOrder): void {
    order.unbound = false;
    emit({ type: "bound", permId: order.permId, orderId: order.request.orderId });
  }

  function bind(): void {
    for (const order of orders.allOpen()) if (order.unbound) bindOne(order);
  }

  function preview(request: OrderRequest): void {
    const result = accounts.preview(request);
    if (result.refusal === null) emit({ type: "preview", request, preview: result.preview });
    else fail(request, 201, `Order rejected - reason:${result.refusal}`);
  }

  function modify(order: WorkingOrder, request: OrderRequest): void {
    const { parentId } = request;
    if (parentId !== 0 && orders.open(request.clientId, parentId) === undefined) {
      return fail(request, 135, `Can't find order with id =${parentId}`);
    }
    const mismatch = mismatchOf(order.request, request);
    if (mismatch !== null) return fail(request, mismatch.code, mismatch.text);
    if (request.quantity <= order.filled) {
      return fail(
        request,
        201,
        "Order rejected - reason:The order size cannot be less than the filled quantity.",
      );
    }
    if (!order.staged) {
      // a change that is not transmitted changes nothing yet
      if (!request.transmit) return;
      const { refusal } = accounts.preview({ ...request, quantity: request.quantity - order.filled });
      if (refusal !== null && order.held !== "parent") {
        return fail(request, 201, `Order rejected - reason:${refusal}`);
      }
    }
    const retyped = request.orderType !== order.request.orderType;
    // an order stays of its bracket, whatever becomes of the entry
    order.request = { ...request, account: order.request.account, parentId: order.request.parentId };
    order.resting = false;
    if (retyped) order.triggered = false;
    // a stop that was reached stays where it was: its limit hangs on it
    const trails = request.orderType.startsWith("TRAIL") && !order.triggered;
    if (retyped || trails) order.trailStop = null;
    if (order.staged) {
      if (request.transmit) transmit(order);
      return;
    }
    schedule(order);
    tell(order, order.held !== null || needsTrigger(order) ? "PreSubmitted" : order.status);
    work(order);
  }

  /** Releases an order, and first the parent and siblings that were waiting for it to complete the bracket. */
  function transmit(order: WorkingOrder): void {
    const { clientId, parentId } = order.request;
    const parent = parentId === 0 ? undefined : orders.open(clientId, parentId);
    if (parent?.staged === true) {
      const family = [
        parent,
        ...orders.children(parent).filter((child) => child.staged && child !== order),
        order,
      ];
      const accepted = release(parent);
      for (const child of family.slice(1)) if (accepted) release(child);
      work(parent);
      return;
    }
    if (release(order)) work(order);
  }

  /** Makes a staged order known; whether it was accepted. */
  function release(order: WorkingOrder): boolean {
    order.staged = false;
    const { request } = order;
    const { refusal } = accounts.preview(request);
    const parent = request.parentId === 0 ? undefined : orders.open(request.clientId, request.parentId);
    if (refusal !== null && parent === undefined) {
      reject(order, refusal);
      for (const child of orders.children(order)) reject(child, "Parent order is being cancelled.");
      return false;
    }
    order.held = parent === undefined ? null : "parent";
    if (realHours && ignoresOutsideRth(request)) {
      order.request = { ...request, outsideRth: false };
      fail(request, 2109, outsideIgnored);
    }
    schedule(order);
    tell(order, "PreSubmitted");
    if (order.warningText !== "") fail(request, 399, order.warningText);
    return true;
  }

  function reject(order: WorkingOrder, reason: string): void {
    end(order, "Inactive", "Inactive");
    emit({ type: "order", order: snapshot(order) });
    fail(order.request, 201, `Order rejected - reason:${reason}`);
  }

  /** Sets when an order may trade and when it lapses. */
  function schedule(order: WorkingOrder): void {
    const at = now();
    const { waits, releasedAt, lapsesAt } = orderTimes(market, order.request, at, realHours);
    if (order.held !== "parent") {
      order.held = waits ? "hours" : null;
      order.warningText = waits ? heldNotice(market, order.request, at) : "";
    }
    order.releasedAt = releasedAt;
    order.lapsesAt = lapsesAt;
  }

  /** Lets an order meet the market as it is now. */
  function work(order: WorkingOrder): void {
    if (order.completedAt !== null || order.staged || order.held === "parent" || order.parked !== null)
      return;
    const { instrument, tif, outsideRth } = order.request;
    const at = now();
    if (realHours && !market.isOpen(instrument, at, !outsideRth)) return lapse(order, at);
    const quote = market.quote(instrument, at);
    order.held = null;
    order.warningText = "";
    spring(order, quote);
    const found = offer(order, quote);
    const isWhole = found?.shares === remainingOf(order);
    if (tif === "FOK" && found === null && !needsTrigger(order)) return refuseWhole(order);
    const waits = needsTrigger(order) || at < order.releasedAt;
    if (order.status === "PreSubmitted" && !waits && !isWhole && tif !== "IOC") tell(order, "Submitted");
    if (found !== null) fill(order, found.shares, found.price);
    // one that waits for the next look at a market it could take from does not stand in the book
    else if (!reaches(order, quote)) order.resting = !waits && limitOf(order) !== null;
    if (tif === "IOC" && order.completedAt === null && !needsTrigger(order)) {
      tell(order, "PendingCancel");
      finishCancel(order, "Cancelled by System:\n");
      return;
    }
    lapse(order, at);
  }

  function refuseWhole(order: WorkingOrder): void {
    end(order, "Inactive", "Inactive");
    emit({ type: "order", order: snapshot(order) });
    cancelChildren(order);
  }

  function lapse(order: WorkingOrder, at: number): void {
    if (order.completedAt !== null || order.lapsesAt === null || at < order.lapsesAt) return;
    finishCancel(order, "Cancelled by System:\n");
    fail(order.request, 202, canceled);
  }

  function fill(order: WorkingOrder, shares: number, price: number): void {
    const { request } = order;
    const { instrument, action, account } = request;
    const total = order.filled + shares;
    const due = commissionOf(instrument, total, accounts.valueInBase(instrument, total, price));
    const commission = Math.max(0, Math.round((due - (order.commission ?? 0)) * 100) / 100);
    order.filled = total;
    order.spent += shares * price;
    order.lastFillPrice = price;
    order.commission = Math.round(((order.commission ?? 0) + commission) * 100) / 100;
    const realized = accounts.apply(account, {
      instrument,
      quantity: action === "BUY" ? shares : -shares,
      price,
      commission,
    });
    if (remainingOf(order) === 0) end(order, "Filled", `Filled Size: ${total}`);
    executed += 1;
    const order_ = snapshot(order);
    const execution: Execution = {
      execId: `${action === "BUY" ? "0000e0d5" : "0000dc8f"}.${executed.toString(16).padStart(8, "0")}.01.01`,
      at: now(),
      order: order_,
      exchange: request.routing === "SMART" ? venueOf(request, executed) : request.routing,
      side: action === "BUY" ? "BOT" : "SLD",
      shares,
      price,
      cumQty: total,
      avgPrice: order_.avgFillPrice,
      commission,
      commissionCurrency: commissionCurrency(instrument),
      realizedPnl: realized === null ? null : toAmount(realized),
    };
    executions.push(execution);
    emit({ type: "execution", execution });
    emit({ type: "order", order: order_ });
    emit({ type: "commission", execution });
    const position = accounts.position(account, instrument);
    if (position !== undefined) emit({ type: "position", position });
    emit({ type: "account", account });
    settleSiblings(order, shares);
    if (order.completedAt !== null) freeChildren(order);
  }

  function venueOf({ instrument }: OrderRequest, salt: number): string {
    const venues = instrument.validExchanges.filter((venue) => venue !== "SMART");
    return venues[hash(seed, salt, 2) % venues.length] ?? instrument.exchange;
  }

  /** A fill shrinks or cancels the other orders of its OCA group, or of its bracket. */
  function settleSiblings(order: WorkingOrder, shares: number): void {
    for (const other of orders.siblings(order)) {
      if (other.completedAt !== null) continue;
      // 2 and 3 shrink the others instead; a group without a type cancels, as its name says
      const cancels = other.request.ocaGroup !== "" && other.request.ocaType < 2;
      if (cancels || remainingOf(other) <= shares) {
        finishCancel(other, "Cancelled by System:\n");
        fail(other.request, 202, canceled);
        continue;
      }
      other.request = { ...other.request, quantity: other.request.quantity - shares };
      tell(other, other.status);
    }
  }

  function freeChildren(parent: WorkingOrder): void {
    const children = orders.children(parent).filter((child) => child.held === "parent" && !child.staged);
    for (const child of children) {
      child.held = null;
      schedule(child);
      if (needsTrigger(child)) tell(child, "PreSubmitted");
    }
    for (const child of children) work(child);
  }

  function cancelChildren(parent: WorkingOrder): void {
    for (const child of orders.children(parent)) {
      if (child.completedAt !== null) continue;
      finishCancel(child, "Cancelled by System:\n");
      fail(child.request, 202, canceled);
    }
  }

  function end(order: WorkingOrder, status: OrderStatus, completedStatus: string): void {
    order.status = status;
    order.completedAt = now();
    order.completedStatus = completedStatus;
    order.held = null;
    order.staged = false;
  }

  function finishCancel(order: WorkingOrder, completedStatus: string): void {
    end(order, "Cancelled", completedStatus);
    emit({ type: "status", order: snapshot(order) });
    cancelChildren(order);
  }

  function cancel(clientId: number, orderId: number): void {
    accounts.roll();
    const order = orders.open(clientId, orderId) ?? orders.openByOrderId(orderId);
    if (order !== undefined) return cancelOpen(order, clientId);
    const ended = orders.ended(clientId, orderId) ?? orders.endedByOrderId(orderId);
    if (ended === undefined) {
      return fail(
        { clientId, orderId },
        10147,
        `OrderId ${orderId} that needs to be cancelled is not found.`,
      );
    }
    const text = `OrderId ${orderId} that needs to be cancelled can not be cancelled, state: ${ended.status}.`;
    fail({ clientId, orderId }, 10148, text);
  }

  function refuseLate(orderId: number, reason: string): boolean {
    const order = orders.openByOrderId(orderId);
    if (order === undefined) return false;
    end(order, "Inactive", "Inactive");
    fail(order.request, 201, `Order rejected - reason:${reason}`);
    return true;
  }

  function park(orderId: number, whyHeld: string | null): boolean {
    const order = orders.openByOrderId(orderId);
    if (order === undefined) return false;
    order.parked = whyHeld;
    tell(order, whyHeld === null ? "PreSubmitted" : "Inactive");
    work(order);
    return true;
  }

  function cancelOpen(order: WorkingOrder, clientId: number): void {
    order.status = "PendingCancel";
    emit({ type: "status", order: snapshot(order) });
    // the children of a cancelled parent are confirmed after it
    end(order, "Cancelled", "Cancelled by Trader");
    emit({ type: "status", order: snapshot(order) });
    fail({ clientId, orderId: order.request.orderId }, 202, canceled);
    cancelChildren(order);
  }

  function correct(execId: string, price: number): boolean {
    const before = executions.find((execution) => execution.execId === execId);
    if (before === undefined) return false;
    const { clientId, orderId } = before.order.request;
    const order = orders.open(clientId, orderId) ?? orders.ended(clientId, orderId);
    if (order === undefined) return false;
    const execution = correctFill(accounts, order, before, price);
    executions.push(execution);
    emit({ type: "execution", execution });
    emit({ type: "status", order: execution.order });
    emit({ type: "commission", execution });
    const position = accounts.position(order.request.account, order.request.instrument);
    if (position !== undefined) emit({ type: "position", position });
    emit({ type: "account", account: order.request.account });
    return true;
  }

  return {
    accounts: accounts.names,
    nextValidId: (clientId) => orders.nextValidId(clientId),
    expect: (clientId, orderId) => void expected.add(`${clientId} ${orderId}`),
    place,
    placeByHand,
    bind,
    autoBind(on) {
      bindsNew = on;
    },
    cancel,
    correct,
    refuseLate,
    park,
    cancelAll() {
      accounts.roll();
      for (const order of orders.allOpen())
        if (order.completedAt === null) cancelOpen(order, order.request.clientId);
    },
    openOrders: () =>
      orders
        .allOpen()
        .filter((order) => !order.staged)
        .map(snapshot),
    history: () => ({
      orders: [...orders.allEnded(), ...orders.allOpen().filter((order) => !order.staged)].map(snapshot),
      executions: [...executions],
    }),
    beginDay() {
      // what has happened at this very instant was yesterday
      listedFrom = now() + 1;
    },
    completedOrders() {
      const since = Math.max(accounts.roll(), listedFrom);
      return orders
        .allEnded()
        .filter(({ completedAt }) => (completedAt ?? 0) >= since)
        .map(snapshot);
    },
    executions() {
      const since = Math.max(accounts.roll(), listedFrom);
      return executions.filter(({ at }) => at >= since);
    },
    positions: accounts.positions,
    accountValues: accounts.values,
    pnl: accounts.pnl,
    pnlSingle: accounts.pnlSingle,
    advance() {
      accounts.roll();
      for (const order of orders.allOpen()) work(order);
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
