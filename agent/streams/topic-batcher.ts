import type { Condition, TopicEvent, TopicValue } from "../../shared/events.ts";

/** One event of a topic, not yet numbered. */
export type TopicNews = TopicValue | ({ readonly kind: "state" } & Condition);

/** Conflating batcher of what is on its way to the edge over one link: merged by topic, sent in batches, held back when the edge is behind. */
export interface TopicBatcher {
  push(topic: string, event: TopicNews): void;
  /** The edge has taken the events of `topic` up to `seq`. */
  ack(topic: string, seq: number): void;
  forget(topic: string): void;
  close(): void;
}

interface TopicBatcherOptions {
  readonly send: (events: TopicEvent[]) => void;
  /** Unix milliseconds. */
  readonly now: () => number;
}

interface Pending {
  /** Oldest first; at most one value, since a value is whole and the latest is enough. */
  events: { readonly event: TopicNews; readonly at: number }[];
}

export const batchTimes = {
  /** Batches are at least this far apart. */
  batchEveryMs: 50,
  /** A topic that sent nothing for so long does not wait for the batch: somebody is looking at a still picture. */
  quietAfterMs: 1_000,
} as const;

/** Batches that may be on their way before the edge says that it took them. */
export const ackWindow = 8;
const maxEventsInBatch = 500;
/** A frame may have 1 MiB, and the longest value is far below half of that. In UTF-16 units, as good as bytes here. */
const maxBatchLength = 400_000;
/** About what a quote or a state takes. */
const usualLength = 500;
/** Far more changes of state than a topic makes while the edge is alive at all. */
const maxPendingStates = 50;

function dropOldestState({ events }: Pending): void {
  events.splice(
    events.findIndex(({ event }) => event.kind === "state"),
    1,
  );
}

const lengthOf = (event: TopicNews): number =>
  event.kind === "quote" || event.kind === "state" ? usualLength : JSON.stringify(event.data).length;

export function createTopicBatcher({ send, now }: TopicBatcherOptions): TopicBatcher {
  const pending = new Map<string, Pending>();
  const seqs = new Map<string, number>();
  const lastSentAt = new Map<string, number>();
  /** The last seq of each topic in each batch that is not acknowledged, oldest batch first. */
  let unacked: ReadonlyMap<string, number>[] = [];
  let flushedAt = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  let atOnce: NodeJS.Immediate | undefined;
  let isClosed = false;

  function push(topic: string, event: TopicNews): void {
    if (isClosed) return;
    const entry = pending.get(topic) ?? { events: [] };
    if (event.kind !== "state") entry.events = entry.events.filter((other) => other.event.kind === "state");
    entry.events.push({ event, at: now() });
    if (entry.events.length > maxPendingStates) dropOldestState(entry);
    pending.set(topic, entry);
    const isQuiet = now() - (lastSentAt.get(topic) ?? -Infinity) >= batchTimes.quietAfterMs;
    schedule(isQuiet ? 0 : flushedAt + batchTimes.batchEveryMs - now());
  }

  function schedule(waitMs: number): void {
    if (pending.size === 0 || unacked.length >= ackWindow) return;
    // what TWS says in one breath goes together: the first tick after a break leaves the rest of a quote as it was before
    if (waitMs <= 0) atOnce ??= setImmediate(flush);
    else timer ??= setTimeout(flush, waitMs);
  }

  function stopWaiting(): void {
    clearTimeout(timer);
    clearImmediate(atOnce);
    timer = atOnce = undefined;
  }

  function flush(): void {
    stopWaiting();
    flushedAt = now();
    const batch: TopicEvent[] = [];
    const last = new Map<string, number>();
    let length = 0;
    for (const [topic, { events }] of pending) {
      length += events.reduce((sum, { event }) => sum + lengthOf(event), 0);
      if (batch.length >= maxEventsInBatch || (batch.length > 0 && length > maxBatchLength)) break;
      for (const { event, at } of events) batch.push(number(topic, event, at));
      last.set(topic, seqs.get(topic) ?? 0);
      lastSentAt.set(topic, flushedAt);
      pending.delete(topic);
    }
    if (batch.length === 0) return;
    unacked.push(last);
    send(batch);
    schedule(batchTimes.batchEveryMs);
  }

  function number(topic: string, event: TopicNews, at: number): TopicEvent {
    const seq = (seqs.get(topic) ?? 0) + 1;
    seqs.set(topic, seq);
    return { topic, seq, at, ...event };
  }

  function ack(topic: string, seq: number): void {
    // the link keeps order: who has taken this has taken every batch before it
    const index = unacked.findLastIndex((batch) => (batch.get(topic) ?? Infinity) <= seq);
    if (index < 0) return;
    unacked = unacked.slice(index + 1);
    schedule(flushedAt + batchTimes.batchEveryMs - now());
  }

  return {
    push,
    ack,
    forget(topic) {
      pending.delete(topic);
      lastSentAt.delete(topic);
    },
    close() {
      isClosed = true;
      stopWaiting();
      pending.clear();
    },
  };
}
