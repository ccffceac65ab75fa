import type { Accounts } from "./accounts.ts";
import type { Execution } from "../model/ledger.ts";
import { toAmount } from "./money.ts";
import type { WorkingOrder } from "./working-order.ts";
import { snapshot } from "./working-order.ts";

/** `0000e0d5.6a3f2b1c.01.01` again as `0000e0d5.6a3f2b1c.01.02`. */
function nextVersion(execId: string): string {
  const at = execId.lastIndexOf(".") + 1;
  return execId.slice(0, at) + String(Number(execId.slice(at)) + 1).padStart(2, "0");
}

/** The fill at another price: cash, position and the order's average follow. Returns its corrected execution. */
export function correctFill(
  accounts: Accounts,
  order: WorkingOrder,
  execution: Execution,
  price: number,
): Execution {
  const { shares, commission, side } = execution;
  const { instrument, account } = order.request;
  const signed = side === "BOT" ? shares : -shares;
  accounts.apply(account, {
    instrument,
    quantity: -signed,
    price: execution.price,
    commission: -commission,
  });
  const realized = accounts.apply(account, { instrument, quantity: signed, price, commission });
  order.spent += shares * (price - execution.price);
  order.lastFillPrice = price;
  const corrected = snapshot(order);
  return {
    ...execution,
    execId: nextVersion(execution.execId),
    order: corrected,
    price,
    avgPrice: corrected.avgFillPrice,
    realizedPnl: realized === null ? null : toAmount(realized),
  };
}
