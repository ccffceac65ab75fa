import type { IBApi } from "@stoqey/ib";
import { TwsError } from "../../../shared/errors.ts";
import { hasEndedForGood, isFinal } from "../../../shared/order.ts";
import type { TwsNotice } from "../session/api.ts";
import { currentTime } from "../account/account.ts";
import { isUnlisted } from "../session/errors.ts";
import { isHeld, rejected, requireUpstream, writeOnce } from "./order-context.ts";
import type { OrderContext, Reservation } from "./order-context.ts";
import type { Exchange } from "./order-events.ts";
import type { OrderRecord } from "./order-records.ts";
import { requestNextId } from "./order-requests.ts";
import { toIbContract, toIbOrder } from "./order-wire.ts";
import type { OrderSpec } from "./order-wire.ts";

interface Placing {
  readonly record: OrderRecord;
  readonly exchange: Exchange;
  readonly signal: AbortSignal;
  /** For messages to people. */
  readonly name: string;
}

/**
 * Reserves one order. Throws tws_offline or tws_upstream_down. Its transmission throws order_rejected; tws_offline,
 * cancelled or what `beforeWrite` throws when nothing was sent; outcome_unknown when it was sent and TWS has not said
 * what became of it.
 */
export function reserveOrder(orders: OrderContext, spec: OrderSpec): Reservation {
  requireUpstream(orders.session);
  const orderId = orders.ids.take();
  const record = orders.records.expect(orderId, spec);
  const exchange = orders.events.exchange(orderId);
  const name = `order ${orderId} (orderRef ${spec.orderRef})`;
  const unknown = (why: string) =>
    new TwsError("outcome_unknown", `${why}; it is not known whether TWS has ${name}.`);
  let isWritten = false;
  const write = (ib: IBApi) => {
    isWritten = true;
    ib.placeOrder(orderId, toIbContract(spec.contract), toIbOrder(spec));
  };
  const release = () => {
    if (!isWritten) orders.records.forget(record);
    exchange.close();
  };
  return {
    orders: [{ orderId, spec }],
    release,
    async transmit({ signal, beforeWrite }) {
      try {
        await writeOnce(orders, "order", signal, unknown, write, beforeWrite);
        const placing = { record, exchange, signal, name };
        await waitForAck(orders, placing, unknown);
        await waitUntilSettled(orders, placing, spec.orderType === "MKT");
        if (exchange.refusal !== null) await resolveRefusal(orders, placing, exchange.refusal, unknown);
        return [orders.records.toOrder(record)];
      } finally {
        release();
      }
    },
  };
}

async function waitForAck(
  orders: OrderContext,
  { record, exchange, signal }: Placing,
  unknown: (why: string) => TwsError,
): Promise<void> {
  const isAnswered = () => record.acknowledged || exchange.refusal !== null;
  await orders.events.until(() => exchange.dropped || isAnswered(), orders.times.ackMs, signal);
  if (isAnswered()) return;
  if (exchange.dropped) throw unknown("The connection to TWS ended after the order was sent");
  if (signal.aborted) throw unknown("The call ended after the order was sent");
  // a list that fails tells nothing either way
  const found = await isHeld(orders, record, signal).catch(() => false);
  if (!found) throw unknown("TWS has not acknowledged the order");
}

/**
 * Waits a moment for the state that the order comes to. One that need not fill is waited for no longer than TWS takes to
 * answer what was asked behind it, if it shows the order as working by then: what TWS had to say at once has come.
 */
async function waitUntilSettled(
  { session, events, records, times }: OrderContext,
  { record, exchange, signal }: Placing,
  isMarket: boolean,
): Promise<void> {
  const waitMs = isMarket ? times.fillMs : times.settleMs;
  const working = new AbortController();
  const isWorking = () => record.status === "Submitted" || record.status === "PreSubmitted";
  const askBehind = async () => {
    // without an answer the wait is as long as it is
    const answer = await currentTime(session, { timeoutMs: waitMs, signal }).catch(() => null);
    if (answer !== null && isWorking()) working.abort();
  };
  const isOver = () => exchange.dropped || exchange.refusal !== null;
  const isSettled = () => {
    if (isOver()) return true;
    if (record.status === "Filled") return records.countedFills(record).quantity >= record.quantity;
    // the reason for Inactive often follows as a refusal
    return hasEndedForGood(record);
  };
  if (!isMarket && !isSettled()) void askBehind();
  await events.until(isSettled, waitMs, AbortSignal.any([signal, working.signal]));
  if (record.status === "Inactive") await events.until(isOver, times.afterRefusalMs, signal);
}

/** Reads all of TWS's lists; throws outcome_unknown when they cannot be read. */
async function requireUnheld(
  { lists, times }: OrderContext,
  { exchange, signal }: Placing,
  { code }: TwsNotice,
  unknown: (why: string) => TwsError,
): Promise<void> {
  const isRead = await lists.readAll({ timeoutMs: times.listMs, signal }).then(
    () => true,
    () => false,
  );
  if (!isRead || exchange.dropped) throw unknown(`TWS answered with code ${code}, which is not known here`);
}

/** Throws order_rejected, unless the refused order turns out to live or to have filled in part. */
async function resolveRefusal(
  orders: OrderContext,
  placing: Placing,
  refusal: TwsNotice,
  unknown: (why: string) => TwsError,
): Promise<void> {
  const { record, exchange, signal, name } = placing;
  const { events, records, session, times } = orders;
  await events.until(() => exchange.dropped || isFinal(record.status), times.afterRefusalMs);
  records.warn(record, refusal.text);
  if (isFinal(record.status)) {
    if (records.fills(record).quantity > 0) return;
  } else if (record.acknowledged) {
    // TWS has shown the order and refused it: its list decides, and without one the order counts as living
    const lives = await isHeld(orders, record, signal).catch(() => true);
    if (lives && !isFinal(record.status)) return;
  } else if (isUnlisted(refusal)) {
    // a code that nobody knows the meaning of refuses nothing before TWS's own lists have been asked
    await requireUnheld(orders, placing, refusal, unknown);
    if (record.acknowledged && !(isFinal(record.status) && records.fills(record).quantity === 0)) return;
  }
  if (!isFinal(record.status)) records.conclude(record, "Inactive");
  // our count has fallen behind TWS's own; without an answer the next order tells us again
  if (exchange.notices.includes("duplicate_id")) {
    await requestNextId(session, { timeoutMs: times.listMs, signal }).catch(() => undefined);
  }
  throw isUnlisted(refusal) ? unlistedRefusal(name, refusal) : rejected(name, refusal);
}

/** Behind TWS's own lists, which do not show the order. */
const unlistedRefusal = (name: string, { code, text }: TwsNotice): TwsError =>
  new TwsError(
    "order_rejected",
    `TWS answered ${name} with code ${code}, which is not known here, and lists no such order. Should it show it later, that is told.`,
    {
      tws: { code, text },
      nextStep: "Read TWS's text, and look with ibkr_get_order_status before it is placed again.",
    },
  );
