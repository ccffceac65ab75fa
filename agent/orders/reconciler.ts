import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import type { TwsSession } from "../tws/session/api.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";
import { createOpenIntents } from "./open-intents.ts";
import { isLost, isUnsent } from "../journal/intent-states.ts";
import type { Intent, Journal, Leg } from "../journal/journal.ts";
import { repairBracket, cancelUnconfirmedEntry } from "./bracket-repair.ts";
import { listEvidence, shownEvidence } from "./intent-evidence.ts";
import { readSnapshot, type ListSnapshot } from "./list-snapshot.ts";
import { createObservedOrders } from "./observed-orders.ts";
import { decideFate, type FateEvidence } from "./order-fate.ts";
import { notSent, unchangedAtTws, stateText } from "./order-text.ts";
import { createProbeSchedule } from "./probe-schedule.ts";
import { notAtTws, refusedByTws, unknownText, withCorrection, type Sighting } from "./unknown-text.ts";
import type { Log } from "../process/log.ts";

export interface ReconcileTimes {
  /** How long until TWS is asked again about an order that it has not shown. */
  readonly probeIntervalMs: number;
  /** After a session was lost or TWS had lost IBKR its lists may be short for a while; no absence is believed before. */
  readonly settledMs: number;
  /** After the line of an order was lost a dialog of TWS may hold it for so long. */
  readonly dialogMs: number;
  /** Timeout of one probe of all lists. */
  readonly probeMs: number;
  /** How long changes of open orders wait before they are recorded, several together. */
  readonly recordDelayMs: number;
}

export const usualReconcileTimes: ReconcileTimes = {
  probeIntervalMs: 10_000,
  settledMs: 60_000,
  dialogMs: 15 * 60_000,
  probeMs: 12_000,
  recordDelayMs: 200,
};

