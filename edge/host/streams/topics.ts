import { TwsError } from "../../../shared/errors.ts";
import {
  type Condition,
  conditionOf,
  live,
  parseTopic,
  type TopicEvent,
  type TopicValue,
} from "../../../shared/events.ts";
import type { Caller } from "../../../shared/caller.ts";
import type { EdgeFrame } from "../../../shared/protocol.ts";
import { mostLines } from "./places.ts";
import type { SequenceNumbers } from "./sequence.ts";

/** The latest value of a topic, numbered by this object: the agent's own numbers begin again with each connection. */
export type Value = TopicValue & {
  readonly seq: number;
  /** Unix milliseconds at the agent. */
  readonly at: number;
};

/** What is known of a topic now. */
export interface TopicView {
  readonly topic: string;
  /** An object of its own for each time that the topic came into it. */
  readonly condition: Condition;
  /** Null until the agent has told one, since the object woke. */
  readonly value: Value | null;
}

/** Told what happens on a topic that it watches. */
export interface TopicListener {
  /** On whose behalf it watches. */
  readonly grantId: string;
  /** `before` is the value that was known until now, if one was. */
  valueChanged(view: TopicView, value: Value, before: Value | null): void;
  stateChanged(view: TopicView): void;
}

interface Entry {
  readonly topic: string;
  readonly listeners: Set<TopicListener>;
  condition: Condition;
  /** Whether the listeners have been notified of this state; what they were before the object slept is forgotten. */
  isNotified: boolean;
  value: Value | null;
}

interface TopicsOptions {
  /** Throws `agent_offline` when there is no agent. */
  readonly send: (frame: EdgeFrame) => void;
  readonly isAgentHere: () => boolean;
  readonly sequence: SequenceNumbers;
  /** A topic waits for a market data line: told when it begins to, and when somebody more wants it. */
  readonly lineNeeded: () => void;
}

/** Each takes memory here and at the agent; TWS gives an account about a hundred lines for quotes. */
export const mostTopics = 500;

const agentOffline = conditionOf("agent_offline");

/** The topics that somebody watches: the first watcher opens one at the agent, the last one closes it. */
export class Topics {
  readonly #entries = new Map<string, Entry>();
  readonly #options: TopicsOptions;

  constructor(options: TopicsOptions) {
    this.#options = options;
  }

