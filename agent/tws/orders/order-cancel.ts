import { TwsError } from "../../../shared/errors.ts";
import { isFinal } from "../../../shared/order.ts";
import type { Order } from "../../../shared/order.ts";
import { rejected, writeOnce } from "./order-context.ts";
import type { OrderContext } from "./order-context.ts";
import type { OrderRecord } from "./order-records.ts";

/**
 * TWS takes an id under which no order of ours works for that of any client, and cancels that one. Throws
 * order_not_changeable while it lists such an order and not ours.
 */
async function requireOwn(
  { lists, records, times }: OrderContext,
  record: OrderRecord,
  signal: AbortSignal,
): Promise<void> {
  const { orderId, clientId } = record;
  const rows = await lists.openOrders({ timeoutMs: times.listMs, signal }).catch(() => null);
  // without a list by what is known: cancelling is possible while TWS lists nothing
  const listed = rows === null ? records.all() : rows.flatMap((row) => records.of(row) ?? []);
  if (rows !== null && listed.includes(record)) return;
  const other = listed.find((one) => one.orderId === orderId && one.clientId !== clientId && !one.isFinal);
  if (other === undefined) return;
  throw new TwsError(
    "order_not_changeable",
    `TWS does not list order ${orderId} of this client, and would cancel the order of API client ${other.clientId} that has the same id; nothing was sent.`,
    { nextStep: "Cancel it in TWS, or again when the other order has ended." },
  );
}

const isWorking = ({ isFinal }: Pick<OrderRecord, "isFinal">): boolean => !isFinal;

/**
 * Cancels an order and answers with the state it came to: a fill that came first wins. An order that is filled or
 * cancelled is answered as it is, without a message to TWS. Throws order_not_found, order_rejected, tws_offline when
 * nothing was sent, and outcome_unknown.
 */
export async function cancelOrder(
  orders: OrderContext,
  record: OrderRecord,
  signal: AbortSignal,
  beforeWrite: () => void = () => {},
): Promise<Order> {
  const { records, events, lists, times } = orders;
  const { orderId } = record;
  // an Inactive order may be parked at TWS and come back, so its cancellation is sent
  const wasInactive = record.status === "Inactive";
  if (isFinal(record.status) && !wasInactive) return records.toOrder(record);
  if (wasInactive || !record.acknowledged || records.isUncertain(record)) {
    await requireOwn(orders, record, signal);
  }
  const exchange = events.exchange(orderId);
  const told = (kind: "cancelled" | "not_found" | "not_cancellable") => exchange.notices.includes(kind);
  const unknown = (why: string) =>
    new TwsError("outcome_unknown", `${why}; it is not known whether order ${orderId} is cancelled.`, {
      nextStep: "Cancelling again is harmless: call ibkr_cancel_order again, or ibkr_get_order_status.",
    });
  const isEnded = () => isFinal(record.status) && !(wasInactive && record.status === "Inactive");
  const isAnswered = () =>
    isEnded() ||
    told("cancelled") ||
    told("not_found") ||
    told("not_cancellable") ||
    exchange.refusal !== null;
  try {
    await writeOnce(orders, "cancel", signal, unknown, (ib) => void ib.cancelOrder(orderId), beforeWrite);
    await events.until(() => exchange.dropped || isAnswered(), times.ackMs, signal);
    if (!isAnswered() && exchange.dropped) {
      throw unknown("The connection to TWS ended after the cancellation was sent");
    }
    // the notice and the status come in either order
    if (isAnswered()) await events.until(isEnded, times.afterRefusalMs, signal);
    if (told("cancelled") && !isEnded()) records.conclude(record, "Cancelled");
    if (isEnded()) return records.toOrder(record);
    if (wasInactive && (told("not_found") || told("not_cancellable"))) return records.toOrder(record);
    if (exchange.refusal !== null) throw rejected(`the cancellation of order ${orderId}`, exchange.refusal);
    await lists.refresh({ timeoutMs: times.listMs, signal }).catch(() => undefined);
    if (told("not_found") && !isEnded()) {
      const rows = await lists.openOrders({ timeoutMs: times.listMs, signal }).catch(() => []);
      if (rows.some((row) => records.of(row) === record)) {
        throw new TwsError(
          "order_not_changeable",
          `TWS found no order to cancel under the id ${orderId}, though it lists it as working.`,
          {
            nextStep: "Cancel it in TWS, or again with ibkr_cancel_all_orders.",
            ...(exchange.notFound !== null && {
              tws: { code: exchange.notFound.code, text: exchange.notFound.text },
            }),
          },
        );
      }
      throw new TwsError("order_not_found", `TWS does not know order ${orderId}.`);
    }
    // it looks as ended as before, and may yet wake
    if (wasInactive && !isEnded()) throw unknown("TWS has not answered the cancellation of a parked order");
    if (!isEnded()) records.remark(record, "TWS has not confirmed the cancellation yet.", isWorking);
    return records.toOrder(record);
  } finally {
    exchange.close();
  }
}
