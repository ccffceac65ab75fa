import type { IBApi } from "@stoqey/ib";
import { TwsError } from "../../../shared/errors.ts";
import { OrderType, TimeInForce, priceProblem, priceRules } from "../../../shared/order.ts";
import type { Order } from "../../../shared/order.ts";
import type { TwsNotice } from "../session/api.ts";
import { isUnlisted, meaningOf, twsErrorFor } from "../session/errors.ts";
import { rejected, requireUpstream, writeOnce } from "./order-context.ts";
import type { OrderContext, Reservation } from "./order-context.ts";
import type { Exchange } from "./order-events.ts";
import type { OrderRecord } from "./order-records.ts";
import { toIbChange, toIbContract } from "./order-wire.ts";
import type { OrderSpec } from "./order-wire.ts";

/** What may be changed of a working order; undefined stays as it is. */
export interface OrderChanges {
  /** The new total, what is filled included. */
  readonly quantity?: number | undefined;
  readonly limitPrice?: number | undefined;
  readonly auxPrice?: number | undefined;
}

const fixed = (message: string, notice: TwsNotice | null = null) =>
  new TwsError("order_not_changeable", message, {
    ...(notice !== null && { tws: { code: notice.code, text: notice.text } }),
  });

/**
 * Reserves a change of a working order of this client: the order as the change sends it. The transmission answers how it
 * stands when TWS shows it with new terms: those asked for, or others that TWS has taken in their place, which a warning
 * then names. Throws invalid_input, order_not_changeable, order_rejected, each with how the order stands; the offline
 * errors when nothing was sent; and outcome_unknown.
 */
export function reserveChange(orders: OrderContext, record: OrderRecord, changes: OrderChanges): Reservation {
  const { orderId } = record;
  const spec = changedSpec(orders, record, changes);
  requireUpstream(orders.session);
  const exchange = orders.events.exchange(orderId);
  const change: Change = { exchange, asked: termsOf(spec), before: termsOf(record) };
  const unknown = (why: string) =>
    new TwsError("outcome_unknown", `${why}; it is not known whether TWS has changed order ${orderId}.`, {
      nextStep: "Look at the order with ibkr_get_open_orders before changing it again.",
    });
  const order = toIbChange(spec, record.extras);
  const write = (ib: IBApi) => void ib.placeOrder(orderId, toIbContract(spec.contract), order);
  return {
    orders: [{ orderId, spec }],
    release: () => exchange.close(),
    async transmit({ signal, beforeWrite }) {
      try {
        await writeOnce(orders, "order", signal, unknown, write, beforeWrite);
        return [await answerOf(orders, record, change, signal, unknown)];
      } finally {
        exchange.close();
      }
    },
  };
}

/** Waits for TWS to take the change, or to say why not. */
async function answerOf(
  orders: OrderContext,
  record: OrderRecord,
  change: Change,
  signal: AbortSignal,
  unknown: (why: string) => TwsError,
): Promise<Order> {
  const { exchange } = change;
  const isRefused = () => exchange.notices.some((kind) => kind !== "warning");
  const isAnswered = () => isTaken(change) || record.isFinal || isRefused();
  await orders.events.until(() => exchange.dropped || isAnswered(), orders.times.ackMs, signal);
  if (!isAnswered() && exchange.dropped)
    throw unknown("The connection to TWS ended after the change was sent");
  // an error may be no more than a remark, and the order that it names may work: TWS's list tells how it stands
  if (!isTaken(change) && !record.isFinal) {
    exchange.shown = null;
    await orders.lists.openOrders({ timeoutMs: orders.times.listMs, signal }).catch(() => []);
  }
  if (!isAnswered()) throw unknown("TWS has not confirmed the change");
  if (isTaken(change)) noteOtherTerms(orders, record, change);
  if (isTaken(change) || (record.isFinal && !isRefused())) return orders.records.toOrder(record);
  throw refusalOf(exchange, record);
}

/** The terms that a change can be about. */
interface Terms {
  readonly quantity: number;
  readonly limitPrice: number | null;
  readonly auxPrice: number | null;
}

interface Change {
  readonly exchange: Exchange;
  readonly asked: Terms;
  readonly before: Terms;
}

const names = ["quantity", "limitPrice", "auxPrice"] as const satisfies readonly (keyof Terms)[];

const termsOf = ({ quantity, limitPrice, auxPrice }: Terms): Terms => ({ quantity, limitPrice, auxPrice });

/** The terms with which TWS has shown the order since the change was sent, beside those that its type does not have. */
function shownTerms({ exchange: { shown }, asked }: Change): Terms | null {
  if (shown === null) return null;
  const { totalQuantity, lmtPrice, auxPrice } = shown.order;
  return {
    quantity: totalQuantity,
    limitPrice: asked.limitPrice === null ? null : lmtPrice,
    auxPrice: asked.auxPrice === null ? null : auxPrice,
  };
}

