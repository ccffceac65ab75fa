import { Buffer } from "node:buffer";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { startAgent } from "../../handlers/handlers.fixture.ts";

/** What a hostile TWS writes after its greeting, piece by piece, each piece in Latin-1. */
const Hostile = z.array(z.string());

/** What once ended the agent, or kept it from beginning the session again; each is written first. */
const corpus = z
  .array(Hostile)
  .parse(JSON.parse(readFileSync(new URL("corpus/tws-bytes.json", import.meta.url), "utf8")));

const framed = (fields: readonly (string | number)[]): string => {
  const body = Buffer.from(fields.map((field) => `${field}\0`).join(""));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]).toString("latin1");
};

const greeting = framed([193, "20261123 09:30:00 UTC"]);
const welcome = framed([15, 1, "DU1234567"]) + framed([9, 1, 1]);

/** A TWS that greets, says what the test wants, and closes; and then one that is as it should be. */
function startHostileTws() {
  let pieces: readonly string[] | null = null;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => socket.destroy());
    socket.once("data", () => {
      socket.write(greeting + welcome, "latin1");
      if (pieces === null) return;
      for (const piece of pieces) socket.write(piece, "latin1");
      pieces = null;
      socket.end();
    });
  });
  return {
    server,
    /** Ends the connection of now; the next one is told this. */
    sayNext(next: readonly string[]) {
      pieces = next;
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

let tws: ReturnType<typeof startHostileTws>;
let agent: ReturnType<typeof startAgent>;
beforeAll(async () => {
  tws = startHostileTws();
  await once(tws.server.listen(0, "127.0.0.1"), "listening");
  const address = tws.server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  agent = startAgent({ port, sessionTimes: { retryFirstMs: 1, retryCapMs: 2 } });
  await agent.session.whenConnected(10_000);
});
afterAll(async () => {
  await agent.close();
  await tws.close();
});

const field = fc.oneof(
  fc.constantFrom(
    "",
    "0",
    "1",
    "-1",
    "9",
    "265598",
    "1001",
    "AAPL",
    "STK",
    "SMART",
    "USD",
    "LMT",
    "BUY",
    "DU1234567",
  ),
  fc.constantFrom("1e308", "-1e308", "NaN", "Infinity", "2147483647", "4294967296", "1.7976931348623157E308"),
  fc.constantFrom(
    "9".repeat(400),
    "20261123 09:30:00 UTC",
    "20261123-14:30:00",
    "Filled",
    "\u00ff",
    "<x>",
    "{}",
  ),
  fc.string({ maxLength: 8 }),
);

/** A message under an id that the library knows, or nearly. */
const message = fc
  .tuple(fc.integer({ min: -1, max: 110 }), fc.array(field, { maxLength: 60 }))
  .map(([id, fields]) => framed([id, ...fields]));

const bytes = fc.uint8Array({ maxLength: 100 }).map((all) => Buffer.from(all).toString("latin1"));
/** Lengths that no frame has, and some that never come to an end. */
const lengths = fc.constantFrom(
  "\xff\xff\xff\xff",
  "\x80\0\0\0",
  "\x7f\xff\xff\xff",
  "\0\xff\xff\xff",
  "\0\0\0\0",
  "\xff\xfd\x18\xff\xfd\x20",
  "HTTP/1.1 400 Bad Request\r\n\r\n",
);

const hostile = fc
  .tuple(
    fc.array(fc.oneof({ weight: 6, arbitrary: message }, bytes, lengths), { minLength: 1, maxLength: 30 }),
    fc.option(fc.nat()),
  )
  .map(([pieces, cut]) => (cut === null ? pieces : [...pieces, pieces[0]?.slice(0, cut % 40) ?? ""]));

test("whatever TWS writes, the agent lives and begins the session again", async () => {
  await fc.assert(
    fc.asyncProperty(hostile, async (pieces) => {
      const before = agent.session.status().tws.connection;
      tws.sayNext(pieces);
      await expect
        .poll(() => agent.session.status().tws.connection, { interval: 2, timeout: 10_000 })
        .toBeGreaterThan(before + 1);
      await agent.session.whenConnected(10_000);
    }),
    { numRuns: 50, examples: corpus.map((pieces) => [pieces]) },
  );
  expect(agent.session.accounts()).toEqual(["DU1234567"]);
});
