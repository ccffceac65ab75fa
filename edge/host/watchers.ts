import type { ContractSelector } from "../../shared/contract.ts";
import { toErrorBody, TwsError } from "../../shared/errors.ts";
import { quoteTopic } from "../../shared/events.ts";
import type { Caller } from "../../shared/scopes.ts";
import { attach, type Attachment, tryClose, trySend } from "./attachments.ts";
import { Flow, flowLimits } from "./flow.ts";
import type { Opened, OpenQuotes } from "./open-quotes.ts";
import type { TopicListener, Topics, TopicView, Value } from "./topics.ts";
import * as say from "./watcher-messages.ts";

export const watcherLimits = {
  watchers: 200,
  subscriptions: 100,
  /** What one socket may say at once, and after that each second. */
  burst: 4_000,
  messagesPerSecond: 100,
} as const;

interface WatchersOptions {
  readonly ctx: DurableObjectState;
  readonly topics: Topics;
  readonly openQuotes: OpenQuotes;
  readonly report: (id: string, thrown: unknown) => void;
}

/** The sockets that follow market data. */
export class Watchers {
  readonly #bySocket = new Map<WebSocket, Watcher>();
  readonly #options: WatchersOptions;

  constructor(options: WatchersOptions) {
    this.#options = options;
  }

  /** Throws `rate_limited` when there are as many as one host serves. */
  accept(socket: WebSocket, caller: Caller): void {
    if (this.#bySocket.size >= watcherLimits.watchers) {
      throw new TwsError(
        "rate_limited",
        `This host serves at most ${watcherLimits.watchers} streams at a time.`,
      );
    }
    this.#options.ctx.acceptWebSocket(socket, ["market-data"]);
    this.#add(socket, caller).remember();
    trySend(socket, say.connected);
  }

  /** A socket that has slept. */
  restore(socket: WebSocket, attachment: Extract<Attachment, { kind: "market-data" }>): void {
    const watcher = this.#add(socket, attachment.caller);
    for (const { topic, symbol } of attachment.subscriptions) watcher.restore(topic, symbol);
  }

  async receive(socket: WebSocket, message: unknown): Promise<void> {
    await this.#bySocket.get(socket)?.receive(message);
  }

  closed(socket: WebSocket): void {
    this.#bySocket.get(socket)?.leave();
    this.#bySocket.delete(socket);
  }

  #add(socket: WebSocket, caller: Caller): Watcher {
    const watcher = new Watcher(socket, caller, this.#options, () => this.closed(socket));
    this.#bySocket.set(socket, watcher);
    return watcher;
  }
}

/** One socket and what it follows. */
class Watcher implements TopicListener {
  readonly #socket: WebSocket;
  readonly #caller: Caller;
  readonly #options: WatchersOptions;
  readonly #flow: Flow;
  /** What this watcher calls the instrument, by topic. */
  readonly #symbols = new Map<string, string>();
  /** Subscriptions that are being looked up. */
  readonly #lookups = new Set<Promise<void>>();
  /** The latest unsubscribe: what was said after it waits for it. */
  #unsubscribed: Promise<void> = Promise.resolve();
  #allowance: number = watcherLimits.burst;
  #allowanceAt = Date.now();
  readonly #giveUp: () => void;
  #hasLeft = false;

  constructor(socket: WebSocket, caller: Caller, options: WatchersOptions, giveUp: () => void) {
    this.#socket = socket;
    this.#caller = caller;
    this.#options = options;
    this.#giveUp = giveUp;
    this.#flow = new Flow(socket, giveUp);
  }

  restore(topic: string, symbol: string): void {
    this.#symbols.set(topic, symbol);
    this.#options.topics.restore(topic, this);
  }

