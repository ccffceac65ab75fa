import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import { hasEnded } from "../../shared/order.ts";
import { modeOf } from "../../shared/status.ts";
import type { InputOf, OutputOf } from "../../shared/tools/define.ts";
import type { orderTools } from "../../shared/tools/orders.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import { mayUse } from "../limits/limits.ts";
import type { TwsSession } from "../tws/session/api.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";
import { isLost } from "../journal/intent-states.ts";
import type { Intent, Leg } from "../journal/journal.ts";
import { archivedIntent, archivedNote } from "./archived-orders.ts";
import { nameOf } from "./intent-id.ts";
import type { Orders } from "./orders.ts";

type Tool = (typeof orderTools)["ibkr_get_order_status"];
type Answer = OutputOf<Tool>;

interface Deps {
  readonly session: Pick<TwsSession, "clientId">;
  readonly orderBook: OrderBook;
  readonly orders: Pick<Orders, "journal" | "reconciler">;
}

/** The fields of an order that every tool answers. */
export const outcomeOf = (order: Order) => {
  const { orderId, account, mode, status, filled, remaining, avgFillPrice, whyHeld, warnings } = order;
  const isFinal = hasEnded(order);
  const lastFillPrice = order.lastFillPrice ?? null;
  const fills = { filled, remaining, avgFillPrice, lastFillPrice };
  return { orderId, account, mode, status, isFinal, ...fills, whyHeld, warnings };
};

/** Where an order is, by any of its names. What is outside the grant does not exist for the caller. */
export async function lookUpOrder(
  { session: { clientId }, orderBook, orders }: Deps,
  { orderId, permId, intentId, idempotencyKey }: InputOf<Tool>,
  context: CallContext,
): Promise<Answer> {
  const names = Object.entries({ id: orderId, permId, intentId, idempotencyKey }).filter(
    ([, value]) => value !== undefined,
  );
  const [name] = names;
  if (name === undefined || names.length > 1) {
    throw new TwsError("invalid_input", "Give one of orderId, permId, intentId and idempotencyKey.");
  }
  const { caller } = context;
  const { journal } = orders;
  const notFound = () => new TwsError("order_not_found", `There is no order with the ${name[0]} ${name[1]}.`);

  const visible = (intent: Intent | null): Intent | null =>
    intent !== null && mayUse(caller, intent.account) ? intent : null;

  /** By the order book, and by the journal for what TWS does not show; of a bracket, the leg that has this name. */
  async function byTws(
    look: () => Promise<Order>,
    written: () => Intent | null,
    isNamed: (leg: Pick<Leg, "orderId" | "permId">) => boolean,
  ): Promise<Answer> {
    try {
      const order = await look();
      if (!mayUse(caller, order.account)) throw notFound();
      // sent and never shown, or shown no more: the journal knows what is being done about it
      const open = order.status === "Unknown" ? visible(written()) : null;
      return open === null ? answerOf(order) : ofIntent(open, isNamed);
    } catch (error) {
      if (!(error instanceof TwsError) || error.code !== "order_not_found") throw error;
      const intent = visible(written());
      if (intent === null) throw notFound();
      return ofIntent(intent, isNamed);
    }
  }

  /** Its first order, which of a bracket is the entry, or the one that is named. */
  async function ofIntent(
    known: Intent,
    isNamed: (leg: Pick<Leg, "orderId" | "permId">) => boolean = () => true,
  ): Promise<Answer> {
    const intent = await orders.reconciler.settle(known, context.signal);
    const leg = intent.legs.find(isNamed) ?? null;
    const order = leg === null ? null : orders.reconciler.orderOf(intent, leg);
    const words = orders.reconciler.describe(intent);
    const isBeingDone = isLost(intent.state) || orders.reconciler.isCancelling(intent);
    // what is being done says more than why it was begun
    const note = isBeingDone ? words : (intent.outcome?.message ?? words);
    return answerOfIntent({ intent, leg, order, words, note });
  }

  if (orderId !== undefined) {
    return byTws(
      () => orderBook.get(orderId, requestOf(context)),
      () => journal.byOrderId(orderId, clientId),
      (leg) => leg.orderId === orderId,
    );
  }
  if (permId !== undefined) {
    return byTws(
      () => orderBook.getByPermId(permId, requestOf(context)),
      () => journal.byPermId(permId),
      (leg) => leg.permId === permId,
    );
  }
  const found = intentId === undefined ? journal.byKey(caller.grantId, idempotencyKey ?? "") : [];
  const known = intentId === undefined ? (found[0] ?? null) : journal.intent(intentId);
  if (known === null) {
    const archived = journal.archived(intentId ?? nameOf(caller.grantId, idempotencyKey ?? "").intentId);
    if (archived === null) throw notFound();
    const ended = visible(archivedIntent(archived));
    if (ended === null) throw notFound();
    const [leg = null] = ended.legs;
    const words = archivedNote(archived);
    return answerOfIntent({ intent: ended, leg, order: leg?.shown ?? null, words, note: words });
  }
  const intent = visible(known);
  if (intent === null) throw notFound();
  if (found.length > 1) {
    const rows = found.filter(({ kind }) => kind !== "basket").map((row) => row.intentId);
    throw new TwsError("invalid_input", `idempotencyKey: it is that of a basket of ${rows.length} orders.`, {
      nextStep: `Ask for each by its intentId: ${rows.join(", ")}.`,
    });
  }
  return ofIntent(intent);
}

/**
 * An order of this client that has ended, by the journal: TWS's list of ended orders has no ids, so that a process which
 * has not seen it work does not find it there. Null when it is not known to have ended.
 */
export function endedOrder(
  { journal, reconciler }: Deps["orders"],
  orderId: number,
  clientId: number,
): Order | null {
  try {
    const intent = journal.byOrderId(orderId, clientId);
    const orders = intent === null ? [] : (reconciler.ordersOf(intent) ?? []);
    return orders.find((order) => order.orderId === orderId && hasEnded(order)) ?? null;
  } catch (error) {
    // what works at TWS is cancelled without the journal too
    if (error instanceof TwsError) return null;
    throw error;
  }
}

interface Known {
  readonly intent: Intent;
  /** Its order that is asked for; null if none was written. */
  readonly leg: Leg | null;
  readonly order: Order | null;
  /** How it stands. */
  readonly words: string;
  /** What the caller reads of it. */
  readonly note: string;
}

function answerOfIntent({ intent, leg, order, words, note }: Known): Answer {
  const { intentId, idempotencyKey, state } = intent;
  const status = { intentId, idempotencyKey, state, note };
  if (order !== null) return { ...answerOf(order), intent: status };
  const isOpen = isLost(state);
  return {
    orderId: leg?.orderId ?? null,
    account: intent.account,
    mode: modeOf(intent.account),
    status: isOpen ? "Unknown" : "Inactive",
    isFinal: !isOpen,
    filled: 0,
    remaining: null,
    avgFillPrice: null,
    warnings: isOpen ? [words] : [],
    whyHeld: null,
    order: null,
    intent: status,
  };
}

const answerOf = (order: Order) => ({ ...outcomeOf(order), order });
