import { TwsError } from "../../shared/errors.ts";
import type { StreamState, TopicEvent, TopicValue } from "../../shared/events.ts";
import type { EdgeFrame } from "../../shared/protocol.ts";
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
  readonly state: StreamState;
  /** Why the state is what it is; empty while all is well. */
  readonly reason: string;
  /** Null until the agent has told one, since the object woke. */
  readonly value: Value | null;
}

/** Told what happens on a topic that it watches. */
export interface TopicListener {
  /** `before` is the value that was known until now, if one was. */
  valueChanged(view: TopicView, value: Value, before: Value | null): void;
  stateChanged(view: TopicView): void;
}

interface Entry {
  readonly topic: string;
  readonly listeners: Set<TopicListener>;
  state: StreamState;
  reason: string;
  /** Whether the listeners have been told this state; what they were told before the object slept is forgotten. */
  isTold: boolean;
  value: Value | null;
}

interface TopicsOptions {
  /** Throws `agent_offline` when there is no agent. */
  readonly send: (frame: EdgeFrame) => void;
  readonly isAgentHere: () => boolean;
  readonly sequence: SequenceNumbers;
}

export const agentOffline = "agent_offline";

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

  find(topic: string): TopicView | null {
    return this.#entries.get(topic) ?? null;
  }

  /** Adds a listener. A topic whose value is not known, or that has ended, is asked of the agent again. */
  watch(topic: string, listener: TopicListener): TopicView {
    const entry = this.#add(topic, listener, true);
    if (entry.value === null || entry.state === "ended") this.#tell({ type: "subscribe", topic });
    return entry;
  }

  /** Adds a listener of before the object slept: the agent still serves the topic. */
  restore(topic: string, listener: TopicListener): void {
    this.#add(topic, listener, false);
  }

  #add(topic: string, listener: TopicListener, isTold: boolean): Entry {
    const known = this.#entries.get(topic);
    if (known !== undefined) {
      known.listeners.add(listener);
      return known;
    }
    const isHere = this.#options.isAgentHere();
    const entry: Entry = {
      topic,
      listeners: new Set([listener]),
      state: isHere ? "live" : "stale",
      reason: isHere ? "" : agentOffline,
      isTold,
      value: null,
    };
    this.#entries.set(topic, entry);
    return entry;
  }

  unwatch(topic: string, listener: TopicListener): void {
    const entry = this.#entries.get(topic);
    if (entry === undefined || !entry.listeners.delete(listener) || entry.listeners.size > 0) return;
    this.#entries.delete(topic);
    this.#tell({ type: "unsubscribe", topic });
  }

  /** Takes a batch from the agent, and says so: the agent holds back what is not acknowledged. */
  take(events: readonly TopicEvent[]): void {
    const withState = new Set(events.filter(({ kind }) => kind === "state").map(({ topic }) => topic));
    let taken: TopicEvent | undefined;
    for (const event of events) {
      const entry = this.#entries.get(event.topic);
      if (entry === undefined) continue;
      taken = event;
      // a value says that what interrupted the topic is over, unless the agent itself says more
      if (event.kind !== "state" && wasInterrupted(entry) && !withState.has(event.topic)) {
        this.#setState(entry, "live", "");
      }
      if (event.kind === "state") this.#setState(entry, event.state, event.reason);
      else this.#setValue(entry, event.at, event);
    }
    this.#disown(events);
    // the agent counts a batch as taken when any topic of it is
    const last = taken ?? events.at(-1);
    if (last !== undefined) this.#tell({ type: "ack", topic: last.topic, seq: last.seq });
  }

  agentLeft(): void {
    for (const entry of this.#entries.values()) {
      if (entry.state !== "ended") this.#setState(entry, "stale", agentOffline);
    }
  }

  /** The next number for a message about a topic. */
  nextSeq(): number {
    return this.#options.sequence.next();
  }

  #setValue(entry: Entry, at: number, told: TopicValue): void {
    const value: Value = { ...told, seq: this.nextSeq(), at };
    const before = entry.value;
    entry.value = value;
    for (const listener of entry.listeners) listener.valueChanged(entry, value, before);
  }

  #setState(entry: Entry, state: StreamState, reason: string): void {
    const isKnown = entry.isTold && entry.state === state && entry.reason === reason;
    if (isKnown && state !== "gap") return;
    entry.isTold = true;
    entry.state = state;
    entry.reason = reason;
    for (const listener of entry.listeners) listener.stateChanged(entry);
  }

  /** A topic that nobody watches here is closed again, should the agent have missed that. */
  #disown(events: readonly TopicEvent[]): void {
    const unknown = new Set(events.map(({ topic }) => topic).filter((topic) => !this.#entries.has(topic)));
    for (const topic of unknown) this.#tell({ type: "unsubscribe", topic });
  }

  /** A frame that the next welcome makes good if there is no agent now. */
  #tell(frame: EdgeFrame): void {
    try {
      this.#options.send(frame);
    } catch (error) {
      if (!(error instanceof TwsError)) throw error;
    }
  }
}

/** Not so for a topic that the agent called stale: it will say when that is over. */
const wasInterrupted = ({ state, reason }: TopicView): boolean =>
  state === "gap" || state === "ended" || reason === agentOffline;
