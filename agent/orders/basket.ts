import { ContractSelector } from "../../shared/contract.ts";
import { plural } from "../../shared/plural.ts";
import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import type { InputOf } from "../../shared/tools/define.ts";
import type { orderGroupTools } from "../../shared/tools/order-groups.ts";
import type { CallContext } from "../call/call-context.ts";
import { whenOrdersRead } from "./prior-orders.ts";
import { digestOf, nameOf, otherOrder } from "./intent-id.ts";
import type { ProposedOrder } from "../limits/proposed-order.ts";
import type { Clearance, OrderIntent, OrderPlan } from "./submission.ts";
import { keyOf, tradedAccount, planOf } from "./place-order.ts";
import type { Asked, PlaceDeps } from "./place-order.ts";
import { termsOf } from "./order-terms.ts";

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
 * Places several orders, each an intent of its own under the key of the basket. The contract of every new row is looked up
 * before the first order is sent, and the owner's limits and approval are for all of them together; then they are sent
 * in their order. A row that has been placed before is answered with its order. Throws what refuses the basket whole.
 */
export async function placeBasket(
  deps: PlaceDeps,
  input: BasketInput,
  context: CallContext,
): Promise<PlacedBasket> {
  const { idempotencyKey: ownKey, ...asked } = input;
  const { caller } = context;
  const account = tradedAccount(deps, input.account, context);
  const whole = nameOf(caller.grantId, keyOf(ownKey, context));
  const ocaGroup = input.oneCancelsOther ? whole.intentId : null;
  const hasClientKey = ownKey !== undefined;
  // a key stands for all of its rows: with other rows it is another basket's
  const digest = digestOf({ ...asked, account });
  const intent: OrderIntent = {
    ...whole,
    tool: "ibkr_place_orders",
    kind: "basket",
    digest,
    account,
    hasClientKey,
    checksDuplicate: !hasClientKey,
  };
  const rows = input.orders.map((row, index): Row => {
    const name = nameOf(caller.grantId, whole.idempotencyKey, index);
    const own = { ...name, kind: "place", digest: digestOf({ basket: digest, index }) } as const;
    return {
      symbol: row.symbol ?? "",
      intent: { ...intent, ...own, checksDuplicate: false },
      asked: () => ({
        intentId: name.intentId,
        account,
        selector: ContractSelector.parse(row),
        terms: termsOf(row),
        goodTillDate: row.goodTillDate,
        ocaGroup,
      }),
    };
  });

  const clearances = await prepareAll(deps, intent, rows, context);
  let done = 0;
  const outcomes = await Promise.all(
    rows.map(async (row, index) => {
      const ready = clearances[index] ?? {
        error: new TwsError("internal", "A row was lost."),
        isOpen: false,
      };
      const outcome =
        "error" in ready ? ready : await attempt(() => placeRow(deps, row, ready.value, context));
      done += 1;
      context.progress(done, rows.length, `${done} of ${plural(rows.length, "order")} answered`);
      return outcome;
    }),
  );
  deps.pipeline.closeBasket(intent);
  return {
    rows: outcomes.map((outcome, index): BasketRow => {
      const { symbol = "" } = rows[index] ?? {};
      if ("error" in outcome) return { symbol, outcome };
      const order = outcome.value;
      return { symbol: order.contract.symbol ?? symbol, outcome: { order } };
    }),
    account,
    ocaGroup,
    idempotencyKey: whole.idempotencyKey,
  };
}

interface Row {
  readonly symbol: string;
  readonly intent: OrderIntent;
  /** Throws for terms that are wrong. */
  readonly asked: () => Asked;
}

interface Failed {
  readonly error: TwsError;
  /** Nobody can say now whether the order is at TWS. */
  readonly isOpen: boolean;
}
type Attempt<T> = { readonly value: T } | Failed;

interface Prepared {
  readonly plan: OrderPlan;
  readonly proposed: ProposedOrder;
}
/** What a row needs to be sent. */
interface Ready extends Prepared {
  readonly clearance: Clearance;
}

/** `ready` is null for a row that has been acted upon before. */
async function placeRow(
  deps: PlaceDeps,
  row: Row,
  ready: Ready | null,
  context: CallContext,
): Promise<Order> {
  const { pipeline } = deps;
  const plan = ready?.plan ?? planOf(deps, row.asked(), context);
  const prepared = ready === null ? plan : { ...plan, prepare: () => Promise.resolve([ready.proposed]) };
  const [order] = await pipeline.submit(row.intent, prepared, context, ready?.clearance).catch(unforeseen);
  if (order === undefined) throw otherOrder();
  return order;
}

/** Looks at every row before the first is sent: rows fail each for itself, limits and approval are for all at once. */
async function prepareAll(
  deps: PlaceDeps,
  whole: OrderIntent,
  rows: readonly Row[],
  context: CallContext,
): Promise<readonly Attempt<Ready | null>[]> {
  const { pipeline } = deps;
  const known = rows.map(({ intent }) => pipeline.wasSubmitted(intent));
  pipeline.openBasket(whole, context, known.includes(false));
  const isAsked = whole.hasClientKey && known.includes(false);
  // one answer for all of them
  const seen = isAsked ? await attempt(() => whenOrdersRead(deps, context.signal)) : null;
  const prepared = await Promise.all(
    rows.map(async (row, index): Promise<Attempt<Prepared | null>> => {
      if (known[index] === true) return { value: null };
      if (seen !== null && "error" in seen) return { error: seen.error, isOpen: true };
      return attempt(() => prepareRow(deps, row, isAsked, context));
    }),
  );
  const fresh = prepared.flatMap((one) => ("value" in one && one.value !== null ? [one.value] : []));
  if (fresh.length === 0) return prepared.map((one) => ("error" in one ? one : { value: null }));
  const all = fresh.map(({ proposed }) => proposed);
  const clearances = await pipeline.clearBasket(whole, all, context);
  return prepared.map((one): Attempt<Ready | null> => {
    if ("error" in one) return one;
    if (one.value === null) return { value: null };
    const clearance = clearances[fresh.indexOf(one.value)];
    if (clearance === undefined) throw new Error("A row was not assessed.");
    return { value: { ...one.value, clearance } };
  });
}

async function prepareRow(
  deps: PlaceDeps,
  row: Row,
  isAsked: boolean,
  context: CallContext,
): Promise<Prepared | null> {
  const { pipeline, orderBook } = deps;
  const asked = row.asked();
  if (isAsked && (await orderBook.byRef(asked.intentId, context.signal)) !== null) return null;
  const plan = planOf(deps, asked, context);
  const [proposed] = await plan.prepare();
  if (proposed === undefined) throw new Error("A row came to no order.");
  // what is wrong with one row alone keeps that row
  await pipeline.assess([proposed], context);
  return { plan, proposed };
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
