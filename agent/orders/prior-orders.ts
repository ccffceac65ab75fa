import type { ContractSelector } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import type { TwsSession } from "../tws/session/api.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";
import { isCalled, orderContract } from "./order-contract.ts";
import { otherOrder } from "./intent-id.ts";
import type { OrderTerms } from "./order-terms.ts";

interface Deps {
  readonly session: TwsSession;
  readonly orderBook: OrderBook;
}

interface Asked {
  readonly account: string;
  readonly selector: ContractSelector;
  readonly terms: Pick<OrderTerms, "action" | "orderType">;
}

/**
 * Waits until it is known what TWS holds, and with it whether a key has been used before this process began. Throws
 * as `whenRead` does, and says that this is not known.
 */
export async function whenOrdersRead(
  { orderBook }: Pick<Deps, "orderBook">,
  signal: AbortSignal,
): Promise<void> {
  try {
    await orderBook.whenRead(signal);
  } catch (error) {
    if (!(error instanceof TwsError)) throw error;
    throw new TwsError(
      error.code,
      `${error.message} Whether an earlier call with this idempotencyKey has placed it is not known now.`,
      {
        ...error.detail,
        nextStep:
          "Call again with the same idempotencyKey when TWS is back: what was placed before is answered, and not placed again.",
      },
    );
  }
}

/**
 * The order that TWS has under the reference of this intent, from before this journal began; null when it has none.
 * Throws as `whenOrdersRead` does, and invalid_input when it is another order.
 */
export async function findPriorOrder(
  deps: Deps,
  asked: Asked & { readonly intentId: string },
  context: CallContext,
): Promise<Order | null> {
  await whenOrdersRead(deps, context.signal);
  const prior = await deps.orderBook.byRef(asked.intentId, context.signal);
  if (prior !== null) await requireSame(deps, prior, asked, context);
  return prior;
}

/** Throws invalid_input when the order that has the key is not the one that is asked for. */
export async function requireSame(
  deps: Pick<Deps, "session">,
  prior: Order,
  { account, terms, selector }: Asked,
  context: CallContext,
): Promise<void> {
  // its quantity and prices may have been changed since, or be blank when it has ended
  const isSame =
    prior.account === account &&
    prior.action === terms.action &&
    prior.orderType === terms.orderType &&
    (await isOf(prior.contract, deps, selector, context));
  if (!isSame) throw otherOrder();
}

/** Without TWS, or after the end of the instrument, by what the selector says of it. */
async function isOf(
  known: Order["contract"],
  { session }: Pick<Deps, "session">,
  selector: ContractSelector,
  context: CallContext,
): Promise<boolean> {
  try {
    return (await orderContract(session, selector, requestOf(context))).conId === known.conId;
  } catch (error) {
    if (!(error instanceof TwsError) || error.code === "invalid_input") throw error;
  }
  if (selector.conId !== undefined) return selector.conId === known.conId;
  const plain = (text: string | null | undefined) => (text ?? "").toUpperCase();
  const { symbol, localSymbol, secType, expiration, strike, right } = selector;
  const isTold =
    // the month is enough
    plain(known.expiration).startsWith(plain(expiration)) &&
    (strike === undefined || strike === known.strike) &&
    (right === undefined || right === known.right);
  if (!isTold) return false;
  // what a bond is called may be known to TWS alone
  if (secType === "BOND") return known.secType === secType;
  const name = symbol ?? localSymbol ?? "";
  return [known.symbol, known.localSymbol].map(plain).includes(plain(name)) || isCalled(known, name);
}
