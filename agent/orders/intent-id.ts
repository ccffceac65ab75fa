import { createHash } from "node:crypto";
import type { IntentName } from "../../shared/errors.ts";
import { TwsError } from "../../shared/errors.ts";
import type { OrderSpec } from "../tws/orders/order-wire.ts";
import type { ProposedOrder } from "../limits/proposed-order.ts";

/** A key stands for one order for ever; with another it is a mistake. */
export const otherOrder = (): TwsError =>
  new TwsError(
    "invalid_input",
    "idempotencyKey: it was used for another order. Choose a new key for a new order.",
  );

/** The same for equal values, whatever the order of their keys. SHA-256 in hex. */
export const digestOf = (value: Readonly<Record<string, unknown>>): string =>
  createHash("sha256").update(JSON.stringify(value, sortedKeys)).digest("hex");

const sortedKeys = (_key: string, value: unknown): unknown =>
  value !== null && typeof value === "object" && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** Not in it are the ids that are only known when it is sent, nor what does not change what is traded. */
const exactTerms = ({
  contract: { conId, exchange },
  orderRef: _ref,
  parentId: _parent,
  ...terms
}: OrderSpec) => ({ conId, exchange, ...terms, ocaGroup: terms.ocaGroup !== null });

/** What orders come to, exactly: compared with what is about to be sent. */
export const digestOfSpecs = (specs: readonly OrderSpec[]): string =>
  digestOf({ orders: specs.map((spec) => exactTerms(spec)) });

/**
 * Names orders by their terms, however they were asked for: an instrument by its conId, wherever it is routed, alone or in a
 * group.
 */
export const digestOfTerms = (specs: readonly OrderSpec[]): string =>
  digestOf({
    orders: specs.map((spec) => {
      const { exchange: _exchange, ocaGroup: _group, ...terms } = exactTerms(spec);
      return terms;
    }),
  });

/** What the owner approves: the exact orders, which working order each changes, and whether it is an exit of a bracket. */
export const digestOfOrders = (orders: readonly ProposedOrder[]): string =>
  digestOf({
    orders: orders.map(({ spec, changes, isExit }) => ({
      ...exactTerms(spec),
      // a change does not send where a trailing stop stands, and TWS moves it while the owner decides
      ...(changes !== null && { trailStopPrice: null }),
      changes: changes?.orderId ?? null,
      isExit,
    })),
  });

/**
 * The name of an order intent: made from grant and key alone, so that it is found again whatever was lost, and short enough to
 * be the orderRef of its order at TWS. `row` tells the orders of one key apart.
 */
export function nameOf(grantId: string, idempotencyKey: string, row?: number): IntentName {
  const id = `${grantId}/${idempotencyKey}${row === undefined ? "" : `/${row}`}`;
  return {
    intentId: `ag1:${createHash("sha256").update(id).digest("hex").slice(0, 24)}`,
    idempotencyKey,
  };
}
