import { OrderAction, OrderType, SecType, TimeInForce } from "@stoqey/ib";
import type { EventName, Contract as IbContract, Order as IbOrder } from "@stoqey/ib";
import { z } from "zod";
import type { Contract } from "../../../shared/contract.ts";
import { OrderStatus } from "../../../shared/order.ts";
import type {
  Action,
  OrderPrices,
  OrderType as PlacedOrderType,
  TimeInForce as PlacedTimeInForce,
} from "../../../shared/order.ts";
import type { TwsEvents } from "../session/event-types.ts";
import { extrasOf } from "./order-extras.ts";
import type { OrderExtras } from "./order-extras.ts";
import { commissionOf, figureOf } from "../session/figures.ts";
import { isBond } from "../contracts/bond-facts.ts";
import { heldContract, partialContract } from "../contracts/translate.ts";

/** What one placeOrder message says. Quantity in units of the contract, prices in its currency. */
export interface OrderSpec extends OrderPrices {
  readonly contract: Pick<Contract, "conId" | "exchange"> & Partial<Contract>;
  readonly account: string;
  readonly action: Action;
  readonly quantity: number;
  readonly orderType: PlacedOrderType;
  readonly tif: PlacedTimeInForce;
  /** As TWS words it; for GTD only. */
  readonly goodTillDate: string | null;
  readonly outsideRth: boolean;
  /** At most 32 ASCII characters; TWS repeats it in open orders and executions. */
  readonly orderRef: string;
  readonly parentId: number | null;
  /** A fill of one cancels the others of the group. */
  readonly ocaGroup: string | null;
}

const optionalNumber = z
  .unknown()
  .optional()
  .transform((value) => (typeof value === "number" ? figureOf(value) : null));
const amount = optionalNumber.transform((value) => value ?? 0);
/** Without it the message says nothing. */
const figure = optionalNumber.refine((value) => value !== null, "not set").transform((value) => value ?? 0);
const optionalInt = optionalNumber.transform((value) => (value === null ? null : Math.trunc(value)));
/** An id that TWS leaves 0 where there is none. */
const optionalId = optionalInt.transform((value) => (value === 0 ? null : value));
const positive = optionalNumber.transform((value) => (value !== null && value > 0 ? value : null));
const text = z
  .unknown()
  .optional()
  .transform((value) => (typeof value === "string" ? value : ""));
const optionalText = text.transform((value) => (value === "" ? null : value));
const flag = z
  .unknown()
  .optional()
  .transform((value) => value === true);
const status = text.transform((value) => OrderStatus.safeParse(value).data ?? "Unknown");

const WireOrder = z.object({
  permId: optionalId,
  clientId: optionalInt,
  account: text,
  action: z
    .enum(["BUY", "SELL", "SSHORT", "SSHORTX", "SLONG"])
    .transform((side) => (side === "BUY" ? side : "SELL")),
  totalQuantity: amount,
  orderType: text,
  lmtPrice: optionalNumber,
  auxPrice: optionalNumber,
  trailStopPrice: optionalNumber,
  lmtPriceOffset: optionalNumber,
  tif: text,
  goodTillDate: optionalText,
  filledQuantity: amount,
  outsideRth: flag,
  orderRef: optionalText,
  parentId: optionalId,
  ocaGroup: optionalText,
  whatIf: flag,
});

const WireState = z.object({
  status,
  warningText: optionalText,
  completedTime: text,
  completedStatus: text,
});

/** TWS's `openOrder`, or `completedOrder` where the order id is 0. */
export interface OrderRow {
  readonly orderId: number;
  readonly contract: Partial<Contract>;
  readonly order: z.output<typeof WireOrder>;
  /** Its other terms. */
  readonly extras: OrderExtras;
  readonly status: OrderStatus;
  readonly warning: string | null;
  /** When and how it ended; empty while it works. */
  readonly completedTime: string;
  readonly completedStatus: string;
}

const WireStatus = z.object({
  orderId: z.int(),
  status,
  filled: amount,
  avgFillPrice: positive,
  /** 0 before a fill; that of a spread may be below. */
  lastFillPrice: optionalNumber.transform((value) => (value === 0 ? null : value)),
  permId: optionalId,
  clientId: optionalInt,
  whyHeld: optionalText,
});
/** TWS's `orderStatus`; `filled` is cumulative. */
export type StatusRow = z.output<typeof WireStatus>;

const WireExecution = z.object({
  orderId: optionalInt,
  clientId: optionalInt,
  permId: optionalId,
  execId: z.string().min(1),
  time: text,
  acctNumber: text,
  exchange: text,
  side: z.enum(["BOT", "SLD"]),
  shares: figure,
  price: figure,
  cumQty: optionalNumber,
  avgPrice: optionalNumber,
  orderRef: optionalText,
});
/** TWS's `execDetails`: one fill, or its correction. */
export interface ExecutionRow {
  /** Of the request that asked for it; -1 when it has just happened. */
  readonly reqId: number;
  readonly contract: Partial<Contract>;
  readonly execution: z.output<typeof WireExecution>;
}

