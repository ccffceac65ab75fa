import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import { isFinal } from "../../shared/order.ts";
import type { TwsSession } from "../tws/api.ts";
import type { OrderBook } from "../tws/order-book.ts";
import { sentSpecOf } from "./sent-spec.ts";
import type { Intent, Journal, Leg } from "./journal.ts";
import { mendBracket } from "./mend.ts";

export interface ReconcileTimes {
  /** TWS is asked again after this about an order that it has not shown. */
  readonly lookAgainMs: number;
  /** After a session was lost or TWS had lost IBKR its lists may be short for a while; no absence is believed before. */
  readonly settledMs: number;
  /** One look at all lists. */
  readonly lookMs: number;
  /** Changes of followed orders are written down so much later, several at once. */
  readonly noteMs: number;
}

export const usualReconcileTimes: ReconcileTimes = {
  lookAgainMs: 10_000,
  settledMs: 60_000,
  lookMs: 12_000,
  noteMs: 200,
};

/** Orders that ended within this time must still be on TWS's lists, or the lists are not whole. */
const controlMs = 2 * 3_600_000;
/** It is looked for less and less often, but never given up. */
const mostLookMs = 5 * 60_000;

/** What this process knows of a wish that it does not know the end of. */
interface Search {
  /** Complete looks that did not show it, since nothing was lost. */
  misses: number;
  missedAt: number;
  /** How often it was looked for in all. */
  looks: number;
  timer: NodeJS.Timeout | null;
}

export interface Reconciler {
  /** Resolves when what earlier processes and connections left open has been looked for on this connection. */
  whenReconciled(signal: AbortSignal): Promise<void>;
  /** Whether that is so of the connection of now. */
  isReconciled(): boolean;
  /** Sees a wish to its end: writes down how its orders end, and looks for those that TWS has not shown. */
  follow(intentId: string): void;
  /** The wish as it is after one more look, where a look can tell more. */
  settle(intent: Intent, signal: AbortSignal): Promise<Intent>;
  /** Its orders as TWS has shown them last; null while one is missing, or it has none. */
  ordersOf(intent: Intent): readonly Order[] | null;
  /** Where it stands, for people, and what is being done. */
  wordsOn(intent: Intent): string;
  close(): void;
}

interface ReconcilerDeps {
  readonly journal: Journal;
  readonly orderBook: OrderBook;
  readonly session: TwsSession;
  readonly now: () => number;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly times?: Partial<ReconcileTimes>;
}

/**
 * Finds out what became of what was sent, by the reference that each order carries. It sends no order again, ever; it
 * cancels the entry of a bracket whose exits did not arrive.
 */
