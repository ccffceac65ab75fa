import { TwsError } from "../../../shared/errors.ts";
import type { UnackedBytes, SendBudget, UnackedNote } from "./send-budget.ts";
import { tryClose, trySend } from "../../http/sockets.ts";

/** A data message for one watcher. */
export interface DataMessage {
  readonly seq: number;
  readonly text: string;
  /** What of its topic it tells; a later message replaces only one of the same part. Empty for all of it. */
  readonly part: string;
}

interface Message extends DataMessage {
  readonly topic: string;
}

export const flowLimits = {
  /**
   * A watcher that acknowledges may have so many rounds unacknowledged, a round being what was sent in one go; past
   * that only the latest of each topic waits.
   */
  ackWindow: 8,
  /** Messages a second to a watcher that never acknowledges, and as many at once. */
  messagesPerSecond: 250,
  /** Where the runtime says how much is unsent (not under hibernation), this much counts as behind. In bytes. */
  bufferedBytes: 1024 * 1024,
  /** A watcher that has been behind and taken nothing for so long is closed. */
  stuckAfterMs: 30_000,
  retryMs: 50,
  /** Messages that wait; the oldest are dropped, where a topic has many parts. */
  waiting: 1_000,
} as const;

/**
 * A watcher that never acknowledges is sent what has changed only every so often once it has this much
 * unacknowledged (of 1, all that it may have), so that it lasts longer. It never waits so long that a price on a screen
 * would be misleading.
 */
export const throttleTiers = [
  { fill: 0.75, ms: 5_000 },
  { fill: 0.5, ms: 2_000 },
  { fill: 0.25, ms: 1_000 },
] as const;

/** The count is written down when it has changed by the first of these, or by the second since a second ago. */
const noteAfter = { bytes: 16 * 1024, bytesOfSecond: 2 * 1024 } as const;

interface FlowControlOptions {
  readonly socket: WebSocket;
  readonly budget: SendBudget;
  /** What an instance of the object before this one knew to be unacknowledged. */
  readonly note: UnackedNote | null;
  /** Called when what is unacknowledged is to be written down. */
  readonly remember: () => void;
  /** Called when the watcher has been closed from here. */
  readonly giveUp: () => void;
}

/**
 * Messages to one watcher, no faster than it takes them: what it cannot take yet is merged to the latest message of
 * each topic, or of each part of a topic that has parts.
 */
export class FlowControl {
  readonly unacked: UnackedBytes;
  readonly #options: FlowControlOptions;
  /** The latest unsent message of each part of a topic; what waits longest comes first. */
  readonly #pending = new Map<string, Message>();
  /** The highest number of each round sent and not acknowledged; kept only for a watcher that acknowledges. */
  #unacked: number[] = [];
  #isRoundOpen = false;
  #acknowledges = false;
  #tokens: number = flowLimits.messagesPerSecond;
  #refilledAt = Date.now();
  #throttledUntil = 0;
  /** When the watcher last took something. */
  #movedAt = Date.now();
  #retry: ReturnType<typeof setTimeout> | null = null;
  #isClosed = false;
  #notedBytes: number;
  #notedAt = Date.now();

  constructor(options: FlowControlOptions) {
    this.#options = options;
    this.#notedBytes = options.note?.bytes ?? 0;
    this.unacked = options.budget.open(options.note, (reason) => this.end(1013, reason));
  }