/** Whether TWS has shown the order as asked, or with another value than before where another was asked for. */
function isTaken(change: Change): boolean {
  const { asked, before } = change;
  const shown = shownTerms(change);
  if (shown === null) return false;
  const changed = names.filter((name) => asked[name] !== before[name]);
  if (changed.length === 0) return names.every((name) => shown[name] === asked[name]);
  return changed.some((name) => shown[name] !== before[name]);
}

function noteOtherTerms({ records }: OrderContext, record: OrderRecord, change: Change): void {
  const shown = shownTerms(change);
  const others = names.filter((name) => shown !== null && shown[name] !== change.asked[name]);
  if (shown === null || others.length === 0) return;
  const words = others.map((name) => `${name} ${shown[name] ?? "none"} in place of ${change.asked[name]}`);
  const standing = { ...shown };
  records.remark(
    record,
    `TWS has taken the change with other terms: ${words.join(", ")}.`,
    (now) => !now.isFinal && others.every((name) => now[name] === standing[name]),
  );
}

/** How an order stands, in words. */
export function standingOf({
  status,
  isFinal,
  ...terms
}: Terms & Pick<OrderRecord, "status" | "isFinal">): string {
  const { quantity, limitPrice, auxPrice } = terms;
  const prices = [
    limitPrice === null ? "" : `, limitPrice ${limitPrice}`,
    auxPrice === null ? "" : `, auxPrice ${auxPrice}`,
  ];
  return isFinal ? `it is ${status}` : `it stands at quantity ${quantity}${prices.join("")}`;
}

function refusalOf({ refusal, notFound, shown }: Exchange, record: OrderRecord): TwsError {
  const { orderId } = record;
  // 104: the order has been filled
  if (refusal?.code === 104) {
    return new TwsError("order_not_changeable", `Order ${orderId} has been filled.`, {
      tws: { code: refusal.code, text: refusal.text },
    });
  }
  if (refusal !== null && meaningOf(refusal) === "retry") return twsErrorFor(refusal, `order ${orderId}`);
  if (refusal !== null && isUnlisted(refusal) && !record.isFinal) {
    const { code, text } = refusal;
    return new TwsError(
      "order_rejected",
      `TWS answered the change of order ${orderId} with code ${code}, which is not known here, and lists the order as it was: ${standingOf(record)}.`,
      {
        tws: { code, text },
        nextStep: "Read TWS's text, and look with ibkr_get_open_orders if it stays so.",
      },
    );
  }
  if (refusal !== null) return rejected(`the change of order ${orderId}; ${standingOf(record)}`, refusal);
  if (record.isFinal) return fixed(`Order ${orderId} is ${record.status}.`);
  if (notFound === null) return fixed(`Order ${orderId} can no longer be changed.`);
  return shown === null
    ? new TwsError("order_not_found", `TWS does not know order ${orderId} any more.`)
    : fixed(
        `TWS found no order to change under the id ${orderId}, though it lists it; ${standingOf(record)}.`,
        notFound,
      );
}

/** The whole order anew, since TWS takes a change as the order sent again under its id. */
export function changedSpec(
  { session, records }: Pick<OrderContext, "session" | "records">,
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
  const { carried, fixed: unknownTerms } = record.extras;
  if (unknownTerms.length > 0) {
    throw new TwsError(
      "order_not_changeable",
      `Order ${orderId} has terms that cannot be sent back whole (${unknownTerms.join(", ")}).`,
      { nextStep: "Change it where it was placed, or cancel it and place it anew." },
    );
  }
  const { quantity = record.quantity, limitPrice, auxPrice } = changes;
  if (auxPrice !== undefined && carried.trailingPercent !== undefined) {
    throw fixed(
      `Order ${orderId} trails by ${carried.trailingPercent} percent, which cannot be changed here.`,
    );
  }
  const rules = priceRules[orderType];
  if (limitPrice !== undefined && rules.limitPrice === "none") throw noSuchPrice("limitPrice", orderType);
  if (auxPrice !== undefined && rules.auxPrice === "none") throw noSuchPrice("auxPrice", orderType);
  const problem = priceProblem(orderType, { limitPrice: limitPrice ?? null, auxPrice: auxPrice ?? null });
  if (problem !== null) throw new TwsError("invalid_input", problem);
  const filled = records.fills(record).quantity;
  const parent = record.parentId === null ? undefined : records.own(record.parentId);
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
    // TWS does not find an entry that has ended, and refuses its exit for that
    parentId: parent === undefined || parent.isFinal ? null : record.parentId,
    ocaGroup: record.ocaGroup,
  };
}

const noSuchPrice = (field: string, orderType: string) =>
  new TwsError("invalid_input", `${field}: an order of type ${orderType} has none.`);
