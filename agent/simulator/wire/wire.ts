import { Buffer } from "node:buffer";

/** How TWS says "no number"; on the wire only, never inside the simulator. */
export const unsetDouble = "1.7976931348623157E308";
export const unsetInt = "2147483647";

/** TWS refuses frames above this; so do the public clients. */
const maxFrameBytes = 0xffffff;
const headerBytes = 4;

/** One field of a message: booleans go out as 0 and 1, null as an empty field. */
export type Field = string | number | boolean | null;
export type Message = readonly Field[];

function decimal(value: number): string {
  if (!Number.isFinite(value)) return value === Number.POSITIVE_INFINITY ? "Infinity" : "";
  // ten decimals hide the dust of binary sums, and no client reads exponents reliably.
  return Number.isInteger(value) ? String(value) : value.toFixed(10).replace(/\.?0+$/, "");
}

export function fieldText(field: Field): string {
  switch (typeof field) {
    case "string":
      return field.includes("\0") ? field.replaceAll("\0", "") : field;
    case "number":
      return decimal(field);
    case "boolean":
      return field ? "1" : "0";
    default:
      return "";
  }
}

/** One frame: a big-endian length, then the fields, each ended by a NUL. */
export function encodeFrame(message: Message): Buffer {
  let text = "";
  for (const field of message) text += `${fieldText(field)}\0`;
  const bytes = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(headerBytes + bytes);
  frame.writeUInt32BE(bytes, 0);
  frame.write(text, headerBytes);
  return frame;
}

export function decodeFields(payload: Buffer): string[] {
  const fields = payload.toString("utf8").split("\0");
  // the last field is ended by a NUL too; a client that forgets it loses nothing.
  if (fields.at(-1) === "") fields.pop();
  return fields;
}

/** Names and error texts travel as ASCII with \uXXXX from server version 153 on. */
export function escapeUnicode(text: string): string {
  let escaped = "";
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    escaped += unit < 128 ? text.charAt(i) : `\\u${unit.toString(16).padStart(4, "0")}`;
  }
  return escaped;
}

export interface FrameSplitter {
  /** Payloads completed by this chunk; null when the stream cannot be read any further. */
  push(chunk: Buffer): Buffer[] | null;
}

/** Cuts a byte stream that may arrive in any pieces into frames. */
export function frameSplitter(): FrameSplitter {
  let chunks: Buffer[] = [];
  let held = 0;
  let needed = headerBytes;

  return {
    push(chunk) {
      chunks.push(chunk);
      held += chunk.length;
      const payloads: Buffer[] = [];
      if (held < needed) return payloads;
      let bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks, held);
      for (;;) {
        needed = headerBytes;
        if (bytes.length < needed) break;
        const length = bytes.readUInt32BE(0);
        if (length > maxFrameBytes) return null;
        needed = headerBytes + length;
        if (bytes.length < needed) break;
        payloads.push(bytes.subarray(headerBytes, needed));
        bytes = bytes.subarray(needed);
      }
      chunks = [bytes];
      held = bytes.length;
      return payloads;
    },
  };
}

/** A message the simulator cannot read; `id` is its request or order id, -1 when that was not reached. */
export class MalformedRequest extends Error {
  readonly id: number;

  constructor(id: number, reason: string) {
    super(reason);
    this.name = "MalformedRequest";
    this.id = id;
  }
}

/** Reads the fields of one message in order. Unset numbers are null. */
export interface FieldReader {
  /** The request or order id: an integer that later errors are addressed to. */
  id(): number;
  text(): string;
  int(): number | null;
  number(): number | null;
  flag(): boolean;
  /** The length of a list whose items have `fieldsEach` fields, checked against what is left. */
  count(fieldsEach: number): number;
  skip(fields: number): void;
  left(): number;
}

function parseNumber(text: string): number | null {
  if (text === "" || text === unsetInt || text === unsetDouble) return null;
  if (text === "Infinity") return Number.POSITIVE_INFINITY;
  const value = Number(text);
  // clients print the largest double in their own way ("1.7976931348623157e+308").
  return value === Number.MAX_VALUE ? null : value;
}

/** A reader over the fields behind the message id. */
export function fieldReader(fields: readonly string[]): FieldReader {
  let at = 1;
  let id = -1;

  function text(): string {
    const field = fields[at];
    if (field === undefined) throw new MalformedRequest(id, `message ends after ${at} fields`);
    at++;
    return field;
  }

  function number(): number | null {
    const field = text();
    const value = parseNumber(field);
    if (value !== null && Number.isNaN(value)) {
      throw new MalformedRequest(id, `unable to parse field ${at - 1}: '${field.slice(0, 40)}'`);
    }
    return value;
  }

  function int(): number | null {
    const value = number();
    if (value !== null && !Number.isInteger(value)) {
      throw new MalformedRequest(id, `field ${at - 1} is not an integer`);
    }
    return value;
  }

  return {
    text,
    number,
    int,
    id() {
      const value = int();
      if (value === null) throw new MalformedRequest(-1, "the message has no id");
      id = value;
      return value;
    },
    flag() {
      const field = text();
      return field !== "" && field !== "0" && field !== "false";
    },
    count(fieldsEach) {
      const value = int() ?? 0;
      if (value < 0 || value * fieldsEach > fields.length - at) {
        throw new MalformedRequest(id, `a list of ${value} does not fit into the message`);
      }
      return value;
    },
    skip(count) {
      for (let i = 0; i < count; i++) text();
    },
    left: () => fields.length - at,
  };
}
