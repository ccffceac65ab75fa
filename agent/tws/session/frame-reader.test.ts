import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { FrameReader, type ReadFrame } from "./frame-reader.ts";

function frame(text: string): Buffer {
  const header = Buffer.alloc(4);
  header.writeInt32BE(Buffer.byteLength(text));
  return Buffer.concat([header, Buffer.from(text)]);
}

const header = (length: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(length);
  return bytes;
};

const greeting = frame("193\x0020261123 09:30:00 US/Eastern\x00");

/** All frames of the bytes, up to the first fault. */
function read(pieces: readonly Buffer[]): ReadFrame[] {
  const reader = new FrameReader();
  const found: ReadFrame[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let next = reader.next(); next !== null; next = reader.next()) {
      found.push(next);
      if (next.kind === "fault") return found;
    }
  }
  return found;
}

const byteByByte = (bytes: Buffer): Buffer[] => Array.from(bytes, (byte) => Buffer.from([byte]));

const conversation = Buffer.concat([greeting, frame("15\x001\x00DU1234567\x00"), frame("9\x001\x001\x00")]);

test.each([
  ["at once", [conversation]],
  ["byte by byte", byteByByte(conversation)],
  ["cut in a header", [conversation.subarray(0, 46), conversation.subarray(46)]],
])("gives the same frames when they come %s", (_how, pieces) => {
  const found = read(pieces);
  expect(found.map(({ kind }) => kind)).toEqual(["greeting", "message", "message"]);
  expect(found[0]).toMatchObject({ serverVersion: 193 });
  expect(Buffer.concat(found.flatMap((one) => (one.kind === "fault" ? [] : [one.bytes])))).toEqual(
    conversation,
  );
});

test("a frame keeps its bytes when more come behind it", () => {
  const reader = new FrameReader();
  reader.push(greeting.subarray(0, 10));
  reader.push(greeting.subarray(10));
  const first = reader.next();
  reader.push(frame("9\x001\x001\x00"));
  reader.push(frame("9\x001\x002\x00"));
  expect(first).toMatchObject({ kind: "greeting", bytes: greeting });
});

test.each([
  ["a telnet greeting", Buffer.from("\r\nUbuntu 24.04 LTS\r\nlogin: ")],
  ["a telnet negotiation", Buffer.from([0xff, 0xfd, 0x18, 0xff, 0xfd, 0x20])],
  ["an SSH greeting", Buffer.from("SSH-2.0-OpenSSH_9.6\r\n")],
  ["an HTTP answer", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
  ["a TLS alert", Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46])],
  ["a negative length", Buffer.concat([header(-12), Buffer.alloc(20)])],
  ["the most negative length", Buffer.concat([header(-2_147_483_648), Buffer.alloc(20)])],
  ["zeros", Buffer.alloc(100)],
  ["a first frame without a version", frame("hello\x00world\x00")],
  ["a first frame that is too long", Buffer.concat([header(1_025), Buffer.from("193\x00")])],
])("takes %s for no TWS, and needs no more bytes to know it", (_name, bytes) => {
  expect(read([bytes])).toMatchObject([{ kind: "fault", isForeign: true }]);
});

test.each([
  ["a negative length", header(-1)],
  ["a zero length", header(0)],
  ["a giant length", header(0x1000000)],
  ["the longest length", header(0x7fffffff)],
  ["text", Buffer.from("login: \r\n")],
  ["a message without an id", frame("x\x00y\x00")],
  ["a message without an end", frame("9\x001\x001")],
  ["a message of far too many fields", frame(`1\x00${"\x00".repeat(1_000_001)}`)],
])("after a good greeting %s is a fault of the bytes", (_name, bytes) => {
  expect(read([greeting, bytes])).toMatchObject([{ kind: "greeting" }, { kind: "fault", isForeign: false }]);
});

test("a scanner's parameters of 2 MB pass in small pieces", () => {
  const long = frame(`19\x001\x00${"<x/>".repeat(500_000)}\x00`);
  const pieces: Buffer[] = [];
  for (let at = 0; at < long.length; at += 100) pieces.push(long.subarray(at, at + 100));
  const [, found, ...others] = read([greeting, ...pieces]);
  expect(others).toEqual([]);
  expect(found?.kind === "message" && found.bytes.equals(long)).toBe(true);
});