  /** Sends now, or as soon as the watcher can take it. */
  offer(topic: string, message: DataMessage): void {
    if (this.#isClosed) return;
    // only from now on does it owe us anything
    if (this.#pending.size === 0) this.#movedAt = Date.now();
    const key = `${topic} ${message.part}`;
    // the numbers of a topic with parts must rise in the order they are sent
    if (message.part !== "") this.#pending.delete(key);
    this.#pending.set(key, { ...message, topic });
    const [oldest] = this.#pending.keys();
    if (this.#pending.size > flowLimits.waiting && oldest !== undefined) this.#pending.delete(oldest);
    this.#flush();
  }

  /** Sends what must not be merged, after whatever waits of its topic. */
  sendUnmerged(topic: string, text: string): void {
    for (const [key, waiting] of this.#pending) {
      if (waiting.topic !== topic) continue;
      this.#pending.delete(key);
      this.#sendData(waiting);
    }
    this.#send(text, null);
  }

  /** Sends an answer, past whatever waits. */
  answer(text: string): void {
    this.#send(text, null);
  }

  /**
   * The watcher has taken everything up to `seq`. From its first acknowledgement on it sets the pace. Throws
   * `invalid_input` for a number that it cannot have taken.
   */
  acknowledge(seq: number): void {
    if (!this.unacked.prove(seq)) {
      throw new TwsError("invalid_input", "No message with this seq has been sent here.", {
        nextStep: "Acknowledge the seq of the last message that was taken.",
      });
    }
    this.#acknowledges = true;
    this.#unacked = this.#unacked.filter((highest) => highest > seq);
    this.#note();
    this.#flush();
  }

  forget(topic: string): void {
    for (const [key, waiting] of this.#pending) if (waiting.topic === topic) this.#pending.delete(key);
  }

  /** Nothing is sent any more. */
  close(): void {
    this.#isClosed = true;
    this.#pending.clear();
    clearTimeout(this.#retry);
  }

  /** Closes the watcher. */
  end(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.close();
    tryClose(this.#options.socket, code, reason);
    this.#options.giveUp();
  }

  #flush(): void {
    clearTimeout(this.#retry);
    for (const [key, message] of this.#pending) {
      if (this.#isBehind()) break;
      this.#pending.delete(key);
      this.#sendData(message);
      this.#movedAt = Date.now();
    }
    if (this.#isClosed) return;
    if (this.#pending.size === 0) return this.#throttle();
    const stuckAt = this.#movedAt + flowLimits.stuckAfterMs;
    if (Date.now() >= stuckAt) return this.end(1013, "too slow: nothing was taken for 30 s");
    this.#retry = setTimeout(() => this.#flush(), this.#retryAt(stuckAt) - Date.now());
  }

  /** A watcher that acknowledges is sent the rest when it does, and let go when it does not; anyone else is tried again soon. */
  #retryAt(stuckAt: number): number {
    if (this.#isWindowFull()) return stuckAt;
    return Math.max(Date.now() + flowLimits.retryMs, this.#throttledUntil);
  }

  /** All has been sent; the next comes after a while if the watcher never acknowledges and has come to a tier. */
  #throttle(): void {
    const fill = this.#options.budget.fill(this.unacked);
    const tier = throttleTiers.find((one) => fill >= one.fill);
    if (tier !== undefined) this.#throttledUntil = Math.max(this.#throttledUntil, Date.now() + tier.ms);
  }

  #isWindowFull(): boolean {
    return this.#acknowledges && !this.#isRoundOpen && this.#unacked.length >= flowLimits.ackWindow;
  }

  #isBehind(): boolean {
    if (this.#options.socket.bufferedAmount > flowLimits.bufferedBytes) return true;
    if (this.#acknowledges) return this.#isWindowFull();
    const now = Date.now();
    if (now < this.#throttledUntil) return true;
    const earned = ((now - this.#refilledAt) * flowLimits.messagesPerSecond) / 1000;
    this.#tokens = Math.min(flowLimits.messagesPerSecond, this.#tokens + earned);
    this.#refilledAt = now;
    return this.#tokens < 1;
  }

  #sendData({ seq, text }: Message): void {
    if (this.#acknowledges) this.#joinRound(seq);
    else this.#tokens -= 1;
    this.#send(text, seq);
  }

  /** What is sent without anything else happening in between is one round. */
  #joinRound(seq: number): void {
    if (this.#isRoundOpen) {
      this.#unacked.push(Math.max(seq, this.#unacked.pop() ?? 0));
      return;
    }
    this.#unacked.push(seq);
    this.#isRoundOpen = true;
    queueMicrotask(() => (this.#isRoundOpen = false));
  }

  #send(text: string, seq: number | null): void {
    if (this.#isClosed) return;
    trySend(this.#options.socket, text);
    this.unacked.add(text, seq);
    this.#note();
  }

  #note(): void {
    const { bytes } = this.unacked;
    const change = Math.abs(bytes - this.#notedBytes);
    const isTime = Date.now() - this.#notedAt >= 1000;
    if (this.#isClosed || change < (isTime ? noteAfter.bytesOfSecond : noteAfter.bytes)) return;
    this.#notedBytes = bytes;
    this.#notedAt = Date.now();
    this.#options.remember();
  }
}
