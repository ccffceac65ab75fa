import { TwsError } from "../../../shared/errors.ts";
import { hasEnded, hasEndedForGood } from "../../../shared/order.ts";
import { cancelOrder } from "./order-cancel.ts";
import { requireUpstream, writeOnce } from "./order-context.ts";
import { isUnlisted } from "../session/errors.ts";
import type { OrderContext, Reservation, Transmission } from "./order-context.ts";
import type { Exchange } from "./order-events.ts";
import type { OrderRecord } from "./order-records.ts";
import { toIbContract, toIbOrder } from "./order-wire.ts";
import type { OrderSpec } from "./order-wire.ts";

/** An entry with its exits, which know of no parent yet. */
export interface BracketSpec {
  readonly entry: OrderSpec;
  readonly takeProfit: OrderSpec;
  readonly stopLoss: OrderSpec;
}

/** What the book does for a bracket that outlives its connection. */
interface BookCare {
  /** Resolves when there is a session and the book has read TWS's lists again; rejects when the book is closed. */
  readonly whenBack: () => Promise<void>;
  /** Ends with the book, not with the call: a bracket that was sent is seen through. */
  readonly signal: AbortSignal;
  /** How long a call waits for a session that was lost. */
  readonly backWithinMs: number;
}

type BracketCare = BookCare & Required<Pick<Transmission, "beforeCancel" | "onNothingToCancel">>;

interface Leg {
  readonly name: string;
  readonly spec: OrderSpec;
  readonly record: OrderRecord;
  readonly exchange: Exchange;
  isWritten: boolean;
}

interface Legs {
  readonly entry: Leg;
  readonly takeProfit: Leg;
  readonly stopLoss: Leg;
}

/** How the cancellation of an entry went: it is over, TWS never showed it and does not know it, or nobody can say. */
type End = "over" | "unseen" | "unknown";

/** So often the cancellation of an entry is sent anew when nobody could say how the last one went. */
const mostRounds = 10;

const listOf = ({ entry, takeProfit, stopLoss }: Legs) => [entry, takeProfit, stopLoss];

/**
 * Reserves an entry, its take profit and its stop loss, in this order. They are sent once and back to back on one
 * connection; TWS holds the first two until it has the third. When TWS has not taken all three, the entry is cancelled
 * at once and the error says what is left: order_rejected, or outcome_unknown when TWS has not said what became of it.
 * Throws the offline errors, and cancelled or what `beforeWrite` throws when nothing was sent.
 */
export function reserveBracket(orders: OrderContext, spec: BracketSpec, book: BookCare): Reservation {
  requireUpstream(orders.session);
  const legs = expectLegs(orders, spec);
  const release = () => {
    for (const leg of listOf(legs)) {
      if (!leg.isWritten) orders.records.forget(leg.record);
      leg.exchange.close();
    }
  };
  return {
    orders: listOf(legs).map(({ record, spec }) => ({ orderId: record.orderId, spec })),
    release,
    async transmit({ signal, beforeWrite, beforeCancel = () => {}, onNothingToCancel = () => {} }) {
      try {
        await write(orders, legs, signal, beforeWrite);
        await waitForAck(orders, legs, { ...book, beforeCancel, onNothingToCancel });
        return listOf(legs).map(({ record }) => orders.records.toOrder(record));
      } finally {
        release();
      }
    },
  };
}

function expectLegs({ ids, records, events }: OrderContext, spec: BracketSpec): Legs {
  const expect = (name: string, own: OrderSpec): Leg => {
    const orderId = ids.take();
    const record = records.expect(orderId, own);
    return { name, spec: own, record, exchange: events.exchange(orderId), isWritten: false };
  };
  const entry = expect("entry", spec.entry);
  const parentId = entry.record.orderId;
  return {
    entry,
    takeProfit: expect("take profit", { ...spec.takeProfit, parentId }),
    stopLoss: expect("stop loss", { ...spec.stopLoss, parentId }),
  };
}

/** Writes all three or, when the first is not written, none. Returns also when the line went down in between. */
async function write(
  orders: OrderContext,
  legs: Legs,
  signal: AbortSignal,
  beforeWrite: () => void,
): Promise<void> {
  const { entry, takeProfit, stopLoss } = legs;
  const never = new AbortController().signal;
  const unknown = (why: string) => new TwsError("outcome_unknown", why);
  const send = (leg: Leg, transmit: boolean, until: AbortSignal) =>
    writeOnce(
      orders,
      "order",
      until,
      unknown,
      (ib) => {
        // an exit without its entry would be an order of its own
        if (leg !== entry && !entry.isWritten) return;
        leg.isWritten = true;
        ib.placeOrder(leg.record.orderId, toIbContract(leg.spec.contract), toIbOrder(leg.spec, { transmit }));
      },
      // all three are one step
      leg === entry ? beforeWrite : undefined,
    );
  const [first] = await Promise.allSettled([
    send(entry, false, signal),
    send(takeProfit, false, never),
    send(stopLoss, true, never),
  ]);
  if (!entry.isWritten && first.status === "rejected") throw first.reason;
}

