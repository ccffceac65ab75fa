import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import { StreamClient, type usualTimes } from "../../docs/examples/stream-client.js";

/** An edge that says what a test wants it to say. */
let edge: WebSocketServer;
let client: StreamClient | null = null;
beforeEach(async () => {
  edge = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(edge, "listening");
});
afterEach(() => {
  vi.restoreAllMocks();
  client?.close();
  client = null;
  for (const socket of edge.clients) socket.terminate();
  edge.close();
});

function connect(times: Partial<typeof usualTimes> = {}): StreamClient {
  const { port } = z.object({ port: z.int() }).parse(edge.address());
  client = new StreamClient(`ws://127.0.0.1:${port}`, { times });
  return client;
}

const Said = z.looseObject({ action: z.string(), id: z.int().optional(), seq: z.int().optional() });
type Said = z.infer<typeof Said>;

/** The next connection to the edge. What comes on it is kept until it is asked for, in order. */
async function connection() {
  const socket = z.instanceof(WebSocket).parse((await once(edge, "connection"))[0]);
  const kept: Said[] = [];
  const heard = new EventTarget();
  socket.on("message", (data) => {
    const text = z.instanceof(Buffer).parse(data).toString();
    if (text === "ping") return;
    kept.push(Said.parse(JSON.parse(text)));
    heard.dispatchEvent(new Event("message"));
  });
  const next = async (): Promise<Said> => {
    while (kept.length === 0) await once(heard, "message");
    return kept.shift() ?? next();
  };
  const say = (message: object) => socket.send(JSON.stringify(message));
  return {
    socket,
    next,
    say,
    async confirm(condition: object = { state: "live", reason: "ok", message: "" }) {
      say({ type: "subscribed", id: (await next()).id, symbol: "AAPL", conId: 1, ...condition });
    },
    quote: (seq: number) =>
      say({
        type: "market_data",
        symbol: "AAPL",
        conId: 1,
        timestamp: 1_000 + seq,
        seq,
        data: { last: seq },
      }),
  };
}

/** Follows AAPL. */
function follow(one: StreamClient) {
  const shown: string[] = [];
  const changes = new EventTarget();
  const subscription = one.subscribe({ symbol: "AAPL" }, ({ state, reason, value }) => {
    const last = value === null ? "nothing" : String(value["last"]);
    shown.push(`${last} ${state} ${reason}`);
    changes.dispatchEvent(new Event("change"));
  });
  return {
    subscription,
    shown,
    /** Resolves when this is what is shown, now or later. */
    async until(wanted: string) {
      while (shown.at(-1) !== wanted) await once(changes, "change");
    },
  };
}

test("shows a value as live once it has come on this connection, and as stale as soon as there is none", async () => {
  const first = connection();
  const apple = follow(connect({ firstWaitMs: 1 }));
  const edgeSide = await first;
  await edgeSide.confirm();
  edgeSide.quote(1);
  await apple.until("1 live ok");
  const second = connection();
  edgeSide.socket.terminate();
  await apple.until("1 stale edge_offline");
  const again = await second;
  await again.confirm();
  await apple.until("1 stale waiting");
  // another edge may count from the beginning
  again.quote(1);
  await apple.until("1 live ok");
  expect(apple.subscription).toMatchObject({ value: { last: 1 }, at: 1_001 });
});

test("takes the state that the edge tells with the subscription for the state of the value that follows", async () => {
  const arriving = connection();
  const apple = follow(connect());
  const edgeSide = await arriving;
  await edgeSide.confirm({ state: "stale", reason: "tws_offline", message: "There is no session with TWS." });
  edgeSide.quote(1);
  await apple.until("1 stale tws_offline");
  edgeSide.say({ type: "state", symbol: "AAPL", conId: 1, state: "live", reason: "ok", message: "" });
  await apple.until("1 live ok");
  expect(apple.shown.indexOf("1 live ok")).toBe(apple.shown.length - 1);
});

