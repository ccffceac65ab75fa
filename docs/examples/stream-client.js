// @ts-check
/**
 * Follows a stream of tws-edge, in browsers and in Node 22 or later. It needs nothing else: copy this file.
 *
 *     const stream = new StreamClient("ws://127.0.0.1:8000/api/v1/stream/market-data");
 *     const apple = stream.subscribe({ symbol: "AAPL" }, ({ state, reason, value }) => draw(state, reason, value));
 *     apple.close();   // this subscription
 *     stream.close();  // all of them
 *
 * It connects again and subscribes anew by itself, acknowledges what it takes, and notices a connection that is dead
 * without having closed. A subscription is `live` only while its value is as new as TWS has it.
 */

/**
 * @typedef {Readonly<Record<string, unknown>>} Fields
 * @typedef {ReturnType<typeof setTimeout>} Timer
 *
 * @typedef {object} Options
 * @property {(isConnected: boolean) => void} [onConnection]
 * @property {(text: string) => void} [onProblem] what concerns no single subscription, for people
 * @property {(message: Fields) => void} [onMessage] every message as it came
 * @property {Partial<typeof usualTimes>} [times]
 */

export const usualTimes = {
  pingEveryMs: 20_000,
  /** For the answer to a ping, and for a new connection. */
  answerWithinMs: 10_000,
  /** The wait before connecting again doubles from the first to the longest. */
  firstWaitMs: 500,
  longestWaitMs: 30_000,
  /** A connection that lasted so long ends a row of failures. */
  stableAfterMs: 30_000,
  /** Before what failed for now is asked for again. */
  askAgainMs: 5_000,
  /** The edge sends about 8 batches ahead, at most 20 a second, so this costs no freshness and few messages. */
  ackEveryMs: 200,
};

const offline = { state: "stale", reason: "edge_offline", message: "There is no connection to the edge." };
const waiting = { state: "stale", reason: "waiting", message: "Nothing has come yet since we connected." };
const live = { state: "live", reason: "ok", message: "" };

export class StreamClient {
  #url;
  #options;
  #times;
  /** @type {Map<number, Subscription>} by the id of their requests */
  #subscriptions = new Map();
  /** @type {Map<string, Subscription>} those that the edge has confirmed, by what its messages are about */
  #confirmed = new Map();
  /** @type {WebSocket | null} null between attempts */
  #socket = null;
  #openedAt = Infinity;
  #failures = 0;
  #lastId = 0;
  #takenSeq = 0;
  #ackedAt = 0;
  /** @type {{ [Name in "retry" | "ping" | "answer" | "ack"]?: Timer | undefined }} */
  #timers = {};

  /** @param {string} url @param {Options} [options] */
  constructor(url, options = {}) {
    this.#url = url;
    this.#options = options;
    this.#times = { ...usualTimes, ...options.times };
    this.#connect();
  }