  /** Whatever is wrong is said, and the socket stays open; but not for one that floods us. */
  async receive(message: unknown): Promise<void> {
    if (this.#hasLeft) return;
    if (!this.#isAllowed()) return this.#end(1008, "too many messages");
    try {
      const request = say.parseRequest(message);
      switch (request.action) {
        case "subscribe":
          await this.#subscribe(request.selector);
          break;
        case "unsubscribe":
          await this.#inTurn(() => this.#unsubscribe(request.symbol, request.conId));
          break;
        case "list":
          this.#say(say.listing(this.#symbols));
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

  valueChanged({ topic }: TopicView, value: Value): void {
    const symbol = this.#symbols.get(topic);
    if (symbol === undefined) return;
    this.#flow.offer(topic, { seq: value.seq, text: say.valueMessage(symbol, topic, value) });
  }

  stateChanged(view: TopicView): void {
    const symbol = this.#symbols.get(view.topic);
    if (symbol !== undefined) this.#flow.say(view.topic, say.stateMessage(symbol, view));
  }

  leave(): void {
    this.#hasLeft = true;
    this.#flow.close();
    for (const topic of this.#symbols.keys()) this.#options.topics.unwatch(topic, this);
    this.#symbols.clear();
  }

  /** Writes down what the next instance of the object needs to know of this socket. */
  remember(): void {
    attach(this.#socket, {
      kind: "market-data",
      caller: this.#caller,
      subscriptions: [...this.#symbols].map(([topic, symbol]) => ({ topic, symbol })),
    });
  }

  async #subscribe(selector: ContractSelector): Promise<void> {
    const asked = selector.symbol?.toUpperCase();
    if (this.#symbols.size + this.#lookups.size >= watcherLimits.subscriptions) {
      throw new TwsError(
        "too_large",
        `One socket has at most ${watcherLimits.subscriptions} subscriptions.`,
        {
          nextStep: "Unsubscribe from some, or open another socket.",
        },
      );
    }
    const lookup = this.#lookUp(selector, asked, this.#unsubscribed);
    this.#lookups.add(lookup);
    await lookup.finally(() => this.#lookups.delete(lookup));
  }

  async #lookUp(selector: ContractSelector, asked: string | undefined, before: Promise<void>): Promise<void> {
    await before;
    const outcome = await this.#options.openQuotes.open(selector, this.#caller);
    if (this.#hasLeft) return;
    if (!outcome.ok) this.#say(say.errorMessage(outcome.error, asked));
    else this.#follow(outcome.opened, asked ?? outcome.opened.contract.symbol);
  }

  /** After everything that was said before it; else an unsubscribe would pass the subscribe that it is meant to end. */
  async #inTurn(unsubscribe: () => void): Promise<void> {
    const before = Promise.allSettled([this.#unsubscribed, ...this.#lookups]);
    const turn = before.then(unsubscribe);
    this.#unsubscribed = turn.catch(() => undefined);
    await turn;
  }

  #follow({ topic, contract }: Opened, symbol: string): void {
    const known = this.#symbols.get(topic);
    if (known !== undefined) return this.#say(say.warning(known, "This subscription exists already."));
    this.#symbols.set(topic, symbol);
    this.remember();
    this.#say(say.subscribed(symbol, contract));
    const view = this.#options.topics.watch(topic, this);
    if (view.value !== null) this.valueChanged(view, view.value);
    if (view.state !== "live") this.stateChanged(view);
  }

  #unsubscribe(symbol: string | null, conId: number | null): void {
    const matches = [...this.#symbols].filter(([topic, name]) =>
      conId === null ? name === symbol : topic === quoteTopic(conId),
    );
    const [match, ...others] = matches;
    const name = symbol ?? String(conId);
    if (match === undefined) return this.#say(say.warning(name, "There is no such subscription."));
    if (others.length > 0) {
      throw new TwsError("ambiguous_contract", `Several subscriptions are called ${name}.`, {
        nextStep: "Name the one to end by its conId; the action list shows them.",
      });
    }
    const [topic, known] = match;
    this.#symbols.delete(topic);
    this.remember();
    this.#flow.forget(topic);
    this.#options.topics.unwatch(topic, this);
    this.#say(say.unsubscribed(known, topic));
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
