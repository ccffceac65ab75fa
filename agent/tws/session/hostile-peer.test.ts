import { Buffer } from "node:buffer";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { EventName } from "@stoqey/ib";
import { afterEach, expect, test, vi } from "vitest";
import { dial, statusWhere } from "../test-support/session.fixture.ts";

const cleanups: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function frame(...fields: readonly (string | number)[]): Buffer {
  const body = Buffer.from(fields.map((field) => `${field}\0`).join(""));
  return Buffer.concat([lengthOf(body.length), body]);
}

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(length);
  return bytes;
}

const greeting = frame(193, "20261123 09:30:00 UTC");
const welcome = Buffer.concat([frame(15, 1, "DU1234567"), frame(9, 1, 1)]);

/** A peer that speaks as soon as somebody connects. */
async function peer(speak: (socket: Socket) => void) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => socket.destroy());
    socket.setNoDelay(true);
    socket.resume();
    speak(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  return { port, sockets };
}

function started(port: number) {
  const fixture = dial(port);
  cleanups.push(() => fixture.session.close());
  return fixture;
}

test.each([
  ["a telnet greeting", Buffer.from("\r\nUbuntu 24.04 LTS\r\nlogin: ")],
  ["a telnet negotiation", Buffer.from([0xff, 0xfd, 0x18, 0xff, 0xfd, 0x20])],
  ["a negative length", Buffer.concat([lengthOf(-5), Buffer.alloc(64, 0x31)])],
])("%s ends the attempt, says that it is no TWS, and the agent dials again", async (_name, bytes) => {
  const { port, sockets } = await peer((socket) => socket.write(bytes));
  const { session } = started(port);
  const { tws } = await statusWhere(session, ({ tws: now }) => now.lastError !== "");
  expect(tws.lastError).toContain(`What answers at 127.0.0.1:${port} is no TWS.`);
  expect(tws.lastError).toContain("Set TWS_HOST and TWS_PORT");
  await vi.waitFor(() => expect(sockets.length).toBeGreaterThanOrEqual(3));
  expect(session.status().tws).toMatchObject({ state: "connecting", connection: 0 });
});

test.each([
  ["a negative length", Buffer.concat([lengthOf(-5), Buffer.alloc(64, 0x31)])],
  ["a flood of zero lengths", Buffer.alloc(1_000_000)],
  ["a giant length", Buffer.concat([lengthOf(0x7fffffff), Buffer.alloc(64, 0x31)])],
  ["text", Buffer.from("login incorrect\r\n".repeat(1_000))],
  [
    "a flood of messages that nothing can read",
    Buffer.concat(Array.from({ length: 20_000 }, () => frame(9))),
  ],
])("%s after a good handshake ends the session, and the next one works", async (_name, bytes) => {
  let isHostile = true;
  const { port } = await peer((socket) => {
    socket.write(Buffer.concat([greeting, welcome]));
    if (isHostile) socket.write(bytes);
    isHostile = false;
  });
  const { session } = started(port);
  await statusWhere(session, ({ tws }) => tws.connection === 2 && tws.state === "connected");
  expect(session.accounts()).toEqual(["DU1234567"]);
});

test("good traffic that comes byte by byte is understood", async () => {
  const { port } = await peer((socket) => {
    const bytes = Buffer.concat([greeting, welcome]);
    void (async () => {
      for (const byte of bytes) {
        socket.write(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
  });
  const { session } = started(port);
  await session.whenConnected(5_000);
  expect(session.status().tws).toMatchObject({ connection: 1, serverVersion: 193 });
});

test("messages of megabytes at once are neither lost nor put in another order", async () => {
  const times = Array.from({ length: 50_000 }, (_, index) => 1_700_000_000 + index);
  const { port } = await peer((socket) =>
    socket.write(Buffer.concat([greeting, welcome, ...times.map((time) => frame(49, 1, time))])),
  );
  const { session } = started(port);
  const heard: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  session.on(EventName.currentTime, (time) => {
    heard.push(time);
    if (heard.length === times.length) resolve();
  });
  await promise;
  expect(heard).toEqual(times);
});

test("a farm that says again and again how it is changes no status", async () => {
  const said = frame(4, 2, -1, 2104, "Market data farm connection is OK:usfarm", "");
  const { port } = await peer((socket) =>
    socket.write(
      Buffer.concat([greeting, welcome, ...Array.from({ length: 500 }, () => said), frame(49, 1, 1)]),
    ),
  );
  const { session } = started(port);
  let changes = 0;
  session.onStatus(() => (changes += 1));
  const { promise, resolve } = Promise.withResolvers<void>();
  session.on(EventName.currentTime, () => resolve());
  await promise;
  expect(session.status().farms).toHaveLength(1);
  expect(changes).toBe(2);
});

test("a flood of notices ends the session", async () => {
  const flood = Array.from({ length: 2_000 }, (_, index) =>
    frame(4, 2, -1, 2104, `Market data farm connection is OK:farm${index}`, ""),
  );
  const { port } = await peer((socket) => socket.write(Buffer.concat([greeting, welcome, ...flood])));
  const { session } = started(port);
  const { tws } = await statusWhere(session, ({ tws: now }) => now.lastError !== "");
  expect(tws.lastError).toContain("more notices than the agent can take in");
});
