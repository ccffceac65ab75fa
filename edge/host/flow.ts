import { tryClose, trySend } from "./attachments.ts";

/** A data message on its way to one watcher. */
interface Message {
  readonly seq: number;
  readonly text: string;
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
} as const;

/**
 * Data messages to one watcher, no faster than it takes them: what it cannot take yet is merged to the latest message
 * of each topic.
 */
export class Flow {
  readonly #socket: WebSocket;
  readonly #giveUp: () => void;
  /** The latest unsent message of each topic; the topic that waits longest comes first. */
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
  offer(topic: string, message: Message): void {
    // only from now on does it owe us anything
    if (this.#pending.size === 0) this.#movedAt = Date.now();
    this.#pending.set(topic, message);
    this.#flush();
  }

  /** Sends what must not be merged, after whatever waits of its topic. */
  say(topic: string, text: string): void {
    const waiting = this.#pending.get(topic);
    this.#pending.delete(topic);
    if (waiting !== undefined) this.#send(waiting);
    trySend(this.#socket, text);
  }

  /** The watcher has taken everything up to `seq`. From its first acknowledgement on it sets the pace. */
  acknowledge(seq: number): void {
    this.#acknowledges = true;
    this.#unacked = this.#unacked.filter((sent) => sent > seq);
    this.#flush();
  }

  forget(topic: string): void {
    this.#pending.delete(topic);
  }

  close(): void {
    this.#pending.clear();
    clearTimeout(this.#retry);
  }

  #flush(): void {
    clearTimeout(this.#retry);
    for (const [topic, message] of this.#pending) {
      if (this.#isBehind()) break;
      this.#pending.delete(topic);
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