  /**
   * Follows what the request names: `{ symbol: "AAPL" }`, `{ account: "DU123456" }`, `{ feed: "broadtape" }`.
   * @param {Fields} request
   * @param {(subscription: Subscription) => void} [onChange] called after each change
   */
  subscribe(request, onChange = () => {}) {
    this.#lastId += 1;
    const one = new Subscription(this.#lastId, request, onChange, () => this.#leave(one));
    this.#subscriptions.set(one.id, one);
    this.#ask(one);
    return one;
  }

  /** Ends every subscription and the connection, for good. */
  close() {
    for (const one of this.#subscriptions.values()) one.close();
    const socket = this.#socket;
    this.#forgetSocket();
    clearTimeout(this.#timers.retry);
    socket?.close(1000);
  }

  #connect() {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#openedAt = Infinity;
    this.#awaitAnswer();
    // what a socket says that we have given up concerns nobody
    const isOurs = () => socket === this.#socket;
    socket.addEventListener("open", () => isOurs() && this.#opened());
    socket.addEventListener("message", ({ data }) => isOurs() && this.#receive(data));
    // after an error too
    socket.addEventListener("close", ({ code, reason }) => isOurs() && this.#lost(code, reason));
  }

  #answered() {
    clearTimeout(this.#timers.answer);
    this.#timers.answer = undefined;
  }

  #opened() {
    this.#answered();
    this.#openedAt = Date.now();
    this.#takenSeq = 0;
    this.#timers.ping = setInterval(() => {
      // plain text: the edge's runtime answers it without waking anything
      this.#socket?.send("ping");
      this.#awaitAnswer();
    }, this.#times.pingEveryMs);
    for (const one of this.#subscriptions.values()) this.#ask(one);
    this.#options.onConnection?.(true);
  }

  /** Gives the socket up unless something comes: a dead connection does not say so, and cannot be closed in order. */
  #awaitAnswer() {
    this.#timers.answer ??= setTimeout(() => {
      const socket = this.#socket;
      this.#lost(1006, "no answer");
      socket?.close();
    }, this.#times.answerWithinMs);
  }

  /** @param {number} code @param {string} reason */
  #lost(code, reason) {
    const { firstWaitMs, longestWaitMs, stableAfterMs } = this.#times;
    if (Date.now() - this.#openedAt >= stableAfterMs) this.#failures = 0;
    // haste cures neither 1008 nor 1009, we said too much, nor 1013, we took too little
    const isRefused = code === 1008 || code === 1009 || code === 1013;
    const waitMs = isRefused ? longestWaitMs : Math.min(longestWaitMs, firstWaitMs * 2 ** this.#failures);
    this.#failures += 1;
    this.#forgetSocket();
    // partly by chance, so that a thousand of us do not come back in one moment
    this.#timers.retry = setTimeout(() => this.#connect(), waitMs * (0.5 + Math.random() / 2));
    for (const one of this.#subscriptions.values()) one.tell(offline);
    this.#options.onProblem?.(`The connection to the edge is lost (${code}${reason && `, ${reason}`}).`);
    this.#options.onConnection?.(false);
  }

  #forgetSocket() {
    this.#socket = null;
    this.#confirmed.clear();
    this.#answered();
    clearInterval(this.#timers.ping);
    clearTimeout(this.#timers.ack);
  }

  /** @param {string} data */
  #receive(data) {
    this.#answered();
    if (data === "pong") return;
    /** @type {Message} */
    const message = JSON.parse(data);
    this.#options.onMessage?.(message);
    const asker = this.#subscriptions.get(message.id ?? 0);
    const about = this.#confirmed.get(keyOf(message));
    switch (message.type) {
      case "subscribed":
        if (asker !== undefined) this.#confirmed.set(keyOf(message), asker);
        return asker?.confirm(message);
      case "state":
        return about?.tell(message);
      case "market_data":
      case "portfolio":
      case "news":
        about?.take(message);
        this.#takenSeq = Math.max(this.#takenSeq, message.seq ?? 0);
        return this.#acknowledge();
      case "error":
      case "warning":
        return this.#refused(message, asker);
    }
  }

  /** @param {Message} message @param {Subscription | undefined} asker */
  #refused({ error, message, code = "duplicate", retryable = false }, asker) {
    const text = error ?? message ?? "";
    if (asker === undefined) return this.#options.onProblem?.(text);
    if (retryable) asker.timer = setTimeout(() => this.#ask(asker), this.#times.askAgainMs);
    asker.tell({ state: retryable ? "stale" : "ended", reason: code, message: text });
  }

  /** Acknowledges all that was taken, by its highest number, and not more often than need be. */
  #acknowledge() {
    clearTimeout(this.#timers.ack);
    const waitMs = this.#ackedAt + this.#times.ackEveryMs - Date.now();
    if (waitMs > 0) this.#timers.ack = setTimeout(() => this.#acknowledge(), waitMs);
    else {
      this.#ackedAt = Date.now();
      this.#say({ action: "ack", seq: this.#takenSeq });
    }
  }

  /** @param {Subscription} one */
  #ask(one) {
    clearTimeout(one.timer);
    this.#say({ ...one.request, action: "subscribe", id: one.id });
  }

  /** @param {Subscription} one */
  #leave(one) {
    clearTimeout(one.timer);
    if (!this.#subscriptions.delete(one.id)) return;
    for (const [key, other] of this.#confirmed) if (other === one) this.#confirmed.delete(key);
    this.#say({ ...one.subject, action: "unsubscribe" });
  }

  /** @param {Fields} message */
  #say(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}

/**
 * @typedef {{ state?: string, reason?: string, message?: string }} Condition
 * @typedef {{ feed?: string, account?: string, symbol?: string, conId?: number | null }} Subject
 * @typedef {Fields & { key?: string, currency?: string | null, contract?: { conId?: number } }} Data
 * @typedef {Condition & Subject & { type: string, id?: number, seq?: number, timestamp?: number, data?: Data,
 *   update?: { data: Data }, error?: string, code?: string, retryable?: boolean }} Message
 */

/** What a message is about. @param {Subject} subject */
const keyOf = ({ feed, account, symbol, conId }) => JSON.stringify([feed, account, conId ?? symbol]);
/** The key of a row of an account: a holding, or a figure in its currency. @param {Data} row */
const rowOf = ({ key, currency, contract }) => (contract ? `${contract.conId}` : `${key} ${currency ?? ""}`);

/** What is followed, as it stands. */
export class Subscription {
  /** `live`, `stale`, `gap` or `ended`; what has ended is tried again when you subscribe, or when we connect, again. */
  state = offline.state;
  /** Why, for programs: docs/streaming.md has them all. */
  reason = offline.reason;
  /** Why, for people. */
  message = offline.message;
  /** @type {Fields | null} a quote, all rows of an account, or the latest item of the news */
  value = null;
  /** @type {number | null} when the agent had the value, in Unix milliseconds */
  at = null;
  /** @type {Fields} by which the edge knows it */
  subject;
  /** @type {Timer | undefined} */ timer;
  #onChange;
  #seq = 0;
  /** @type {Condition} */ #told = offline;
  /** Whether a value has come since the edge confirmed it. */
  #isFresh = false;

  /** @param {number} id @param {Fields} request @param {(all: Subscription) => void} onChange @param {() => void} close */
  constructor(id, request, onChange, close) {
    this.id = id;
    this.request = this.subject = request;
    this.#onChange = onChange;
    this.close = close;
  }

  /** @param {Message} message */
  confirm({ feed, account, symbol, conId, ...condition }) {
    this.subject = { feed, account, symbol, conId };
    this.#seq = 0;
    // of an account every row comes again; of news perhaps nothing for long
    if (account !== undefined) this.value = null;
    this.#isFresh = feed !== undefined;
    this.tell(condition.state === undefined ? live : condition);
  }

  /** @param {Condition} condition */
  tell(condition) {
    this.#told = condition;
    // what came before an outage is not live, whatever the edge has had since
    const shown = condition.state === "live" && !this.#isFresh ? waiting : condition;
    ({ state: this.state = "", reason: this.reason = "", message: this.message = "" } = shown);
    this.#onChange(this);
  }

  /** @param {Message} message */
  take({ seq = 0, timestamp, data = {}, update }) {
    // numbers rise for as long as a subscription lives
    if (seq <= this.#seq) return;
    this.#seq = seq;
    this.value = update === undefined ? data : { ...this.value, [rowOf(update.data)]: update.data };
    this.at = timestamp ?? null;
    this.#isFresh = true;
    this.tell(this.#told);
  }
}
