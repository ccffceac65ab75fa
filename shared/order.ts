import { z } from "zod";
import { Contract } from "./contract.ts";
import { Mode } from "./status.ts";

export const Action = z.enum(["BUY", "SELL"]);
export type Action = z.infer<typeof Action>;

/** The order types we place; `priceRules` says which prices each has. */
export const OrderType = z.enum([
  "MKT",
  "LMT",
  "STP",
  "STP LMT",
  "TRAIL",
  "TRAIL LIMIT",
  "MIT",
  "LIT",
  "MOC",
  "LOC",
  "REL",
]);
export type OrderType = z.infer<typeof OrderType>;

/** GTD needs a time; OPG is for the opening auction, with MKT or LMT. */
export const TimeInForce = z.enum(["DAY", "GTC", "IOC", "FOK", "GTD", "OPG"]);
export type TimeInForce = z.infer<typeof TimeInForce>;

/** The prices of an order in the currency of its contract; null for those that its type does not have. */
export interface OrderPrices {
  readonly limitPrice: number | null;
  /** The stop or touch price; the amount that a TRAIL stays behind; the offset of a REL. */
  readonly auxPrice: number | null;
  /** Where a trailing stop starts, and later where it stands. */
  readonly trailStopPrice: number | null;
  /** How far the limit of a TRAIL LIMIT lies beyond its stop. */
  readonly limitOffset: number | null;
}

export type PriceRule = "needed" | "optional" | "none";
type PriceRules = Readonly<Record<keyof OrderPrices, PriceRule>>;

const rules = (limitPrice: PriceRule, auxPrice: PriceRule): PriceRules => ({
  limitPrice,
  auxPrice,
  trailStopPrice: "none",
  limitOffset: "none",
});

export const priceRules: Readonly<Record<OrderType, PriceRules>> = {
  MKT: rules("none", "none"),
  LMT: rules("needed", "none"),
  STP: rules("none", "needed"),
  "STP LMT": rules("needed", "needed"),
  TRAIL: { ...rules("none", "needed"), trailStopPrice: "optional" },
  "TRAIL LIMIT": { ...rules("none", "needed"), trailStopPrice: "needed", limitOffset: "needed" },
  MIT: rules("none", "needed"),
  LIT: rules("needed", "needed"),
  MOC: rules("none", "none"),
  LOC: rules("needed", "none"),
  REL: rules("optional", "needed"),
};

/** The order types whose `auxPrice` is a distance from the market. */
const withDistance: ReadonlySet<string> = new Set<OrderType>(["TRAIL", "TRAIL LIMIT", "REL"]);

/** TWS reads the largest double as "not given"; no price comes near it. */
const greatestPrice = 1e15;

/** What is wrong with the prices of an order whatever its market: "auxPrice: …"; null for nothing. */
export function priceProblem(orderType: OrderType, prices: Partial<OrderPrices>): string | null {
  const wrong = Object.entries(prices).find(
    ([, price]) => typeof price === "number" && !(Math.abs(price) < greatestPrice),
  );
  if (wrong !== undefined) return `${wrong[0]}: ${wrong[1]} is no price.`;
  const { auxPrice } = prices;
  if (!withDistance.has(orderType) || auxPrice == null || auxPrice > 0) return null;
  const what = orderType === "REL" ? "offset from the market" : "trailing amount";
  return `auxPrice: the ${what} of an order of type ${orderType} is above 0.`;
}

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

/** Whether the status is one that an order does not leave; an Inactive one may, while TWS holds it: see `hasEnded`. */
export const isFinal = (status: OrderStatus): boolean =>
  status === "Filled" || status === "Cancelled" || status === "ApiCancelled" || status === "Inactive";

/** Whether nothing more becomes of an order. */
export const hasEnded = (order: Pick<Order, "status" | "isFinal">): boolean =>
  order.isFinal ?? isFinal(order.status);

/** Whether nothing at all becomes of an order: an Inactive one may be parked where nobody sees it, and wake. */
export const hasEndedForGood = (order: Pick<Order, "status" | "isFinal">): boolean =>
  hasEnded(order) && order.status !== "Inactive";

/** What one can wait for; a later state counts as the earlier ones too. */
export const WaitUntil = z.enum(["working", "first_fill", "filled", "ended"]);
export type WaitUntil = z.infer<typeof WaitUntil>;

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
  trailStopPrice: z.number().nullable(),
  limitOffset: z.number().nullable(),
  tif: z.string(),
  /** ISO 8601; null where TWS's text cannot be read, and unless GTD. In TWS's words in what earlier releases wrote. */
  goodTillDate: z.string().nullable(),
  /** As TWS words it: "20261231 15:00:00 US/Eastern". Absent in what earlier releases wrote. */
  goodTillDateText: z.string().nullable().optional(),
  outsideRth: z.boolean(),
  orderRef: z.string().nullable(),
  parentId: z.int().nullable(),
  ocaGroup: z.string().nullable(),
  status: OrderStatus,
  /** Nothing more becomes of it. False for an Inactive order that TWS may wake; absent in what earlier releases wrote. */
  isFinal: z.boolean().optional(),
  filled: z.number(),
  remaining: z.number(),
  avgFillPrice: z.number().nullable(),
  /** Absent in what earlier releases wrote. */
  lastFillPrice: z.number().nullable().optional(),
  whyHeld: z.string().nullable(),
  /** What TWS said about the order that did not end it (399 and its kind), newest last. */
  warnings: z.array(z.string()),
});
export type Order = z.infer<typeof Order>;

/** An order that has ended, as TWS lists it: it names neither the order id nor the client. */
export const CompletedOrder = Order.omit({
  orderId: true,
  clientId: true,
  parentId: true,
  isFinal: true,
  remaining: true,
  avgFillPrice: true,
  lastFillPrice: true,
  whyHeld: true,
  warnings: true,
}).extend({
  /** Null where this agent has not seen the order working. */
  orderId: z.int().nullable(),
  /** ISO 8601; null where TWS's text cannot be read. */
  completedTime: z.string().nullable(),
  /** As TWS words them: "20261123 10:31:02 US/Eastern", "Cancelled by Trader". */
  completedTimeText: z.string(),
  completedStatus: z.string(),
});
export type CompletedOrder = z.infer<typeof CompletedOrder>;

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
    cumQty: z.number().nullable(),
    avgPrice: z.number().nullable(),
    exchange: z.string(),
    /** ISO 8601; null where TWS's text cannot be read. */
    time: z.string().nullable(),
    /** As TWS wrote it, on the clock of the venue. */
    timeText: z.string(),
    orderRef: z.string().nullable(),
  }),
  contract: Contract.partial(),
  commissionReport: z
    .object({ commission: z.number().nullable(), currency: z.string(), realizedPnl: z.number().nullable() })
    .nullable(),
});
export type Execution = z.infer<typeof Execution>;
