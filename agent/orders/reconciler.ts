import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import type { TwsSession } from "../tws/session/api.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";
import { createOpenIntents } from "./open-intents.ts";
import { isLost } from "../journal/intent-states.ts";
import type { Intent, Journal } from "../journal/journal.ts";
import { hasExits, repairBracket, cancelUnconfirmedEntry } from "./bracket-repair.ts";
import { createObservedOrders } from "./observed-orders.ts";
import { notSent, unchangedAtTws, notAtTws, stateText } from "./order-text.ts";
import { createProbeSchedule } from "./probe-schedule.ts";
import { sentOrderOf } from "../journal/sent-order.ts";
import type { Log } from "../process/log.ts";

export interface ReconcileTimes {
  /** How long until TWS is asked again about an order that it has not shown. */
  readonly probeIntervalMs: number;
  /** After a session was lost or TWS had lost IBKR its lists may be short for a while; no absence is believed before. */
  readonly settledMs: number;
  /** Timeout of one probe of all lists. */
  readonly probeMs: number;
  /** How long changes of open orders wait before they are recorded, several together. */
  readonly recordDelayMs: number;
}

export const usualReconcileTimes: ReconcileTimes = {
  probeIntervalMs: 10_000,
  settledMs: 60_000,
  probeMs: 12_000,
  recordDelayMs: 200,
};

/** Orders that ended within this time must still be on TWS's lists, or the lists are not whole. */
const controlMs = 2 * 3_600_000;
/** What was called absent within this time may still come up. */
const goneMs = 24 * 3_600_000;

export interface Reconciler {
  /** Resolves when the orders that earlier processes and connections left open have been probed for on this connection. */
  whenReconciled(signal: AbortSignal): Promise<void>;
  /** Returns whether reconciliation has finished for the current connection. */
  isReconciled(): boolean;
  /** Tracks an intent to completion: records how its orders end, and probes for those TWS has not shown. */
  follow(intentId: string): void;
  /** The intent after one more probe, where a probe can tell more. */
  settle(intent: Intent, signal: AbortSignal): Promise<Intent>;
  /** Its orders as TWS has shown them last; null while one is missing, or it has none. */
  ordersOf(intent: Intent): readonly Order[] | null;
  /** Those of its orders that TWS has shown by now. */
  shownOf(intent: Intent): readonly Order[];
  /** The state of the intent in words, and what is being done. */
  describe(intent: Intent): string;
  close(): void;
}

/** The references on TWS's lists of working orders, ended orders and fills, at one time. */
interface OpenOrdersSnapshot {
  /** The references that they show. */
  readonly refs: ReadonlySet<string>;
  /** When TWS was asked, by the clock of the process. */
  readonly requestedAt: number;
}

interface ReconcilerDeps {
  readonly journal: Journal;
  readonly orderBook: OrderBook;
  readonly session: TwsSession;
  readonly now: () => number;
  readonly log: Log;
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
  const probes = createProbeSchedule(times.probeIntervalMs, (intentId) => void tryToProbe(intentId));
  const observed = createObservedOrders(orderBook);
  const openIntents = createOpenIntents({
    journal,
    observed,
    recordDelayMs: times.recordDelayMs,
    retryMs: times.probeIntervalMs,
    isProbed: probes.has,
    found,
    log,
  });
  /** Intents sent before the last loss of the session or of TWS's upstream connection. */
  const sentBeforeDisconnect = new Set<string>();
  let runTimer: NodeJS.Timeout | null = null;
  /** When the last disconnect ended, by the clock of the process, which nobody sets. */
  let stableSince = performance.now();
  let run: Promise<void> = Promise.resolve();
  let runCount = 0;
  /** The connection whose reconciliation run is over; 0 before the first. */
  let reconciledConnection = 0;

  /** What an earlier process has not sent is not sent by this one either. */
  function denyUnsent(): void {
    for (const { intentId, state } of journal.unfinished()) {
      if (state === "received" || state === "reserved") journal.deny(intentId, notSent());
    }
    for (const intent of journal.absentSince(now() - goneMs)) openIntents.add(intent);
  }

  /** TWS may be logged in as another user, whose lists cannot contain this order. */
  const isOfLogin = ({ kind, account }: Intent): boolean =>
    kind === "cancel" || kind === "cancel_all" || session.accounts().includes(account);

  const isProbed = (intent: Intent): boolean =>
    isLost(intent.state) || (intent.state === "acked" && !isKnown(intent));

  /** TWS has shown each of its orders to this process, or that it has ended to an earlier one. */
  const isKnown = ({ legs }: Intent): boolean =>
    legs.every((leg) => observed.live(leg) !== null || observed.isOver(leg));

  /** Reads the lists, then decides about everything that is open. */
  async function reconcile(): Promise<void> {
    orderBook.reserveIdsThrough(journal.greatestOrderId(session.clientId));
    const open = journal.unfinished().filter(({ state }) => state === "acked" || isLost(state));
    for (const intent of open) openIntents.add(intent);
    const wanted = open.filter((intent) => isProbed(intent) && isOfLogin(intent));
    if (wanted.length > 0) await probe(wanted.map(({ intentId }) => intentId));
    openIntents.record();
  }

