import { ContractSelector } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import type { InputOf } from "../../shared/tools/define.ts";
import type { orderGroupTools } from "../../shared/tools/order-groups.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import type { BracketSpec } from "../tws/orders/order-bracket.ts";
import type { OrderSpec } from "../tws/orders/order-wire.ts";
import { orderContract } from "./order-contract.ts";
import { requireSame, whenOrdersRead } from "./prior-orders.ts";
import { digestOf, nameOf, otherOrder } from "./intent-id.ts";
import type { OrderPlan } from "./submission.ts";
import { keyOf, tradedAccount } from "./place-order.ts";
import type { PlaceDeps } from "./place-order.ts";

type BracketInput = InputOf<(typeof orderGroupTools)["ibkr_place_bracket_order"]>;

export interface PlacedBracket {
  readonly entry: Order;
  readonly takeProfit: Order;
  readonly stopLoss: Order;
  readonly idempotencyKey: string;
}

/** The legs as their references at TWS name them. */
const suffixes = { entry: "P", takeProfit: "T", stopLoss: "S" } as const;

/**
 * From what a caller asks to an entry with its exits at TWS, as `placeOrder` does for one order: one intent holds all
 * three, and each carries its own reference.
 */
export async function placeBracket(
  deps: PlaceDeps,
  input: BracketInput,
  context: CallContext,
): Promise<PlacedBracket> {
  const { session, orderBook, pipeline } = deps;
  const { signal, caller } = context;
  requirePrices(input);
  const account = tradedAccount(deps, input.account, context);
  const { idempotencyKey: ownKey, ...asked } = input;
  const name = nameOf(caller.grantId, keyOf(ownKey, context));
  const ref = (leg: keyof typeof suffixes) => `${name.intentId}:${suffixes[leg]}`;

  /** What TWS shows of it under its references: null when nothing. */
  const shown = async (): Promise<readonly Order[] | null> => {
    const [entry, takeProfit, stopLoss] = await Promise.all([
      orderBook.byRef(ref("entry"), signal),
      orderBook.byRef(ref("takeProfit"), signal),
      orderBook.byRef(ref("stopLoss"), signal),
    ]);
    if (entry === null && takeProfit === null && stopLoss === null) return null;
    if (entry !== null && takeProfit !== null && stopLoss !== null) return [entry, takeProfit, stopLoss];
    throw partial({ "the entry": entry, "the take profit": takeProfit, "the stop loss": stopLoss });
  };

  const plan: OrderPlan = {
    async priorOrders() {
      await whenOrdersRead(deps, signal);
      const prior = await shown();
      if (prior?.[0] === undefined) return null;
      const terms = { action: input.action, orderType: "LMT" } as const;
      await requireSame(deps, prior[0], { account, selector: ContractSelector.parse(input), terms }, context);
      return prior;
    },

    async prepare() {
      const contract = await orderContract(session, ContractSelector.parse(input), requestOf(context));
      const { entry, takeProfit, stopLoss } = specOf(input, { contract, account }, ref);
      return [entry, takeProfit, stopLoss].map((spec) => ({ spec, changes: null, isExit: spec !== entry }));
    },

    async reserve(proposed) {
      const [entry, takeProfit, stopLoss] = proposed.map(({ spec }) => spec);
      if (entry === undefined || takeProfit === undefined || stopLoss === undefined) throw otherOrder();
      return orderBook.reserveBracket({ entry, takeProfit, stopLoss }, signal);
    },
  };
  const intent = {
    ...name,
    tool: "ibkr_place_bracket_order",
    kind: "bracket",
    digest: digestOf({ ...asked, account }),
    account,
    hasClientKey: ownKey !== undefined,
    checksDuplicate: ownKey === undefined,
  } as const;
  const [entry, takeProfit, stopLoss] = await pipeline.submit(intent, plan, context);
  // the key of a single order stands for one
  if (entry === undefined || takeProfit === undefined || stopLoss === undefined) throw otherOrder();
  return { entry, takeProfit, stopLoss, idempotencyKey: name.idempotencyKey };
}

function partial(legs: Readonly<Record<string, Order | null>>): TwsError {
  const all = Object.entries(legs);
  const shown = all.flatMap(([name, leg]) =>
    leg === null ? [] : [`${name} (order ${leg.orderId}, ${leg.status}, ${leg.filled} filled)`],
  );
  const missing = all.flatMap(([name, leg]) => (leg === null ? [name] : []));
  return new TwsError(
    "outcome_unknown",
    `Of this bracket TWS shows only ${shown.join(" and ")}; it is not known what became of ${missing.join(" and ")}.`,
    {
      nextStep:
        "Look with ibkr_get_open_orders. Cancel an entry that has no stop loss, and protect or close what it has filled.",
    },
  );
}

/** A stop on the wrong side of the entry would fire at once. */
function requirePrices({ action, entryPrice, takeProfitPrice, stopLossPrice }: BracketInput): void {
  const isBetter = (one: number, other: number) => (action === "BUY" ? one > other : one < other);
  const side = action === "BUY" ? "above" : "below";
  if (!isBetter(takeProfitPrice, entryPrice)) {
    throw new TwsError("invalid_input", `takeProfitPrice: for a ${action} it lies ${side} entryPrice.`);
  }
  if (!isBetter(entryPrice, stopLossPrice)) {
    const other = action === "BUY" ? "below" : "above";
    throw new TwsError("invalid_input", `stopLossPrice: for a ${action} it lies ${other} entryPrice.`);
  }
}

function specOf(
  input: BracketInput,
  common: Pick<OrderSpec, "contract" | "account">,
  ref: (leg: keyof BracketSpec) => string,
): BracketSpec {
  const { action, quantity, entryPrice, takeProfitPrice, stopLossPrice, tif, exitTif, outsideRth } = input;
  const leg: Omit<OrderSpec, "orderType" | "limitPrice" | "auxPrice" | "tif" | "action" | "orderRef"> = {
    ...common,
    quantity,
    trailStopPrice: null,
    limitOffset: null,
    goodTillDate: null,
    outsideRth,
    parentId: null,
    ocaGroup: null,
  };
  const exit = { ...leg, action: action === "BUY" ? "SELL" : "BUY", tif: exitTif } as const;
  return {
    entry: {
      ...leg,
      action,
      tif,
      orderType: "LMT",
      limitPrice: entryPrice,
      auxPrice: null,
      orderRef: ref("entry"),
    },
    takeProfit: {
      ...exit,
      orderType: "LMT",
      limitPrice: takeProfitPrice,
      auxPrice: null,
      orderRef: ref("takeProfit"),
    },
    stopLoss: {
      ...exit,
      orderType: "STP",
      limitPrice: null,
      auxPrice: stopLossPrice,
      orderRef: ref("stopLoss"),
    },
  };
}
