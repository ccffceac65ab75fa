const mebibyte = 1024 * 1024;

export const sendBudgetLimits = {
  /** Sent to one watcher and not known to have been read. */
  watcherBytes: 16 * mebibyte,
  /** The same of all watchers of the host. The object has 128 MB for everything. */
  hostBytes: 64 * mebibyte,
  /** A watcher with less is never closed for the sake of the others. */
  smallBytes: mebibyte / 4,
  /** Of connections that were closed from here and not yet from there; with more, no watcher is taken. */
  leavingBytes: 32 * mebibyte,
  /** What the runtime keeps of a message besides its text, about. */
  messageBytes: 64,
} as const;

/** How exactly it is known what an acknowledgement proves. */
const markEveryBytes = 8 * 1024;

/** What a socket carries through hibernation: so much was unacknowledged, up to the message of this number. */
export interface UnackedNote {
  readonly bytes: number;
  readonly seq: number;
}

/**
 * `send` never refuses, buffers without bound, and does not say how much. So what has been sent counts as waiting in
 * memory until the watcher acknowledges something that was sent later. This counts it for all watchers of the host.
 */
export class SendBudget {
  readonly #open = new Set<UnackedBytes>();
  #openBytes = 0;
  readonly #leaving = new Map<WebSocket, number>();

  /** `close` is called when the watcher has to go. */
  open(note: UnackedNote | null, close: (reason: string) => void): UnackedBytes {
    const unacked = new UnackedBytes(note, close, (bytes) => {
      if (!this.#open.has(unacked)) return;
      this.#openBytes += bytes;
      if (bytes > 0) this.#check(unacked);
    });
    this.#open.add(unacked);
    this.#openBytes += unacked.bytes;
    return unacked;
  }

  /** Nothing more is sent there; what was stays in memory until the other end has gone as well. */
  left(socket: WebSocket, unacked: UnackedBytes): void {
    this.#forget(unacked);
    this.leaving(socket, unacked.bytes);
  }

  leaving(socket: WebSocket, bytes: number): void {
    this.#leaving.set(socket, bytes);
  }

  /** Both ends have gone. */
  gone(socket: WebSocket, unacked: UnackedBytes | null): void {
    this.#leaving.delete(socket);
    if (unacked !== null) this.#forget(unacked);
  }

  /** How much of what may be unacknowledged is, from 0 to 1: the watcher's own, or everyone's. */
  fill(unacked: UnackedBytes): number {
    return Math.max(unacked.bytes / sendBudgetLimits.watcherBytes, this.bytes() / sendBudgetLimits.hostBytes);
  }

  /** Unacknowledged by all watchers. */
  bytes(): number {
    return this.#openBytes + this.#leavingBytes();
  }

  /** Whether one more watcher can be taken. */
  hasRoom(): boolean {
    return this.#leavingBytes() <= sendBudgetLimits.leavingBytes;
  }

  /** They are few, if any. */
  #leavingBytes(): number {
    let sum = 0;
    for (const bytes of this.#leaving.values()) sum += bytes;
    return sum;
  }

  #forget(unacked: UnackedBytes): void {
    if (this.#open.delete(unacked)) this.#openBytes -= unacked.bytes;
  }

  #check(changed: UnackedBytes): void {
    if (changed.bytes > sendBudgetLimits.watcherBytes) {
      return changed.close("16 MiB were sent and nothing says that they were read: send ack now and then");
    }
    if (this.bytes() <= sendBudgetLimits.hostBytes) return;
    const [largest] = [...this.#open].toSorted((one, other) => other.bytes - one.bytes);
    if (largest === undefined || largest.bytes <= sendBudgetLimits.smallBytes) return;
    largest.close("too much is unacknowledged on this host, most of it here: send ack now and then");
  }
}

/** What one watcher has not proved to have read. */
export class UnackedBytes {
  readonly close: (reason: string) => void;
  readonly #changed: (bytes: number) => void;
  /** All that was ever sent, and how much of it is proved to be read. In bytes. */
  #sent = 0;
  #read = 0;
  /** Messages by number, and what had been sent with each; the oldest first. */
  #marks: { readonly seq: number; readonly sent: number }[] = [];
  /** The highest number sent, as far as this instance of the object knows. */
  #highest: number;
  readonly #hasSlept: boolean;

  constructor(note: UnackedNote | null, close: (reason: string) => void, changed: (bytes: number) => void) {
    this.close = close;
    this.#changed = changed;
    this.#highest = note?.seq ?? 0;
    this.#hasSlept = note !== null;
    if (note === null) return;
    this.#sent = note.bytes;
    this.#marks.push({ seq: note.seq, sent: note.bytes });
  }

  get bytes(): number {
    return this.#sent - this.#read;
  }

  note(): UnackedNote {
    return { bytes: this.bytes, seq: this.#highest };
  }

  /** A message has been sent. `seq` is null for an answer, which only a later acknowledgement can prove. */
  add(text: string, seq: number | null): void {
    const bytes = bytesOf(text) + sendBudgetLimits.messageBytes;
    this.#sent += bytes;
    if (seq !== null) this.#mark(seq);
    this.#changed(bytes);
  }

  /** Everything up to `seq` has been read. False if there was no such message. */
  prove(seq: number): boolean {
    if (seq > this.#highest && !this.#hasSlept) return false;
    const proved = this.#marks.findLastIndex((mark) => mark.seq <= seq);
    const read = this.#marks[proved]?.sent ?? this.#read;
    this.#marks = this.#marks.slice(proved + 1);
    const bytes = read - this.#read;
    this.#read = read;
    this.#changed(-bytes);
    return true;
  }

  #mark(seq: number): void {
    // topics may be sent out of the order of their numbers; a lower one proves nothing of a higher one before it
    this.#highest = Math.max(this.#highest, seq);
    const last = this.#marks.at(-1);
    if (last !== undefined && this.#sent - last.sent < markEveryBytes) return;
    this.#marks.push({ seq: this.#highest, sent: this.#sent });
  }
}

/** Most text is ASCII; what is not counts as much as it can take. */
const bytesOf = (text: string): number => (isAscii.test(text) ? text.length : 3 * text.length);
const isAscii = /^[ -~]*$/;
