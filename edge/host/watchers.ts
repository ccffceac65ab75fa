import { toErrorBody, TwsError } from "../../shared/errors.ts";
import type { Caller } from "../../shared/scopes.ts";
import { attach, type Attachment, tryClose, trySend } from "./attachments.ts";
import { Flow, flowLimits } from "./flow.ts";
import { marketDataWords } from "./market-data-words.ts";
import { newsWords } from "./news-words.ts";
import type { Ask, Opened, OpenStreams } from "./open-streams.ts";
import { portfolioWords } from "./portfolio-words.ts";
import type { TopicListener, Topics, TopicView, Value } from "./topics.ts";
import * as say from "./watcher-messages.ts";

export const watcherLimits = {
  watchers: 200,
  subscriptions: 100,
  /** What one socket may say at once, and after that each second. */
  burst: 4_000,
  messagesPerSecond: 100,
} as const;

const wordsOf: Readonly<Record<say.StreamName, say.StreamWords>> = {
  "market-data": marketDataWords,
  portfolio: portfolioWords,
  news: newsWords,
};

interface WatchersOptions {
  readonly ctx: DurableObjectState;
  readonly topics: Topics;
  readonly openStreams: OpenStreams;
  readonly report: (id: string, thrown: unknown) => void;
}

/** The sockets that follow streams. */
export class Watchers {
  readonly #bySocket = new Map<WebSocket, Watcher>();
  readonly #options: WatchersOptions;

  constructor(options: WatchersOptions) {
    this.#options = options;
  }

  /** Throws `rate_limited` when there are as many as one host serves. */
  accept(socket: WebSocket, stream: say.StreamName, caller: Caller): void {
    if (this.#bySocket.size >= watcherLimits.watchers) {
      throw new TwsError(
        "rate_limited",
        `This host serves at most ${watcherLimits.watchers} streams at a time.`,
      );
    }
    this.#options.ctx.acceptWebSocket(socket, ["stream"]);
    this.#add(socket, stream, caller).remember();
    trySend(socket, say.connected(wordsOf[stream]));
  }

  /** A socket that has slept. */
  restore(socket: WebSocket, { stream, caller, subscriptions }: StreamAttachment): void {
    const watcher = this.#add(socket, stream, caller);
    for (const subscription of subscriptions) watcher.restore(subscription);
  }

  async receive(socket: WebSocket, message: unknown): Promise<void> {
    await this.#bySocket.get(socket)?.receive(message);
  }

  closed(socket: WebSocket): void {
    this.#bySocket.get(socket)?.leave();
    this.#bySocket.delete(socket);
  }

  #add(socket: WebSocket, stream: say.StreamName, caller: Caller): Watcher {
    const watcher = new Watcher(socket, stream, caller, this.#options, () => this.closed(socket));
    this.#bySocket.set(socket, watcher);
    return watcher;
  }
}

type StreamAttachment = Extract<Attachment, { kind: "stream" }>;

/** One socket and what it follows. */
class Watcher implements TopicListener {
  readonly #socket: WebSocket;
  readonly #stream: say.StreamName;
  readonly #words: say.StreamWords;
  readonly #caller: Caller;
  readonly #options: WatchersOptions;
  readonly #flow: Flow;
  /** By topic. */
  readonly #followed = new Map<string, say.Subscription>();
  /** Subscriptions that are being looked up. */
  readonly #lookups = new Set<Promise<void>>();
  /** The latest unsubscribe: what was said after it waits for it. */
  #unsubscribed: Promise<void> = Promise.resolve();
  #allowance: number = watcherLimits.burst;
  #allowanceAt = Date.now();
  readonly #giveUp: () => void;
  #hasLeft = false;

  constructor(
    socket: WebSocket,
    stream: say.StreamName,
    caller: Caller,
    options: WatchersOptions,
    giveUp: () => void,
  ) {
    this.#socket = socket;
    this.#stream = stream;
    this.#words = wordsOf[stream];
    this.#caller = caller;
    this.#options = options;
    this.#giveUp = giveUp;
    this.#flow = new Flow(socket, giveUp);
  }

  restore(subscription: say.Subscription): void {
    this.#followed.set(subscription.topic, subscription);
    this.#options.topics.restore(subscription.topic, this);
  }

