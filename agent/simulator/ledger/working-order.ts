import type { Order, OrderRequest, OrderStatus } from "../model/ledger.ts";

/** An order from placeOrder to its end, as the ledger keeps it. */
export interface WorkingOrder {
  request: OrderRequest;
  readonly permId: number;
  status: OrderStatus;
  /** Placed with transmit=false: nobody hears of it until it is transmitted. */
  staged: boolean;
  filled: number;
  /** Sum of shares times price. */
  spent: number;
  lastFillPrice: number;
  commission: number | null;
  warningText: string;
  completedAt: number | null;
  completedStatus: string;
  /** A stop, trail or touched order whose price was reached, and from then on a market or limit order. */
  triggered: boolean;
  /** Where a trailing stop stands. */
  trailStop: number | null;
  /** It has stood in the book at its limit, and fills there instead of at the touch. */
  resting: boolean;
  /** The instant whose displayed size it has already taken. */
  tookAt: number;
  /** Made by hand in TWS and not bound yet: nobody can name it by an id. */
  unbound: boolean;
  /** Inactive for this reason, until TWS wakes it; null while it is not. */
  parked: string | null;
  /** Waits for its parent, or for the exchange to open. */
  held: "parent" | "hours" | null;
  /** When a DAY order lapses; null for GTC. */
  lapsesAt: number | null;
  /** MOC and LOC wait for the session's end. */
  releasedAt: number;
}

export function newWorkingOrder(request: OrderRequest, permId: number): WorkingOrder {
  return {
    request,
    permId,
    status: "PendingSubmit",
    staged: true,
    filled: 0,
    spent: 0,
    lastFillPrice: 0,
    commission: null,
    warningText: "",
    completedAt: null,
    completedStatus: "",
    triggered: false,
    trailStop: null,
    resting: false,
    tookAt: -1,
    unbound: false,
    parked: null,
    held: null,
    lapsesAt: null,
    releasedAt: 0,
  };
}

export function needsTrigger({ request, triggered }: WorkingOrder): boolean {
  return !triggered && ["STP", "STP LMT", "TRAIL", "TRAIL LIMIT", "MIT", "LIT"].includes(request.orderType);
}

export function remainingOf({ request, filled }: WorkingOrder): number {
  return request.quantity - filled;
}

function whyHeld(order: WorkingOrder): string {
  if (order.parked !== null) return order.parked;
  if (order.status !== "PreSubmitted") return "";
  const reasons = [order.held === "parent" ? "child" : "", needsTrigger(order) ? "trigger" : ""];
  return reasons.filter((reason) => reason !== "").join(",");
}

/** The order as it is now, for those who are told of it. */
export function snapshot(order: WorkingOrder): Order {
  const { permId, status, filled, spent, trailStop } = order;
  // TWS shows where a trailing stop stands, not where it began
  const shown =
    trailStop === null
      ? order.request
      : { ...order.request, echo: { ...order.request.echo, trailStopPrice: String(trailStop) } };
  return {
    request: order.unbound ? { ...shown, orderId: 0 } : shown,
    permId,
    status,
    filled,
    remaining: remainingOf(order),
    avgFillPrice: filled === 0 ? 0 : Math.round((spent / filled) * 1e8) / 1e8,
    lastFillPrice: order.lastFillPrice,
    whyHeld: whyHeld(order),
    commission: order.commission,
    warningText: order.warningText,
    completedAt: order.completedAt,
    completedStatus: order.completedStatus,
  };
}

/** A change that names no stop leaves a trailing one where it stands, unless another amount moves it. */
export function withStopOf(
  { request: before, trailStop }: WorkingOrder,
  request: OrderRequest,
): OrderRequest {
  const { trailStopPrice = "" } = request.echo;
  const isGiven = trailStopPrice !== "" && Number(trailStopPrice) < Number.MAX_VALUE;
  const isSame = before.auxPrice === request.auxPrice || request.orderType === "TRAIL LIMIT";
  if (trailStop === null || isGiven || !request.orderType.startsWith("TRAIL") || !isSame) return request;
  return { ...request, echo: { ...request.echo, trailStopPrice: String(trailStop) } };
}
