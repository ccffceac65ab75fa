import type { Caller } from "../../shared/caller.ts";
import { modeOf } from "../../shared/status.ts";
import type { orderGroupTools } from "../../shared/tools/order-groups.ts";
import { mayUse, requireTrader, resolveAccount, visibleAccounts } from "../limits/limits.ts";
import { placeBasket } from "../orders/basket.ts";
import type { BasketRow } from "../orders/basket.ts";
import { placeBracket } from "../orders/bracket.ts";
import { digestOf, nameOf } from "../orders/intent-id.ts";
import { outcomeOf } from "../orders/order-status.ts";
import { requestOf } from "../call/call-context.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import type { HandlersFor } from "./handlers-for.ts";

type Deps = Pick<HandlerDeps, "session" | "orderBook" | "limits" | "orders" | "now">;

/** Rows of an answer; the counts beside them are of all. */
const mostCancelled = 60;

export function createOrderGroupHandlers(deps: Deps) {
  const { session, orderBook, limits, orders } = deps;
  const placing = { ...deps, pipeline: orders.pipeline };

  /** The one named; else the one of this host, if the owner has bound it to one, or all that the caller may use. */
  function coveredAccounts(named: string, caller: Caller): string[] {
    const { onlyAccount } = limits;
    if (named !== "") {
      requireTrader(caller, named);
      return [resolveAccount(named, caller, session.accounts(), onlyAccount)];
    }
    const visible = visibleAccounts(caller, session.accounts());
    return onlyAccount === null ? visible : visible.filter((account) => account === onlyAccount);
  }

  return {
    async ibkr_place_bracket_order(input, context) {
      const { entry, takeProfit, stopLoss, idempotencyKey } = await placeBracket(placing, input, context);
      const { account, mode, status, filled, avgFillPrice } = entry;
      return {
        parentOrderId: entry.orderId,
        takeProfitOrderId: takeProfit.orderId,
        stopLossOrderId: stopLoss.orderId,
        status,
        takeProfitStatus: takeProfit.status,
        stopLossStatus: stopLoss.status,
        account,
        mode,
        symbol: entry.contract.symbol ?? "",
        filled,
        avgFillPrice,
        warnings: [...new Set([entry, takeProfit, stopLoss].flatMap(({ warnings }) => warnings))],
        idempotencyKey,
      };
    },

    async ibkr_place_orders(input, context) {
      const { rows, account, ocaGroup, idempotencyKey } = await placeBasket(placing, input, context);
      const accepted = rows.filter(({ outcome }) => "order" in outcome).length;
      const unknown = rows.filter(({ outcome }) => "error" in outcome && outcome.isOpen).length;
      return {
        orders: rows.map(rowOf),
        count: rows.length,
        accepted,
        refused: rows.length - accepted - unknown,
        unknown,
        account,
        mode: modeOf(account),
        ocaGroup,
        idempotencyKey,
      };
    },

    async ibkr_cancel_all_orders({ account }, context) {
      const { caller } = context;
      const all = session.accounts();
      const accounts = coveredAccounts(account, caller);
      // TWS's own order for this knows no accounts, so it is for callers who may use all of them and mean them
      const isAll = caller.accounts === null && all.length > 0 && accounts.length === all.length;
      const isWanted = isAll ? null : (one: string) => accounts.includes(one);
      const intent = {
        // see cancelOrder
        ...nameOf(caller.grantId, `cancel/${crypto.randomUUID()}`),
        tool: "ibkr_cancel_all_orders",
        kind: "cancel_all",
        digest: digestOf({ accounts }),
        account: accounts.join(" ").slice(0, 50),
        hasClientKey: false,
        checksDuplicate: false,
      } as const;
      const { orders: found, others } = await orders.pipeline.cancel(intent, context, (beforeWrite) =>
        orderBook.cancelAll(isWanted, requestOf(context), beforeWrite),
      );
      const ended = found.filter(({ status }) => status === "Cancelled" || status === "ApiCancelled");
      const open = found.filter(({ status }) => status !== "Filled" && status !== "Inactive");
      // what is still open matters most
      const shown = [...found.filter((order) => !ended.includes(order)), ...ended].slice(0, mostCancelled);
      return {
        orders: shown.map((order) => ({ ...outcomeOf(order), symbol: order.contract.symbol ?? "" })),
        count: found.length,
        cancelled: ended.length,
        stillOpen: open.length - ended.length,
        accounts,
        elsewhere: others.filter((order) => mayUse(caller, order.account)).length,
      };
    },
  } satisfies HandlersFor<typeof orderGroupTools>;
}

function rowOf({ symbol, outcome }: BasketRow, row: number) {
  if ("order" in outcome) return { row, symbol, ...outcomeOf(outcome.order) };
  return { row, symbol, error: outcome.error.toBody() };
}
