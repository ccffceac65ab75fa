import type { ProposedOrder } from "../limits/proposed-order.ts";

/** An order in one line, for the owner: "BUY 10 AAPL (STK, SMART, USD) LMT 180.5 DAY". */
export function wordsOf({ spec, changes, isExit }: ProposedOrder): string {
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
