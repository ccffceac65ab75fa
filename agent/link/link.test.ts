import { once } from "node:events";
import { createServer } from "node:http";
import { setImmediate } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import {
  type AgentFrame,
  encodeFrame,
  type EdgeFrame,
  parseAgentFrame,
  subprotocol,
} from "../../shared/protocol.ts";
import { TwsError } from "../../shared/errors.ts";
import { type LinkConnection, type LinkState, type LinkTimes, runLink, usualLinkTimes } from "./link.ts";
import { createLog } from "../process/log.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** What happened, in order, for whoever waits for the next of a kind. */
function createQueue<T>() {
  const items: T[] = [];
  const waiting: ((item: T) => void)[] = [];
  return {
    push(item: T) {
      const next = waiting.shift();
      if (next === undefined) items.push(item);
      else next(item);
    },
    next: (): Promise<T> => {
      const item = items.shift();
      return item === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(item);
    },
  };
}

const hello: Extract<AgentFrame, { type: "hello" }> = {
  type: "hello",
  agentVersion: "1",
  instanceId: "i1",
  machine: "m",
  status: {
    tws: {
      state: "connecting",
      since: "2026-01-01T00:00:00.000Z",
      host: "127.0.0.1",
      port: 4002,
      clientId: 1,
      connection: 0,
      serverVersion: null,
      accounts: [],
      mode: null,
      isSimulator: true,
      marketDataType: "delayed-frozen",
      isReadOnlyApi: false,
      dataTypes: [],
      lastError: "",
    },
    farms: [],
    trading: null,
  },
};

const welcome = (topics: string[] = []): string =>
  encodeFrame({
    type: "welcome",
    hostId: "default",
    edgeVersion: "1",
    topics,
    keepsAudit: false,
    otherJournal: false,
  });

type Peer = {
  readonly socket: WebSocket;
  readonly authorization: string | undefined;
  readonly frames: ReturnType<typeof createQueue<AgentFrame>>;
  readonly closed: Promise<number>;
};

const textOf = (data: RawData): string => (Buffer.isBuffer(data) ? data.toString() : "");

const Address = z.object({ port: z.number() });

