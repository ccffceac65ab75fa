import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import type { TwsSession } from "../tws/session/api.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";
import { createFollowed } from "./open-intents.ts";
import { isLost } from "../journal/intent-states.ts";
import type { Intent, Journal } from "../journal/journal.ts";
import { isGuarded, mendBracket, takeBack } from "./bracket-repair.ts";
import { createPicture } from "./observed-orders.ts";
import { neverLeft, notChanged, notThere, wordsOfState } from "./order-text.ts";
import { createSearches } from "./probe-schedule.ts";
import { sentSpecOf } from "../journal/sent-order.ts";
import type { Log } from "../process/log.ts";

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
/** What was called absent within this time may still come up. */
const goneMs = 24 * 3_600_000;

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
  /** Those of its orders that TWS has shown by now. */
  shownOf(intent: Intent): readonly Order[];
  /** Where it stands, for people, and what is being done. */
  wordsOn(intent: Intent): string;
  close(): void;
}

/** One reading of all of TWS's lists. */
interface Look {
  /** The references that they show. */
  readonly refs: ReadonlySet<string>;
  /** When it began, by the clock of the process. */
  readonly lookedAt: number;
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
  const searches = createSearches(times.lookAgainMs, (intentId) => void tryToLook(intentId));
  const picture = createPicture(orderBook);
  const followed = createFollowed({
    journal,
    picture,
    noteMs: times.noteMs,
    againMs: times.lookAgainMs,
    isSearched: searches.has,
    found,
    log,
  });
  /** Sent before the session, or TWS's own connection, was last lost. */
  const crossed = new Set<string>();
  let passTimer: NodeJS.Timeout | null = null;
  /** When nothing was lost any more, by the clock of the process, which nobody sets. */
  let unbrokenSince = performance.now();
  let pass: Promise<void> = Promise.resolve();
  let passes = 0;
  /** The connection whose pass is over; 0 before the first. */
  let reconciledConnection = 0;

  /** What an earlier process has not sent is not sent by this one either. */
  function refuseUnsent(): void {
    for (const { intentId, state } of journal.unfinished()) {
      if (state === "received" || state === "reserved") journal.refuse(intentId, neverLeft());
    }
    for (const intent of journal.absentSince(now() - goneMs)) followed.add(intent);
  }

  /** Another login of TWS knows nothing of it, so that its silence says nothing. */
  const isOfLogin = ({ kind, account }: Intent): boolean =>
    kind === "cancel" || kind === "cancel_all" || session.accounts().includes(account);

  const isLooked = (intent: Intent): boolean =>
    isLost(intent.state) || (intent.state === "acked" && !isKnown(intent));

  /** TWS has shown each of its orders to this process, or that it has ended to an earlier one. */
  const isKnown = ({ legs }: Intent): boolean =>
    legs.every((leg) => picture.live(leg) !== null || picture.isOver(leg));

  /** Reads the lists, then decides about everything that is open. */
  async function reconcile(): Promise<void> {
    orderBook.keepClearOf(journal.greatestOrderId(session.clientId));
    const open = journal.unfinished().filter(({ state }) => state === "acked" || isLost(state));
    for (const intent of open) followed.add(intent);
    const wanted = open.filter((intent) => isLooked(intent) && isOfLogin(intent));
    if (wanted.length > 0) await lookFor(wanted.map(({ intentId }) => intentId));
    followed.note();
  }

  /** One look at TWS's lists, and what follows from it for each of these. */
  async function lookFor(intentIds: readonly string[], signal: AbortSignal = closing.signal): Promise<void> {
    const { connection } = session;
    // what TWS lists is of the time when it was asked
    const lookedAt = performance.now();
    const refs = await orderBook.look({ timeoutMs: times.lookMs, signal });
    if (connection !== session.connection) {
      throw new TwsError("tws_offline", "The session with TWS was replaced while its lists were read.");
    }
    for (const intentId of intentIds) await tryToDecide(intentId, { refs, lookedAt });
  }