  /** Names of all that are watched. */
  names(): string[] {
    return [...this.#entries.keys()];
  }

  views(): TopicView[] {
    return [...this.#entries.values()];
  }

  find(topic: string): TopicView | null {
    return this.#entries.get(topic) ?? null;
  }

  listenersOf(topic: string): number {
    return this.#entries.get(topic)?.listeners.size ?? 0;
  }

  /** Throws `rate_limited` when these cannot all be watched. */
  requireRoom(
    topics: readonly string[],
    { grantId, expiresAt }: Pick<Caller, "grantId" | "expiresAt">,
  ): void {
    const added = topics.filter((topic) => !this.#entries.has(topic));
    if (this.#entries.size + added.length > mostTopics) {
      throw noRoom(`This host follows ${mostTopics} streams, as many as it can.`);
    }
    // without sign-in there is one owner, and nobody to share with
    if (expiresAt === null || !added.some(isQuote)) return;
    const quotes = [...this.#entries.values()].filter(({ topic }) => isQuote(topic));
    const mine = quotes.filter(({ listeners }) => [...listeners].some((one) => one.grantId === grantId));
    if (mine.length < mostLines(quotes.length)) return;
    throw noRoom(
      `This access follows the prices of ${mine.length} instruments, as many as it may now: the market data lines of the host are shared.`,
    );
  }

  /** Adds a listener. A topic whose value is not known, or that has ended, is asked of the agent again. */
  watch(topic: string, listener: TopicListener): TopicView {
    const entry = this.#add(topic, listener, true);
    if (entry.value === null || entry.condition.state === "ended")
      this.#sendToAgent({ type: "subscribe", topic });
    if (entry.condition.reason === "lines_exhausted") this.#options.lineNeeded();
    return entry;
  }

  /** Adds a listener of before the object slept: the agent still serves the topic. */
  restore(topic: string, listener: TopicListener): void {
    this.#add(topic, listener, false);
  }

  #add(topic: string, listener: TopicListener, isNotified: boolean): Entry {
    const known = this.#entries.get(topic);
    if (known !== undefined) {
      known.listeners.add(listener);
      return known;
    }
    const isHere = this.#options.isAgentHere();
    const entry: Entry = {
      topic,
      listeners: new Set([listener]),
      condition: { ...(isHere ? live : agentOffline) },
      isNotified,
      value: null,
    };
    this.#entries.set(topic, entry);
    return entry;
  }

  unwatch(topic: string, listener: TopicListener): void {
    const entry = this.#entries.get(topic);
    if (entry === undefined || !entry.listeners.delete(listener) || entry.listeners.size > 0) return;
    this.#entries.delete(topic);
    this.#sendToAgent({ type: "unsubscribe", topic });
  }

  /** Takes a batch from the agent, and says so: the agent holds back what is not acknowledged. */
  take(events: readonly TopicEvent[]): void {
    for (const [topic, ofTopic] of Map.groupBy(events, (event) => event.topic)) {
      const entry = this.#entries.get(topic);
      if (entry !== undefined) this.#takeOf(entry, ofTopic);
    }
    // the agent counts a batch as taken when any topic of it is
    const last = events.findLast(({ topic }) => this.#entries.has(topic)) ?? events.at(-1);
    this.#disown(events);
    if (last !== undefined) this.#sendToAgent({ type: "ack", topic: last.topic, seq: last.seq });
  }

  /**
   * In an order that never shows an old value as a live one: what is wrong comes before the value, and that all is
   * well comes after it. A value by itself ends an interruption, unless the agent says more.
   */
  #takeOf(entry: Entry, events: readonly TopicEvent[]): void {
    const states = events.filter((event) => event.kind === "state");
    for (const { state, reason, message } of states) {
      if (state !== "live") this.#setCondition(entry, conditionOf(reason, message));
    }
    for (const event of events) if (event.kind !== "state") this.#setValue(entry, event.at, event);
    const hasValue = states.length < events.length;
    const isLive = states.length === 0 ? hasValue && wasInterrupted(entry) : states.at(-1)?.state === "live";
    if (isLive) this.#setCondition(entry, live);
  }

  agentLeft(): void {
    for (const entry of this.#entries.values()) {
      if (entry.condition.state !== "ended") this.#setCondition(entry, agentOffline);
    }
  }

  /** It tells each topic afresh, but not what happened meanwhile. */
  agentReturned(): void {
    for (const entry of this.#entries.values()) {
      if (entry.condition.reason === "agent_offline") {
        this.#setCondition(entry, conditionOf("agent_returned"));
      }
    }
  }

  /** The next number for a message about a topic. */
  nextSeq(): number {
    return this.#options.sequence.next();
  }

  #setValue(entry: Entry, at: number, latest: TopicValue): void {
    const value: Value = { ...latest, seq: this.nextSeq(), at };
    const before = entry.value;
    entry.value = value;
    for (const listener of entry.listeners) listener.valueChanged(entry, value, before);
  }

  #setCondition(entry: Entry, condition: Condition): void {
    const { state, reason } = entry.condition;
    const isKnown = entry.isNotified && state === condition.state && reason === condition.reason;
    if (isKnown && state !== "gap") return;
    entry.isNotified = true;
    entry.condition = { ...condition };
    for (const listener of entry.listeners) listener.stateChanged(entry);
    if (condition.reason === "lines_exhausted") this.#options.lineNeeded();
  }

  /** A topic that nobody watches here is closed again, should the agent have missed that. */
  #disown(events: readonly TopicEvent[]): void {
    const unknown = new Set(events.map(({ topic }) => topic).filter((topic) => !this.#entries.has(topic)));
    for (const topic of unknown) this.#sendToAgent({ type: "unsubscribe", topic });
  }

  /** A frame that the next welcome makes good if there is no agent now. */
  #sendToAgent(frame: EdgeFrame): void {
    try {
      this.#options.send(frame);
    } catch (error) {
      if (!(error instanceof TwsError)) throw error;
    }
  }
}

const isQuote = (topic: string): boolean => parseTopic(topic)?.kind === "quote";

const noRoom = (message: string): TwsError =>
  new TwsError("rate_limited", message, {
    nextStep:
      "Unsubscribe from what is not needed, or stop some that were started (ibkr_list_active_resource_streams lists them), then try again.",
  });

/** Not so for a topic that the agent called stale: it will say when that is over. */
const wasInterrupted = ({ condition: { state, reason } }: TopicView): boolean =>
  state === "gap" || state === "ended" || reason === "agent_offline";
