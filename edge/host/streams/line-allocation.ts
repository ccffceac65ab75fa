import { type Condition, parseTopic, type StreamReason } from "../../../shared/events.ts";
import type { ResourceKind } from "../../../shared/resources.ts";
import type { Topics, TopicView } from "./topics.ts";

/** A stream that was read so recently keeps its line. */
export const idleAfterMs = 60_000;

/** In these TWS keeps no line for the topic, so that ending it frees none. */
const withoutLine: ReadonlySet<StreamReason> = new Set(["lines_exhausted", "competing_session", "pacing"]);

/** A started stream, as far as it matters here. */
interface Stream {
  readonly kind: ResourceKind;
  readonly topic: string;
  /** When it was last read, in Unix milliseconds; null while a socket watches it. */
  readonly usedAt: number | null;
}

/** A topic whose line could be had, and since when nobody has used it. */
interface IdleTopic {
  readonly topic: string;
  readonly usedAt: number;
}

/**
 * Market data lines, of which an account has about a hundred: when they are all in use and a topic waits for one, the
 * started stream that nobody has used for longest is evicted. One for each topic that waits, and never one that a
 * WebSocket or an MCP client watches.
 */
export class LineAllocation {
  readonly #topics: Topics;
  /** For these a line has been reclaimed already. */
  readonly #reclaimedFor = new WeakSet<Condition>();

  constructor(topics: Topics) {
    this.#topics = topics;
  }

  isNeededBy(topic: string): boolean {
    const view = this.#topics.find(topic);
    return view !== null && this.#isWaiting(view);
  }

  /** The topics that are to be evicted now; what is named here counts as done. */
  evicting(started: readonly Stream[], now: number): string[] {
    return this.#match(started).flatMap(({ waiting, idle }) => {
      if (idle.usedAt + idleAfterMs > now) return [];
      this.#reclaimedFor.add(waiting.condition);
      return idle.topic;
    });
  }

  /** When one may next have to be evicted, if nothing is used until then; null for never. */
  nextAt(started: readonly Stream[]): number | null {
    const times = this.#match(started).map(({ idle }) => idle.usedAt + idleAfterMs);
    return times.length === 0 ? null : Math.min(...times);
  }

  #isWaiting({ topic, condition }: TopicView): boolean {
    return (
      condition.reason === "lines_exhausted" &&
      !this.#reclaimedFor.has(condition) &&
      parseTopic(topic)?.kind === "quote"
    );
  }

  /** For each topic that waits the one unused longest, but none that was used later than the one that waits. */
  #match(started: readonly Stream[]): { readonly waiting: TopicView; readonly idle: IdleTopic }[] {
    const waiting = this.#topics.views().filter((view) => this.#isWaiting(view));
    if (waiting.length === 0) return [];
    const byTopic = Map.groupBy(started, ({ topic }) => topic);
    const usedAt = (topic: string): number => {
      const streams = byTopic.get(topic) ?? [];
      // somebody else listens: a WebSocket
      if (this.#topics.listenersOf(topic) > streams.length) return Infinity;
      return Math.max(...streams.map((stream) => stream.usedAt ?? Infinity));
    };
    const idleTopics = [...byTopic]
      .flatMap(([topic, [first]]) => (first?.kind === "market-data" && this.#hasLine(topic) ? topic : []))
      .map((topic) => ({ topic, usedAt: usedAt(topic) }))
      .toSorted((one, other) => one.usedAt - other.usedAt);
    return waiting
      .map((view) => ({ view, usedAt: usedAt(view.topic) }))
      .toSorted((one, other) => other.usedAt - one.usedAt)
      .flatMap(({ view, usedAt: neededAt }, index) => {
        const idle = idleTopics[index];
        return idle === undefined || idle.usedAt >= neededAt ? [] : { waiting: view, idle };
      });
  }

  /** As far as is known: what has told nothing since the object woke may be waiting for a line itself. */
  #hasLine(topic: string): boolean {
    const view = this.#topics.find(topic);
    if (view === null || view.value === null || view.condition.state === "ended") return false;
    return !withoutLine.has(view.condition.reason);
  }
}