/** A WebSocket server that speaks shared/protocol; `answersPings` and the welcome are its whole character. */
async function startEdge({ welcomes = true, answersPings = true, port = 0 } = {}) {
  const server = new WebSocketServer({ host: "127.0.0.1", port });
  await once(server, "listening");
  const peers = createQueue<Peer>();
  server.on("connection", (socket, request) => {
    const frames = createQueue<AgentFrame>();
    socket.on("message", (data) => {
      const text = textOf(data);
      if (text !== "ping") return frames.push(parseAgentFrame(text));
      if (answersPings) socket.send("pong");
    });
    const closed = new Promise<number>((resolve) => socket.on("close", resolve));
    if (welcomes) socket.send(welcome());
    peers.push({ socket, authorization: request.headers.authorization, frames, closed });
  });
  const close = async () => {
    for (const client of server.clients) client.terminate();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  closers.push(close);
  return { port: Address.parse(server.address()).port, peers, close };
}

function startLink(port: number, times: Partial<LinkTimes> = {}, token: string | null = null) {
  const states = createQueue<LinkState>();
  const opened = createQueue<LinkConnection>();
  const closed = createQueue<true>();
  const frames = createQueue<EdgeFrame>();
  const lines: string[] = [];
  const stop = new AbortController();
  const done = runLink(
    {
      url: `ws://127.0.0.1:${port}/api/v1/agent`,
      authorization: async () => (token === null ? null : `Bearer ${token}`),
      hello: () => hello,
      listener: {
        opened: (_welcome, connection) => opened.push(connection),
        frame: (frame) => frames.push(frame),
        closed: () => closed.push(true),
      },
      onState: (state) => states.push(state),
      log: createLog({ level: "debug", secrets: [], write: (line) => lines.push(line), now: Date.now }),
      times: { ...usualLinkTimes, firstWaitMs: 5, longestWaitMs: 20, ...times },
    },
    stop.signal,
  );
  const close = async () => {
    stop.abort();
    await done;
  };
  closers.push(close);
  const waiting = async (): Promise<Extract<LinkState, { state: "waiting" }>> => {
    for (;;) {
      const state = await states.next();
      if (state.state === "waiting") return state;
    }
  };
  return { states, waiting, opened, closed, frames, lines, close };
}

test("says hello, with the token as a bearer, and carries frames both ways", async () => {
  const edge = await startEdge();
  const link = startLink(edge.port, {}, "a-token-of-some-length");
  const peer = await edge.peers.next();
  expect(peer.socket.protocol).toBe(subprotocol);
  expect(peer.authorization).toBe("Bearer a-token-of-some-length");
  expect(await peer.frames.next()).toEqual(hello);
  const connection = await link.opened.next();
  peer.socket.send(encodeFrame({ type: "cancel", id: "c1" }));
  expect(await link.frames.next()).toEqual({ type: "cancel", id: "c1" });
  connection.send({ type: "result", id: "c1", output: { a: 1 } });
  expect(await peer.frames.next()).toEqual({ type: "result", id: "c1", output: { a: 1 } });
});

test("connects again after the edge has gone and come back, and ends what ran on the old connection", async () => {
  const edge = await startEdge();
  const link = startLink(edge.port);
  const first = await link.opened.next();
  await edge.close();
  await link.closed.next();
  expect(first.signal.aborted).toBe(true);
  expect((await link.waiting()).reason).toContain("code 1006");
  expect((await link.waiting()).reason).toBe("Nothing listens at the edge's address.");
  const again = await startEdge({ port: edge.port });
  const second = await link.opened.next();
  second.send({ type: "bye", reason: "x" });
  const peer = await again.peers.next();
  expect((await peer.frames.next()).type).toBe("hello");
  expect((await peer.frames.next()).type).toBe("bye");
});

test("an agent that was replaced says so loudly and keeps away for long", async () => {
  const edge = await startEdge();
  const link = startLink(edge.port);
  (await edge.peers.next()).socket.close(4001, "replaced");
  const state = await link.waiting();
  expect(state.retryInMs).toBeGreaterThanOrEqual(30_000);
  expect(state.reason).toContain("Another agent");
  expect(link.lines.some((line) => line.includes('"level":"error"') && line.includes("link.replaced"))).toBe(
    true,
  );
});

test("gives up a connection whose edge has stopped answering pings", async () => {
  const edge = await startEdge({ answersPings: false });
  const link = startLink(edge.port, { pingEveryMs: 10, pongWithinMs: 30 });
  expect((await link.waiting()).reason).toBe("The edge has not answered a ping for 30 ms.");
});

test("keeps a connection whose edge answers pings", async () => {
  const edge = await startEdge();
  const link = startLink(edge.port, { pingEveryMs: 5, pongWithinMs: 500 });
  const connection = await link.opened.next();
  const peer = await edge.peers.next();
  let pings = 0;
  await new Promise<void>((resolve) =>
    peer.socket.on("message", (data) => {
      if (textOf(data) === "ping" && ++pings === 200) resolve();
    }),
  );
  expect(connection.signal.aborted).toBe(false);
});

test("closes with 1002 on a malformed frame, says why in the log, and connects again", async () => {
  const edge = await startEdge();
  const link = startLink(edge.port);
  for (const malformed of ["{", '{"type":"call"}', "[]"]) {
    const peer = await edge.peers.next();
    await link.opened.next();
    peer.socket.send(malformed);
    expect(await peer.closed).toBe(1002);
    expect((await link.waiting()).reason).toContain("does not understand");
  }
  expect(link.lines.filter((line) => line.includes("link.malformed_frame"))).toHaveLength(3);
});

test("takes nothing that comes behind a malformed frame", async () => {
  const edge = await startEdge();
  const link = startLink(edge.port);
  const peer = await edge.peers.next();
  await link.opened.next();
  for (let count = 0; count < 1_000; count += 1) peer.socket.send("{");
  expect(await peer.closed).toBe(1002);
  await link.waiting();
  expect(link.lines.filter((line) => line.includes("link.malformed_frame"))).toHaveLength(1);
});

test("closes on a binary frame and on one larger than 1 MiB", async () => {
  const edge = await startEdge();
  const link = startLink(edge.port);
  const first = await edge.peers.next();
  first.socket.send(Buffer.from(welcome()));
  expect(await first.closed).toBe(1002);
  await link.waiting();
  const second = await edge.peers.next();
  second.socket.send(JSON.stringify({ type: "bye", reason: "x".repeat(1024 * 1024) }));
  expect(await second.closed).toBe(1009);
  expect((await link.waiting()).reason).toBe("The edge sent a frame larger than 1 MiB.");
});

test("gives up when the edge never says welcome", async () => {
  const edge = await startEdge({ welcomes: false });
  const link = startLink(edge.port, { helloWithinMs: 40 });
  expect((await link.waiting()).reason).toBe("The edge did not say welcome within 40 ms.");
});

test("refuses to send a frame over 1 MiB, and the connection goes on", async () => {
  const edge = await startEdge();
  const link = startLink(edge.port);
  const connection = await link.opened.next();
  const peer = await edge.peers.next();
  expect(() => connection.send({ type: "result", id: "1", output: { x: "é".repeat(600_000) } })).toThrow(
    TwsError,
  );
  connection.send({ type: "result", id: "2", output: {} });
  await peer.frames.next();
  expect(await peer.frames.next()).toMatchObject({ type: "result", id: "2" });
});

test.each([
  [401, "tws-edge pair"],
  [403, "EDGE_URL"],
  [426, "version"],
  [302, "redirects"],
  [404, "EDGE_URL"],
  [500, "HTTP 500"],
])("reports HTTP %i in plain words and follows no redirect", async (status, words) => {
  const asked: string[] = [];
  const server = createServer((_request, response) => response.writeHead(200).end());
  server.on("upgrade", (request, socket) => {
    asked.push(request.url ?? "");
    socket.end(`HTTP/1.1 ${status} X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n`);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  closers.push(() => new Promise((resolve) => server.close(() => resolve())));
  const link = startLink(Address.parse(server.address()).port, { longestWaitMs: 60_000 });
  const state = await link.waiting();
  expect(state.reason).toContain(words);
  expect(state.retryInMs).toBe(60_000);
  expect(asked).toEqual(["/api/v1/agent"]);
});

test("a refusal is told in the edge's own words, which say what to do", async () => {
  const error = new TwsError("unauthorized", "The clock is 90 s behind\u001b[2J.", { nextStep: "Set it." });
  const body = JSON.stringify({ error: error.toBody() });
  const server = createServer((_request, response) => response.writeHead(200).end());
  server.on("upgrade", (_request, socket) => {
    socket.end(`HTTP/1.1 401 X\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  closers.push(() => new Promise((resolve) => server.close(() => resolve())));
  const link = startLink(Address.parse(server.address()).port, { longestWaitMs: 60_000 });
  expect((await link.waiting()).reason).toBe("The clock is 90 s behind [2J. Set it.");
});

test("an agent whose key is revoked is told so and keeps away for long", async () => {
  const edge = await startEdge();
  const link = startLink(edge.port, { longestWaitMs: 60_000 });
  (await edge.peers.next()).socket.close(4003, "The owner has revoked this machine's key.");
  const state = await link.waiting();
  expect(state).toMatchObject({ reason: "The owner has revoked this machine's key.", retryInMs: 60_000 });
});

test("says bye and closes in good order when it is stopped", async () => {
  const edge = await startEdge();
  const link = startLink(edge.port);
  await link.opened.next();
  const peer = await edge.peers.next();
  await link.close();
  await peer.frames.next();
  expect(await peer.frames.next()).toMatchObject({ type: "bye" });
  expect(await peer.closed).toBe(1000);
  for (;;) if ((await link.states.next()).state === "stopped") break;
});

test("a connection lost just before it is stopped is no news", async () => {
  const edge = await startEdge();
  const link = startLink(edge.port);
  await link.opened.next();
  await edge.close();
  await link.closed.next();
  await setImmediate();
  await link.close();
  expect(link.lines.filter((line) => line.includes("link.closed"))).toEqual([]);
});

test("stops at once while it waits to connect again", async () => {
  const link = startLink(1, { firstWaitMs: 60_000, longestWaitMs: 60_000 });
  await link.waiting();
  await link.close();
  expect(await link.states.next()).toEqual({ state: "stopped" });
});
