import { tryClose, trySend } from "./attachments.ts";

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
  /** A watcher that acknowledges may have so many messages unacknowledged; past that only the latest of each topic waits. */
  ackWindow: 8,
  /** Messages a second to a watcher that never acknowledges, and as many at once. */
  messagesPerSecond: 250,
  /** `send` never refuses and buffers without bound, so this much unsent counts as behind. In bytes. */
  bufferedBytes: 1024 * 1024,
  /** A watcher that has been behind and taken nothing for so long is closed. */
  stuckAfterMs: 30_000,
  retryMs: 50,
  /** Messages that wait; the oldest give way, where a topic has many parts. */
  waiting: 1_000,
} as const;

/**
 * Data messages to one watcher, no faster than it takes them: what it cannot take yet is merged to the latest message
 * of each topic, or of each part of a topic that has parts.
 */
export class Flow {
  readonly #socket: WebSocket;
  readonly #giveUp: () => void;
  /** The latest unsent message of each part of a topic; what waits longest comes first. */
  readonly #pending = new Map<string, Message>();
  /** Numbers sent and not acknowledged; kept only for a watcher that acknowledges. */
  #unacked: number[] = [];
  #acknowledges = false;
  #allowance: number = flowLimits.messagesPerSecond;
  #allowanceAt = Date.now();
  /** When the watcher last took something. */
  #movedAt = Date.now();
  #retry: ReturnType<typeof setTimeout> | null = null;

  /** `giveUp` is called when the watcher is stuck and has been closed. */
  constructor(socket: WebSocket, giveUp: () => void) {
    this.#socket = socket;
    this.#giveUp = giveUp;
  }

  /** Sends now, or as soon as the watcher can take it. */
  offer(topic: string, message: DataMessage): void {
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
  say(topic: string, text: string): void {
    for (const [key, waiting] of this.#pending) {
      if (waiting.topic !== topic) continue;
      this.#pending.delete(key);
      this.#send(waiting);
    }
    trySend(this.#socket, text);
  }

  /** The watcher has taken everything up to `seq`. From its first acknowledgement on it sets the pace. */
  acknowledge(seq: number): void {
    this.#acknowledges = true;
    this.#unacked = this.#unacked.filter((sent) => sent > seq);
    this.#flush();
  }

  forget(topic: string): void {
    for (const [key, waiting] of this.#pending) if (waiting.topic === topic) this.#pending.delete(key);
  }

  close(): void {
    this.#pending.clear();
    clearTimeout(this.#retry);
  }

  #flush(): void {
    clearTimeout(this.#retry);
    for (const [key, message] of this.#pending) {
      if (this.#isBehind()) break;
      this.#pending.delete(key);
      this.#send(message);
      this.#movedAt = Date.now();
    }
    if (this.#pending.size === 0) return;
    if (Date.now() - this.#movedAt > flowLimits.stuckAfterMs) {
      this.close();
      tryClose(this.#socket, 1013, "too slow: nothing was taken for 30 s");
      this.#giveUp();
      return;
    }
    // an acknowledgement brings the rest; anyone else is tried again soon
    const isFull = this.#acknowledges && this.#unacked.length >= flowLimits.ackWindow;
    if (!isFull) this.#retry = setTimeout(() => this.#flush(), flowLimits.retryMs);
  }

  #isBehind(): boolean {
    if (this.#socket.bufferedAmount > flowLimits.bufferedBytes) return true;
    if (this.#acknowledges) return this.#unacked.length >= flowLimits.ackWindow;
    const now = Date.now();
    const earned = ((now - this.#allowanceAt) * flowLimits.messagesPerSecond) / 1000;
    this.#allowance = Math.min(flowLimits.messagesPerSecond, this.#allowance + earned);
    this.#allowanceAt = now;
    return this.#allowance < 1;
  }

  #send({ seq, text }: Message): void {
    if (this.#acknowledges) this.#unacked.push(seq);
    else this.#allowance -= 1;
    trySend(this.#socket, text);
  }
}
