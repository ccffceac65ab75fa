import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type Simulator, startSimulator } from "./server.ts";
import {
  connectRaw,
  helloBytes,
  message,
  messageBytes,
  startedClient,
} from "./test-support/raw-client.fixture.ts";

/** What a hostile client writes, piece by piece, each piece in Latin-1. */
const Hostile = z.array(z.string());

/** What once ended the simulator or kept it from serving others; each is written first. */
const corpus = z
  .array(Hostile)
  .parse(JSON.parse(readFileSync(new URL("corpus/client-bytes.json", import.meta.url), "utf8")));

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ seed: 7, maxMessagesPerSecond: 1_000_000 });
});
afterAll(() => simulator.close());

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

const field = fc.oneof(
  fc.constantFrom("", "0", "1", "-1", "9", "265598", "1001", "AAPL", "STK", "SMART", "USD", "LMT", "BUY"),
  fc.constantFrom("1e308", "-1e308", "NaN", "Infinity", "2147483647", "4294967296", "1.7976931348623157E308"),
  fc.constantFrom("9".repeat(400), "1 D", "99999999 Y", "5 mins", "20261123 09:30:00", "DU1234567", "\u00ff"),
  fc.string({ maxLength: 8 }),
);

/** A message with the id of a request that TWS knows, or nearly. */
const request = fc
  .tuple(fc.integer({ min: -1, max: 110 }), fc.array(field, { maxLength: 80 }))
  .map(([id, fields]) => latin1(messageBytes(id, ...fields)));

const bytes = fc.uint8Array({ maxLength: 100 }).map(latin1);
const lengths = fc.constantFrom(
  "\xff\xff\xff\xff",
  "\x80\0\0\0",
  "\x7f\xff\xff\xff",
  "\0\xff\xff\xff",
  "\0\0\0\0",
);
const started = latin1(helloBytes("v100..193")) + latin1(messageBytes(71, 2, 99, ""));
const beginning = fc.oneof(
  { weight: 6, arbitrary: fc.constant(started) },
  fc.constantFrom(
    "API\0",
    "GET / HTTP/1.1\r\n\r\n",
    latin1(helloBytes("v1..999999999")),
    latin1(helloBytes("v")),
  ),
  bytes,
);
const hostile = fc
  .tuple(beginning, fc.array(fc.oneof({ weight: 6, arbitrary: request }, bytes, lengths), { maxLength: 12 }))
  .map(([first, pieces]) => [first, ...pieces]);

test("whatever bytes a client writes, the others are served and nothing fails", async () => {
  const good = await startedClient(simulator.port, 193, 1);
  await fc.assert(
    fc.asyncProperty(hostile, async (pieces) => {
      const bad = await connectRaw(simulator.port);
      for (const piece of pieces) bad.write(Buffer.from(piece, "latin1"));
      const gone = bad.closed;
      bad.socket.end();
      // an answer to the good client comes after all that was written before its question
      await gone;
      const from = good.messages.length;
      good.send(49, 1);
      await good.waitFor(message(49), from);
    }),
    { numRuns: 300, examples: corpus.map((pieces) => [pieces]) },
  );
  expect(simulator.clients().map(({ clientId }) => clientId)).toContain(1);
  good.end();
});