  /** What cannot be written down now is decided anew later; it keeps none of the others. */
  async function tryToDecide(intentId: string, look: Look): Promise<void> {
    try {
      const intent = journal.intent(intentId);
      if (intent !== null && isLooked(intent) && isOfLogin(intent)) await decide(intent, look);
    } catch (error) {
      if (!(error instanceof TwsError)) throw error;
      log.error("orders.not_decided", { intentId, error });
      searchAgain(intentId);
    }
  }

  async function decide(intent: Intent, look: Look): Promise<void> {
    const { intentId, kind, legs, state } = intent;
    const isListed = legs.some(({ orderRef }) => look.refs.has(orderRef));
    switch (kind) {
      case "modify":
        return state === "acked" ? missed(intent, look) : decideChange(intent, look);
      case "cancel":
      case "cancel_all":
        searches.end(intentId);
        followed.drop(intentId);
        return journal.finish(intentId, "looked for after it was sent");
      case "bracket": {
        const isSeen = legs.some((leg) => picture.live(leg) !== null);
        if (state !== "acked" && isSeen && !isGuarded(legs, picture)) return mend(intent);
        break;
      }
      case "place":
      case "basket":
        break;
      default:
        kind satisfies never;
    }
    if (picture.isEveryLegLive(intent)) return found(intent);
    if (isListed && state !== "acked") return searchAgain(intentId);
    return missed(intent, look);
  }

  function found(intent: Intent): void {
    const { intentId } = intent;
    const isOver = intent.legs.every((leg) => picture.isOver(leg));
    journal.acknowledge(intentId, picture.ordersOf(intent) ?? [], isOver);
    searches.end(intentId);
    followed.read(intentId);
    log.info("orders.found", { intentId });
  }

  /** TWS shows the order with the new terms, or as it was: one that ends does so either way. */
  function decideChange(intent: Intent, look: Look): Promise<void> | void {
    const [leg] = intent.legs;
    const order = leg === undefined ? null : picture.live(leg);
    const asked = leg === undefined ? null : sentSpecOf(leg);
    if (leg === undefined || order === null || asked === null) return missed(intent, look);
    const isShown =
      order.quantity === asked.quantity &&
      (asked.limitPrice === null || order.limitPrice === asked.limitPrice) &&
      (asked.auxPrice === null || order.auxPrice === asked.auxPrice);
    return isShown ? found(intent) : missed(intent, look);
  }

  async function mend(intent: Intent): Promise<void> {
    const { intentId } = intent;
    const outcome = await mendBracket(intent, picture, orderBook, closing.signal);
    if (outcome === null) return found(intent);
    log.warn("orders.bracket_mended", { intentId, outcome: outcome.message });
    if (outcome.code === "outcome_unknown") return searchAgain(intentId);
    refused(intent, outcome);
  }

  function refused(intent: Intent, outcome: TwsError): void {
    const { intentId } = intent;
    journal.reject(intentId, outcome, picture.liveOf(intent));
    searches.end(intentId);
    followed.drop(intentId);
  }

  /** TWS has not shown it in a whole look. Only the second such look, far enough from any loss, is believed. */
  async function missed(intent: Intent, look: Look): Promise<void> {
    const { intentId, account, kind, state } = intent;
    // without IBKR TWS may list what it likes
    if (session.status().tws.state !== "connected") return searchAgain(intentId);
    const misses = searches.missed(intentId, look.lookedAt);
    // the line that carried it still stands, or TWS has had time to read its own lists again
    const isUnbroken = state !== "acked" && !crossed.has(intentId);
    const isSettled = isUnbroken || look.lookedAt - unbrokenSince >= times.settledMs;
    const isWhole = kind === "modify" || listsAreWhole(account, look.refs);
    if (misses < 2 || !isSettled || !isWhole) return searchAgain(intentId);
    if (state === "acked") return unlisted(intent);
    const heldBack = kind === "bracket" ? await takeBack(intent, orderBook, closing.signal) : null;
    if (heldBack !== null) return refused(intent, heldBack);
    journal.missing(intentId, kind === "modify" ? notChanged(intent) : notThere(intent));
    searches.end(intentId);
    followed.read(intentId);
    log.warn("orders.absent", { intentId });
  }

