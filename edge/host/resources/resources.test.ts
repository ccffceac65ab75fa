import { evictDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { ownerOfLocalMode } from "../../../shared/caller.ts";
import {
  apple,
  callOf,
  connectAgent,
  connectedStatus,
  freshHost,
  type HostStub,
  openSocket,
  read as readResource,
  rpc,
  type ScriptedAgent,
  watchApple,
} from "../host.fixture.ts";

const uri = "ibkr://market-data/AAPL";
const stranger = { ...ownerOfLocalMode, grantId: "stranger" };
const start = () => callOf("ibkr_start_market_data_resource", { symbol: "AAPL" });
const stop = (caller = ownerOfLocalMode) =>
  callOf("ibkr_stop_market_data_resource", { resource_id: "aapl" }, caller);
const active = (caller = ownerOfLocalMode) => callOf("ibkr_list_active_resource_streams", {}, caller);

async function startApple(host: HostStub, agent: ScriptedAgent): Promise<void> {
  const outcome = rpc(host).call(start());
  await agent.opens();
  expect(await outcome).toMatchObject({
    ok: true,
    output: { status: "started", resource_uri: uri, resource_id: "AAPL" },
  });
  expect(await agent.expect("subscribe")).toEqual({ type: "subscribe", topic: "quote/265598" });
}

const read = (host: HostStub, of = uri, caller = ownerOfLocalMode) => readResource(host, of, caller);

/** The value has reached the host once it is acknowledged. */
async function quoteTaken(agent: ScriptedAgent, last: number): Promise<void> {
  agent.quote({ last, time: "2026-01-05T15:00:00.000Z" });
  while ((await agent.frame()).type !== "ack");
}

describe("started resources", () => {
  it("are opened at the agent, read, listed and stopped", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startApple(host, agent);
    await quoteTaken(agent, 190);
    expect(await read(host)).toMatchObject({
      symbol: "AAPL",
      resource_id: "AAPL",
      contract: apple,
      data: { last: 190 },
      state: "live",
      asOf: "2026-01-05T15:00:00.000Z",
    });
    expect(await rpc(host).listResources(ownerOfLocalMode)).toContainEqual(expect.objectContaining({ uri }));
    expect(await rpc(host).call(active())).toMatchObject({
      output: { count: 1, streams: [{ resource_id: "AAPL", resource_uri: uri, state: "live" }] },
    });
    expect(await rpc(host).call(stop())).toEqual({
      ok: true,
      output: { status: "stopped", resource_id: "AAPL" },
    });
    expect(await agent.expect("unsubscribe")).toEqual({ type: "unsubscribe", topic: "quote/265598" });
    expect(await read(host)).toMatchObject({ code: "not_started" });
  });

  it("are started once, and stopped once", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startApple(host, agent);
    expect(await rpc(host).call(start())).toMatchObject({ output: { status: "already_started" } });
    await rpc(host).call(stop());
    expect(await rpc(host).call(stop())).toMatchObject({ output: { status: "not_started" } });
  });

  it("stay stopped after an eviction", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startApple(host, agent);
    await rpc(host).call(stop());
    await evictDurableObject(host);
    expect(await rpc(host).call(active())).toMatchObject({ output: { count: 0 } });
  });

  it("belong to the grant that started them", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startApple(host, agent);
    await quoteTaken(agent, 190);
    expect(await read(host, uri, stranger)).toMatchObject({ code: "not_started" });
    expect(await rpc(host).call(stop(stranger))).toMatchObject({ output: { status: "not_started" } });
    expect(await rpc(host).call(active(stranger))).toMatchObject({ output: { count: 0 } });
    expect(await read(host)).toMatchObject({ resource_id: "AAPL" });
  });

  it("go by conId when another instrument of the name is started", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startApple(host, agent);
    const outcome = rpc(host).call(
      callOf("ibkr_start_market_data_resource", { symbol: "AAPL", currency: "MXN" }),
    );
    await agent.opens({ ...apple, conId: 38708077, currency: "MXN" });
    expect(await outcome).toMatchObject({
      output: { resource_id: "38708077", resource_uri: "ibkr://market-data/38708077" },
    });
  });

  it("leave the topic to its other watchers when they are stopped", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    const outcome = rpc(host).call(start());
    await outcome;
    await rpc(host).call(stop());
    agent.quote({ last: 7 });
    expect(await watcher.json()).toMatchObject({ data: { last: 7 } });
  });

  it("survive an eviction, and what was forgotten is asked of the agent again", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startApple(host, agent);
    await quoteTaken(agent, 190);
    await evictDurableObject(host);
    const reading = read(host);
    expect(await agent.expect("subscribe")).toEqual({ type: "subscribe", topic: "quote/265598" });
    agent.quote({ last: 191 });
    expect(await reading).toMatchObject({ data: { last: 191 }, state: "live" });
  });

  it("stay readable while the agent is away, and say that they are stale", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startApple(host, agent);
    await quoteTaken(agent, 190);
    agent.send({ type: "bye", reason: "" });
    await agent.closed;
    expect(await read(host)).toMatchObject({ data: { last: 190 }, state: "stale", reason: "agent_offline" });
  });

  it("say what was missed when the agent is back, to who reads and to MCP streams, until it has told them", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startApple(host, agent);
    await quoteTaken(agent, 190);
    const watch = await openSocket(host, `watch?uri=${encodeURIComponent(uri)}`);
    agent.socket.close(1000, "");
    expect(await watch.json()).toEqual({ type: "updated", uri });
    expect(await read(host)).toMatchObject({ data: { last: 190 }, state: "stale", reason: "agent_offline" });
    const next = await connectAgent(host);
    expect(await watch.json()).toEqual({ type: "updated", uri });
    expect(await read(host)).toMatchObject({ data: { last: 190 }, state: "gap", reason: "agent_returned" });
    next.quote({ last: 191 });
    expect(await watch.json()).toEqual({ type: "updated", uri });
    expect(await read(host)).toMatchObject({ data: { last: 191 }, state: "live", reason: "ok" });
  });

  it("are re-subscribed at an agent that returns", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startApple(host, agent);
    await evictDurableObject(host, { webSockets: "close" });
    const next = await connectAgent(host);
    expect(next.welcome).toMatchObject({ topics: ["quote/265598"] });
  });

  it("are told apart from what is no resource", async () => {
    const host = freshHost();
    expect(await read(host, "ibkr://market-data/MSFT")).toMatchObject({ code: "not_started" });
    expect(await read(host, "ibkr://elsewhere/1")).toMatchObject({ code: "unknown_resource" });
    expect(await read(host, "ibkr://status")).toMatchObject({ is_connected: false });
  });
});