/** Waits for TWS to take the three; throws when it has not, after the entry is out of harm's way. */
async function waitForAck(orders: OrderContext, legs: Legs, care: BracketCare): Promise<void> {
  const { events, times } = orders;
  const { entry } = legs;
  const all = listOf(legs);
  const isRefused = () => all.some(({ exchange }) => exchange.refusal !== null);
  const isTaken = () => all.every(({ record }) => record.acknowledged);
  const isDropped = () => all.some(({ exchange }) => exchange.dropped);
  const isOver = () => isDropped() || hasEnded(entry.record);
  // without its last leg TWS says nothing of the others, so one refusal is answer enough
  await events.until(() => isOver() || isRefused() || isTaken(), times.ackMs, care.signal);
  // a refusal may follow what looks like an acknowledgement, and the other way round
  await events.until(() => isOver() || (isRefused() && isTaken()), times.settleMs, care.signal);
  const isListed = isDropped() || isTaken() || (await areListed(orders, legs, care));
  if (isDropped()) return afterDrop(orders, legs, care);
  if (isWhole(orders, legs)) return;
  if (care.signal.aborted) {
    throw new TwsError("outcome_unknown", `The agent stopped before TWS had taken ${nameOf(legs)}.`);
  }
  // a machine that is short of time has not read TWS's answer yet, and a dialog may hold what no list shows
  const isOpenStill = !hasEndedForGood(entry.record);
  if (isOpenStill && (!isListed || (!isRefused() && !isShownAlone(legs)))) {
    throw new TwsError("outcome_unknown", `TWS has not shown all of ${nameOf(legs)}; it is asked again.`);
  }
  const end = await endOf(orders, entry, care);
  if (end === "unknown" && isDropped()) return afterDrop(orders, legs, care);
  const isBare = end === "over" && orders.records.fills(entry.record).quantity > 0;
  const isKnown = !isBare || (await knowsExits(orders, legs, care));
  if (isDropped()) return afterDrop(orders, legs, care);
  if (entry.record.status === "Filled" && isWhole(orders, legs)) return;
  throw failureOf(orders, legs, end, isKnown);
}

/** Whether TWS has listed what it holds, behind our messages. A refusal that we know the meaning of needs no list. */
async function areListed(orders: OrderContext, legs: Legs, { signal }: BracketCare): Promise<boolean> {
  const { lists, times } = orders;
  const isRefusal = ({ exchange: { refusal } }: Leg) => refusal !== null && !isUnlisted(refusal);
  if (listOf(legs).some(isRefusal)) return true;
  return lists.openOrders({ timeoutMs: times.listMs, signal }).then(
    () => true,
    () => false,
  );
}

/** TWS shows the entry, and that it has ended or that it has not all of its exits. */
function isShownAlone(legs: Legs): boolean {
  const { record: entry } = legs.entry;
  const isOut = ({ record }: Leg) => !record.acknowledged || hasEnded(record);
  return entry.acknowledged && entry.status !== "Unknown" && (hasEnded(entry) || exitsOf(legs).some(isOut));
}

const exitsOf = ({ takeProfit, stopLoss }: Legs) => [takeProfit, stopLoss];

/** TWS has neither shown it nor refused it. */
const isOpen = ({ record, exchange }: Leg) => !record.acknowledged && exchange.refusal === null;

/** Whether TWS has said of both exits if it has them: what a list does not show that was asked for behind them, it has not. */
async function knowsExits(
  { lists, times }: OrderContext,
  legs: Legs,
  { signal }: BracketCare,
): Promise<boolean> {
  const context = { timeoutMs: times.listMs, signal };
  for (let looks = 2; looks > 0 && exitsOf(legs).some(isOpen); looks -= 1) {
    const isListed = await lists.openOrders(context).then(
      () => true,
      () => false,
    );
    if (isListed) return true;
  }
  return !exitsOf(legs).some(isOpen);
}

/** Whether TWS holds, or held, every leg as it was sent. */
function isWhole({ records }: OrderContext, legs: Legs): boolean {
  const { entry } = legs;
  const filled = ({ record }: Leg) => records.fills(record).quantity > 0;
  const exits = exitsOf(legs);
  // the fill of one exit cancels the other
  const isOver = exits.some(filled);
  const isKept = ({ record }: Leg) => record.acknowledged && (isOver || !hasEnded(record));
  return entry.record.acknowledged && (!hasEnded(entry.record) || filled(entry)) && exits.every(isKept);
}

