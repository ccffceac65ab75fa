import type { Order } from "../../shared/order.ts";

/** What the tools answer of an order. */
export const outcomeOf = (order: Order) => {
  const { orderId, account, mode, status, filled, remaining, avgFillPrice, warnings } = order;
  return { orderId, account, mode, status, filled, remaining, avgFillPrice, warnings };
};
