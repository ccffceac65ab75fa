import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import type { orderTools } from "../../shared/tools/orders.ts";
import { mayUse, requireTrader, requireTrading, resolveAccount } from "../limits.ts";
import { placeOrder } from "../orders/place.ts";
import { requestOf } from "./deps.ts";
import type { HandlerDeps } from "./deps.ts";
import type { CallContext, HandlersFor } from "./handlers-for.ts";

const outcomeOf = (order: Order) => {
  const { orderId, account, mode, status, filled, remaining, avgFillPrice, warnings } = order;
  return { orderId, account, mode, status, filled, remaining, avgFillPrice, warnings };
};

const sameText = (asked: string | undefined, value: string | undefined): boolean =>
  asked === undefined || asked === "" || asked.toUpperCase() === value?.toUpperCase();

type Deps = Pick<HandlerDeps, "session" | "orderBook" | "limits" | "intents">;

export function createOrderHandlers(deps: Deps) {
  const { session, orderBook, limits } = deps;

  /** An order of an account outside the grant does not exist for the caller. */
  async function visibleOrder(orderId: number, context: CallContext): Promise<Order> {
    const order = await orderBook.get(orderId, requestOf(context));
    if (mayUse(context.caller, order.account)) return order;
    throw new TwsError("order_not_found", `TWS shows no order with the id ${orderId}.`);
  }

  return {
    async ibkr_place_order(input, context) {
      const { order, idempotencyKey } = await placeOrder(deps, input, context);
      const { contract, action, quantity, orderType, permId } = order;
      const symbol = contract.symbol ?? "";
      return { ...outcomeOf(order), symbol, action, quantity, orderType, permId, idempotencyKey };
    },

    async ibkr_modify_order({ orderId, ...changes }, context) {
      if (Object.values(changes).every((change) => change === undefined)) {
        throw new TwsError("invalid_input", "Give the new quantity, limitPrice or auxPrice.");
      }
      const { account } = await visibleOrder(orderId, context);
      requireTrading(limits, context.caller, account);
      return outcomeOf(await orderBook.modify(orderId, changes, requestOf(context)));
    },

    async ibkr_cancel_order({ orderId }, context) {
      const { account } = await visibleOrder(orderId, context);
      requireTrader(context.caller, account);
      return outcomeOf(await orderBook.cancel(orderId, requestOf(context)));
    },

    async ibkr_get_open_orders(_input, context) {
      const all = await orderBook.openOrders(requestOf(context));
      const orders = all.filter(({ account }) => mayUse(context.caller, account));
      return { orders, count: orders.length };
    },

    async ibkr_get_order_status({ orderId }, context) {
      const order = await visibleOrder(orderId, context);
      return { ...outcomeOf(order), whyHeld: order.whyHeld, order };
    },

    async ibkr_get_executions({ symbol, secType, exchange, account }, context) {
      const { caller } = context;
      if (account !== "") resolveAccount(account, caller, session.accounts(), limits.onlyAccount);
      const all = await orderBook.executions(requestOf(context));
      const executions = all.filter(
        ({ execution, contract }) =>
          mayUse(caller, execution.account) &&
          sameText(account, execution.account) &&
          sameText(symbol, contract.symbol) &&
          sameText(secType, contract.secType) &&
          sameText(exchange, execution.exchange),
      );
      return { executions, count: executions.length };
    },
  } satisfies HandlersFor<typeof orderTools>;
}
