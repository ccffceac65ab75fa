import { ContractSelector } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import type { InputOf } from "../../shared/tools/define.ts";
import type { orderGroupTools } from "../../shared/tools/order-groups.ts";
import { requestOf } from "../handlers/deps.ts";
import type { CallContext } from "../handlers/handlers-for.ts";
import { contractOfOrder } from "./agreement.ts";
import { digestOf, orderRefOf } from "./intent.ts";
import { placeOnce, tradedAccount } from "./place.ts";
import type { PlaceDeps, Wish } from "./place.ts";
import { termsOf } from "./terms.ts";

type BasketInput = InputOf<(typeof orderGroupTools)["ibkr_place_orders"]>;

export interface BasketRow {
  readonly symbol: string;
  readonly outcome: { readonly order: Order } | { readonly error: TwsError };
}

export interface PlacedBasket {
  readonly rows: readonly BasketRow[];
  readonly account: string;
  readonly ocaGroup: string | null;
  readonly idempotencyKey: string;
}

/**
 * Places several orders, each an intent of its own under the key of the basket. Every row is checked, and every
 * contract looked up, before the first order is sent; then they are sent in their order. Throws what refuses the
 * basket whole: account and limits.
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

  const prepared = await Promise.all(
    input.orders.map((row, index) =>
      attempt(async (): Promise<Wish> => {
        const terms = termsOf(row, deps.now());
        const selector = ContractSelector.parse(row);
        const wish = { id: `${id}/${index}`, digest: `${digest}/${index}`, account, selector, terms };
        await contractOfOrder(deps.session, selector, requestOf(context));
        return { ...wish, ocaGroup, isRepeatable };
      }),
    ),
  );
  let done = 0;
  const outcomes = await Promise.all(
    prepared.map(async (ready) => {
      const outcome =
        "error" in ready
          ? ready
          : await attempt(() => placeOnce(deps, ready.value, context).catch(unforeseen));
      done += 1;
      context.progress(done, prepared.length, `${done} of ${prepared.length} orders answered`);
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

/** A fault of ours in one row must not hide what became of the others. */
function unforeseen(error: unknown): never {
  if (error instanceof TwsError) throw error;
  const message = "Something failed inside tws-edge while this order was placed.";
  throw new TwsError("outcome_unknown", message, { cause: error });
}

/** What went wrong with one row is its own outcome. */
async function attempt<T>(
  run: () => Promise<T>,
): Promise<{ readonly value: T } | { readonly error: TwsError }> {
  try {
    return { value: await run() };
  } catch (error) {
    if (error instanceof TwsError) return { error };
    throw error;
  }
}
