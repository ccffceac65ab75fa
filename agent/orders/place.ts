import { ContractSelector } from "../../shared/contract.ts";
import type { Contract } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import type { InputOf } from "../../shared/tools/define.ts";
import type { orderTools } from "../../shared/tools/orders.ts";
import { requestOf } from "../handlers/deps.ts";
import type { CallContext } from "../handlers/handlers-for.ts";
import { requireTrading, resolveAccount } from "../limits.ts";
import type { Limits } from "../limits.ts";
import type { TwsSession } from "../tws/api.ts";
import type { OrderBook } from "../tws/order-book.ts";
import { contractOfOrder } from "./agreement.ts";
import { earlierOrder } from "./earlier.ts";
import { digestOf, orderRefOf, otherOrder } from "./intent.ts";
import type { Intents } from "./intent.ts";
import { requireTimeLeft, termsOf } from "./terms.ts";
import type { OrderTerms } from "./terms.ts";

type PlaceInput = InputOf<(typeof orderTools)["ibkr_place_order"]>;

export interface PlaceDeps {
  readonly session: TwsSession;
  readonly orderBook: OrderBook;
  readonly limits: Limits;
  readonly intents: Intents<readonly Order[]>;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export interface Placed {
  readonly order: Order;
  readonly idempotencyKey: string;
}

/** One order that is to be at TWS once. */
export interface Wish {
  /** Of the intent: grant and key, and what tells the orders of one key apart. */
  readonly id: string;
  readonly digest: string;
  readonly account: string;
  readonly selector: ContractSelector;
  readonly terms: OrderTerms;
  /** As the caller said it. An order that has been placed may have outlived it. */
  readonly goodTillDate: string | undefined;
  readonly ocaGroup: string | null;
  /** The key is the caller's, who may repeat it after this process has forgotten it. */
  readonly isRepeatable: boolean;
}

/** Whether an error of `placeOrder` leaves no order behind, so that the same intent may be tried again. */
export const wasNotSent = (error: unknown): boolean =>
  error instanceof TwsError && error.code !== "order_rejected" && error.code !== "outcome_unknown";

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

/**
 * From what a caller asks to one order at TWS: account and limits, intent, contract, then the order book. A repeated
 * idempotencyKey answers with the order of the first call, in its state of now, without the checks that a new one needs: its time or its instrument may have ended.
 */
export async function placeOrder(
  deps: PlaceDeps,
  input: PlaceInput,
  context: CallContext,
  /** Throws for an instrument that the caller's tool does not place. */
  requireKind: (contract: Contract) => void = () => {},
): Promise<Placed> {
  const { idempotencyKey = crypto.randomUUID(), ...asked } = input;
  const terms = termsOf(input);
  const account = tradedAccount(deps, input.account, context);
  const wish: Wish = {
    id: `${context.caller.grantId}/${idempotencyKey}`,
    digest: digestOf({ ...asked, account }),
    account,
    selector: ContractSelector.parse(input),
    terms,
    goodTillDate: input.goodTillDate,
    ocaGroup: null,
    isRepeatable: input.idempotencyKey !== undefined,
  };
  return { order: await placeOnce(deps, wish, context, requireKind), idempotencyKey };
}

/** Sends the order unless its intent has been acted upon; then it answers with the order of then. */
export async function placeOnce(
  deps: PlaceDeps,
  wish: Wish,
  context: CallContext,
  requireKind: (contract: Contract) => void = () => {},
): Promise<Order> {
  const { session, orderBook, intents } = deps;
  const { id, digest, account, terms, ocaGroup, isRepeatable } = wish;
  const { signal } = context;
  const orderRef = orderRefOf(id);

  const run = async (): Promise<readonly Order[]> => {
    const earlier = isRepeatable ? await earlierOrder(deps, wish, context) : null;
    if (earlier !== null) return [earlier];
    requireTimeLeft(wish.goodTillDate, deps.now());
    const contract = await contractOfOrder(session, wish.selector, requestOf(context));
    requireKind(contract);
    const spec = { contract, account, ...terms, orderRef, parentId: null, ocaGroup };
    return [await orderBook.place(spec, signal)];
  };

  const [first] = await intents.once({ id, digest }, run).catch(async (error: unknown) => {
    // a repeat after outcome_unknown answers with what has become of the order, if TWS has shown it since
    const isUnknown = error instanceof TwsError && error.code === "outcome_unknown";
    const known = isUnknown ? await orderBook.byRef(orderRef, signal) : null;
    if (known === null) throw error;
    return [known];
  });
  const order = isRepeatable ? ((await orderBook.byRef(orderRef, signal)) ?? first) : first;
  // the intent of a bracket holds three
  if (order === undefined) throw otherOrder();
  return order;
}
