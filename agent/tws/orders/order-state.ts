import { isFinal } from "../../../shared/order.ts";
import type { OrderStatus } from "../../../shared/order.ts";
import type { Fills } from "./executions.ts";

/** All that TWS has said of where one order stands. */
export interface OrderEvidence {
  /** By openOrder, orderStatus and the list of completed orders: the one of them that counts. */
  readonly told: OrderStatus;
  readonly quantity: number;
  /** By orderStatus and the list of completed orders: cumulative, and the only source for fills of earlier days. */
  readonly filledByStatus: number;
  readonly avgPriceByStatus: number | null;
  readonly whyHeld: string | null;
  /** Whether the last whole list of working orders shows an Inactive one; null while none has been read since. */
  readonly isListed: boolean | null;
}

/** Where an order stands. */
export interface OrderState {
  readonly status: OrderStatus;
  readonly filled: number;
  readonly remaining: number;
  readonly avgFillPrice: number | null;
  /** Nothing more becomes of it. */
  readonly isFinal: boolean;
}

/**
 * The one answer to where an order stands, for every tool, resource and stream. TWS leaves statuses out and mixes their
 * order, so executions that come to the whole quantity fill an order whatever its last status says.
 */
export function orderStateOf(evidence: OrderEvidence, executed: Fills): OrderState {
  const { told, quantity, filledByStatus, avgPriceByStatus } = evidence;
  const isCounted = executed.quantity >= filledByStatus;
  const filled = isCounted ? executed.quantity : filledByStatus;
  const isWhole = quantity > 0 && filled >= quantity - tolerance;
  const status = isWhole ? "Filled" : told;
  return {
    status,
    filled,
    remaining: isWhole ? 0 : Math.max(0, quantity - filled),
    avgFillPrice: isCounted ? executed.avgPrice : avgPriceByStatus,
    isFinal: isFinal(status) && !(status === "Inactive" && mayWake(evidence)),
  };
}

/** Fractions that add up to a whole only nearly. */
const tolerance = 1e-9;

/** TWS wakes what it holds for a reason, such as the search for shares to borrow, and what it still lists. */
const mayWake = ({ isListed, whyHeld }: OrderEvidence): boolean => isListed ?? whyHeld !== null;