export function createReconciler({
  journal,
  orderBook,
  session,
  now,
  log,
  ...rest
}: ReconcilerDeps): Reconciler {
  const times = { ...usualReconcileTimes, ...rest.times };
  const closing = new AbortController();
  const searches = new Map<string, Search>();
  const followed = new Set<string>();
  /** Those that were called absent here: TWS must not come up with them. */
  const gone = new Set<string>();
  let noteTimer: NodeJS.Timeout | null = null;
  let isFirst = true;
  /** When the session, or TWS's own connection, was last lost and came back. */
  let unbrokenSince = now();
  let pass: Promise<void> = Promise.resolve();
  /** The connection whose pass is over; 0 before the first. */
  let reconciledConnection = 0;

  const shownOf = ({ orderRef, shown }: Leg): Order | null => orderBook.shown(orderRef) ?? shown;

  function ordersOf({ legs }: Intent): readonly Order[] | null {
    const orders = legs.flatMap((leg) => shownOf(leg) ?? []);
    return orders.length === legs.length && orders.length > 0 ? orders : null;
  }

  /** Reads the lists, then decides about everything that is open. */
  async function reconcile(): Promise<void> {
    orderBook.keepClearOf(journal.greatestOrderId(session.clientId));
    const open = journal.unfinished();
    const wasFirst = isFirst;
    isFirst = false;
    for (const intent of open) {
      const hasNotLeft = intent.state === "received" || intent.state === "reserved";
      // of this process they are under way, and of an earlier one they never left
      if (hasNotLeft && wasFirst) journal.refuse(intent.intentId, neverLeft());
    }
    const accounts = session.accounts();
    const lost = open.filter(({ state, account }) => isLost(state) && accounts.includes(account));
    for (const { intentId } of open) followed.add(intentId);
    if (lost.length > 0) await lookFor(lost.map(({ intentId }) => intentId));
    await noteEnds();
  }

  /** One look at TWS's lists, and what follows from it for each of these. */
  async function lookFor(intentIds: readonly string[], signal: AbortSignal = closing.signal): Promise<void> {
    const listed = await orderBook.look({ timeoutMs: times.lookMs, signal });
    for (const intentId of intentIds) {
      const intent = journal.intent(intentId);
      if (intent !== null && isLost(intent.state)) await decide(intent, listed);
    }
  }

  async function decide(intent: Intent, listed: ReadonlySet<string>): Promise<void> {
    const { intentId, kind, legs } = intent;
    const shown = legs.filter((leg) => orderBook.shown(leg.orderRef) !== null);
    const isListed = legs.some(({ orderRef }) => listed.has(orderRef));
    switch (kind) {
      case "modify":
        return decideChange(intent);
      case "cancel":
      case "cancel_all":
        return journal.finish(intentId, "looked for after it was sent");
      case "bracket":
        if (shown.length > 0 && shown.length < legs.length) return mend(intent);
        break;
      case "place":
      case "basket":
        break;
      default:
        kind satisfies never;
    }
    if (shown.length === legs.length && legs.length > 0) return found(intent);
    if (isListed) return searchAgain(intentId);
    return missed(intent, listed);
  }

  function found(intent: Intent): void {
    const orders = ordersOf(intent) ?? [];
    forget(intent.intentId);
    journal.acknowledge(
      intent.intentId,
      orders,
      orders.every(({ status }) => isFinal(status)),
    );
    followed.add(intent.intentId);
    log("orders.found", { intentId: intent.intentId });
  }

  /** TWS shows the order with the new terms, or as it was: one that ends does so either way. */
  function decideChange(intent: Intent): void {
    const [leg] = intent.legs;
    const order = leg === undefined ? null : shownOf(leg);
    const asked = leg === undefined ? null : sentSpecOf(leg);
    if (leg === undefined || order === null || asked === null) return missed(intent, new Set());
    const isShown =
      order.quantity === asked.quantity &&
      (asked.limitPrice === null || order.limitPrice === asked.limitPrice) &&
      (asked.auxPrice === null || order.auxPrice === asked.auxPrice);
    if (isShown) return found(intent);
    return missed(intent, new Set([leg.orderRef]));
  }

  async function mend(intent: Intent): Promise<void> {
    const outcome = await mendBracket(intent, orderBook, closing.signal);
    log("orders.bracket_mended", { intentId: intent.intentId, outcome: outcome.message });
    if (outcome.code === "outcome_unknown") return searchAgain(intent.intentId);
    forget(intent.intentId);
    journal.reject(intent.intentId, outcome);
  }

  /** TWS has not shown it in a whole look. Only the second such look, far enough from any loss, is believed. */
  function missed(intent: Intent, listed: ReadonlySet<string>): void {
    const { intentId, account, kind, sentAt } = intent;
    const search = searchOf(intentId);
    const at = now();
    const isFarEnough = search.misses > 0 && at - search.missedAt >= times.lookAgainMs;
    if (search.misses === 0 || isFarEnough) {
      search.misses += 1;
      search.missedAt = at;
    }
    // the line that carried it still stands, or TWS has had time to read its own lists again
    const isSettled = (sentAt ?? 0) >= unbrokenSince || at - unbrokenSince >= times.settledMs;
    const isWhole = kind === "modify" || listsAreWhole(account, listed, at);
    if (search.misses < 2 || !isSettled || !isWhole) return searchAgain(intentId);
    forget(intentId);
    gone.add(intentId);
    journal.missing(intentId, kind === "modify" ? notChanged(intent) : notThere(intent));
    log("orders.absent", { intentId });
  }

  /** TWS's lists show every order of the last hours that is known to have filled and ended there. */
  const listsAreWhole = (account: string, listed: ReadonlySet<string>, at: number): boolean =>
    journal
      .endedSince(account, at - controlMs)
      .flatMap(({ legs }) => legs)
      .every(({ orderRef, shown }) => (shown?.filled ?? 0) === 0 || listed.has(orderRef));

  function searchOf(intentId: string): Search {
    const known = searches.get(intentId);
    if (known !== undefined) return known;
    const search: Search = { misses: 0, missedAt: 0, looks: 0, timer: null };
    searches.set(intentId, search);
    return search;
  }

  function searchAgain(intentId: string): void {
    if (closing.signal.aborted) return;
    const search = searchOf(intentId);
    if (search.timer !== null) return;
    search.looks += 1;
    const waitMs = Math.min(mostLookMs, times.lookAgainMs * Math.max(1, search.looks - 6));
    search.timer = setTimeout(() => {
      search.timer = null;
      void tryToLook(intentId);
    }, waitMs);
  }

  async function tryToLook(intentId: string): Promise<void> {
    try {
      await pass;
      await lookFor([intentId]);
    } catch (error) {
      if (closing.signal.aborted) return;
      // the next session begins with a look of its own
      log("orders.not_looked", { intentId, error });
      searchAgain(intentId);
    }
  }

  function forget(intentId: string): void {
    const timer = searches.get(intentId)?.timer ?? null;
    if (timer !== null) clearTimeout(timer);
    searches.delete(intentId);
  }

  function noteSoon(): void {
    if (followed.size === 0 && searches.size === 0 && gone.size === 0) return;
    noteTimer ??= setTimeout(() => {
      noteTimer = null;
      noteEnds().catch((error: unknown) => log("journal.not_written_failed", { error }));
    }, times.noteMs);
  }

  /** Writes down what followed orders have come to; news of what was looked for ends the search. */
  async function noteEnds(): Promise<void> {
    for (const intentId of [...followed, ...gone]) {
      const intent = journal.intent(intentId);
      if (intent === null) followed.delete(intentId);
      else noteEnd(intent);
    }
  }

  function noteEnd(intent: Intent): void {
    const { intentId, state, kind } = intent;
    switch (state) {
      case "acked": {
        const orders = ordersOf(intent);
        if (orders === null || !orders.every(({ status }) => isFinal(status))) return;
        journal.acknowledge(intentId, orders, true);
        followed.delete(intentId);
        return;
      }
      case "sending":
      case "unknown":
        if (searches.has(intentId) && kind !== "modify" && everyLegShown(intent)) found(intent);
        return;
      case "absent":
        if (kind === "modify" || !everyLegShown(intent)) return;
        gone.delete(intentId);
        log("orders.appeared_failed", { intentId });
        found(intent);
        return;
      case "received":
      case "reserved":
        return;
      case "done":
      case "refused":
      case "rejected":
        followed.delete(intentId);
        return;
      default:
        state satisfies never;
    }
  }

  const everyLegShown = ({ legs }: Intent) =>
    legs.length > 0 && legs.every(({ orderRef }) => orderBook.shown(orderRef) !== null);

  function begin(): void {
    unbrokenSince = now();
    for (const search of searches.values()) search.misses = 0;
    const { connection } = session;
    reconciledConnection = 0;
    pass = orderBook.whenRead(closing.signal).then(async () => {
      await reconcile();
      reconciledConnection = connection;
    });
    pass.catch((error: unknown) => {
      if (!closing.signal.aborted) log("orders.not_reconciled", { error });
    });
  }

  let wasUpstreamDown = false;
  const offs = [
    session.onConnected(begin),
    session.onStatus(({ tws }) => {
      if (tws.state === "connected" && wasUpstreamDown) begin();
      wasUpstreamDown = tws.state === "upstream_down";
    }),
    orderBook.onChange(noteSoon),
  ];
  if (session.connection > 0) begin();

  return {
    async whenReconciled(signal) {
      const failed = pass;
      try {
        await Promise.race([pass, untilAborted(signal)]);
      } catch (cause) {
        if (failed === pass) begin();
        throw new TwsError(
          "timeout",
          "What became of earlier orders is not known yet, so nothing was sent.",
          { cause, nextStep: "Try again in a few seconds; this call has placed nothing." },
        );
      }
    },

    isReconciled: () => reconciledConnection > 0 && reconciledConnection === session.connection,

    follow(intentId) {
      followed.add(intentId);
      const state = journal.intent(intentId)?.state;
      if (state !== undefined && isLost(state)) searchAgain(intentId);
      noteSoon();
    },

    async settle(known, signal) {
      // a connection that has just begun says first what it holds
      await Promise.race([pass.catch(() => undefined), untilAborted(signal)]);
      const intent = journal.intent(known.intentId) ?? known;
      if (!isLost(intent.state)) return intent;
      followed.add(intent.intentId);
      try {
        await lookFor([intent.intentId], signal);
      } catch (error) {
        if (!(error instanceof TwsError)) throw error;
        searchAgain(intent.intentId);
      }
      return journal.intent(intent.intentId) ?? intent;
    },

    ordersOf,

    wordsOn({ intentId, state, sentAt }) {
      if (!isLost(state)) return wordsOfState[state];
      const search = searches.get(intentId);
      const since = sentAt === null ? "" : ` at ${new Date(sentAt).toISOString()}`;
      const next =
        session.status().tws.state === "connected"
          ? "TWS is asked for it again every few seconds."
          : "TWS is away; it is asked for it as soon as it is back.";
      return `It was sent${since}, and TWS has not shown it in ${search?.misses ?? 0} complete looks. ${next} Do not place it again.`;
    },

    close() {
      closing.abort();
      for (const off of offs) off();
      for (const intentId of searches.keys()) forget(intentId);
      if (noteTimer !== null) clearTimeout(noteTimer);
    },
  };
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

const isLost = (state: Intent["state"]): state is "sending" | "unknown" =>
  state === "sending" || state === "unknown";

const wordsOfState = {
  received: "It is being prepared; nothing has been sent.",
  reserved: "It has an order id and is about to be sent.",
  acked: "TWS has it.",
  done: "It has ended at TWS.",
  refused: "It was not sent.",
  rejected: "TWS has refused it.",
  absent: "It was sent, and TWS does not have it: it was looked for twice.",
} as const;

const neverLeft = (): TwsError =>
  new TwsError("cancelled", "The agent stopped before the order was sent, so nothing was placed.", {
    nextStep: "Nothing was placed. Call again to place it.",
  });

const notThere = ({ sentAt }: Intent): TwsError =>
  new TwsError(
    "order_rejected",
    `The order did not reach TWS: sent at ${new Date(sentAt ?? 0).toISOString()}, it is neither among the working nor the ended orders nor the fills, looked for twice.`,
    { nextStep: "Nothing was placed. If it is still wanted, place it with a new idempotencyKey." },
  );

const notChanged = ({ legs }: Intent): TwsError =>
  new TwsError(
    "order_rejected",
    `The change of order ${legs[0]?.orderId ?? ""} did not reach TWS; the order is as it was.`,
    { nextStep: "Look at the order with ibkr_get_order_status; if it still works, change it again." },
  );
