import { Buffer } from "node:buffer";

/** The oldest layout the simulator writes, and the newest. Clients negotiate within. */
export const oldestVersion = 151;
export const newestVersion = 193;

const prefix = Buffer.from("API\0");
const maxHelloBytes = 1024;

export type Hello =
  | { readonly type: "incomplete" }
  /** Not the framed protocol: an ancient client, or something that is no TWS client at all. */
  | { readonly type: "foreign" }
  | {
      readonly type: "hello";
      readonly minVersion: number;
      readonly maxVersion: number;
      readonly options: string;
      /** What the client sent behind its hello without waiting for the answer. */
      readonly rest: Buffer;
    };

/** Reads the first bytes of a connection, however they are cut. */
export function readHello(bytes: Buffer): Hello {
  const seen = Math.min(bytes.length, prefix.length);
  if (!bytes.subarray(0, seen).equals(prefix.subarray(0, seen))) return { type: "foreign" };
  const start = prefix.length + 4;
  if (bytes.length < start) return { type: "incomplete" };
  const length = bytes.readUInt32BE(prefix.length);
  if (length === 0 || length > maxHelloBytes) return { type: "foreign" };
  if (bytes.length < start + length) return { type: "incomplete" };

  const text = bytes.toString("latin1", start, start + length).replace(/\0$/, "");
  const match = /^v(\d{1,9})(?:\.\.(\d{1,9}))?(?: (.*))?$/.exec(text);
  if (match === null) return { type: "foreign" };
  const minVersion = Number(match[1]);
  return {
    type: "hello",
    minVersion,
    maxVersion: match[2] === undefined ? minVersion : Number(match[2]),
    options: match[3] ?? "",
    rest: bytes.subarray(start + length),
  };
}

/**
 * The version both sides will speak; null when the client is older than any layout we write. A client that is too
 * new gets our newest version as its answer and is left to refuse it, as TWS does.
 */
export function negotiate(hello: { minVersion: number; maxVersion: number }, newest: number): number | null {
  if (hello.maxVersion < oldestVersion) return null;
  return Math.min(hello.maxVersion, newest);
}
