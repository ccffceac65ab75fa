import { toErrorBody, TwsError } from "../../../shared/errors.ts";
import type { Caller } from "../../../shared/caller.ts";
import { attach } from "../storage/socket-attachments.ts";
import { FlowControl } from "./flow-control.ts";
import { marketDataMessages } from "./market-data-messages.ts";
import { newsMessages } from "./news-messages.ts";
import type { Ask, Opened, StreamResolver } from "./stream-resolver.ts";
import { portfolioMessages } from "./portfolio-messages.ts";
import type { TopicListener, Topics, TopicView, Value } from "./topics.ts";
import type { UnackedBytes, SendBudget, UnackedNote } from "./send-budget.ts";
import * as protocol from "./watcher-protocol.ts";

export const watcherLimits = {
  subscriptions: 100,
  /** What one socket may say at once, and after that each second. */
  burst: 4_000,
  messagesPerSecond: 100,
} as const;

const messagesOf: Readonly<Record<protocol.StreamName, protocol.StreamMessages>> = {
  "market-data": marketDataMessages,
  portfolio: portfolioMessages,
  news: newsMessages,
};

export interface WatcherOptions {
  readonly topics: Topics;
  readonly resolver: StreamResolver;
  readonly budget: SendBudget;
  readonly report: (id: string, thrown: unknown) => void;
  /** Called when a watcher begins to follow something, or follows nothing any more. */
  readonly followingChanged: () => void;
  /** Called when the watcher has been closed from here. */
  readonly giveUp: () => void;
  /** Called when the watcher has sent a message that is too large. */
  readonly oversize: () => void;
}

/** Whose socket it is, and what it is for. */
interface Purpose {
  readonly stream: protocol.StreamName;
  readonly caller: Caller;
}

/** What a watcher calls its message, and what it asks for. */
interface Asked {
  readonly id: protocol.MessageId;
  readonly name: string | null;
}

/** One socket and what it follows. */
export class Watcher implements TopicListener {
  readonly #socket: WebSocket;
  readonly #stream: protocol.StreamName;
  readonly #messages: protocol.StreamMessages;
  readonly #caller: Caller;
  readonly #options: WatcherOptions;
  readonly #flowControl: FlowControl;
  /** By topic. */
  readonly #followed = new Map<string, protocol.Subscription>();
  /** Resolves when every subscription that has been asked for so far is answered. */
  #answered: Promise<void> = Promise.resolve();
  /** How many subscriptions are being looked up; others may wait for what was said before them. */
  #resolving = 0;
  /** The latest unsubscribe: what was said after it waits for it. */
  #unsubscribed: Promise<void> = Promise.resolve();
  #tokens: number = watcherLimits.burst;
  #refilledAt = Date.now();
  #hasLeft = false;

