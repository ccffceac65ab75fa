import { ContractSelector } from "../../shared/contract.ts";
import type { Contract } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import { pricesNeeded } from "../../shared/order.ts";
import type { Order } from "../../shared/order.ts";
import type { InputOf } from "../../shared/tools/define.ts";
import type { orderTools } from "../../shared/tools/orders.ts";
import type { CallContext } from "../handlers/handlers-for.ts";
import { requireTrading, resolveAccount } from "../limits.ts";
import type { Limits } from "../limits.ts";
import type { TwsSession } from "../tws/api.ts";
import { resolveContract } from "../tws/contracts.ts";
import type { OrderBook } from "../tws/order-book.ts";
import { digestOf, orderRefOf, otherOrder } from "./intent.ts";
import type { Intents } from "./intent.ts";

export type OrderInput = InputOf<(typeof orderTools)["ibkr_place_order"]>;

interface Deps {
  readonly session: TwsSession;
  readonly orderBook: OrderBook;
  readonly limits: Limits;
  readonly intents: Intents<Order>;
}

export interface Placed {
  readonly order: Order;
  readonly idempotencyKey: string;
}

/** Whether an error of `placeOrder` leaves no order behind, so that the same intent may be tried again. */
export const wasNotSent = (error: unknown): boolean =>
  error instanceof TwsError && error.code !== "order_rejected" && error.code !== "outcome_unknown";

/**
 * From what a caller asks to one order at TWS: account and limits, intent, contract, then the order book. A repeated
 * idempotencyKey answers with the order of the first call, in its state of now.
 */
export async function placeOrder(deps: Deps, input: OrderInput, context: CallContext): Promise<Placed> {
  const { session, orderBook, limits, intents } = deps;
  const { caller } = context;
  const prices = pricesOf(input);
  const account = resolveAccount(input.account, caller, session.accounts(), limits.onlyAccount);
  requireTrading(limits, caller, account);

  const { idempotencyKey = crypto.randomUUID(), ...terms } = input;
  const id = `${caller.grantId}/${idempotencyKey}`;
  const orderRef = orderRefOf(id);
  const isRepeatable = input.idempotencyKey !== undefined;

  const run = async (): Promise<Order> => {
    const contract = await resolveContract(session, ContractSelector.parse(input), {
      timeoutMs: context.twsTimeoutMs,
      signal: context.signal,
    });
    requireAgreement(input, contract);
    if (isRepeatable) {
      await orderBook.whenRead(context.signal);
      const earlier = await orderBook.byRef(orderRef, context.signal);
      if (earlier !== null) return sameOrder(earlier, input, account, contract.conId);
    }
    const { action, quantity, orderType, tif, outsideRth } = input;
    const order = { account, action, quantity, orderType, ...prices, tif, outsideRth, orderRef };
    return orderBook.place({ contract, ...order, parentId: null, ocaGroup: null }, context.signal);
  };

  const digest = digestOf({ ...terms, account });
  const first = await intents.once({ id, digest }, run).catch(async (error: unknown) => {
    // a repeat after outcome_unknown answers with what has become of the order, if TWS has shown it since
    const isUnknown = error instanceof TwsError && error.code === "outcome_unknown";
    const known = isUnknown ? await orderBook.byRef(orderRef, context.signal) : null;
    if (known === null) throw error;
    return known;
  });
  const order = isRepeatable ? ((await orderBook.byRef(orderRef, context.signal)) ?? first) : first;
  return { order, idempotencyKey };
}

/** The order that TWS has under the reference of this intent, from before this process kept intents. */
function sameOrder(earlier: Order, input: OrderInput, account: string, conId: number): Order {
  // its quantity and prices may have been changed since, or be blank when it has ended
  const isSame =
    earlier.account === account &&
    earlier.action === input.action &&
    earlier.orderType === input.orderType &&
    earlier.contract.conId === conId;
  if (!isSame) throw otherOrder();
  return earlier;
}

const agreeing = ["symbol", "secType", "currency", "localSymbol", "expiration", "strike", "right"] as const;

/** A conId is enough by itself; what is said beside it must not be of another instrument. */
function requireAgreement(input: OrderInput, contract: Contract): void {
  if (input.conId === undefined) return;
  const plain = (value: unknown) => String(value).toUpperCase();
  const pair = `${contract.symbol}.${contract.currency}`;
  for (const field of agreeing) {
    const [asked, found] = [input[field], contract[field]];
    if (asked === undefined || plain(asked) === plain(found)) continue;
    if (field === "symbol" && plain(asked).replace("/", ".") === plain(pair)) continue;
    // the month is enough
    if (field === "expiration" && plain(found).startsWith(plain(asked))) continue;
    throw new TwsError(
      "invalid_input",
      `${field}: conId ${contract.conId} is ${contract.localSymbol ?? contract.symbol} (${field} ${String(found)}), not ${asked}.`,
    );
  }
}

function pricesOf(input: OrderInput): {
  readonly limitPrice: number | null;
  readonly auxPrice: number | null;
} {
  const { orderType, limitPrice, auxPrice } = input;
  const needed = pricesNeeded[orderType];
  const check = (name: "limitPrice" | "auxPrice", isNeeded: boolean, price: number | undefined) => {
    if (isNeeded && price === undefined) {
      throw new TwsError("invalid_input", `${name}: an order of type ${orderType} needs it.`);
    }
    if (!isNeeded && price !== undefined) {
      throw new TwsError("invalid_input", `${name}: an order of type ${orderType} has none; leave it out.`);
    }
    return price ?? null;
  };
  return {
    limitPrice: check("limitPrice", needed.limit, limitPrice),
    auxPrice: check("auxPrice", needed.aux, auxPrice),
  };
}
