import type { Contract } from "../../../shared/contract.ts";
import { parseTopic } from "../../../shared/events.ts";
import { joinedId, type Resource } from "../../../shared/resources.ts";
import type { Caller } from "../../../shared/caller.ts";
import type { Alarm } from "../storage/alarm.ts";
import { LineAllocation } from "../streams/line-allocation.ts";
import { mayWatch } from "../streams/stream-resolver.ts";
import type { StartedRecord, StartedResource, Store } from "../storage/store.ts";
import type { TopicListener, Topics } from "../streams/topics.ts";
import type { UpdateNotifier } from "./update-notifier.ts";

export const startedTimes = {
  /** What nobody has read or watched for so long ends. */
  idleMs: 30 * 60_000,
  /** A reading is written down so often at most. */
  noteEveryMs: 60_000,
} as const;

/** Endings that are remembered, to be told to who still reads. */
const mostEndings = 500;

/** How a stream ended by itself. */
export type Ending = "idle" | "given_up";

/** A started resource, watching its topic. */
export interface Running extends StartedResource {
  readonly listener: TopicListener;
  /** When it was last read, in Unix milliseconds; null while a socket watches it. */
  usedAt: number | null;
  /** The time that was last written down. */
  notedAt: number | null;
}

interface StartedOptions {
  readonly store: Store;
  readonly topics: Topics;
  readonly notifier: UpdateNotifier;
  readonly alarm: Alarm;
}

/**
 * The streams that grants have started and not stopped. Each keeps its topic open for as long as somebody reads or
 * watches it now and then.
 */
export class Started {
  readonly #options: StartedOptions;
  readonly #running = new Map<string, Running>();
  readonly #endings = new Map<string, Ending>();
  readonly #lineAllocation: LineAllocation;

  constructor(options: StartedOptions) {
    this.#options = options;
    this.#lineAllocation = new LineAllocation(options.topics);
    for (const record of options.store.allStarted()) {
      const { usedAt: notedAt } = record;
      // it may have been read for a while after it was noted
      const usedAt = notedAt === null ? null : notedAt + startedTimes.noteEveryMs;
      const running = this.#run({ ...record, usedAt }, notedAt);
      options.topics.restore(record.topic, running.listener);
    }
  }