  constructor(
    socket: WebSocket,
    { stream, caller }: Purpose,
    note: UnackedNote | null,
    options: WatcherOptions,
  ) {
    this.#socket = socket;
    this.#stream = stream;
    this.#messages = messagesOf[stream];
    this.#caller = caller;
    this.#options = options;
    const { budget, giveUp } = options;
    this.#flowControl = new FlowControl({
      socket,
      budget: budget,
      note,
      remember: () => this.remember(),
      giveUp,
    });
  }

  get grantId(): string {
    return this.#caller.grantId;
  }

  get unacked(): UnackedBytes {
    return this.#flowControl.unacked;
  }

  greet(): void {
    this.#answer(null, protocol.connected(this.#messages));
  }

  restore(subscription: protocol.Subscription): void {
    this.#followed.set(subscription.topic, subscription);
    this.#options.topics.restore(subscription.topic, this);
  }

  /** Whatever is wrong is said, and the socket stays open; but not for one that floods us. */
  async receive(message: unknown): Promise<void> {
    if (this.#hasLeft) return;
    if (protocol.isOversize(message)) {
      this.#options.oversize();
      return this.#flowControl.end(1009, "a message may have at most 64 KB");
    }
    if (!this.#isAllowed()) return this.#flowControl.end(1008, "too many messages");
    let id: protocol.MessageId = null;
    try {
      const fields = protocol.parseMessage(message);
      id = protocol.idOf(fields);
      await this.#serve(protocol.parseRequest(fields), id);
    } catch (error) {
      this.#answer(id, protocol.errorMessage(toErrorBody(error, this.#options.report)));
    }
  }

  async #serve(request: protocol.Request, id: protocol.MessageId): Promise<void> {
    switch (request.action) {
      case "subscribe":
        return await this.#subscribe(request.fields, id);
      case "unsubscribe":
        return await this.#inTurn(() => this.#unsubscribe(request.fields, id));
      case "list":
        return this.#answer(id, protocol.listing(this.#messages, this.#subjects()));
      case "ping":
        return this.#answer(id, protocol.pong());
      case "ack":
        return this.#flowControl.acknowledge(request.seq);
      default:
        return request satisfies never;
    }
  }

  #subjects(): protocol.Fields[] {
    return [...this.#followed.values()].map((one) => this.#messages.subject(one));
  }

  #answer(id: protocol.MessageId, answer: protocol.Fields): void {
    this.#flowControl.answer(JSON.stringify(id === null ? answer : { ...answer, id }));
  }

  valueChanged({ topic }: TopicView, value: Value, before: Value | null): void {
    const followed = this.#followed.get(topic);
    if (followed === undefined) return;
    const { topics } = this.#options;
    const { messages, mark } = this.#messages.encode(followed, value, before, () => topics.nextSeq());
    if (mark !== followed.mark) {
      this.#followed.set(topic, { ...followed, mark });
      this.remember();
    }
    for (const message of messages) this.#flowControl.offer(topic, message);
  }

  stateChanged(view: TopicView): void {
    const followed = this.#followed.get(view.topic);
    if (followed === undefined) return;
    this.#flowControl.sendUnmerged(view.topic, protocol.stateMessage(this.#messages, followed, view));
  }

  leave(): void {
    this.#hasLeft = true;
    this.#flowControl.close();
    for (const topic of this.#followed.keys()) this.#options.topics.unwatch(topic, this);
    this.#followed.clear();
    this.#options.followingChanged();
  }

  isFollowing(): boolean {
    return this.#followed.size > 0;
  }

  /** Writes down what the next instance of the object needs to know of this socket. */
  remember(): void {
    attach(this.#socket, {
      kind: "stream",
      stream: this.#stream,
      caller: this.#caller,
      subscriptions: [...this.#followed.values()],
      unread: this.#flowControl.unacked.note(),
    });
  }

  async #subscribe(fields: protocol.Fields, id: protocol.MessageId): Promise<void> {
    const { name, ...ask } = this.#messages.subscribe(fields);
    const before = this.#answered;
    const lookup = this.#takePlace(this.#unsubscribed, before).then(() => this.#lookUp(ask, { id, name }));
    this.#answered = Promise.allSettled([before, lookup]).then(() => undefined);
    await lookup;
  }

  /** Takes a place, after what was asked before where that may free one; throws when there is none. */
  async #takePlace(unsubscribed: Promise<void>, answered: Promise<void>): Promise<void> {
    await unsubscribed;
    const most = watcherLimits.subscriptions;
    if (this.#followed.size + this.#resolving >= most) await answered;
    if (this.#followed.size + this.#resolving >= most)
      throw new TwsError("too_large", `One socket has at most ${most} subscriptions.`, {
        nextStep: "Unsubscribe from some, or open another socket.",
      });
    this.#resolving += 1;
  }

  /** In a place that was taken for it. */
  async #lookUp(ask: Ask, { id, name }: Asked): Promise<void> {
    const { resolver, report } = this.#options;
    try {
      const outcome = await resolver.resolve(ask, this.#caller);
      if (this.#hasLeft) return;
      if (!outcome.ok) throw TwsError.fromBody(outcome.error);
      this.#follow(outcome.opened, name ?? this.#messages.nameOf(outcome.opened), id);
    } catch (error) {
      this.#answer(id, protocol.errorMessage(toErrorBody(error, report), name ?? undefined));
    } finally {
      this.#resolving -= 1;
    }
  }

  /** After everything that was said before it; else an unsubscribe would pass the subscribe that it is meant to end. */
  async #inTurn(unsubscribe: () => void): Promise<void> {
    const before = Promise.allSettled([this.#unsubscribed, this.#answered]);
    const turn = before.then(unsubscribe);
    this.#unsubscribed = turn.catch(() => undefined);
    await turn;
  }

  #follow(opened: Opened, name: string, id: protocol.MessageId): void {
    const { topic } = opened;
    const { topics } = this.#options;
    const known = this.#followed.get(topic);
    if (known !== undefined) {
      const subject = this.#messages.subject(known);
      return this.#answer(id, protocol.warning(subject, "This subscription exists already."));
    }
    topics.requireRoom([topic], this.#caller);
    this.#followed.set(topic, { topic, name, mark: null });
    this.remember();
    this.#options.followingChanged();
    const view = topics.watch(topic, this);
    this.#answer(id, protocol.subscribed(this.#messages.subject({ topic, name }), opened, view));
    if (view.value !== null) this.valueChanged(view, view.value, null);
    if (view.condition.state !== "live") this.stateChanged(view);
  }

  #unsubscribe(fields: protocol.Fields, id: protocol.MessageId): void {
    const { isMeant, subject } = this.#messages.unsubscribe(fields);
    const [match, ...others] = [...this.#followed.values()].filter(isMeant);
    if (match === undefined) {
      return this.#answer(id, protocol.warning(subject, "There is no such subscription."));
    }
    if (others.length > 0) {
      throw new TwsError("ambiguous_contract", "Several subscriptions are meant.", {
        nextStep: "Name the one to end exactly; the action list shows them.",
      });
    }
    this.#followed.delete(match.topic);
    this.remember();
    this.#options.followingChanged();
    this.#flowControl.forget(match.topic);
    this.#options.topics.unwatch(match.topic, this);
    this.#answer(id, protocol.unsubscribed(this.#messages.subject(match)));
  }

  #isAllowed(): boolean {
    const now = Date.now();
    const earned = ((now - this.#refilledAt) * watcherLimits.messagesPerSecond) / 1000;
    this.#tokens = Math.min(watcherLimits.burst, this.#tokens + earned) - 1;
    this.#refilledAt = now;
    return this.#tokens >= 0;
  }
}