describe("updates of resources", () => {
  it("are told to who watches the URI, merged to four a second", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startApple(host, agent);
    const mine = await openSocket(host, `watch?uri=${encodeURIComponent(uri)}`);
    const beganAt = Date.now();
    for (let last = 1; last <= 20; last += 1) agent.quote({ last });
    expect([await mine.json(), await mine.json()]).toEqual([
      { type: "updated", uri },
      { type: "updated", uri },
    ]);
    expect(Date.now() - beganAt).toBeGreaterThanOrEqual(240);
    await quoteTaken(agent, 21);
    expect(await read(host)).toMatchObject({ data: { last: 21 } });
  });

  it("reach only the grant that started the resource", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startApple(host, agent);
    const uris = `watch?uri=${encodeURIComponent(uri)}&uri=${encodeURIComponent("ibkr://status")}`;
    const theirs = await openSocket(host, uris, stranger);
    await quoteTaken(agent, 1);
    agent.send({ type: "status", status: { ...connectedStatus, farms: [] } });
    expect(await theirs.json()).toEqual({ type: "updated", uri: "ibkr://status" });
  });

  it("survive an eviction", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startApple(host, agent);
    const mine = await openSocket(host, `watch?uri=${encodeURIComponent(uri)}`);
    await evictDurableObject(host);
    agent.quote({ last: 1 });
    expect(await mine.json()).toEqual({ type: "updated", uri });
  });
});
