import { z } from "zod";
import { Contract } from "./contract.ts";
import { Mode } from "./status.ts";

export const Action = z.enum(["BUY", "SELL"]);
export type Action = z.infer<typeof Action>;

/** The order types we place; each needs the prices in `pricesNeeded`. */
export const OrderType = z.enum(["MKT", "LMT", "STP", "STP LMT"]);
export type OrderType = z.infer<typeof OrderType>;

export const TimeInForce = z.enum(["DAY", "GTC", "IOC", "FOK"]);
export type TimeInForce = z.infer<typeof TimeInForce>;

export const pricesNeeded: Readonly<Record<OrderType, { readonly limit: boolean; readonly aux: boolean }>> = {
  MKT: { limit: false, aux: false },
  LMT: { limit: true, aux: false },
  STP: { limit: false, aux: true },
  "STP LMT": { limit: true, aux: true },
};

/** TWS's own words for where an order is. */
export const OrderStatus = z.enum([
  "ApiPending",
  "PendingSubmit",
  "PreSubmitted",
  "Submitted",
  "PendingCancel",
  "Filled",
  "Cancelled",
  "ApiCancelled",
  "Inactive",
  "Unknown",
]);
export type OrderStatus = z.infer<typeof OrderStatus>;

/** Whether the status is one that an order does not leave. */
export const isFinal = (status: OrderStatus): boolean =>
  status === "Filled" || status === "Cancelled" || status === "ApiCancelled" || status === "Inactive";

/** An order as TWS holds it. Quantities in units of the contract, prices in its currency. */
export const Order = z.object({
  orderId: z.int(),
  permId: z.int().nullable(),
  clientId: z.int().nullable(),
  account: z.string(),
  mode: Mode,
  contract: Contract.partial(),
  action: Action,
  quantity: z.number(),
  orderType: z.string(),
  limitPrice: z.number().nullable(),
  auxPrice: z.number().nullable(),
  tif: z.string(),
  outsideRth: z.boolean(),
  orderRef: z.string().nullable(),
  parentId: z.int().nullable(),
  ocaGroup: z.string().nullable(),
  status: OrderStatus,
  filled: z.number(),
  remaining: z.number(),
  avgFillPrice: z.number().nullable(),
  whyHeld: z.string().nullable(),
  /** What TWS said about the order that did not end it (399 and its kind), newest last. */
  warnings: z.array(z.string()),
});
export type Order = z.infer<typeof Order>;

/** One fill, with its commission once TWS has reported it. */
export const Execution = z.object({
  execution: z.object({
    execId: z.string(),
    orderId: z.int(),
    permId: z.int().nullable(),
    clientId: z.int().nullable(),
    account: z.string(),
    mode: Mode,
    side: z.enum(["BOT", "SLD"]),
    shares: z.number(),
    price: z.number(),
    cumQty: z.number(),
    avgPrice: z.number(),
    exchange: z.string(),
    /** As TWS words it, with its zone. */
    time: z.string(),
    orderRef: z.string().nullable(),
  }),
  contract: Contract.partial(),
  commissionReport: z
    .object({ commission: z.number(), currency: z.string(), realizedPnl: z.number().nullable() })
    .nullable(),
});
export type Execution = z.infer<typeof Execution>;
