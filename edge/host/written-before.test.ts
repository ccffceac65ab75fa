import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Caller } from "../../shared/caller.ts";
import { emptyHead } from "../../shared/audit.ts";
import { restoreDatabase, schemaOf } from "../storage/written-before.fixture.ts";
import { announceTrail } from "./audit.fixture.ts";
import {
  active,
  callOf,
  connectAgent,
  freshHost,
  inboxOf,
  openSocket,
  openWatcher,
  rpc,
  socketOf,
} from "./host.fixture.ts";
import { attachmentOf } from "./storage/socket-attachments.ts";
import attachments from "./written-before/attachments.json" with { type: "json" };
import broken from "./written-before/broken.json" with { type: "json" };
import written from "./written-before/host.json" with { type: "json" };

/** What an earlier release has stored of a host, read by this one. */

const grantee: Caller = {
  grantId: "g_0123456789abcdefghijkl",
  client: "Test client",
  scopes: ["tws:read"],
  accounts: ["DU1"],
  hostId: "default",
  toolset: "full",
  expiresAt: "2090-12-20T15:00:00.000Z",
};

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: written.at }));
afterEach(() => vi.useRealTimers());

async function restored() {
  const host = freshHost();
  await restoreDatabase(host, written);
  return host;
}

it("has the tables of before, to the letter", async () => {
  expect(await schemaOf(freshHost())).toEqual(written.schema);
});

it("says of the agent, the streams that were started and the resources what it said before", async () => {
  const host = await restored();
  const { readBack } = written;
  // what has come since may be said beside it; what was asked for was told as what comes
  const { marketDataType, ...output } = readBack.status.output;
  expect(await rpc(host).call(callOf("ibkr_get_status"))).toMatchObject({
    ...readBack.status,
    output: { ...output, marketDataType: null, marketDataTypeAsked: marketDataType },
  });
  expect(await active(host)).toEqual(readBack.active);
  expect(await active(host, grantee)).toEqual(readBack.activeOfGrant);
  expect(await rpc(host).listResources(grantee)).toEqual(readBack.resources);
  expect((await rpc(host).facts()).machine).toBe(readBack.facts.machine);
});

it("shows the audit trails of before whole, and goes on where the agent's trail ended", async () => {
  const host = await restored();
  const { audit } = written.readBack;
  const page = await rpc(host).audit(null);
  expect(page.entries.map(({ number, trailId, entry }) => [number, trailId, entry])).toEqual(
    audit.entries.map(({ number, trailId, entry }) => [number, trailId, entry]),
  );
  expect(page.trails.map(({ trailId, head }) => [trailId, head])).toEqual(
    audit.trails.map(({ trailId, head }) => [trailId, head]),
  );
  expect(page.broken).toBeNull();
  const agent = await connectAgent(host);
  expect(await announceTrail(agent, "second", audit.head)).toEqual(audit.head);
  expect((await rpc(host).trading()).audit).toBe("ok");
});

it("knows still that a trail of before was cut", async () => {
  const host = freshHost();
  await restoreDatabase(host, broken);
  expect((await rpc(host).trading()).audit).toBe("broken");
  expect(JSON.stringify((await rpc(host).audit(null)).broken)).toBe(
    broken.rows.fact.find(({ key }) => key === "audit_broken")?.value,
  );
});

it("asks a returning agent for every stream that was started before", async () => {
  const host = await restored();
  const agent = await connectAgent(host, { instanceId: "the-first-process", machine: "laptop" });
  expect(agent.welcome).toMatchObject({
    topics: expect.arrayContaining(written.rows.started.map(({ topic }) => topic)),
  });
  expect(await announceTrail(agent, "a new one")).toEqual(emptyHead);
  const [record] = await runInDurableObject(host, (_object, { storage }) =>
    storage.sql.exec("SELECT instance_id, presence, rival FROM agent").toArray(),
  );
  expect(record).toMatchObject({ instance_id: "the-first-process", presence: "here" });
});