  /** Reads TWS's lists once, and decides on each of these intents. */
  async function probe(intentIds: readonly string[], signal: AbortSignal = closing.signal): Promise<void> {
    const { connection } = session;
    // what TWS lists is of the time when it was asked
    const requestedAt = performance.now();
    const refs = await orderBook.readAll({ timeoutMs: times.probeMs, signal });
    if (connection !== session.connection) {
      throw new TwsError("tws_offline", "The session with TWS was replaced while its lists were read.");
    }
    for (const intentId of intentIds) await tryToDecide(intentId, { refs, requestedAt });
  }

  /** A decision that cannot be recorded now is made again later, and does not delay the others. */
  async function tryToDecide(intentId: string, snapshot: OpenOrdersSnapshot): Promise<void> {
    try {
      const intent = journal.intent(intentId);
      if (intent !== null && isProbed(intent) && isOfLogin(intent)) await decide(intent, snapshot);
    } catch (error) {
      if (!(error instanceof TwsError)) throw error;
      log.error("orders.not_decided", { intentId, error });
      probeAgain(intentId);
    }
  }

  async function decide(intent: Intent, snapshot: OpenOrdersSnapshot): Promise<void> {
    const { intentId, kind, legs, state } = intent;
    const isListed = legs.some(({ orderRef }) => snapshot.refs.has(orderRef));
    switch (kind) {
      case "modify":
        return state === "acked" ? decideMissing(intent, snapshot) : decideChange(intent, snapshot);
      case "cancel":
      case "cancel_all":
        probes.end(intentId);
        openIntents.drop(intentId);
        return journal.finish(intentId, "looked for after it was sent");
      case "bracket": {
        const isSeen = legs.some((leg) => observed.live(leg) !== null);
        if (state !== "acked" && isSeen && !hasExits(legs, observed)) return repair(intent);
        break;
      }
      case "place":
      case "basket":
        break;
      default:
        kind satisfies never;
    }
    if (observed.isEveryLegLive(intent)) return found(intent);
    if (isListed && state !== "acked") return probeAgain(intentId);
    return decideMissing(intent, snapshot);
  }

  function found(intent: Intent): void {
    const { intentId } = intent;
    const isOver = intent.legs.every((leg) => observed.isOver(leg));
    journal.acknowledge(intentId, observed.ordersOf(intent) ?? [], isOver);
    probes.end(intentId);
    openIntents.read(intentId);
    log.info("orders.found", { intentId });
  }

  /** TWS shows the order with the new terms, or as it was: one that ends does so either way. */
  function decideChange(intent: Intent, snapshot: OpenOrdersSnapshot): Promise<void> | void {
    const [leg] = intent.legs;
    const order = leg === undefined ? null : observed.live(leg);
    const asked = leg === undefined ? null : sentOrderOf(leg);
    if (leg === undefined || order === null || asked === null) return decideMissing(intent, snapshot);
    const isShown =
      order.quantity === asked.quantity &&
      (asked.limitPrice === null || order.limitPrice === asked.limitPrice) &&
      (asked.auxPrice === null || order.auxPrice === asked.auxPrice);
    return isShown ? found(intent) : decideMissing(intent, snapshot);
  }

  async function repair(intent: Intent): Promise<void> {
    const { intentId } = intent;
    const outcome = await repairBracket(intent, observed, orderBook, closing.signal);
    if (outcome === null) return found(intent);
    log.warn("orders.bracket_repaired", { intentId, outcome: outcome.message });
    if (outcome.code === "outcome_unknown") return probeAgain(intentId);
    refused(intent, outcome);
  }

  function refused(intent: Intent, outcome: TwsError): void {
    const { intentId } = intent;
    journal.reject(intentId, outcome, observed.liveOf(intent));
    probes.end(intentId);
    openIntents.drop(intentId);
  }

  /** TWS has not shown it in a complete probe. Only the second such probe, far enough from any disconnect, is believed. */
  async function decideMissing(intent: Intent, snapshot: OpenOrdersSnapshot): Promise<void> {
    const { intentId, account, kind, state } = intent;
    // without IBKR TWS may list what it likes
    if (session.status().tws.state !== "connected") return probeAgain(intentId);
    const misses = probes.recordMiss(intentId, snapshot.requestedAt);
    // the line that carried it still stands, or TWS has had time to read its own lists again
    const isStable = state !== "acked" && !sentBeforeDisconnect.has(intentId);
    const isSettled = isStable || snapshot.requestedAt - stableSince >= times.settledMs;
    const isWhole = kind === "modify" || listsAreWhole(account, snapshot.refs);
    if (misses < 2 || !isSettled || !isWhole) return probeAgain(intentId);
    if (state === "acked") return unlisted(intent);
    const cancelled =
      kind === "bracket" ? await cancelUnconfirmedEntry(intent, orderBook, closing.signal) : null;
    if (cancelled !== null) return refused(intent, cancelled);
    journal.markAbsent(
      intentId,
      kind === "modify" ? unchangedAtTws(intent, observed.liveOf(intent)[0] ?? null) : notAtTws(intent),
    );
    probes.end(intentId);
    openIntents.read(intentId);
    log.warn("orders.absent", { intentId });
  }