  /** It was at TWS, and has ended on a day that TWS lists no more. */
  function unlisted(intent: Intent): void {
    const { intentId } = intent;
    const orders = picture.ordersOf(intent) ?? [];
    const isOver = intent.legs.every((leg) => picture.live(leg) === null || picture.isOver(leg));
    journal.acknowledge(intentId, orders, isOver);
    searches.end(intentId);
    followed.read(intentId);
    log.warn("orders.unlisted", { intentId });
  }

  /** TWS's lists show every order of the last hours that is known to have filled and ended there. */
  const listsAreWhole = (account: string, listed: ReadonlySet<string>): boolean =>
    journal.filledSince(account, now() - controlMs).every((orderRef) => listed.has(orderRef));

  function searchAgain(intentId: string): void {
    if (!closing.signal.aborted) searches.again(intentId);
  }

  async function tryToLook(intentId: string): Promise<void> {
    try {
      await pass;
      await lookFor([intentId]);
    } catch (error) {
      if (closing.signal.aborted) return;
      // the next session begins with a look of its own
      log.warn("orders.not_looked", { intentId, error });
      searchAgain(intentId);
    }
  }

  function begin(): void {
    unbrokenSince = performance.now();
    searches.forgetMisses();
    for (const { intentId } of readOr([], () => journal.unfinished())) crossed.add(intentId);
    startPass();
  }

  async function runPass(number: number, connection: number): Promise<void> {
    await orderBook.whenRead(closing.signal);
    await reconcile();
    if (passes === number) reconciledConnection = connection;
  }

  function startPass(): void {
    const { connection } = session;
    reconciledConnection = 0;
    passes += 1;
    const mine = runPass(passes, connection);
    pass = mine;
    mine.catch((error: unknown) => {
      if (closing.signal.aborted) return;
      log.error("orders.not_reconciled", { error });
      if (passTimer !== null) clearTimeout(passTimer);
      passTimer = setTimeout(() => {
        // a later session has a pass of its own
        if (pass === mine && session.status().tws.state === "connected") startPass();
      }, times.lookAgainMs);
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
    orderBook.onChange(() => followed.noteSoon()),
  ];
  readOr(undefined, refuseUnsent);
  if (session.connection > 0) begin();

  return {
    async whenReconciled(signal) {
      const awaited = pass;
      try {
        await Promise.race([awaited, untilAborted(signal)]);
      } catch (cause) {
        if (awaited === pass) startPass();
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
      const intent = followed.read(intentId);
      if (intent !== null && isLost(intent.state)) searchAgain(intentId);
      followed.noteSoon();
    },

    async settle(known, signal) {
      // a connection that has just begun says first what it holds
      await Promise.race([pass.catch(() => undefined), untilAborted(signal)]);
      const intent = journal.intent(known.intentId) ?? known;
      if (!isLost(intent.state) || !isOfLogin(intent)) return intent;
      followed.add(intent);
      try {
        await lookFor([intent.intentId], signal);
      } catch (error) {
        if (!(error instanceof TwsError)) throw error;
        searchAgain(intent.intentId);
      }
      return journal.intent(intent.intentId) ?? intent;
    },

    ordersOf: (intent) => picture.ordersOf(intent),

    shownOf: (intent) => picture.liveOf(intent),

    wordsOn(intent) {
      const { intentId, state, sentAt, account } = intent;
      if (!isLost(state)) return wordsOfState[state];
      const since = sentAt === null ? "" : ` at ${new Date(sentAt).toISOString()}`;
      const isConnected = session.status().tws.state === "connected";
      const next = !isConnected
        ? "TWS is away; it is asked for it as soon as it is back."
        : isOfLogin(intent)
          ? "TWS is asked for it again every few seconds."
          : `TWS is logged in without the account ${account}; it is asked for it when that is back.`;
      return `It was sent${since}, and TWS has not shown it in ${searches.misses(intentId)} complete looks. ${next} Do not place it again.`;
    },

    close() {
      closing.abort();
      for (const off of offs) off();
      searches.close();
      followed.close();
      if (passTimer !== null) clearTimeout(passTimer);
    },
  };
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