describe("a socket that has slept since before", () => {
  it.each(attachments.map((one) => [JSON.stringify(one)]))("is known by its attachment %s", (text) => {
    const { 1: socket } = new WebSocketPair();
    socket.serializeAttachment(JSON.parse(text));
    expect(JSON.stringify(attachmentOf(socket))).toBe(text);
  });

  /** What the host's sockets carry is put in the place of what this release has written. */
  const replace = (host: DurableObjectStub, from: (attachment: unknown) => unknown) =>
    runInDurableObject(host, (_object, ctx) => {
      for (const socket of ctx.getWebSockets())
        socket.serializeAttachment(from(socket.deserializeAttachment()));
    }).then(() => evictDurableObject(host));

  const before = (kind: string, isMeant: (text: string) => boolean = () => true) =>
    attachments.find((one) => one.kind === kind && isMeant(JSON.stringify(one)));

  it("watches what it watched", async () => {
    const host = freshHost();
    const watcher = await openWatcher(host);
    await replace(host, () => before("stream", (text) => text.includes("AAPL")));
    watcher.send({ action: "list" });
    expect(await watcher.json()).toMatchObject({ symbols: ["AAPL"], count: 1 });
    await rpc(host).dropGrant(grantee.grantId);
    expect(await watcher.closed).toMatchObject({ code: 4401 });
  });

  it("hears of the resource that it was opened for", async () => {
    const host = freshHost();
    const watch = await openSocket(host, "watch?uri=ibkr%3A%2F%2Fnone");
    await replace(host, () => before("watch", (text) => text.includes("ibkr://status")));
    await connectAgent(host);
    expect(await watch.json()).toEqual({ type: "updated", uri: "ibkr://status" });
  });

  it("is the agent's, at work", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await replace(host, () => ({
      ...before("agent", (text) => text.includes("serving")),
      openedAt: Date.now(),
    }));
    const answer = rpc(host).call(callOf("ibkr_get_current_time"));
    const { id } = await agent.expect("call");
    agent.send({ type: "result", id, output: {} });
    expect((await answer).ok).toBe(true);
  });
});

describe("an MCP session of before", () => {
  const session = () => env.MCP_SESSION.getByName(crypto.randomUUID());
  const open = async (object: ReturnType<typeof session>, path: string) =>
    inboxOf(socketOf(await object.fetch(`https://session${path}`, { headers: { Upgrade: "websocket" } })));

  it("is over if it was, signs with its secret, and follows its resources on the newest stream", async () => {
    const object = session();
    await runInDurableObject(object, async (_object, { storage }) => {
      await storage.put({ over: true, secret: "a secret of before", subscriptions: ["ibkr://status"] });
    });
    expect(await object.isOver()).toBe(true);
    expect(await object.signingSecret()).toBe("a secret of before");
    const stream = await open(object, "/");
    expect(await stream.next()).toBe('{"type":"subscriptions","uris":["ibkr://status"]}');
    await runInDurableObject(object, (_object, ctx) => {
      for (const socket of ctx.getWebSockets()) socket.serializeAttachment({ order: 7 });
    });
    await evictDurableObject(object);
    const newer = await open(object, "/");
    expect(await newer.next()).toBe('{"type":"subscriptions","uris":["ibkr://status"]}');
    expect(await stream.next()).toBe('{"type":"subscriptions","uris":[]}');
  });

  it("hands the client's answer to the question that waited", async () => {
    const object = session();
    const waiting = await open(object, `/answer?id=q&call=c&until=${Date.now() + 60_000}`);
    await runInDurableObject(object, (_object, ctx) => {
      for (const socket of ctx.getWebSockets()) {
        socket.serializeAttachment({ question: "asked before", call: "c", until: Date.now() + 60_000 });
      }
    });
    await evictDurableObject(object);
    await object.answer("asked before", "accept");
    expect(await waiting.next()).toBe("accept");
  });
});
