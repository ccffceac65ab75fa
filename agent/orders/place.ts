import { ContractSelector } from "../../shared/contract.ts";
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
import { digestOf, orderRefOf, otherOrder } from "./intent.ts";
import type { Intents } from "./intent.ts";
import { termsOf } from "./terms.ts";
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
 * idempotencyKey answers with the order of the first call, in its state of now.
 */
export async function placeOrder(deps: PlaceDeps, input: PlaceInput, context: CallContext): Promise<Placed> {
  const { idempotencyKey = crypto.randomUUID(), ...asked } = input;
  const terms = termsOf(input, deps.now());
  const account = tradedAccount(deps, input.account, context);
  const wish: Wish = {
    id: `${context.caller.grantId}/${idempotencyKey}`,
    digest: digestOf({ ...asked, account }),
    account,
    selector: ContractSelector.parse(input),
    terms,
    ocaGroup: null,
    isRepeatable: input.idempotencyKey !== undefined,
  };
  return { order: await placeOnce(deps, wish, context), idempotencyKey };
}

/** Sends the order unless its intent has been acted upon; then it answers with the order of then. */
export async function placeOnce(deps: PlaceDeps, wish: Wish, context: CallContext): Promise<Order> {
  const { session, orderBook, intents } = deps;
  const { id, digest, account, terms, ocaGroup, isRepeatable } = wish;
  const { signal } = context;
  const orderRef = orderRefOf(id);

  const run = async (): Promise<readonly Order[]> => {
    const contract = await contractOfOrder(session, wish.selector, requestOf(context));
    if (isRepeatable) {
      await orderBook.whenRead(signal);
      const earlier = await orderBook.byRef(orderRef, signal);
      if (earlier !== null) return [sameOrder(earlier, wish, contract.conId)];
    }
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

/** The order that TWS has under the reference of this intent, from before this process kept intents. */
function sameOrder(earlier: Order, { account, terms }: Wish, conId: number): Order {
  // its quantity and prices may have been changed since, or be blank when it has ended
  const isSame =
    earlier.account === account &&
    earlier.action === terms.action &&
    earlier.orderType === terms.orderType &&
    earlier.contract.conId === conId;
  if (!isSame) throw otherOrder();
  return earlier;
}