test("drops what comes late, and acknowledges the highest number of many messages at once", async () => {
  const arriving = connection();
  const apple = follow(connect());
  const edgeSide = await arriving;
  await edgeSide.confirm();
  for (const seq of [1, 3, 2, 3, 4]) edgeSide.quote(seq);
  await apple.until("4 live ok");
  expect(apple.shown.filter((one) => one.endsWith("ok"))).toEqual(["1 live ok", "3 live ok", "4 live ok"]);
  const acks: Said[] = [await edgeSide.next()];
  while (acks.at(-1)?.seq !== 4) acks.push(await edgeSide.next());
  expect(acks.every(({ action }) => action === "ack")).toBe(true);
  // one for the first message, and one for those of the pause after it
  expect(acks.length).toBeLessThanOrEqual(2);
});

test("what the edge refuses for good has ended, and what it refuses for now is asked for again", async () => {
  const arriving = connection();
  const apple = follow(connect({ askAgainMs: 1 }));
  const edgeSide = await arriving;
  const { id } = await edgeSide.next();
  edgeSide.say({ type: "error", id, error: "No agent.", code: "agent_offline", retryable: true });
  await apple.until("nothing stale agent_offline");
  expect(await edgeSide.next()).toEqual({ action: "subscribe", symbol: "AAPL", id });
  edgeSide.say({ type: "error", id, error: "No such thing.", code: "unknown_contract", retryable: false });
  await apple.until("nothing ended unknown_contract");
  expect(apple.subscription.message).toBe("No such thing.");
});

test("a subscription that is closed hears no more, whatever is on its way, and can be opened anew", async () => {
  const arriving = connection();
  const one = connect();
  const apple = follow(one);
  const edgeSide = await arriving;
  await edgeSide.confirm();
  edgeSide.quote(1);
  await apple.until("1 live ok");
  apple.subscription.close();
  edgeSide.quote(2);
  const again = follow(one);
  const said = [await edgeSide.next(), await edgeSide.next(), await edgeSide.next()];
  expect(said.map(({ action }) => action).toSorted()).toEqual(["ack", "subscribe", "unsubscribe"]);
  edgeSide.say({ type: "subscribed", id: 2, symbol: "AAPL", conId: 1 });
  edgeSide.quote(3);
  await again.until("3 live ok");
  expect(apple.shown.at(-1)).toBe("1 live ok");
});

test("waits longer before each attempt, and longest after a refusal", async () => {
  vi.spyOn(Math, "random").mockReturnValue(1);
  const timeouts = vi.spyOn(globalThis, "setTimeout");
  const waits = () =>
    timeouts.mock.calls.flatMap(([, ms]) => (ms === 1 || ms === 2 || ms === 4 || ms === 64 ? [ms] : []));
  const arriving = connection();
  connect({ firstWaitMs: 1, longestWaitMs: 64, stableAfterMs: 60_000 });
  let { socket } = await arriving;
  for (const code of [1012, 1001, 1006, 1013, 1008]) {
    const next = connection();
    if (code === 1006) socket.terminate();
    else socket.close(code);
    ({ socket } = await next);
  }
  expect(waits()).toEqual([1, 2, 4, 64, 64]);
});

test("notices a connection on which nothing is answered", async () => {
  const arriving = connection();
  const apple = follow(connect({ pingEveryMs: 5, answerWithinMs: 20, firstWaitMs: 60_000 }));
  // it takes what comes and says nothing
  await (await arriving).next();
  await apple.until("nothing stale edge_offline");
  expect(apple.subscription.message).toMatch(/connection/);
});

test("close leaves nothing behind: the process ends", async () => {
  const { port } = z.object({ port: z.int() }).parse(edge.address());
  const arriving = connection();
  const module = new URL("../../docs/examples/stream-client.js", import.meta.url).href;
  const program = `
    import { StreamClient } from ${JSON.stringify(module)};
    const client = new StreamClient("ws://127.0.0.1:${port}");
    client.subscribe({ symbol: "AAPL" }, ({ value }) => value && client.close());`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: "inherit" });
  const gone = once(child, "exit");
  const edgeSide = await arriving;
  await edgeSide.confirm();
  edgeSide.quote(1);
  expect(await gone).toEqual([0, null]);
});
