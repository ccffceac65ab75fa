import type { IBApi } from "@stoqey/ib";
import { TwsError } from "../../../shared/errors.ts";
import { OrderType, TimeInForce, priceProblem, priceRules } from "../../../shared/order.ts";
import type { Order } from "../../../shared/order.ts";
import { meaningOf, twsErrorFor } from "../session/errors.ts";
import { rejected, requireUpstream, writeOnce } from "./order-context.ts";
import type { OrderContext, SendSteps } from "./order-context.ts";
import type { Exchange } from "./order-events.ts";
import type { OrderRecord } from "./order-records.ts";
import { toIbContract, toIbOrder } from "./order-wire.ts";
import type { OrderSpec } from "./order-wire.ts";

/** What may be changed of a working order; undefined stays as it is. */
export interface OrderChanges {
  /** The new total, what is filled included. */
  readonly quantity?: number | undefined;
  readonly limitPrice?: number | undefined;
  readonly auxPrice?: number | undefined;
}

const fixed = (message: string) => new TwsError("order_not_changeable", message);

/**
 * Changes a working order of this client and answers when TWS shows it with the new terms. Throws invalid_input,
 * order_not_changeable, order_rejected (the order then stays as it was), the offline errors when nothing was sent,
 * and outcome_unknown.
 */
export async function changeOrder(
  orders: OrderContext,
  record: OrderRecord,
  changes: OrderChanges,
  signal: AbortSignal,
  steps: SendSteps,
): Promise<Order> {
  const { orderId } = record;
  const spec = changedSpec(orders, record, changes);
  requireUpstream(orders.session);
  const exchange = orders.events.exchange(orderId);
  const unknown = (why: string) =>
    new TwsError("outcome_unknown", `${why}; it is not known whether TWS has changed order ${orderId}.`, {
      nextStep: "Look at the order with ibkr_get_open_orders before changing it again.",
    });
  try {
    steps.onReserve([{ orderId, spec }]);
    const write = (ib: IBApi) => void ib.placeOrder(orderId, toIbContract(spec.contract), toIbOrder(spec));
    await writeOnce(orders, "order", signal, unknown, write, steps.beforeWrite);
    const isShown = () => shows(exchange, spec);
    const isAnswered = () =>
      isShown() || record.isFinal || exchange.notices.some((kind) => kind !== "warning");
    await orders.events.until(() => exchange.dropped || isAnswered(), orders.times.ackMs, signal);
    if (!isAnswered()) {
      if (exchange.dropped) throw unknown("The connection to TWS ended after the change was sent");
      const context = { timeoutMs: orders.times.listMs, signal };
      await orders.lists.openOrders(context).catch(() => []);
      if (!isAnswered()) throw unknown("TWS has not confirmed the change");
    }
    if (isShown() || record.isFinal) return orders.records.toOrder(record);
    throw refusalOf(exchange, record);
  } finally {
    exchange.close();
  }
}

function refusalOf({ refusal, notices }: Exchange, { orderId }: OrderRecord): TwsError {
  const what = `the change of order ${orderId}; the order is as it was`;
  // 104: the order has been filled
  if (refusal?.code === 104) {
    return new TwsError("order_not_changeable", `Order ${orderId} has been filled.`, {
      tws: { code: refusal.code, text: refusal.text },
    });
  }
  if (refusal !== null && meaningOf(refusal) === "retry") return twsErrorFor(refusal, `order ${orderId}`);
  if (refusal !== null) return rejected(what, refusal);
  if (notices.includes("not_found"))
    return new TwsError("order_not_found", `TWS does not know order ${orderId} any more.`);
  return fixed(`Order ${orderId} can no longer be changed.`);
}

/** Whether TWS has shown the order with these terms since they were sent. */
function shows({ shown }: Exchange, spec: OrderSpec): boolean {
  if (shown === null) return false;
  const { totalQuantity, lmtPrice, auxPrice } = shown.order;
  return (
    totalQuantity === spec.quantity &&
    (spec.limitPrice === null || lmtPrice === spec.limitPrice) &&
    (spec.auxPrice === null || auxPrice === spec.auxPrice)
  );
}

/** The whole order anew, since TWS takes a change as the order sent again under its id. */
export function changedSpec(
  { session, records }: OrderContext,
  record: OrderRecord,
  changes: OrderChanges,
): OrderSpec {
  const { orderId, contract } = record;
  if (record.clientId !== session.clientId) {
    throw fixed(`Order ${orderId} belongs to another API client, which alone can change it.`);
  }
  if (record.isFinal) throw fixed(`Order ${orderId} is ${record.status}.`);
  if (!record.acknowledged || record.status === "Unknown") {
    throw fixed(`It is not known whether TWS holds order ${orderId}.`);
  }
  const orderType = OrderType.safeParse(record.orderType).data;
  const tif = TimeInForce.safeParse(record.tif).data;
  if (orderType === undefined || tif === undefined || contract.conId === undefined) {
    throw fixed(
      `Order ${orderId} is of a kind (${record.orderType} ${record.tif}) that cannot be changed here.`,
    );
  }
  const { quantity = record.quantity, limitPrice, auxPrice } = changes;
  const rules = priceRules[orderType];
  if (limitPrice !== undefined && rules.limitPrice === "none") throw noSuchPrice("limitPrice", orderType);
  if (auxPrice !== undefined && rules.auxPrice === "none") throw noSuchPrice("auxPrice", orderType);
  const problem = priceProblem(orderType, { limitPrice: limitPrice ?? null, auxPrice: auxPrice ?? null });
  if (problem !== null) throw new TwsError("invalid_input", problem);
  const filled = records.fills(record).quantity;
  if (quantity < filled) {
    throw new TwsError(
      "invalid_input",
      `quantity: the order has filled ${filled} already, so it cannot be ${quantity}.`,
    );
  }
  return {
    contract: { ...contract, conId: contract.conId, exchange: contract.exchange ?? "SMART" },
    account: record.account,
    action: record.action,
    quantity,
    orderType,
    // TWS reads 0 as no cap
    limitPrice: orderType === "REL" && limitPrice === 0 ? null : (limitPrice ?? record.limitPrice),
    auxPrice: auxPrice ?? record.auxPrice,
    trailStopPrice: record.trailStopPrice,
    limitOffset: record.limitOffset,
    tif,
    goodTillDate: record.goodTillDate,
    outsideRth: record.outsideRth,
    orderRef: record.orderRef ?? "",
    parentId: record.parentId,
    ocaGroup: record.ocaGroup,
  };
}

const noSuchPrice = (field: string, orderType: string) =>
  new TwsError("invalid_input", `${field}: an order of type ${orderType} has none.`);