  /** It was at TWS, and has ended on a day that TWS lists no more. */
  function unlisted(intent: Intent): void {
    const { intentId } = intent;
    const orders = observed.ordersOf(intent) ?? [];
    const isOver = intent.legs.every((leg) => observed.live(leg) === null || observed.isOver(leg));
    journal.acknowledge(intentId, orders, isOver);
    probes.end(intentId);
    openIntents.read(intentId);
    log.warn("orders.unlisted", { intentId });
  }

  /** TWS's lists show every order of the last hours that is known to have filled and ended there. */
  const listsAreWhole = (account: string, listed: ReadonlySet<string>): boolean =>
    journal.filledSince(account, now() - controlMs).every((orderRef) => listed.has(orderRef));

  function probeAgain(intentId: string): void {
    if (!closing.signal.aborted) probes.probeAgain(intentId);
  }

  async function tryToProbe(intentId: string): Promise<void> {
    try {
      await run;
      await probe([intentId]);
    } catch (error) {
      if (closing.signal.aborted) return;
      // the next session begins with a run of its own
      log.warn("orders.probe_failed", { intentId, error });
      probeAgain(intentId);
    }
  }

  function begin(): void {
    stableSince = performance.now();
    probes.forgetMisses();
    for (const { intentId } of readOr([], () => journal.unfinished())) sentBeforeDisconnect.add(intentId);
    startRun();
  }

  async function runOnce(number: number, connection: number): Promise<void> {
    await orderBook.whenRead(closing.signal);
    await reconcile();
    if (runCount === number) reconciledConnection = connection;
  }

  function startRun(): void {
    const { connection } = session;
    reconciledConnection = 0;
    runCount += 1;
    const mine = runOnce(runCount, connection);
    run = mine;
    mine.catch((error: unknown) => {
      if (closing.signal.aborted) return;
      log.error("orders.not_reconciled", { error });
      if (runTimer !== null) clearTimeout(runTimer);
      runTimer = setTimeout(() => {
        // a later session has a run of its own
        if (run === mine && session.status().tws.state === "connected") startRun();
      }, times.probeIntervalMs);
    });
  }

  function readOr<T>(otherwise: T, read: () => T): T {
    try {
      return read();
    } catch (error) {
      log.error("journal.not_read_failed", { error });
      return otherwise;
    }
  }

  let wasUpstreamDown = false;
  const offs = [
    session.onConnected(begin),
    session.onStatus(({ tws }) => {
      if (tws.state === "connected" && wasUpstreamDown) begin();
      wasUpstreamDown = tws.state === "upstream_down";
    }),
    orderBook.onChange(() => openIntents.recordSoon()),
  ];
  readOr(undefined, denyUnsent);
  if (session.connection > 0) begin();

  return {
    async whenReconciled(signal) {
      const awaited = run;
      try {
        await Promise.race([awaited, untilAborted(signal)]);
      } catch (cause) {
        if (awaited === run) startRun();
        if (cause instanceof TwsError && cause.code === "journal_unavailable") throw cause;
        throw new TwsError(
          "timeout",
          "What became of earlier orders is not known yet, so nothing was sent.",
          { cause, nextStep: "Try again in a few seconds; this call has placed nothing." },
        );
      }
    },

    isReconciled: () => reconciledConnection > 0 && reconciledConnection === session.connection,

    follow(intentId) {
      const intent = openIntents.read(intentId);
      if (intent !== null && isLost(intent.state)) probeAgain(intentId);
      openIntents.recordSoon();
    },

    async settle(known, signal) {
      // a connection that has just begun says first what it holds
      await Promise.race([run.catch(() => undefined), untilAborted(signal)]);
      const intent = journal.intent(known.intentId) ?? known;
      if (!isLost(intent.state) || !isOfLogin(intent)) return intent;
      openIntents.add(intent);
      try {
        await probe([intent.intentId], signal);
      } catch (error) {
        if (!(error instanceof TwsError)) throw error;
        probeAgain(intent.intentId);
      }
      return journal.intent(intent.intentId) ?? intent;
    },

    ordersOf: (intent) => observed.ordersOf(intent),

    shownOf: (intent) => observed.liveOf(intent),

    describe(intent) {
      const { intentId, state, sentAt, account } = intent;
      if (!isLost(state)) return stateText[state];
      const since = sentAt === null ? "" : ` at ${new Date(sentAt).toISOString()}`;
      const isConnected = session.status().tws.state === "connected";
      const next = !isConnected
        ? "TWS is away; it is asked for it as soon as it is back."
        : isOfLogin(intent)
          ? "TWS is asked for it again every few seconds."
          : `TWS is logged in without the account ${account}; it is asked for it when that is back.`;
      return `It was sent${since}, and TWS has not shown it in ${probes.misses(intentId)} complete probes of its lists. ${next} Do not place it again.`;
    },

    close() {
      closing.abort();
      for (const off of offs) off();
      probes.close();
      openIntents.close();
      if (runTimer !== null) clearTimeout(runTimer);
    },
  };
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