  /** Whatever is wrong is said, and the socket stays open; but not for one that floods us. */
  async receive(message: unknown): Promise<void> {
    if (this.#hasLeft) return;
    if (!this.#isAllowed()) return this.#end(1008, "too many messages");
    try {
      const request = say.parseRequest(message);
      switch (request.action) {
        case "subscribe":
          await this.#subscribe(request.fields);
          break;
        case "unsubscribe":
          await this.#inTurn(() => this.#unsubscribe(request.fields));
          break;
        case "list":
          this.#say(
            say.listing(
              this.#words,
              [...this.#followed.values()].map((one) => this.#words.subject(one)),
            ),
          );
          break;
        case "ping":
          this.#say(say.pong());
          break;
        case "ack":
          this.#flow.acknowledge(request.seq);
          break;
        default:
          request satisfies never;
      }
    } catch (error) {
      this.#say(say.errorMessage(toErrorBody(error, this.#options.report)));
    }
  }

  valueChanged({ topic }: TopicView, value: Value, before: Value | null): void {
    const followed = this.#followed.get(topic);
    if (followed === undefined) return;
    const { topics } = this.#options;
    const { messages, mark } = this.#words.tell(followed, value, before, () => topics.nextSeq());
    if (mark !== followed.mark) {
      this.#followed.set(topic, { ...followed, mark });
      this.remember();
    }
    for (const message of messages) this.#flow.offer(topic, message);
  }

  stateChanged(view: TopicView): void {
    const followed = this.#followed.get(view.topic);
    if (followed === undefined) return;
    this.#flow.say(view.topic, say.stateMessage(this.#words.subject(followed), view));
  }

  leave(): void {
    this.#hasLeft = true;
    this.#flow.close();
    for (const topic of this.#followed.keys()) this.#options.topics.unwatch(topic, this);
    this.#followed.clear();
  }

  /** Writes down what the next instance of the object needs to know of this socket. */
  remember(): void {
    attach(this.#socket, {
      kind: "stream",
      stream: this.#stream,
      caller: this.#caller,
      subscriptions: [...this.#followed.values()],
    });
  }

  async #subscribe(fields: say.Fields): Promise<void> {
    const { name, ...ask } = this.#words.subscribe(fields);
    if (this.#followed.size + this.#lookups.size >= watcherLimits.subscriptions) {
      throw new TwsError(
        "too_large",
        `One socket has at most ${watcherLimits.subscriptions} subscriptions.`,
        {
          nextStep: "Unsubscribe from some, or open another socket.",
        },
      );
    }
    const lookup = this.#lookUp(ask, name, this.#unsubscribed);
    this.#lookups.add(lookup);
    await lookup.finally(() => this.#lookups.delete(lookup));
  }

  async #lookUp(ask: Ask, name: string | null, before: Promise<void>): Promise<void> {
    await before;
    const outcome = await this.#options.openStreams.open(ask, this.#caller);
    if (this.#hasLeft) return;
    if (!outcome.ok) this.#say(say.errorMessage(outcome.error, name ?? undefined));
    else this.#follow(outcome.opened, name ?? this.#words.nameOf(outcome.opened));
  }

  /** After everything that was said before it; else an unsubscribe would pass the subscribe that it is meant to end. */
  async #inTurn(unsubscribe: () => void): Promise<void> {
    const before = Promise.allSettled([this.#unsubscribed, ...this.#lookups]);
    const turn = before.then(unsubscribe);
    this.#unsubscribed = turn.catch(() => undefined);
    await turn;
  }

  #follow(opened: Opened, name: string): void {
    const { topic } = opened;
    const known = this.#followed.get(topic);
    if (known !== undefined) {
      return this.#say(say.warning(this.#words.subject(known), "This subscription exists already."));
    }
    this.#followed.set(topic, { topic, name, mark: null });
    this.remember();
    this.#say(say.subscribed(this.#words.subject({ topic, name }), opened));
    const view = this.#options.topics.watch(topic, this);
    if (view.value !== null) this.valueChanged(view, view.value, null);
    if (view.state !== "live") this.stateChanged(view);
  }

  #unsubscribe(fields: say.Fields): void {
    const { isMeant, subject } = this.#words.unsubscribe(fields);
    const [match, ...others] = [...this.#followed.values()].filter(isMeant);
    if (match === undefined) return this.#say(say.warning(subject, "There is no such subscription."));
    if (others.length > 0) {
      throw new TwsError("ambiguous_contract", "Several subscriptions are meant.", {
        nextStep: "Name the one to end exactly; the action list shows them.",
      });
    }
    this.#followed.delete(match.topic);
    this.remember();
    this.#flow.forget(match.topic);
    this.#options.topics.unwatch(match.topic, this);
    this.#say(say.unsubscribed(this.#words.subject(match)));
  }

  #isAllowed(): boolean {
    const now = Date.now();
    const earned = ((now - this.#allowanceAt) * watcherLimits.messagesPerSecond) / 1000;
    this.#allowance = Math.min(watcherLimits.burst, this.#allowance + earned) - 1;
    this.#allowanceAt = now;
    return this.#allowance >= 0;
  }

  #end(code: number, reason: string): void {
    tryClose(this.#socket, code, reason);
    this.#giveUp();
  }

  #say(text: string): void {
    // answers are not merged as values are, so one that asks and does not read is let go
    if (this.#socket.bufferedAmount > flowLimits.bufferedBytes)
      return this.#end(1013, "answers are not read");
    trySend(this.#socket, text);
  }
}
