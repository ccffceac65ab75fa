import { ContractSelector } from "../../shared/contract.ts";
import type { Contract } from "../../shared/contract.ts";
import type { Order } from "../../shared/order.ts";
import type { InputOf } from "../../shared/tools/define.ts";
import type { orderTools } from "../../shared/tools/orders.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import { requireTrading, resolveAccount } from "../limits/limits.ts";
import type { Limits } from "../limits/limits.ts";
import type { TwsSession } from "../tws/session/api.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";
import { orderContract } from "./order-contract.ts";
import { findPriorOrder } from "./prior-orders.ts";
import { digestOf, nameOf, otherOrder } from "./intent-id.ts";
import type { Pipeline, OrderPlan } from "./submission.ts";
import { requireTimeLeft, termsOf } from "./order-terms.ts";
import type { OrderTerms } from "./order-terms.ts";

type PlaceInput = InputOf<(typeof orderTools)["ibkr_place_order"]>;

export interface PlaceDeps {
  readonly session: TwsSession;
  readonly orderBook: OrderBook;
  readonly limits: Limits;
  readonly pipeline: Pipeline;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export interface Placed {
  readonly order: Order;
  readonly idempotencyKey: string;
}

/** One order that is to be at TWS once. */
export interface Asked {
  /** The orderRef. */
  readonly intentId: string;
  readonly account: string;
  readonly selector: ContractSelector;
  readonly terms: OrderTerms;
  /** As the caller said it. An order that has been placed may have outlived it. */
  readonly goodTillDate: string | undefined;
  readonly ocaGroup: string | null;
}

/** The account of an order that the caller may trade now. Throws as resolveAccount and requireTrading do. */
export function tradedAccount(
  { session, limits }: Pick<PlaceDeps, "session" | "limits">,
  requested: string,
  { caller }: CallContext,
): string {
  const account = resolveAccount(requested, caller, session.accounts(), limits.onlyAccount);
  requireTrading(limits, caller, account);
  return account;
}

/** The key of a call: the caller's own, or the one that was made for it. */
export const keyOf = (own: string | undefined, { generatedKey }: CallContext): string =>
  own ?? generatedKey ?? crypto.randomUUID();

/**
 * From what a caller asks to one order at TWS. A repeated idempotencyKey answers with the order of the first call, in
 * its state of now, without the checks that a new one needs: its time or its instrument may have ended.
 */
export async function placeOrder(
  deps: PlaceDeps,
  tool: string,
  input: PlaceInput,
  context: CallContext,
  /** Throws for an instrument that the caller's tool does not place. */
  requireKind: (contract: Contract) => void = () => {},
): Promise<Placed> {
  const { idempotencyKey: ownKey, ...terms } = input;
  const asked: Omit<Asked, "intentId"> = {
    account: tradedAccount(deps, input.account, context),
    selector: ContractSelector.parse(input),
    terms: termsOf(input),
    goodTillDate: input.goodTillDate,
    ocaGroup: null,
  };
  const name = nameOf(context.caller.grantId, keyOf(ownKey, context));
  const intent = {
    ...name,
    tool,
    kind: "place",
    digest: digestOf({ ...terms, account: asked.account }),
    account: asked.account,
    hasClientKey: ownKey !== undefined,
    checksDuplicate: ownKey === undefined,
  } as const;
  const plan = planOf(deps, { ...asked, ...name }, context, requireKind);
  const [order] = await deps.pipeline.submit(intent, plan, context);
  // the key of a bracket stands for three
  if (order === undefined) throw otherOrder();
  return { order, idempotencyKey: name.idempotencyKey };
}

/** How one order is placed. */
export function planOf(
  deps: PlaceDeps,
  asked: Asked,
  context: CallContext,
  requireKind: (contract: Contract) => void = () => {},
): OrderPlan {
  const { session, orderBook } = deps;
  return {
    async priorOrders() {
      const order = await findPriorOrder(deps, asked, context);
      return order === null ? null : [order];
    },

    async prepare() {
      requireTimeLeft(asked.goodTillDate, deps.now());
      const contract = await orderContract(session, asked.selector, requestOf(context));
      requireKind(contract);
      const { account, terms, ocaGroup, intentId } = asked;
      const spec = { contract, account, ...terms, orderRef: intentId, parentId: null, ocaGroup };
      return [{ spec, changes: null, isExit: false }];
    },

    async reserve([proposed]) {
      if (proposed === undefined) throw new Error("There is no order to send.");
      return orderBook.reserve(proposed.spec, context.signal);
    },
  };
}
