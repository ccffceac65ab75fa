import { TwsError } from "../../shared/errors.ts";
import {
  type Condition,
  conditionOf,
  parseTopic,
  type Topic,
  type TopicEvent,
  type TopicValue,
} from "../../shared/events.ts";
import type { AgentFrame } from "../../shared/protocol.ts";
import type { Log } from "../process/log.ts";
import { createTopicBatcher, type TopicBatcher, type TopicNews } from "./topic-batcher.ts";
import type { FindTopicSource } from "./topic-sources.ts";

/** The streams that the edge watches here. */
export interface Topics {
  /** A new link: what it names is opened or kept and told afresh, everything else is dropped. */
  linked(topics: readonly string[], send: (frame: AgentFrame) => void): void;
  /** The link is gone. The streams stay open for a while, since the next link usually wants them. */
  unlinked(): void;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
  ack(topic: string, seq: number): void;
  /** TWS answers again: opens what could not be opened while it did not. */
  retry(): void;
  open(): number;
  close(): void;
}

interface TopicsOptions {
  readonly findSource: FindTopicSource;
  readonly log: Log;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** A topic that somebody at the edge watches. */
interface Watched {
  readonly topic: string;
  readonly about: Topic;
  /** Aborted when the last watcher has left. */
  readonly left: AbortController;
  stop: (() => void) | null;
  /** Waits for TWS to answer again. */
  isWaiting: boolean;
  value: TopicValue | null;
  state: Extract<TopicNews, { kind: "state" }> | null;
}

/** TWS allows an account about a hundred lines; a bound on what a hostile edge can make us hold. */
const maxTopics = 1_000;
const keptWithoutLinkMs = 60_000;

export function createTopics({ findSource, log, now }: TopicsOptions): Topics {
  const watched = new Map<string, Watched>();
  let batcher: TopicBatcher | null = null;
  let dropTimer: NodeJS.Timeout | undefined;

  function emit(topic: string, event: TopicNews): void {
    batcher?.push(topic, event);
  }

  function emitState(entry: Watched, condition: Condition): void {
    entry.state = { kind: "state", ...condition };
    emit(entry.topic, entry.state);
  }

  /** A value ends a gap. */
  function takeValue(entry: Watched, value: TopicValue): void {
    entry.value = value;
    if (entry.state?.state === "gap") entry.state = null;
  }

  async function open(entry: Watched): Promise<void> {
    entry.isWaiting = false;
    try {
      const source = await findSource(entry.about, entry.left.signal);
      if (entry.left.signal.aborted) return;
      // what was said when it could not be opened no longer holds, but what was told before that is not live again
      if (entry.state?.state === "stale") emitState(entry, conditionOf("new_session"));
      else entry.state = null;
      entry.stop = source((event) => {
        if (entry.left.signal.aborted) return;
        if (event.kind === "state") entry.state = event;
        else takeValue(entry, event);
        emit(entry.topic, event);
      });
    } catch (error) {
      if (!entry.left.signal.aborted) notOpened(entry, error);
    }
  }

  function notOpened(entry: Watched, error: unknown): void {
    if (error instanceof TwsError && (error.code === "tws_offline" || error.code === "tws_upstream_down")) {
      entry.isWaiting = true;
      emitState(entry, conditionOf(error.code, error.message));
      return;
    }
    const isExpected = error instanceof TwsError;
    log[isExpected ? "warn" : "error"]("topic.not_opened", { topic: entry.topic, error });
    emitState(entry, isExpected ? conditionOf("refused", error.message) : conditionOf("failed"));
  }

  function subscribe(topic: string): void {
    const known = watched.get(topic);
    if (known !== undefined) return again(known);
    const parsed = parseTopic(topic);
    if (parsed === null || watched.size >= maxTopics) {
      const condition =
        parsed === null ? conditionOf("refused", "The agent knows no such stream.") : conditionOf("too_many");
      emit(topic, { kind: "state", ...condition });
      return;
    }
    const entry: Watched = {
      topic,
      about: parsed,
      left: new AbortController(),
      stop: null,
      isWaiting: false,
      value: null,
      state: null,
    };
    watched.set(topic, entry);
    void open(entry);
  }

  function unsubscribe(topic: string): void {
    const entry = watched.get(topic);
    watched.delete(topic);
    batcher?.forget(topic);
    entry?.left.abort(new TwsError("cancelled", "Nobody watches this stream any more."));
    entry?.stop?.();
  }

  /** What a watcher must know first: the last value, and the stream's state unless it is simply live. */
  function replay(entry: Watched): void {
    if (entry.value !== null) emit(entry.topic, entry.value);
    if (entry.state !== null && entry.state.state !== "live") emit(entry.topic, entry.state);
  }

  /** The edge asks for what it has: it is told afresh, and what could not be opened is tried once more. */
  function again(entry: Watched): void {
    if (entry.stop === null && entry.state?.state === "ended") void open(entry);
    else replay(entry);
  }

  const dropAll = () => [...watched.keys()].forEach(unsubscribe);

  function linked(topics: readonly string[], send: (frame: AgentFrame) => void): void {
    clearTimeout(dropTimer);
    batcher?.close();
    batcher = createTopicBatcher({ send: (events: TopicEvent[]) => send({ type: "event", events }), now });
    const wanted = new Set(topics);
    for (const topic of watched.keys()) if (!wanted.has(topic)) unsubscribe(topic);
    for (const topic of wanted) subscribe(topic);
  }

  function unlinked(): void {
    batcher?.close();
    batcher = null;
    clearTimeout(dropTimer);
    dropTimer = setTimeout(dropAll, keptWithoutLinkMs);
  }

  return {
    linked,
    unlinked,
    subscribe,
    unsubscribe,
    ack: (topic, seq) => batcher?.ack(topic, seq),
    retry() {
      for (const entry of watched.values()) if (entry.isWaiting) void open(entry);
    },
    open: () => watched.size,
    close() {
      dropAll();
      unlinked();
      clearTimeout(dropTimer);
    },
  };
}
