import { isAtEnd } from "../journal/intent-states.ts";
import type { Intent, Journal } from "../journal/journal.ts";
import { isGuarded } from "./bracket-repair.ts";
import type { Picture } from "./observed-orders.ts";
import type { Log } from "../process/log.ts";

interface Deps {
  readonly journal: Journal;
  readonly picture: Picture;
  /** News is written down so much later, several at once. */
  readonly noteMs: number;
  /** What could not be written down is tried again after this. */
  readonly againMs: number;
  readonly isSearched: (intentId: string) => boolean;
  /** TWS shows every order of a wish that was looked for. */
  readonly found: (intent: Intent) => void;
  readonly log: Log;
}

/** The wishes whose end is still to be written down. */
export function createFollowed({ journal, picture, noteMs, againMs, isSearched, found, log }: Deps) {
  /** As they were when they were last read: the order book is in memory, the journal is not. */
  const known = new Map<string, Intent>();
  let timer: NodeJS.Timeout | null = null;
  let isClosed = false;

  /** Reads it anew, and drops it when there is nothing more to learn. */
  function read(intentId: string): Intent | null {
    const intent = journal.intent(intentId);
    if (intent === null || isAtEnd(intent.state)) known.delete(intentId);
    else known.set(intentId, intent);
    return intent;
  }

  function noteSoon(waitMs: number = noteMs): void {
    if (known.size === 0 || isClosed) return;
    timer ??= setTimeout(() => {
      timer = null;
      note();
    }, waitMs);
  }

  /** Writes down what they have come to. */
  function note(): void {
    try {
      for (const [intentId, before] of known) {
        if (!hasNews(before)) continue;
        const intent = read(intentId);
        if (intent !== null && hasNews(intent)) noteOne(intent);
      }
    } catch (error) {
      log.error("journal.not_written_failed", { error });
      noteSoon(againMs);
    }
  }

  function hasNews(intent: Intent): boolean {
    switch (intent.state) {
      case "acked":
        return intent.legs.every((leg) => picture.isOver(leg));
      case "sending":
      case "unknown":
      case "absent":
        return intent.kind !== "modify" && picture.isEveryLegLive(intent);
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

  function noteOne(intent: Intent): void {
    const { intentId, state, kind, legs } = intent;
    switch (state) {
      case "acked":
        journal.acknowledge(intentId, picture.ordersOf(intent) ?? [], true);
        known.delete(intentId);
        return;
      case "sending":
      case "unknown":
        // what is under way is its own call's to tell, and what lacks its exits the next look's to mend
        if (isSearched(intentId) && (kind !== "bracket" || isGuarded(legs, picture))) found(intent);
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
    note,
    noteSoon: (): void => noteSoon(),
    close(): void {
      isClosed = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}