/** What was told of an order is revised for so long by what TWS shows of it unasked, or a repeat of its call asks for. */
const revisedMs = 7 * 24 * 3_600_000;
/** Each is compared with what TWS shows whenever that changes. */
const mostRevised = 200;
/** What was called absent is asked for so long. */
const searchedMs = 24 * 3_600_000;
/** So often the cancellation of an entry is sent, with waits that double; after that it is the owner's. */
const mostCancels = 8;

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
  /** One of its orders as TWS has shown it last; null when it never has. */
  orderOf(intent: Intent, leg: Leg): Order | null;
  /** Those of its orders that TWS has shown by now. */
  shownOf(intent: Intent): readonly Order[];
  /** Whether the agent is cancelling its entry of its own accord, so that it is no placed order. */
  isCancelling(intent: Intent): boolean;
  /** The state of the intent in words, and what is being done. */
  describe(intent: Intent): string;
  close(): void;
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
    revise,
    log,
  });
  /** What the last reading of the lists left open about each intent. */
  const sightings = new Map<string, Sighting>();
  /** Cancellations of entries that were sent, and when the next may be, by the clock of the process. */
  const cancels = new Map<string, { count: number; notBefore: number }>();
  const revising = new Set<string>();
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
    for (const intent of journal.revisableSince(now() - revisedMs, mostRevised)) {
      openIntents.add(intent);
      if (intent.state === "absent") searchOn(intent);
    }
  }

  /** What was called absent is looked for on, less and less often. */
  function searchOn({ intentId, createdAt }: Intent): void {
    if (now() - createdAt < searchedMs) probeAgain(intentId);
    else probes.end(intentId);
  }

  /** TWS may be logged in as another user, whose lists cannot contain this order. */
  const isOfLogin = ({ kind, account }: Intent): boolean =>
    kind === "cancel" || kind === "cancel_all" || session.accounts().includes(account);

  const isProbed = (intent: Intent): boolean =>
    isLost(intent.state) || intent.state === "absent" || (intent.state === "acked" && !isKnown(intent));

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
    const deps = { orderBook, session, journal, now };
    const intents = intentIds.flatMap((intentId) => journal.intent(intentId) ?? []);
    const isMissing = () => intents.some((intent) => shownEvidence(intent, observed).shown !== "all");
    const snapshot = await readSnapshot(deps, { timeoutMs: times.probeMs, signal }, isMissing);
    if (connection !== session.connection) {
      throw new TwsError("tws_offline", "The session with TWS was replaced while its lists were read.");
    }
    for (const intentId of intentIds) await tryToDecide(intentId, snapshot);
  }

  /** A decision that cannot be recorded now is made again later, and does not delay the others. */
  async function tryToDecide(intentId: string, snapshot: ListSnapshot): Promise<void> {
    try {
      const intent = journal.intent(intentId);
      if (intent === null || !isOfLogin(intent)) return;
      if (isProbed(intent) || revising.has(intentId)) await decide(intent, snapshot);
    } catch (error) {
      if (!(error instanceof TwsError)) throw error;
      log.error("orders.not_decided", { intentId, error });
      probeAgain(intentId);
    }
  }

  async function decide(intent: Intent, snapshot: ListSnapshot): Promise<void> {
    const { intentId, kind } = intent;
    if (kind === "cancel" || kind === "cancel_all") {
      forget(intentId);
      openIntents.drop(intentId);
      return journal.finish(intentId, "looked for after it was sent");
    }
    const evidence = evidenceOf(intent, snapshot);
    const fate = decideFate(evidence);
    // what TWS does not show any more says nothing against what it has said before
    const isAtEnd = intent.state === "rejected" || intent.state === "done";
    if (isAtEnd && fate.verdict !== "found" && fate.verdict !== "repair") return;
    switch (fate.verdict) {
      case "found":
        return found(intent);
      case "refused":
        return refused(intent, refusedByTws(intent, observed.liveOf(intent)));
      case "repair":
        return repair(correctedOf(intent));
      case "withdraw":
        return withdraw(intent, evidence);
      case "absent":
        return absent(intent);
      case "unlisted":
        return unlisted(intent);
      case "unknown":
        if (intent.state === "absent") return searchOn(intent);
        return probeAgain(intentId);
      default:
        fate satisfies never;
    }
  }

  /** All that bears on what became of it; a probe that does not show it counts. */
  function evidenceOf(intent: Intent, snapshot: ListSnapshot): FateEvidence {
    const { intentId, state, kind, legs } = intent;
    const own = shownEvidence(intent, observed);
    const isListed = kind !== "modify" && legs.some(({ orderRef }) => snapshot.refs.has(orderRef));
    const shown = own.shown === "none" && isListed ? "some" : own.shown;
    const { lists, position, positionBefore } = listEvidence(intent, snapshot);
    // without IBKR TWS may list what it likes
    const isUpstreamUp = session.status().tws.state === "connected";
    const isMissed = shown === "none" && isUpstreamUp;
    const { misses, positionsAgree } = isMissed
      ? probes.recordMiss(intentId, snapshot.requestedAt, positionBefore)
      : { misses: probes.misses(intentId), positionsAgree: null };
    const stableMs = snapshot.requestedAt - stableSince;
    const cancel = cancels.get(intentId);
    const evidence = {
      state,
      kind,
      ...own,
      shown,
      mayCancel:
        cancel === undefined || (cancel.count < mostCancels && performance.now() >= cancel.notBefore),
      isLineOver: sentBeforeDisconnect.has(intentId),
      isUpstreamUp,
      misses,
      isSettled: stableMs >= times.settledMs,
      isPastDialogs: stableMs >= times.dialogMs,
      lists,
      positionsAgree,
    } as const;
    const fate = decideFate(evidence);
    const doubts = fate.verdict === "unknown" ? fate.doubts : [];
    sightings.set(intentId, { askedAt: snapshot.askedAt, position, doubts });
    return evidence;
  }

  function found(told: Intent): void {
    const { intentId, legs } = correctedOf(told);
    const orders = observed.ordersOf({ ...told, legs }) ?? [];
    journal.acknowledge(
      intentId,
      orders,
      legs.every((leg) => observed.isOver(leg)),
    );
    forget(intentId);
    openIntents.read(intentId);
    log.info("orders.found", { intentId });
  }

  /** What was told of it is taken back before it is acted on: TWS shows the order after all. */
  function correctedOf(intent: Intent): Intent {
    const { intentId, state } = intent;
    if (state !== "absent" && state !== "rejected") return intent;
    journal.correct(intentId, state);
    log.warn("orders.corrected", { intentId, told: state });
    return journal.intent(intentId) ?? intent;
  }

  /** TWS says something of an order whose end has been told: its lists decide whether that is still so. */
  function revise(intentId: string): void {
    if (revising.has(intentId)) return;
    revising.add(intentId);
    void tryToProbe(intentId).finally(() => revising.delete(intentId));
  }

  /** Before the agent cancels an entry of its own accord it is written down, so that no answer calls it placed. */
  function noteCancelling({ intentId }: Intent): void {
    const { count } = cancels.get(intentId) ?? { count: 0 };
    cancels.set(intentId, {
      count: count + 1,
      notBefore: performance.now() + times.probeIntervalMs * 2 ** count,
    });
    try {
      journal.cancelling(intentId);
    } catch (error) {
      // an entry without its exits is cancelled also while nothing can be written
      log.error("journal.not_written_failed", { error });
    }
    if (count + 1 === mostCancels) log.error("orders.bracket_not_repaired", { intentId });
  }

  async function repair(intent: Intent): Promise<void> {
    const { intentId } = intent;
    noteCancelling(intent);
    const outcome = await repairBracket(intent, observed, orderBook, closing.signal);
    if (outcome === null) return found(journal.intent(intentId) ?? intent);
    log.warn("orders.bracket_repaired", { intentId, outcome: outcome.message });
    if (outcome.code === "outcome_unknown") return probeAgain(intentId);
    refused(intent, outcome);
  }

  async function withdraw(intent: Intent, { isPastDialogs }: FateEvidence): Promise<void> {
    const { intentId } = intent;
    const beforeWrite = () => noteCancelling(intent);
    const sighting = sightings.get(intentId);
    let outcome: TwsError | null;
    try {
      outcome = await cancelUnconfirmedEntry(intent, orderBook, closing.signal, beforeWrite);
    } catch (error) {
      if (!(error instanceof TwsError) || error.code !== "order_not_changeable") throw error;
      if (sighting !== undefined) sightings.set(intentId, { ...sighting, doubts: ["id_shared"] });
      return probeAgain(intentId);
    }
    if (outcome !== null) return refused(intent, outcome);
    // TWS knows no such order, so that nothing is being cancelled
    journal.notCancelling(intentId);
    if (isPastDialogs) return markAbsent(intent, notAtTws(intent, sightings.get(intentId)));
    probeAgain(intentId);
  }

  function refused(intent: Intent, outcome: TwsError): void {
    const { intentId } = intent;
    journal.reject(intentId, outcome, observed.liveOf(intent));
    forget(intentId);
    openIntents.read(intentId);
  }

  function absent(intent: Intent): void {
    if (intent.state === "absent") return searchOn(intent);
    const outcome =
      intent.kind === "modify"
        ? unchangedAtTws(intent, observed.liveOf(intent)[0] ?? null)
        : notAtTws(intent, sightings.get(intent.intentId));
    markAbsent(intent, outcome);
  }

  function markAbsent(intent: Intent, outcome: TwsError): void {
    const { intentId, kind } = intent;
    journal.markAbsent(intentId, outcome);
    openIntents.read(intentId);
    log.warn("orders.absent", { intentId });
    if (kind === "modify") forget(intentId);
    else searchOn(intent);
  }

  /** It was at TWS, and has ended on a day that TWS lists no more. */
  function unlisted(intent: Intent): void {
    const { intentId } = intent;
    const orders = observed.ordersOf(intent) ?? [];
    const isOver = intent.legs.every((leg) => observed.live(leg) === null || observed.isOver(leg));
    journal.acknowledge(intentId, orders, isOver);
    forget(intentId);
    openIntents.read(intentId);
    log.warn("orders.unlisted", { intentId });
  }

  function forget(intentId: string): void {
    probes.end(intentId);
    sightings.delete(intentId);
    cancels.delete(intentId);
  }

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
    for (const { intentId, state } of readOr([], () => journal.unfinished())) {
      // what is not sent yet goes by the line that has just begun
      if (!isUnsent(state)) sentBeforeDisconnect.add(intentId);
    }
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
      // the session has told of a read-only API
      if (!isReadOnlyApi(error)) log.error("orders.not_reconciled", { error });
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
  orderBook.recogniseIds((orderId) => {
    const intent = readOr(null, () => journal.byOrderId(orderId, session.clientId));
    return intent !== null && !isUnsent(intent.state);
  });
  readOr(undefined, denyUnsent);
  if (session.connection > 0) begin();

  return {
    async whenReconciled(signal) {
      const awaited = run;
      try {
        return await Promise.race([awaited, untilAborted(signal)]);
      } catch (cause) {
        if (awaited === run) startRun();
        if (!isReadOnlyApi(cause)) throw notReconciled(cause);
      }
      // the setting may have been changed since, and TWS answers at once either way
      try {
        await Promise.race([run, untilAborted(signal)]);
      } catch (cause) {
        throw notReconciled(cause);
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
      const isOpen = isLost(intent.state) || intent.state === "absent";
      const isRevised = !isOpen && openIntents.hasNews(intent);
      if (!(isOpen || isRevised) || !isOfLogin(intent)) return intent;
      openIntents.add(intent);
      if (isRevised) revising.add(intent.intentId);
      try {
        await probe([intent.intentId], signal);
      } catch (error) {
        if (!(error instanceof TwsError)) throw error;
        if (isOpen) probeAgain(intent.intentId);
      } finally {
        if (isRevised) revising.delete(intent.intentId);
      }
      return journal.intent(intent.intentId) ?? intent;
    },

    ordersOf: (intent) => observed.ordersOf(intent)?.map((order) => withCorrection(intent, order)) ?? null,

    orderOf(intent, leg) {
      const order = observed.orderOf(intent, leg);
      return order === null ? null : withCorrection(intent, order);
    },

    isCancelling: (intent) =>
      intent.cancellingAt !== null && !intent.legs.slice(0, 1).every((leg) => observed.isOver(leg)),

    shownOf: (intent) => observed.liveOf(intent),

    describe(intent) {
      const { intentId, state, account } = intent;
      const isCancelling = this.isCancelling(intent);
      if (!isLost(state) && !isCancelling) return stateText[state];
      const isConnected = session.status().tws.state === "connected";
      const next = !isConnected
        ? "TWS is away; it is asked for it as soon as it is back."
        : isOfLogin(intent)
          ? "TWS is asked for it again by itself."
          : `TWS is logged in without the account ${account}; it is asked for it when that is back.`;
      const sighting = sightings.get(intentId) ?? null;
      return unknownText(intent, { sighting, misses: probes.misses(intentId), next });
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

const isReadOnlyApi = (error: unknown): error is TwsError =>
  error instanceof TwsError && error.code === "read_only_api";

/** The error for an order while earlier ones are not known; one that says better what to do passes as it is. */
function notReconciled(cause: unknown): TwsError {
  if (isReadOnlyApi(cause)) return cause;
  if (cause instanceof TwsError && cause.code === "journal_unavailable") return cause;
  return new TwsError("timeout", "What became of earlier orders is not known yet, so nothing was sent.", {
    cause,
    nextStep: "Try again in a few seconds; this call has placed nothing.",
  });
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
