import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import { requireTrading } from "../limits/limits.ts";
import type { OrderChanges } from "../tws/orders/order-change.ts";
import { digestOf, nameOf } from "./intent-id.ts";
import type { OrderPlan } from "./submission.ts";
import { keyOf } from "./place-order.ts";
import type { PlaceDeps } from "./place-order.ts";

type ChangeDeps = Pick<PlaceDeps, "session" | "orderBook" | "limits" | "pipeline">;

/** Changes a working order within the owner's limits. `order` is the caller's to see. Throws as OrderBook.reserveChange does. */
export async function changeOrder(
  { orderBook, limits, pipeline }: ChangeDeps,
  order: Order,
  changes: OrderChanges,
  context: CallContext,
): Promise<Order> {
  const { caller } = context;
  const { orderId, account } = order;
  requireTrading(limits, caller, account);
  const request = requestOf(context);
  const intent = {
    ...nameOf(caller.grantId, keyOf(undefined, context)),
    tool: "ibkr_modify_order",
    kind: "modify",
    digest: digestOf({ orderId, account, ...changes }),
    account,
    hasClientKey: false,
    // the same change again comes to the same
    checksDuplicate: false,
  } as const;
  const plan: OrderPlan = {
    priorOrders: () => Promise.resolve(null),
    async prepare() {
      const { spec, order: now } = await orderBook.changed(orderId, changes, request);
      return [{ spec, changes: now, isExit: now.parentId !== null }];
    },
    async reserve([proposed]) {
      const reservation = await orderBook.reserveChange(orderId, changes, request);
      // where a trailing stop stands is not sent, so that it may have moved meanwhile
      const trailStopPrice = proposed?.spec.trailStopPrice ?? null;
      const orders = reservation.orders.map((order) => ({
        ...order,
        spec: { ...order.spec, trailStopPrice },
      }));
      return { ...reservation, orders };
    },
  };
  const [changed] = await pipeline.enqueue(orderId, () => pipeline.submit(intent, plan, context));
  if (changed === undefined) throw new TwsError("internal", "A change came to no order.");
  return changed;
}

/** Cancels an order that is the caller's to see, also where nothing can be written down. Throws as OrderBook.cancel does. */
export function cancelOrder(
  { orderBook, pipeline }: ChangeDeps,
  { orderId, account }: Order,
  context: CallContext,
): Promise<Order> {
  const intent = {
    // a name of its own: cancelling again is harmless, and under the name of an order it would hide that
    ...nameOf(context.caller.grantId, `cancel/${crypto.randomUUID()}`),
    tool: "ibkr_cancel_order",
    kind: "cancel",
    digest: digestOf({ orderId, account }),
    account,
    hasClientKey: false,
    checksDuplicate: false,
  } as const;
  return pipeline.cancel(intent, context, (beforeWrite) =>
    orderBook.cancel(orderId, requestOf(context), beforeWrite),
  );
}
