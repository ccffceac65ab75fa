import { z } from "zod";
import { SecType } from "../../shared/contract.ts";
import { ApprovalPlace } from "../../shared/errors.ts";
import { OrderType } from "../../shared/order.ts";
import { ApprovalPolicy } from "../../shared/status.ts";
import { limitNames, usualBounds } from "../limits/limits.ts";
import type { Bounds } from "../limits/limits.ts";

/** What the environment may say of the limits, by the names of the variables. */
export interface LimitValues {
  readonly LIMIT_ACCOUNTS: readonly string[];
  readonly LIMIT_SEC_TYPES: readonly string[];
  readonly LIMIT_SYMBOLS: readonly string[];
  readonly LIMIT_SYMBOLS_DENIED: readonly string[];
  readonly LIMIT_ORDER_TYPES: readonly OrderType[];
  readonly LIMIT_ORDER_QUANTITY: number;
  readonly LIMIT_ORDER_VALUE: number;
  readonly LIMIT_PRICE_DISTANCE: number;
  readonly LIMIT_DAY_VALUE: number;
  readonly LIMIT_ORDERS_PER_MINUTE: number;
  readonly LIMIT_OPEN_ORDERS: number;
  readonly LIMIT_DAY_LOSS: number;
  readonly APPROVAL: ApprovalPolicy;
  readonly APPROVAL_ABOVE: number;
  /** Milliseconds; null for the day. */
  readonly APPROVAL_WINDOW: number | null;
  readonly APPROVAL_AT: ApprovalPlace;
}

/** The items of a list, which may not be empty: that would forbid everything by mistake. */
const listOf = <T>(item: z.ZodType<T, string>) =>
  z
    .string()
    .transform((text) =>
      text
        .split(",")
        .map((word) => word.trim().toUpperCase())
        .filter((word) => word !== ""),
    )
    .pipe(z.array(item).min(1).max(500));

/** No signs and no separators of thousands, which would be misread. */
const amount = z
  .string()
  .regex(/^\d{1,12}(\.\d{1,8})?$/)
  .transform(Number);
const positive = amount.pipe(z.number().positive());
const count = z
  .string()
  .regex(/^\d{1,6}$/)
  .transform(Number)
  .pipe(z.int().min(1));

/** "day", or a length of time in minutes or hours. */
const approvalWindow = z
  .string()
  .regex(/^(day|[1-9]\d{0,3}[mh])$/)
  .transform((text) =>
    text === "day" ? null : Number.parseInt(text, 10) * (text.endsWith("h") ? 3_600_000 : 60_000),
  );

const symbols = listOf(z.string().max(64));
const money = "an amount above 0 in the account's currency, such as 25000";

type Variables = {
  readonly [Name in keyof LimitValues]: {
    readonly schema: z.ZodType<LimitValues[Name]>;
    /** In words. */
    readonly allowed: string;
  };
};

export const limitVariables: Variables = {
  LIMIT_ACCOUNTS: {
    schema: listOf(z.string().regex(/^[A-Z][A-Z0-9]{1,15}$/)),
    allowed: "account ids separated by commas, such as DU1234567,U1234567",
  },
  LIMIT_SEC_TYPES: {
    schema: listOf(SecType),
    allowed: `security types separated by commas, of ${SecType.options.join(", ")}`,
  },
  LIMIT_SYMBOLS: { schema: symbols, allowed: "symbols separated by commas, such as AAPL,SPY,EUR.USD" },
  LIMIT_SYMBOLS_DENIED: { schema: symbols, allowed: "symbols separated by commas, such as GME,AMC" },
  LIMIT_ORDER_TYPES: {
    schema: listOf(OrderType),
    allowed: `order types separated by commas, of ${OrderType.options.join(", ")}`,
  },
  LIMIT_ORDER_QUANTITY: { schema: positive, allowed: "a quantity above 0, such as 500" },
  LIMIT_ORDER_VALUE: { schema: positive, allowed: money },
  LIMIT_PRICE_DISTANCE: { schema: positive, allowed: "a number of percent above 0, such as 5" },
  LIMIT_DAY_VALUE: { schema: positive, allowed: money },
  LIMIT_ORDERS_PER_MINUTE: { schema: count, allowed: "a whole number from 1" },
  LIMIT_OPEN_ORDERS: { schema: count, allowed: "a whole number from 1" },
  LIMIT_DAY_LOSS: { schema: positive, allowed: money },
  APPROVAL: { schema: ApprovalPolicy, allowed: "never, live or always" },
  APPROVAL_ABOVE: { schema: amount, allowed: "an amount in the account's currency, such as 25000" },
  APPROVAL_WINDOW: { schema: approvalWindow, allowed: "day, or minutes or hours such as 30m or 24h" },
  APPROVAL_AT: { schema: ApprovalPlace, allowed: "page or host" },
};

/** The bounds that the environment sets; `read` gives undefined for what is not set. */
export function readBounds(
  read: <Name extends keyof LimitValues>(name: Name) => LimitValues[Name] | undefined,
): Bounds {
  return {
    accounts: read(limitNames.accounts) ?? null,
    secTypes: read(limitNames.secTypes) ?? null,
    symbols: read(limitNames.symbols) ?? null,
    symbolsDenied: read(limitNames.symbolsDenied) ?? null,
    orderTypes: read(limitNames.orderTypes) ?? null,
    orderQuantity: read(limitNames.orderQuantity) ?? null,
    orderValue: read(limitNames.orderValue) ?? null,
    priceDistancePercent: read(limitNames.priceDistancePercent) ?? null,
    dayValue: read(limitNames.dayValue) ?? null,
    ordersPerMinute: read(limitNames.ordersPerMinute) ?? usualBounds.ordersPerMinute,
    openOrders: read(limitNames.openOrders) ?? null,
    dayLoss: read(limitNames.dayLoss) ?? null,
    approval: read("APPROVAL") ?? usualBounds.approval,
    approvalAbove: read(limitNames.approvalAbove) ?? null,
    approvalWindowMs: read(limitNames.approvalWindowMs) ?? usualBounds.approvalWindowMs,
    approvalAt: read("APPROVAL_AT") ?? usualBounds.approvalAt,
  };
}