const WireCommission = z
  .object({
    execId: z.string(),
    commission: optionalNumber.transform(commissionOf),
    currency: text,
    realizedPNL: optionalNumber,
  })
  .transform(({ execId, commission, currency, realizedPNL }) => ({
    execId,
    commission,
    currency,
    realizedPnl: realizedPNL,
  }));
export type CommissionRow = z.output<typeof WireCommission>;

/** Each throws a ZodError for an event that lacks what names it; the session logs that and goes on. */
export function parseOpenOrder(...event: TwsEvents[EventName.openOrder]): OrderRow {
  const [orderId, contract, wireOrder, wireState] = event;
  const state = WireState.parse(wireState);
  return {
    orderId,
    contract: partialContract(contract),
    order: WireOrder.parse(wireOrder),
    extras: extrasOf(wireOrder),
    status: state.status,
    warning: state.warningText,
    completedTime: state.completedTime,
    completedStatus: state.completedStatus.trim(),
  };
}

export function parseCompletedOrder(...event: TwsEvents[EventName.completedOrder]): OrderRow {
  const [contract, order, state] = event;
  return parseOpenOrder(0, contract, order, state);
}

export function parseStatus(...event: TwsEvents[EventName.orderStatus]): StatusRow {
  const [orderId, status, filled, , avgFillPrice, permId, , lastFillPrice, clientId, whyHeld] = event;
  return WireStatus.parse({
    orderId,
    status,
    filled,
    avgFillPrice,
    lastFillPrice,
    permId,
    clientId,
    whyHeld,
  });
}

export function parseExecution(...event: TwsEvents[EventName.execDetails]): ExecutionRow {
  const [reqId, contract, execution] = event;
  return { reqId, contract: heldContract(contract), execution: WireExecution.parse(execution) };
}

export function parseCommission(...[report]: TwsEvents[EventName.commissionReport]): CommissionRow {
  return WireCommission.parse(report);
}

const orderTypes: Readonly<Record<PlacedOrderType, OrderType>> = {
  MKT: OrderType.MKT,
  LMT: OrderType.LMT,
  STP: OrderType.STP,
  "STP LMT": OrderType.STP_LMT,
  TRAIL: OrderType.TRAIL,
  "TRAIL LIMIT": OrderType.TRAIL_LIMIT,
  MIT: OrderType.MIT,
  LIT: OrderType.LIT,
  MOC: OrderType.MOC,
  LOC: OrderType.LOC,
  REL: OrderType.REL,
};

const secTypes = new Map<string, SecType>(Object.values(SecType).map((value) => [value, value]));

/** The contract of an order: its id names it, the exchange routes it. */
export function toIbContract({
  conId,
  exchange,
  symbol,
  secType,
  currency,
}: OrderSpec["contract"]): IbContract {
  const known = secTypes.get(secType ?? "");
  if (isBond(secType)) return { conId, exchange, ...(known !== undefined && { secType: known }) };
  return {
    conId,
    exchange,
    ...(symbol !== undefined && { symbol }),
    ...(known !== undefined && { secType: known }),
    ...(currency !== undefined && { currency }),
  };
}

/** TWS's ocaType for "cancel the others, and block them meanwhile so that only one can fill". */
const cancelWithBlock = 1;

/**
 * The order as it goes to TWS. With `transmit` false TWS holds it back, and says nothing of it, until another leg of
 * its bracket is transmitted; with `whatIf` TWS only says what it would do.
 */
export function toIbOrder(spec: OrderSpec, { transmit = true, whatIf = false } = {}): IbOrder {
  return {
    action: spec.action === "BUY" ? OrderAction.BUY : OrderAction.SELL,
    totalQuantity: spec.quantity,
    orderType: orderTypes[spec.orderType],
    ...(spec.limitPrice !== null && { lmtPrice: spec.limitPrice }),
    ...(spec.auxPrice !== null && { auxPrice: spec.auxPrice }),
    ...(spec.trailStopPrice !== null && { trailStopPrice: spec.trailStopPrice }),
    ...(spec.limitOffset !== null && { lmtPriceOffset: spec.limitOffset }),
    ...(spec.goodTillDate !== null && { goodTillDate: spec.goodTillDate }),
    tif: TimeInForce[spec.tif],
    outsideRth: spec.outsideRth,
    account: spec.account,
    orderRef: spec.orderRef,
    ...(spec.parentId !== null && { parentId: spec.parentId }),
    ...(spec.ocaGroup !== null && { ocaGroup: spec.ocaGroup, ocaType: cancelWithBlock }),
    ...(whatIf && { whatIf }),
    // left out, the library sends "held back": no acknowledgement would ever come
    transmit,
  };
}

/**
 * An order of TWS's own with other terms. The terms that we do not model go back as TWS has shown them; where a
 * trailing stop stands does not, since TWS has moved it meanwhile and would move it back.
 */
export function toIbChange(spec: OrderSpec, { carried }: OrderExtras): IbOrder {
  const { trailStopPrice: _moved, auxPrice, ...order } = toIbOrder(spec);
  const isByPercent = carried.trailingPercent !== undefined;
  return { ...order, ...(auxPrice !== undefined && !isByPercent && { auxPrice }), ...carried };
}
