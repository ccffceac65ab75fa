import type { Request } from "../wire/requests.ts";

/** Requests that a TWS whose API is read-only refuses: all that send orders, and those for the lists of orders. */
const refused: ReadonlySet<Request["type"]> = new Set<Request["type"]>([
  "allOpenOrders",
  "autoOpenOrders",
  "cancelOrder",
  "completedOrders",
  "globalCancel",
  "openOrders",
  "placeOrder",
]);

/** Whether a TWS whose API is read-only refuses the request. */
export const isRefusedReadOnly = ({ type }: Request): boolean => refused.has(type);

export const readOnlyText =
  "Error validating request.-'cG' : cause - The API interface is currently in Read-Only mode.";
