import { TwsError } from "../../shared/errors.ts";
import { ContractSelector } from "../../shared/contract.ts";
import { hasEnded, hasEndedForGood } from "../../shared/order.ts";
import type { CompletedOrder, Order, WaitUntil } from "../../shared/order.ts";
import { modeOf } from "../../shared/status.ts";
import type { orderTools } from "../../shared/tools/orders.ts";
import { mayUse, requireTrader, resolveAccount } from "../limits/limits.ts";
import { cancelOrder, changeOrder } from "../orders/modify-order.ts";
import { endedOrder, lookUpOrder, outcomeOf } from "../orders/order-status.ts";
import { placeOrder } from "../orders/place-order.ts";
import type { Placed } from "../orders/place-order.ts";
import { requireTimeLeft, termsOf } from "../orders/order-terms.ts";
import { orderContract } from "../orders/order-contract.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import type { HandlersFor } from "./handlers-for.ts";

const sameText = (asked: string | undefined, value: string | undefined): boolean =>
  asked === undefined || asked === "" || asked.toUpperCase() === value?.toUpperCase();

const placedOf = ({ order, idempotencyKey }: Placed) => {
  const { contract, action, quantity, orderType, permId } = order;
  const symbol = contract.symbol ?? "";
  return { ...outcomeOf(order), symbol, action, quantity, orderType, permId, idempotencyKey };
};

const reached: Readonly<Record<WaitUntil, (order: Order) => boolean>> = {
  working: ({ status, filled }) => status === "Submitted" || status === "Filled" || filled > 0,
  first_fill: ({ filled }) => filled > 0,
  filled: ({ status }) => status === "Filled",
  ended: hasEnded,
};

/** What TWS answers late must still reach the caller within the call. */
const answerWithinMs = 500;

type Deps = Pick<HandlerDeps, "session" | "orderBook" | "limits" | "orders" | "now">;