/** The line went down behind the entry: looks again as soon as TWS is back, even if the call is over by then. */
async function afterDrop(orders: OrderContext, legs: Legs, care: BracketCare): Promise<void> {
  const unknown = new TwsError(
    "outcome_unknown",
    `The connection to TWS ended while ${nameOf(legs)} was sent. When TWS is back, an entry without its exits is cancelled.`,
  );
  const repair = async (): Promise<void> => {
    // the line may go down again before TWS has said that the entry is over
    for (let rounds = mostRounds; ; rounds -= 1) {
      await care.whenBack();
      if (isWhole(orders, legs)) return;
      // exits without their entry, or an entry that no list shows any more: the reconciler looks on
      const isUnseen = listOf(legs).every(({ record }) => !record.acknowledged);
      if (!isUnseen && !isShownAlone(legs)) throw unknown;
      const end = await endOf(orders, legs.entry, care);
      // its fill may have been all that TWS had not listed yet
      if (isWhole(orders, legs)) return;
      if (end !== "unknown" || rounds === 1 || care.signal.aborted) throw failureOf(orders, legs, end, true);
    }
  };
  const repairing = repair();
  // whoever still waits hears of it; otherwise it has been done
  repairing.catch(() => {});
  const timer = Promise.withResolvers<never>();
  const timeout = setTimeout(() => timer.reject(unknown), care.backWithinMs);
  try {
    await Promise.race([repairing, timer.promise]);
  } finally {
    clearTimeout(timeout);
  }
}

const nameOf = ({ entry, takeProfit, stopLoss }: Legs) =>
  `the bracket of orders ${entry.record.orderId}, ${takeProfit.record.orderId} and ${stopLoss.record.orderId}`;

const namesOf = (legs: readonly Leg[]) =>
  legs.map(({ name, record }) => `the ${name} (order ${record.orderId})`).join(" and ");

function reasonOf(legs: Legs): string {
  const all = listOf(legs);
  const refused = all.find(({ exchange }) => exchange.refusal !== null);
  if (refused !== undefined)
    return `TWS refused the ${refused.name} of ${nameOf(legs)} (code ${refused.exchange.refusal?.code})`;
  return `TWS ${all.some(isOpen) ? "has not shown" : "does not hold"} all of ${nameOf(legs)}`;
}

/**
 * What became of a bracket whose entry has been cancelled, and its exits by TWS with it; `isKnown` whether TWS has said
 * if it has the exits.
 */
function failureOf({ records }: OrderContext, legs: Legs, end: End, isKnown: boolean): TwsError {
  const { entry } = legs;
  const refused = listOf(legs).find(({ exchange }) => exchange.refusal !== null);
  const why = reasonOf(legs);
  const { quantity } = records.fills(entry.record);
  const detail = refused?.exchange.refusal ?? null;
  const tws = detail === null ? {} : { tws: { code: detail.code, text: detail.text } };
  if (end === "unknown") {
    return new TwsError(
      "outcome_unknown",
      `${why}; it is not known whether the entry is cancelled. Cancel order ${entry.record.orderId} again.`,
      tws,
    );
  }
  if (end === "unseen" && entry.exchange.dropped) {
    // bytes of the old line may still be on their way into TWS; they hold the whole bracket or nothing that trades
    return new TwsError(
      "outcome_unknown",
      `${why}, and shows none of it after the connection was lost.`,
      tws,
    );
  }
  if (quantity === 0) {
    return new TwsError("order_rejected", `${why}, so the entry was cancelled; nothing was filled.`, tws);
  }
  if (!isKnown) {
    const open = namesOf(exitsOf(legs).filter(isOpen));
    return new TwsError(
      "outcome_unknown",
      `${why}; ${quantity} of the entry (order ${entry.record.orderId}) had filled, and it is not known whether TWS has ${open}.`,
      {
        ...tws,
        nextStep:
          "Look with ibkr_get_open_orders now. An exit that is not there does not protect the position: place it, or close the position, with ibkr_place_order.",
      },
    );
  }
  const working = exitsOf(legs).filter(({ record }) => record.acknowledged && !hasEnded(record));
  const kept = working.length === 0 ? "has no exit" : `has only ${namesOf(working)}`;
  return new TwsError(
    "order_rejected",
    `${why}, but ${quantity} of the entry (order ${entry.record.orderId}) had filled, and that position ${kept}.`,
    { ...tws, nextStep: "Protect or close the position now, with ibkr_place_order." },
  );
}

/** Sends the cancellation even for an entry that TWS has not shown: it may hold it back, untransmitted. */
async function endOf(orders: OrderContext, entry: Leg, care: BracketCare): Promise<End> {
  const { record, exchange } = entry;
  // TWS may have parked an Inactive entry, and wake it later
  if (hasEndedForGood(record)) return "over";
  const wasShown = record.acknowledged;
  care.beforeCancel();
  try {
    const order = await cancelOrder(orders, record, care.signal);
    return hasEnded(order) ? "over" : "unknown";
  } catch (error) {
    if (!(error instanceof TwsError) || wasShown) return "unknown";
    // refused and never shown, it is not there to be cancelled, whose order ever has its id
    const { refusal } = exchange;
    const isRefused = refusal !== null && !isUnlisted(refusal);
    const isNone = error.code === "order_not_found" || (isRefused && error.code === "order_not_changeable");
    if (!isNone) return "unknown";
    orders.records.conclude(record, "Inactive");
    care.onNothingToCancel();
    return "unseen";
  }
}
