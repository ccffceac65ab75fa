import type { Order } from "../../shared/order.ts";
import { isAtEnd } from "../journal/intent-states.ts";
import type { Intent, Journal } from "../journal/journal.ts";
import { hasExits } from "./bracket-repair.ts";
import type { ObservedOrders } from "./observed-orders.ts";
import type { Log } from "../process/log.ts";

interface Deps {
  readonly journal: Journal;
  readonly observed: ObservedOrders;
  /** How long news waits before it is recorded, so that several are recorded together. */
  readonly recordDelayMs: number;
  /** How long until a failed record is tried again. */
  readonly retryMs: number;
  readonly isProbed: (intentId: string) => boolean;
  /** Called when TWS shows every order of an intent that was probed for. */
  readonly found: (intent: Intent) => void;
  /** Called when TWS shows something else than what was told of an intent that was at its end. */
  readonly revise: (intentId: string) => void;
  readonly log: Log;
}

const isWorking = ({ status }: Order): boolean =>
  status === "PreSubmitted" || status === "Submitted" || status === "PendingSubmit";

/** TWS may show it otherwise later: it was refused, or ended as what may wake, or unseen. */
const mayBeRevised = ({ kind, state, legs }: Intent): boolean =>
  (kind === "place" || kind === "bracket") &&
  (state === "rejected" ||
    (state === "done" &&
      legs.some(({ shown }) => shown?.status === "Inactive" || shown?.status === "Unknown")));

/** Intents in flight: their end is not recorded yet. */
export function createOpenIntents({
  journal,
  observed,
  recordDelayMs,
  retryMs,
  isProbed,
  found,
  revise,
  log,
}: Deps) {
  /** Each as last read: the order book is in memory, the journal is not. */
  const known = new Map<string, Intent>();
  let timer: NodeJS.Timeout | null = null;
  let isClosed = false;

  /** Reads an intent again, and drops it when there is nothing more to learn. */
  function read(intentId: string): Intent | null {
    const intent = journal.intent(intentId);
    if (intent === null || (isAtEnd(intent.state) && !mayBeRevised(intent))) known.delete(intentId);
    else known.set(intentId, intent);
    return intent;
  }

  function recordSoon(waitMs: number = recordDelayMs): void {
    if (known.size === 0 || isClosed) return;
    timer ??= setTimeout(() => {
      timer = null;
      record();
    }, waitMs);
  }

  /** Records how the intents stand now. */
  function record(): void {
    try {
      for (const [intentId, before] of known) {
        if (!hasNews(before)) continue;
        const intent = read(intentId);
        if (intent !== null && hasNews(intent)) recordOne(intent);
      }
    } catch (error) {
      log.error("journal.not_written_failed", { error });
      recordSoon(retryMs);
    }
  }

  function hasNews(intent: Intent): boolean {
    switch (intent.state) {
      case "acked":
        return intent.legs.every((leg) => observed.isOver(leg));
      case "sending":
      case "unknown":
        return intent.kind !== "modify" && observed.isEveryLegLive(intent);
      case "absent":
        return intent.kind !== "modify" && observed.liveOf(intent).length > 0;
      case "rejected":
      case "done":
        return mayBeRevised(intent) && isOtherwise(intent);
      case "received":
      case "reserved":
      case "refused":
        return false;
      default:
        return intent.state satisfies never;
    }
  }

  function recordOne(intent: Intent): void {
    const { intentId, state, kind, legs } = intent;
    switch (state) {
      case "acked":
        journal.acknowledge(intentId, observed.ordersOf(intent) ?? [], true);
        read(intentId);
        return;
      case "sending":
      case "unknown":
        // an intent in progress is its own call's to record, and a bracket without exits the next probe's to repair
        if (intent.cancellingAt !== null || !isProbed(intentId)) return;
        if (kind !== "bracket" || hasExits(legs, observed)) found(intent);
        return;
      case "absent":
      case "rejected":
      case "done":
        revise(intentId);
        return;
      case "received":
      case "reserved":
      case "refused":
        return;
      default:
        state satisfies never;
    }
  }

  /** TWS shows its first order as working, or as filled for more, than was told of it. */
  function isOtherwise({ legs: [leg] }: Intent): boolean {
    const order = leg === undefined ? null : observed.live(leg);
    if (leg === undefined || order === null) return false;
    return order.filled > (leg.shown?.filled ?? 0) || isWorking(order);
  }

  return {
    add: (intent: Intent): void => void known.set(intent.intentId, intent),
    drop: (intentId: string): void => void known.delete(intentId),
    read,
    /** Whether TWS shows something else of it than the journal has. */
    hasNews,
    record,
    recordSoon: (): void => recordSoon(),
    close(): void {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}
