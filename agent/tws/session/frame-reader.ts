import { Buffer } from "node:buffer";

const headerBytes = 4;
/** The longest message that public clients take, header included; a scanner's parameters have 2 MB. */
const maxFrameBytes = 0xffffff;
const maxGreetingBytes = 1_024;
/** Room for the first pieces of a frame that comes in pieces. */
const leastRoom = 4_096;

/** Ten times those of the longest answer, bars of months; the library would be busy for seconds with more. */
const mostFields = 1_000_000;

/** A server version and the time of the connection: `"193\0" "20261123 09:30:00 US/Eastern\0"`. */
const greeting = /^(\d{1,9})\0[^\0]*\0$/;
/** The id of a message; three digits are the most today. */
const messageId = /^\d{1,6}\0/;
const longestId = 7;

/** A complete frame, header included, or the reason why the bytes are not those of a TWS. */
export type ReadFrame =
  | { readonly kind: "greeting"; readonly bytes: Buffer; readonly serverVersion: number }
  | { readonly kind: "message"; readonly bytes: Buffer }
  | { readonly kind: "fault"; readonly reason: string; readonly isForeign: boolean };

/**
 * Cuts the bytes of a connection into frames and refuses what no TWS sends. The library loops without end on a negative
 * length, so it is given frames from here only. The cost is linear in the bytes, in whatever pieces they come.
 */
export class FrameReader {
  #held: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  /** False while `#held` is a chunk of the socket, which has no room at its end. */
  #hasRoom = false;
  #isGreeted = false;

  push(chunk: Buffer): void {
    if (this.#start === this.#end) {
      this.#held = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      this.#hasRoom = false;
      return;
    }
    if (!this.#hasRoom || this.#end + chunk.length > this.#held.length) this.#grow(chunk.length);
    chunk.copy(this.#held, this.#end);
    this.#end += chunk.length;
  }

  /** The next frame; null until more bytes have come. Nothing may be read after a fault. */
  next(): ReadFrame | null {
    const held = this.#end - this.#start;
    if (held < headerBytes) return null;
    const length = this.#held.readInt32BE(this.#start);
    const most = this.#isGreeted ? maxFrameBytes - headerBytes : maxGreetingBytes;
    if (length <= 0 || length > most) return this.#fault(`a frame of ${length} bytes`);
    if (held < headerBytes + length) return null;
    const bytes = this.#held.subarray(this.#start, this.#start + headerBytes + length);
    this.#start += bytes.length;
    return this.#isGreeted ? this.#message(bytes) : this.#greeting(bytes);
  }

  #greeting(bytes: Buffer): ReadFrame {
    const version = greeting.exec(bytes.toString("latin1", headerBytes))?.[1];
    if (version === undefined) return this.#fault("a first message without a server version");
    this.#isGreeted = true;
    return { kind: "greeting", bytes, serverVersion: Number(version) };
  }

  #message(bytes: Buffer): ReadFrame {
    const hasId = messageId.test(bytes.toString("latin1", headerBytes, headerBytes + longestId));
    if (!hasId || bytes.at(-1) !== 0) return this.#fault("a message without id or end");
    if (hasMoreFields(bytes, mostFields)) return this.#fault(`a message of more than ${mostFields} fields`);
    return { kind: "message", bytes };
  }

  #fault(reason: string): ReadFrame {
    return { kind: "fault", reason, isForeign: !this.#isGreeted };
  }

  #grow(by: number): void {
    const used = this.#end - this.#start;
    const roomy = Buffer.allocUnsafe(Math.max(2 * used, used + by, leastRoom));
    this.#held.copy(roomy, 0, this.#start, this.#end);
    this.#held = roomy;
    this.#start = 0;
    this.#end = used;
    this.#hasRoom = true;
  }
}

function hasMoreFields(bytes: Buffer, most: number): boolean {
  if (bytes.length <= most) return false;
  let fields = 0;
  for (let at = bytes.indexOf(0, headerBytes); at !== -1; at = bytes.indexOf(0, at + 1)) {
    fields += 1;
    if (fields > most) return true;
  }
  return false;
}
