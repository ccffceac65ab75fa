import { createExecutionContext, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { ownerOfLocalMode } from "../../shared/caller.ts";
import { hostOf } from "../config/bindings.ts";
import { callOf, connectAgent, connectedStatus, rpc, type ScriptedAgent } from "../host/host.fixture.ts";
import {
  answerOf,
  eventsOf,
  type Headers,
  mcpUrl,
  messageOf,
  modern,
  modernRequest,
  openSession,
  post,
} from "./client.fixture.ts";
import { handleMcp } from "./endpoint.ts";
import { findSession, sessionOf } from "./session-store.ts";

const uri = "ibkr://status";
const apple = "ibkr://market-data/AAPL";
const notThere = ["ibkr://market-data/NOPE", "ibkr://tick-news/*", "ibkr://portfolio/DU9"];

let agent: ScriptedAgent;
let connection = 1;
beforeEach(async () => {
  agent = await connectAgent(hostOf(env));
});

/** The quotes of Apple as a resource, unless a test before has started them. */
async function startApple(): Promise<void> {
  if ((await rpc(hostOf(env)).listResources(ownerOfLocalMode)).length > 0) return;
  const started = rpc(hostOf(env)).call(callOf("ibkr_start_market_data_resource", { symbol: "AAPL" }));
  await agent.opens();
  await started;
}

/** Something that whoever follows ibkr://status must hear of. */
function changeStatus(): void {
  connection += 1;
  agent.send({ type: "status", status: { ...connectedStatus, tws: { ...connectedStatus.tws, connection } } });
}

const watches = () => runInDurableObject(hostOf(env), (_, state) => state.getWebSockets("watch").length);

/** Until so many watches are open at the host's object; each look lets the object work. */
async function untilWatches(count: number): Promise<void> {
  while ((await watches()) !== count);
}

const listen = (uris: readonly string[], id: string | number = 1) =>
  modern("subscriptions/listen", { notifications: { resourceSubscriptions: uris } }, id);

/** Listens, past what is said at the start. */
async function listening(uris: readonly string[]) {
  const events = eventsOf(await listen(uris));
  await events.next();
  for (const _ of uris) await events.next();
  return events;
}

const subscriptionId = "io.modelcontextprotocol/subscriptionId";

const updated = (of = uri) => ({ method: "notifications/resources/updated", params: { uri: of } });

describe("subscriptions/listen", () => {
  it.each([1, "1"])("is acknowledged and brings updates under the id of its request (%j)", async (id) => {
    await startApple();
    const response = await listen([uri, apple], id);
    expect(response.headers.get("x-accel-buffering")).toBe("no");
    const events = eventsOf(response);
    expect(await events.next()).toEqual({
      jsonrpc: "2.0",
      method: "notifications/subscriptions/acknowledged",
      params: {
        notifications: { resourceSubscriptions: [uri, apple] },
        _meta: { [subscriptionId]: id },
      },
    });
    expect(await events.next()).toMatchObject(updated(uri));
    expect(await events.next()).toMatchObject(updated(apple));
    changeStatus();
    expect(await events.next()).toEqual({
      jsonrpc: "2.0",
      method: "notifications/resources/updated",
      params: { uri, _meta: { [subscriptionId]: id } },
    });
    await events.leave();
    await untilWatches(0);
  });

  it("hears of a resource that has been started", async () => {
    await startApple();
    const events = await listening([apple]);
    agent.quote({ last: 190 });
    expect(await events.next()).toMatchObject(updated(apple));
    await events.leave();
    await untilWatches(0);
  });

  it.each(notThere)("is refused for %s, which is not there", async (missing) => {
    expect(await answerOf(await listen([uri, missing]))).toMatchObject({
      error: { code: -32_602, message: expect.stringContaining("Call ibkr_start_"), data: { uri: missing } },
    });
    await untilWatches(0);
  });

  it("leaves nothing behind when the client aborts", async () => {
    const leaving = new AbortController();
    const request = modernRequest("subscriptions/listen", {
      notifications: { resourceSubscriptions: [uri] },
    });
    const aborted = new Request(request, { signal: leaving.signal });
    const events = eventsOf(await handleMcp(aborted, env, createExecutionContext(), ownerOfLocalMode));
    await events.next();
    await events.next();
    expect(await watches()).toBe(1);
    leaving.abort();
    await untilWatches(0);
    expect(await events.next()).toBeUndefined();
  });

  it.each([
    ["closes its socket", () => evictDurableObject(hostOf(env), { webSockets: "close" })],
    [
      "breaks down",
      () => runInDurableObject(hostOf(env), (_, state) => state.abort("broken")).catch(() => undefined),
    ],
  ])("goes on, and says that it may have missed something, when the host's object %s", async (_, fail) => {
    const events = await listening([uri]);
    await fail();
    expect(await events.next()).toMatchObject(updated());
    expect(await watches()).toBe(1);
    agent = await connectAgent(hostOf(env));
    expect(await events.next()).toMatchObject(updated());
    await events.leave();
    await untilWatches(0);
  });

  it("refuses what names no resource, and more than a stream can follow", async () => {
    expect(await answerOf(await listen([uri, "ibkr://nothing"]))).toMatchObject({
      id: 1,
      error: { code: -32_602, data: { uri: "ibkr://nothing" } },
    });
    const many = Array.from({ length: 101 }, (_, index) => `ibkr://market-data/X${index}`);
    expect(await answerOf(await listen(many))).toMatchObject({ error: { code: -32_602 } });
    expect(await answerOf(await modern("subscriptions/listen", {}))).toMatchObject({
      error: { code: -32_602 },
    });
    expect(await watches()).toBe(0);
  });
});

const get = (headers: Headers) => exports.default.fetch(mcpUrl, { headers });
const end = (headers: Headers) => exports.default.fetch(mcpUrl, { method: "DELETE", headers });
const subscribe = (session: Headers, to = uri) =>
  post(messageOf("resources/subscribe", { uri: to }), session);

/** The session's own object. */
async function objectOf(headers: Headers) {
  const session = await findSession(env, headers["Mcp-Session-Id"] ?? "", ownerOfLocalMode.grantId);
  if (session === null) throw new Error("There is no such session.");
  return sessionOf(env, session);
}

describe("the stream of a 2025 session", () => {
  it.each(notThere)("takes no subscription to %s, which is not there", async (missing) => {
    const session = await openSession();
    expect(await answerOf(await subscribe(session, missing))).toMatchObject({
      error: { code: -32_602, data: { uri: missing, code: "not_started" } },
    });
  });

  it("brings the updates of what is subscribed to while it is open, until it is unsubscribed", async () => {
    const session = await openSession();
    const response = await get(session);
    const { headers } = response;
    expect([response.status, headers.get("content-type"), headers.get("x-accel-buffering")]).toEqual([
      200,
      "text/event-stream",
      "no",
    ]);
    const events = eventsOf(response);
    expect(await answerOf(await subscribe(session))).toMatchObject({ result: {} });
    expect(await events.next()).toEqual({ jsonrpc: "2.0", ...updated() });
    changeStatus();
    expect(await events.next()).toEqual({ jsonrpc: "2.0", ...updated() });
    await subscribe(session, apple);
    // only of what is new may something have been missed
    expect(await events.next()).toMatchObject(updated(apple));
    changeStatus();
    expect(await events.next()).toMatchObject(updated());
    await post(messageOf("resources/unsubscribe", { uri }), session);
    await post(messageOf("resources/unsubscribe", { uri: apple }), session);
    await untilWatches(0);
    await events.leave();
  });

  it("brings what was subscribed to before, and says at once that it may have changed", async () => {
    const session = await openSession();
    await subscribe(session);
    await evictDurableObject(await objectOf(session));
    const events = eventsOf(await get(session));
    expect(await events.next()).toMatchObject(updated());
    changeStatus();
    expect(await events.next()).toMatchObject(updated());
    await events.leave();
    await untilWatches(0);
  });

  it("goes on through an eviction of the session's object", async () => {
    const session = await openSession();
    const events = eventsOf(await get(session));
    await evictDurableObject(await objectOf(session));
    await subscribe(session);
    expect(await events.next()).toMatchObject(updated());
    await evictDurableObject(await objectOf(session));
    changeStatus();
    expect(await events.next()).toMatchObject(updated());
    await events.leave();
    await untilWatches(0);
  });

  it("goes on, and says that it may have missed something, when the host's object breaks down", async () => {
    const session = await openSession();
    await subscribe(session);
    const events = eventsOf(await get(session));
    await events.next();
    await evictDurableObject(hostOf(env), { webSockets: "close" });
    expect(await events.next()).toMatchObject(updated());
    agent = await connectAgent(hostOf(env));
    expect(await events.next()).toMatchObject(updated());
    changeStatus();
    expect(await events.next()).toMatchObject(updated());
    await events.leave();
    await untilWatches(0);
  });

  it("gets each message once: the newest stream carries them, and the older one again when that has gone", async () => {
    const session = await openSession();
    await subscribe(session);
    const first = eventsOf(await get(session));
    await first.next();
    const second = eventsOf(await get(session));
    await second.next();
    await untilWatches(1);
    changeStatus();
    expect(await second.next()).toMatchObject(updated());
    const back = first.next();
    await second.leave();
    // the first thing that the older one says since
    expect(await back).toMatchObject(updated());
    expect(await watches()).toBe(1);
    await first.leave();
    await untilWatches(0);
  });

  it("is refused without a session and without an Accept for streams; beyond eight the oldest makes room", async () => {
    const plain = await exports.default.fetch(mcpUrl, { headers: { Accept: "text/event-stream" } });
    expect([plain.status, plain.headers.get("allow")]).toEqual([405, "POST"]);
    const session = await openSession();
    expect((await get({ ...session, Accept: "application/json" })).status).toBe(406);
    expect((await get({ ...session, "MCP-Protocol-Version": "1999-01-01" })).status).toBe(400);
    const oldest = eventsOf(await get(session));
    const streams = await Promise.all(Array.from({ length: 7 }, () => get(session)));
    const newest = await get(session);
    expect(newest.status).toBe(200);
    expect(await oldest.next()).toBeUndefined();
    await Promise.all([...streams, newest].map(async (stream) => stream.body?.cancel()));
  });

  it("ends with the session", async () => {
    const session = await openSession();
    const events = eventsOf(await get(session));
    expect((await end(session)).status).toBe(200);
    expect(await events.next()).toBeUndefined();
  });
});

describe("a subscription of 2025", () => {
  it("needs a session and a resource that exists", async () => {
    expect(await answerOf(await subscribe({}))).toMatchObject({
      error: { code: -32_600, message: expect.stringContaining("Mcp-Session-Id") },
    });
    const session = await openSession();
    expect(await answerOf(await subscribe(session, "ibkr://nothing"))).toMatchObject({
      error: { code: -32_602, data: { uri: "ibkr://nothing" } },
    });
  });
});

describe("a session", () => {
  it("that was ended is refused ever after, also by a Worker that knew it", async () => {
    const session = await openSession();
    expect((await post(messageOf("ping"), session)).status).toBe(200);
    await end(session);
    for (const response of [await post(messageOf("ping"), session), await get(session), await end(session)]) {
      expect([response.status, await response.json()]).toMatchObject([404, { error: { code: -32_001 } }]);
    }
  });

  it("that we did not give is refused", async () => {
    const session = await openSession();
    const id = session["Mcp-Session-Id"] ?? "";
    const forged = id.startsWith("A") ? `B${id.slice(1)}` : `A${id.slice(1)}`;
    for (const wrong of ["x", forged, `${id}x`]) {
      expect((await post(messageOf("ping"), { ...session, "Mcp-Session-Id": wrong })).status).toBe(404);
    }
  });

  it("of another grant is refused", async () => {
    const session = await openSession();
    const request = () =>
      new Request(mcpUrl, {
        method: "POST",
        headers: { ...session, "Content-Type": "application/json" },
        body: JSON.stringify(messageOf("ping")),
      });
    const other = { ...ownerOfLocalMode, grantId: "other" };
    const ctx = createExecutionContext();
    expect((await handleMcp(request(), env, ctx, ownerOfLocalMode)).status).toBe(200);
    expect((await handleMcp(request(), env, ctx, other)).status).toBe(404);
  });

  it("keeps nothing until it subscribes, and nothing after it has expired", async () => {
    const session = await openSession();
    await post(messageOf("tools/list"), session);
    const object = await objectOf(session);
    const kept = () =>
      runInDurableObject(object, async (_, { storage }) => [...(await storage.list()).keys()]);
    expect(await kept()).toEqual([]);
    await subscribe(session);
    expect(await kept()).toEqual(["subscriptions"]);
    await runInDurableObject(object, (instance) => instance.alarm());
    expect(await kept()).toEqual([]);
  });
});
