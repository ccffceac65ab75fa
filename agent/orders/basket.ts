import { ContractSelector } from "../../shared/contract.ts";
import { counted } from "../../shared/counted.ts";
import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import type { InputOf } from "../../shared/tools/define.ts";
import type { orderGroupTools } from "../../shared/tools/order-groups.ts";
import { requestOf } from "../handlers/deps.ts";
import type { CallContext } from "../handlers/handlers-for.ts";
import { contractOfOrder } from "./agreement.ts";
import { whenSeen } from "./earlier.ts";
import { digestOf, orderRefOf } from "./intent.ts";
import { placeOnce, tradedAccount } from "./place.ts";
import type { PlaceDeps, Wish } from "./place.ts";
import { termsOf } from "./terms.ts";

type BasketInput = InputOf<(typeof orderGroupTools)["ibkr_place_orders"]>;

export interface BasketRow {
  readonly symbol: string;
  readonly outcome: { readonly order: Order } | Failed;
}

export interface PlacedBasket {
  readonly rows: readonly BasketRow[];
  readonly account: string;
  readonly ocaGroup: string | null;
  readonly idempotencyKey: string;
}

/**
 * Places several orders, each an intent of its own under the key of the basket. The contract of every new row is
 * looked up before the first order is sent; then they are sent in their order. A row that has been placed before is
 * answered with its order. Throws what refuses the basket whole: account and limits.
 */
export async function placeBasket(
  deps: PlaceDeps,
  input: BasketInput,
  context: CallContext,
): Promise<PlacedBasket> {
  const { idempotencyKey = crypto.randomUUID(), ...asked } = input;
  const account = tradedAccount(deps, input.account, context);
  const id = `${context.caller.grantId}/${idempotencyKey}`;
  const ocaGroup = input.oneCancelsOther ? orderRefOf(id) : null;
  // a key stands for all of its rows: with other rows it is another basket's
  const digest = digestOf({ ...asked, account });
  const isRepeatable = input.idempotencyKey !== undefined;

  await deps.intents.once({ id, digest }, () => Promise.resolve([]));

  const prepared = await prepare(deps, input, { id, digest, account, ocaGroup, isRepeatable }, context);
  let done = 0;
  const outcomes = await Promise.all(
    prepared.map(async (ready) => {
      const outcome =
        "error" in ready
          ? ready
          : await attempt(() => placeOnce(deps, ready.value, context).catch(unforeseen));
      done += 1;
      context.progress(done, prepared.length, `${done} of ${counted(prepared.length, "order")} answered`);
      return outcome;
    }),
  );
  const rows = outcomes.map((outcome, index): BasketRow => {
    const { symbol = "" } = input.orders[index] ?? {};
    if ("error" in outcome) return { symbol, outcome };
    const order = outcome.value;
    return { symbol: order.contract.symbol ?? symbol, outcome: { order } };
  });
  return { rows, account, ocaGroup, idempotencyKey };
}

type Common = Pick<Wish, "id" | "digest" | "account" | "ocaGroup" | "isRepeatable">;

interface Failed {
  readonly error: TwsError;
  /** Nobody can say now whether the order is at TWS. */
  readonly isOpen: boolean;
}
type Attempt<T> = { readonly value: T } | Failed;

/** What each row asks for, or why it cannot be asked. */
async function prepare(
  deps: PlaceDeps,
  input: BasketInput,
  { id, digest, ...common }: Common,
  context: CallContext,
): Promise<Attempt<Wish>[]> {
  const { intents, orderBook, session } = deps;
  const { signal } = context;
  const rows = input.orders.map((row, index) => {
    const own = { ...common, id: `${id}/${index}`, digest: `${digest}/${index}` };
    return { row, own, isKnown: intents.has(own.id) };
  });
  const isAsked = common.isRepeatable && rows.some(({ isKnown }) => !isKnown);
  // one answer for all of them
  const seen = isAsked ? await attempt(() => whenSeen(deps, signal)) : null;
  return Promise.all(
    rows.map(async ({ row, own, isKnown }) => {
      if (!isKnown && seen !== null && "error" in seen) return { error: seen.error, isOpen: true };
      return attempt(async (): Promise<Wish> => {
        const selector = ContractSelector.parse(row);
        const terms = termsOf(row);
        const isPlaced = isKnown || (isAsked && (await orderBook.byRef(orderRefOf(own.id), signal)) !== null);
        if (!isPlaced) await contractOfOrder(session, selector, requestOf(context));
        return { ...own, selector, terms, goodTillDate: row.goodTillDate };
      });
    }),
  );
}

/** A fault of ours in one row must not hide what became of the others. */
function unforeseen(error: unknown): never {
  if (error instanceof TwsError) throw error;
  const message = "Something failed inside tws-edge while this order was placed.";
  throw new TwsError("outcome_unknown", message, { cause: error });
}

/** What went wrong with one row is its own outcome. */
async function attempt<T>(run: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await run() };
  } catch (error) {
    if (error instanceof TwsError) return { error, isOpen: error.code === "outcome_unknown" };
    throw error;
  }
}