export function createOrderHandlers(deps: Deps) {
  const { session, orderBook, limits, orders: trading } = deps;
  const placing = { ...deps, pipeline: trading.pipeline };

  /** An order of an account outside the grant does not exist for the caller. */
  async function visibleOrder(orderId: number, context: CallContext): Promise<Order> {
    const order = await orderBook.get(orderId, requestOf(context)).catch((error: unknown) => {
      const isGone = error instanceof TwsError && error.code === "order_not_found";
      const ended = isGone ? endedOrder(trading, orderId, session.clientId) : null;
      if (ended === null) throw error;
      return ended;
    });
    if (mayUse(context.caller, order.account)) return order;
    throw new TwsError("order_not_found", `TWS shows no order with the id ${orderId}.`);
  }

  /** Whether a row is of the account asked for, and the caller's to see. Throws as resolveAccount does. */
  function wantedBy(account: string, { caller }: CallContext): (row: { account: string }) => boolean {
    if (account !== "") resolveAccount(account, caller, session.accounts(), limits.onlyAccount);
    return (row) => mayUse(caller, row.account) && sameText(account, row.account);
  }

  async function completedOrders(account: string, context: CallContext) {
    const isWanted = wantedBy(account, context);
    return (await orderBook.completedOrders(requestOf(context)))
      .filter(isWanted)
      .toSorted(
        (one, other) =>
          (other.completedTime ?? "").localeCompare(one.completedTime ?? "") || newestFirst(one, other),
      );
  }

  return {
    async ibkr_place_order(input, context) {
      return placedOf(await placeOrder(placing, "ibkr_place_order", input, context));
    },

    async ibkr_place_option_order(input, context) {
      const { conId, localSymbol, secType = "OPT" } = input;
      if (secType !== "OPT" && secType !== "FOP") {
        throw new TwsError("invalid_input", "secType: this tool places OPT and FOP; use ibkr_place_order.");
      }
      const missing = (["symbol", "expiration", "strike", "right"] as const).filter(
        (field) => input[field] === undefined,
      );
      if (conId === undefined && localSymbol === undefined && missing.length > 0) {
        throw new TwsError(
          "invalid_input",
          `${missing.join(", ")}: an option is named by these, or by conId.`,
        );
      }
      const asked = { ...input, ...(conId === undefined && { secType }), outsideRth: false };
      const placed = await placeOrder(placing, "ibkr_place_option_order", asked, context, (contract) => {
        if (contract.secType === "OPT" || contract.secType === "FOP") return;
        throw new TwsError("invalid_input", `conId: ${contract.conId} is no option; use ibkr_place_order.`);
      });
      return { ...placedOf(placed), contract: placed.order.contract };
    },

    async ibkr_preview_order(input, context) {
      const { caller } = context;
      const terms = termsOf(input);
      requireTimeLeft(input.goodTillDate, deps.now());
      const account = resolveAccount(input.account, caller, session.accounts(), limits.onlyAccount);
      const request = requestOf(context);
      const contract = await orderContract(session, ContractSelector.parse(input), request);
      const spec = { contract, account, ...terms, orderRef: "", parentId: null, ocaGroup: null };
      const [preview, report] = await Promise.all([
        orderBook.preview(spec, request),
        trading.guard.describe([{ spec, changes: null, isExit: false }], caller.grantId, request),
      ]);
      return {
        account,
        mode: modeOf(account),
        contract,
        ...preview,
        value: report.value,
        limits: [...report.limits],
        approval: report.approval,
        asOf: new Date(deps.now()).toISOString(),
      };
    },

    async ibkr_modify_order({ orderId, ...changes }, context) {
      if (Object.values(changes).every((change) => change === undefined)) {
        throw new TwsError("invalid_input", "Give the new quantity, limitPrice or auxPrice.");
      }
      return outcomeOf(await changeOrder(placing, await visibleOrder(orderId, context), changes, context));
    },

    async ibkr_cancel_order({ orderId }, context) {
      const order = await visibleOrder(orderId, context);
      requireTrader(context.caller, order.account);
      // a parked one may wake
      if (hasEndedForGood(order)) return outcomeOf(order);
      return outcomeOf(await cancelOrder(placing, order, context));
    },

    async ibkr_get_open_orders(_input, context) {
      const all = await orderBook.openOrders(requestOf(context));
      const orders = all.filter(({ account }) => mayUse(context.caller, account)).toSorted(newestFirst);
      return { orders, count: orders.length };
    },

    async ibkr_get_completed_orders({ account }, context) {
      const orders = await completedOrders(account, context);
      return { orders, count: orders.length };
    },

    async ibkr_get_all_orders({ account }, context) {
      const isWanted = wantedBy(account, context);
      const open = (await orderBook.openOrders(requestOf(context))).filter(isWanted);
      const completed = await completedOrders(account, context);
      // one that ended between the two lists is in both
      const known = new Set(completed.map(({ permId }) => permId));
      const working = open
        .filter(({ permId }) => permId === null || !known.has(permId))
        .toSorted(newestFirst);
      const orders = [...working, ...completed];
      return { orders, count: orders.length, openCount: working.length };
    },

    async ibkr_wait_for_order({ orderId, until, timeoutSeconds }, context) {
      await visibleOrder(orderId, context);
      const startedAt = performance.now();
      const isOver = (order: Order) => reached[until](order) || hasEnded(order);
      const reportProgress = ({ filled, quantity, status }: Order) =>
        context.progress(filled, quantity, `Order ${orderId} is ${status}, ${filled} of ${quantity} filled`);
      const timeoutMs = Math.min(timeoutSeconds * 1000, Math.max(1, context.twsTimeoutMs - answerWithinMs));
      const request = { ...requestOf(context), timeoutMs };
      const order = await orderBook.waitFor(orderId, isOver, reportProgress, request);
      const waitedSeconds = Math.round((performance.now() - startedAt) / 100) / 10;
      return { ...outcomeOf(order), reached: reached[until](order), waitedSeconds };
    },

    ibkr_get_order_status: (input, context) => lookUpOrder(deps, input, context),

    async ibkr_get_executions({ symbol, secType, exchange, account }, context) {
      const isWanted = wantedBy(account, context);
      const all = await orderBook.executions(requestOf(context));
      const executions = all.filter(
        ({ execution, contract }) =>
          isWanted(execution) &&
          sameText(symbol, contract.symbol) &&
          sameText(secType, contract.secType) &&
          sameText(exchange, execution.exchange),
      );
      return { executions, count: executions.length };
    },
  } satisfies HandlersFor<typeof orderTools>;
}

/** IBKR numbers the orders of an account as they come; one without a number has just been sent. */
function newestFirst(
  one: Pick<CompletedOrder, "permId" | "orderId">,
  other: Pick<CompletedOrder, "permId" | "orderId">,
): number {
  return (other.permId ?? Infinity) - (one.permId ?? Infinity) || (other.orderId ?? 0) - (one.orderId ?? 0);
}
