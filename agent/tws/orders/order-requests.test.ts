import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { startSimulator } from "../../simulator/server.ts";
import { requestExecutions } from "./order-requests.ts";
import { createSession } from "../session/session.ts";
import { silentLog } from "../../process/log.fixture.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const endOfExecutions = "55";

/** Passes everything on but one kind of message from TWS. Resolves with its port. */
async function withhold(messageId: string, port: number, withheld: () => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const tws = connect(port, "127.0.0.1");
    sockets.add(client).add(tws);
    client.pipe(tws);
    let unread = Buffer.alloc(0);
    tws.on("data", (data) => {
      unread = Buffer.concat([unread, data]);
      while (unread.length >= 4 && unread.length >= 4 + unread.readUInt32BE()) {
        const frame = unread.subarray(0, 4 + unread.readUInt32BE());
        unread = unread.subarray(frame.length);
        if (frame.toString("utf8", 4).startsWith(`${messageId}\0`)) withheld();
        else client.write(frame);
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  closers.push(
    () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  );
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

test("a list of executions whose end TWS leaves out ends by silence", async () => {
  const simulator = await startSimulator({ port: 0 });
  closers.push(() => simulator.close());
  const withheld = Promise.withResolvers<void>();
  const port = await withhold(endOfExecutions, simulator.port, withheld.resolve);
  const session = createSession({
    host: "127.0.0.1",
    port,
    clientId: 1,
    isSimulator: true,
    log: silentLog,
  });
  closers.push(() => session.close());
  await session.whenConnected(5_000);

  const listed = requestExecutions(session, { timeoutMs: 10_000, signal: new AbortController().signal });
  await withheld.promise;

  expect(await listed).toEqual([]);
});

test("a caller that leaves during the list is told so", async () => {
  const simulator = await startSimulator({ port: 0 });
  closers.push(() => simulator.close());
  const leaving = new AbortController();
  const port = await withhold(endOfExecutions, simulator.port, () => leaving.abort());
  const session = createSession({
    host: "127.0.0.1",
    port,
    clientId: 1,
    isSimulator: true,
    log: silentLog,
  });
  closers.push(() => session.close());
  await session.whenConnected(5_000);

  await expect(
    requestExecutions(session, { timeoutMs: 10_000, signal: leaving.signal }),
  ).rejects.toMatchObject({ code: "cancelled" });
});

test("a TWS that hangs is not taken for one without executions", async () => {
  const simulator = await startSimulator({ port: 0 });
  closers.push(() => simulator.close());
  const session = createSession({
    host: "127.0.0.1",
    port: simulator.port,
    clientId: 1,
    isSimulator: true,
    log: silentLog,
  });
  closers.push(() => session.close());
  await session.whenConnected(5_000);
  simulator.faults.mute(true);

  await expect(
    requestExecutions(session, { timeoutMs: 3_000, signal: new AbortController().signal }),
  ).rejects.toMatchObject({ code: "timeout" });
});
