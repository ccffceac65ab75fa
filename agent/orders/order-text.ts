import { TwsError } from "../../shared/errors.ts";
import { hasEnded } from "../../shared/order.ts";
import type { Order } from "../../shared/order.ts";
import type { Intent } from "../journal/journal.ts";
import { standingOf } from "../tws/orders/order-change.ts";
import type { ProposedOrder } from "../limits/proposed-order.ts";

/** An order in one line, for the owner: "BUY 10 AAPL (STK, SMART, USD) LMT 180.5 DAY". */
export function orderText({ spec, changes, isExit }: ProposedOrder): string {
  const { contract, action, quantity, orderType, tif, outsideRth, goodTillDate, ocaGroup } = spec;
  const name = contract.localSymbol ?? contract.symbol ?? `conId ${contract.conId}`;
  const facts = [contract.secType, contract.exchange, contract.currency].filter((fact) => fact !== undefined);
  const prices = [
    spec.limitPrice === null ? null : `limit ${spec.limitPrice}`,
    spec.auxPrice === null
      ? null
      : `${orderType.startsWith("TRAIL") ? "trailing by" : "at"} ${spec.auxPrice}`,
    spec.trailStopPrice === null ? null : `first stop ${spec.trailStopPrice}`,
    spec.limitOffset === null ? null : `limit offset ${spec.limitOffset}`,
  ].filter((price) => price !== null);
  const text = [
    changes === null ? "" : `change order ${changes.orderId} to`,
    action,
    String(quantity),
    `${name} (${facts.join(", ")}, conId ${contract.conId})`,
    orderType,
    prices.join(", "),
    tif,
    goodTillDate === null ? "" : `until ${goodTillDate}`,
    outsideRth ? "also outside regular hours" : "",
    isExit && changes === null ? "as an exit of the bracket" : "",
    ocaGroup === null ? "" : "in a group of which one cancels the others",
  ];
  return text
    .filter((part) => part !== "")
    .join(" ")
    .slice(0, 300);
}

export const stateText = {
  received: "It is being prepared; nothing has been sent.",
  reserved: "It has an order id and is about to be sent.",
  acked: "TWS has it.",
  done: "It has ended at TWS.",
  refused: "It was not sent.",
  rejected: "TWS has refused it.",
  absent: "It was sent, and TWS does not have it: what is known would have shown it. It is looked for on.",
} as const;

export const notSent = (): TwsError =>
  new TwsError("cancelled", "The agent stopped before the order was sent, so nothing was placed.", {
    nextStep: "Nothing was placed. Call again to place it.",
  });

/** TWS shows other terms than a change asked for: it has not arrived, or was taken otherwise. */
export const unchangedAtTws = ({ legs }: Intent, order: Order | null): TwsError =>
  new TwsError(
    "order_rejected",
    `TWS does not show order ${legs[0]?.orderId ?? ""} with the terms that its change asked for${order === null ? "" : `; ${standingOf({ ...order, isFinal: hasEnded(order) })}`}.`,
    { nextStep: "Look at the order with ibkr_get_order_status; if it still works, change it again." },
  );