  /** To be called once all sockets have been rebuilt: those of a crashed object are lost. */
  settle(): void {
    for (const running of this.#running.values()) {
      if (running.usedAt === null && !this.#isWatched(running)) this.#note(running, Date.now());
    }
  }

  /** A grant may have come to cover fewer accounts since it started something. */
  of(caller: Caller): Running[] {
    return [...this.#running.values()].filter(
      ({ grantId, topic }) => grantId === caller.grantId && isCovered(caller, topic),
    );
  }

  /** All that a grant has started ends. */
  dropGrant(grantId: string): void {
    for (const running of this.#running.values()) {
      if (running.grantId === grantId) this.end(running, null);
    }
  }

  find(resource: Resource, caller: Caller): Running | undefined {
    const running = this.#running.get(keyOf(caller.grantId, resource));
    return running !== undefined && isCovered(caller, running.topic) ? running : undefined;
  }

  /** How what is not running any more came to its end, if it did by itself and that is known. */
  endingOf(resource: Resource, { grantId }: Caller): Ending | null {
    return this.#endings.get(keyOf(grantId, resource)) ?? null;
  }

  begin(
    { grantId }: Caller,
    { kind, id, topic }: Resource & { readonly topic: string },
    contract: Contract | null,
  ): void {
    const now = Date.now();
    const resource = { grantId, kind, id, topic, contract, startedAt: new Date(now).toISOString() };
    const usedAt = this.#isWatched(resource) ? null : now;
    this.#endings.delete(keyOf(grantId, resource));
    this.#options.store.addStarted({ ...resource, usedAt });
    const { listener } = this.#run({ ...resource, usedAt }, usedAt);
    this.#options.topics.watch(topic, listener);
    this.#options.alarm.schedule();
  }

  /** `ending` is null when it was stopped. */
  end(running: Running, ending: Ending | null): void {
    const { store, topics, notifier } = this.#options;
    const key = keyOf(running.grantId, running);
    this.#running.delete(key);
    store.removeStarted(running);
    topics.unwatch(running.topic, running.listener);
    if (ending !== null) this.#remember(key, running, ending);
    notifier.changed(running);
    this.#options.alarm.schedule();
  }

  /** Somebody has read it, or asked for it anew. */
  used(running: Running): void {
    const now = Date.now();
    for (const one of this.#together(running)) {
      if (one.usedAt === null) continue;
      one.usedAt = now;
      if (now - (one.notedAt ?? 0) >= startedTimes.noteEveryMs) this.#note(one, now);
    }
    if (this.#lineAllocation.isNeededBy(running.topic)) this.reclaim();
  }

  /** A socket has begun to watch it, or has ended. */
  watchChanged(grantId: string, resource: Resource): void {
    const running = this.#running.get(keyOf(grantId, resource));
    const followed = running === undefined ? this.#joinedIn(grantId, resource) : this.#together(running);
    for (const one of followed) {
      const usedAt = this.#isWatched(one) ? null : Date.now();
      if ((one.usedAt === null) !== (usedAt === null)) this.#note(one, usedAt);
    }
  }

  /** Ends what nobody has used for long. */
  sweep(): void {
    const now = Date.now();
    for (const running of this.#running.values()) {
      if (running.usedAt !== null && running.usedAt + startedTimes.idleMs <= now) this.end(running, "idle");
    }
    this.reclaim();
  }

  /** Reclaims a market data line for each topic that needs one, from a stream that is idle. */
  reclaim(): void {
    const topics = this.#lineAllocation.evicting([...this.#running.values()], Date.now());
    for (const running of this.#running.values())
      if (topics.includes(running.topic)) this.end(running, "given_up");
    this.#options.alarm.schedule();
  }

  /** When the next may have to end; null for never. */
  nextAt(): number | null {
    const all = [...this.#running.values()];
    const times = all.flatMap(({ usedAt }) => (usedAt === null ? [] : usedAt + startedTimes.idleMs));
    const evictsAt = this.#lineAllocation.nextAt(all);
    if (evictsAt !== null) times.push(evictsAt);
    return times.length === 0 ? null : Math.min(...times);
  }

  #note(running: Running, usedAt: number | null): void {
    running.usedAt = usedAt;
    running.notedAt = usedAt;
    this.#options.store.noteUse(running);
    this.#options.alarm.schedule();
  }

  /** The log says of what kind it was; which account or instrument is nobody's business there. */
  #remember(key: string, { kind, startedAt }: Running, ending: Ending): void {
    console.log(`stream ended: ${ending}, ${kind}, started ${startedAt}`);
    const [oldest] = this.#endings.keys();
    if (this.#endings.size >= mostEndings && oldest !== undefined) this.#endings.delete(oldest);
    this.#endings.set(key, ending);
  }

  /** A portfolio and the orders of its account are started as one, and whoever uses one of them keeps both. */
  #together(running: Running): Running[] {
    const other = this.#running.get(keyOf(running.grantId, otherHalf(running)));
    return other === undefined || other === running ? [running] : [running, other];
  }

  /** The headlines started one by one, where the resource is what joins them. */
  #joinedIn(grantId: string, { kind, id }: Resource): Running[] {
    if (kind !== "tick-news" || id !== joinedId) return [];
    return [...this.#running.values()].filter((one) => one.grantId === grantId && one.kind === kind);
  }

  #isWatched(resource: StartedResource): boolean {
    const { notifier } = this.#options;
    const watched = [resource, otherHalf(resource), ...joinOf(resource)];
    return watched.some((one) => notifier.isWatched(resource.grantId, one));
  }

  #run(record: StartedRecord, notedAt: number | null): Running {
    const changed = () => {
      for (const one of [record, ...joinOf(record)]) this.#options.notifier.changed({ ...record, ...one });
    };
    const { grantId } = record;
    const listener = { grantId, valueChanged: changed, stateChanged: changed };
    const running = { ...record, notedAt, listener };
    this.#running.set(keyOf(record.grantId, record), running);
    return running;
  }
}

function isCovered(caller: Caller, name: string): boolean {
  const topic = parseTopic(name);
  return topic !== null && mayWatch(caller, topic);
}

const keyOf = (grantId: string, { kind, id }: Resource): string =>
  JSON.stringify([grantId, kind, id.toUpperCase()]);

/** What joins the headlines of an instrument with those of the others; nothing for another resource. */
const joinOf = ({ kind, id }: Resource): Resource[] =>
  kind === "tick-news" && id !== joinedId ? [{ kind, id: joinedId }] : [];

/** The resource itself where there is no other half. */
function otherHalf({ kind, id }: Resource): Resource {
  if (kind === "portfolio") return { kind: "orders", id };
  return kind === "orders" ? { kind: "portfolio", id } : { kind, id };
}
