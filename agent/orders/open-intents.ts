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
  readonly log: Log;
}

/** Intents in flight: their end is not recorded yet. */
export function createOpenIntents({ journal, observed, recordDelayMs, retryMs, isProbed, found, log }: Deps) {
  /** Each as last read: the order book is in memory, the journal is not. */
  const known = new Map<string, Intent>();
  let timer: NodeJS.Timeout | null = null;
  let isClosed = false;

  /** Reads an intent again, and drops it when there is nothing more to learn. */
  function read(intentId: string): Intent | null {
    const intent = journal.intent(intentId);
    if (intent === null || isAtEnd(intent.state)) known.delete(intentId);
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
      case "absent":
        return intent.kind !== "modify" && observed.isEveryLegLive(intent);
      case "received":
      case "reserved":
        return false;
      case "done":
      case "refused":
      case "rejected":
        return true;
      default:
        return intent.state satisfies never;
    }
  }

  function recordOne(intent: Intent): void {
    const { intentId, state, kind, legs } = intent;
    switch (state) {
      case "acked":
        journal.acknowledge(intentId, observed.ordersOf(intent) ?? [], true);
        known.delete(intentId);
        return;
      case "sending":
      case "unknown":
        // an intent in progress is its own call's to record, and a bracket without exits the next probe's to repair
        if (isProbed(intentId) && (kind !== "bracket" || hasExits(legs, observed))) found(intent);
        return;
      case "absent":
        log.error("orders.appeared_failed", { intentId });
        found(intent);
        return;
      case "received":
      case "reserved":
      case "done":
      case "refused":
      case "rejected":
        return;
      default:
        state satisfies never;
    }
  }

  return {
    add: (intent: Intent): void => void known.set(intent.intentId, intent),
    drop: (intentId: string): void => void known.delete(intentId),
    read,
    record,
    recordSoon: (): void => recordSoon(),
    close(): void {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}
