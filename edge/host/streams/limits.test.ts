import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { ownerOfLocalMode } from "../../../shared/caller.ts";
import { callerHeader, encodeCaller } from "../../rpc/host.ts";
import {
  active,
  callOf,
  connectAgent,
  freshHost,
  type HostStub,
  instrument,
  openSocket,
  openWatcher,
  rpc,
  type ScriptedAgent,
  startQuote,
} from "../host.fixture.ts";
import { places, sharedLines } from "./places.ts";
import { mostTopics } from "./topics.ts";
import { watchLimits } from "../resources/update-notifier.ts";
import { watcherLimits } from "./watcher.ts";
import { mostWatchers } from "./watchers.ts";

const other = { ...ownerOfLocalMode, grantId: "other" };
const refusal = (code: string) => ({
  code,
  message: expect.any(String),
  nextStep: expect.stringMatching(/./),
});

/** What a socket that cannot be had is answered. */
async function refused(host: HostStub, path: string, caller = ownerOfLocalMode) {
  const response = await host.fetch(`https://host/${path}`, {
    headers: { Upgrade: "websocket", [callerHeader]: encodeCaller(caller) },
  });
  return { status: response.status, body: await response.json(), socket: response.webSocket };
}

/** A socket with as many subscriptions as it may have. */
async function watchMany(host: HostStub, agent: ScriptedAgent, from: number) {
  const watcher = await openWatcher(host);
  for (let conId = from; conId < from + watcherLimits.subscriptions; conId += 1) {
    watcher.send({ action: "subscribe", conId });
    await agent.opens(instrument(`S${conId}`, conId));
    await watcher.json();
    await agent.expect("subscribe");
  }
  return watcher;
}

describe("a host", () => {
  it("follows a bounded number of topics, refuses more in words, and goes on with those it has", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watchers = [];
    for (let from = 1; from < mostTopics; from += watcherLimits.subscriptions) {
      watchers.push(await watchMany(host, agent, from));
    }
    const more = await openWatcher(host);
    more.send({ action: "subscribe", symbol: "MORE" });
    await agent.opens(instrument("MORE", 1_000));
    expect(await more.json()).toMatchObject({
      type: "error",
      symbol: "MORE",
      code: "rate_limited",
      retryable: true,
      nextStep: expect.stringContaining("Unsubscribe"),
    });
    const started = rpc(host).call(callOf("ibkr_start_market_data_resource", { symbol: "MORE" }));
    await agent.opens(instrument("MORE", 1_000));
    expect(await started).toMatchObject({ ok: false, error: refusal("rate_limited") });
    expect(await active(host)).toEqual([]);
    // what is followed already takes nothing more
    more.send({ action: "subscribe", conId: 1 });
    expect(await more.json()).toMatchObject({ type: "subscribed", conId: 1 });
    await agent.expect("subscribe");
    watchers.at(-1)?.send({ action: "unsubscribe", conId: mostTopics });
    await agent.expect("unsubscribe");
    more.send({ action: "subscribe", symbol: "MORE" });
    await agent.opens(instrument("MORE", 1_000));
    expect(await more.json()).toMatchObject({ type: "subscribed", symbol: "MORE" });
  });

  it("serves a bounded number of stream sockets, leaves room for another grant, and says what to do", async () => {
    const host = freshHost();
    const sockets = await Promise.all(Array.from({ length: mostWatchers }, () => openWatcher(host)));
    expect(await refused(host, "stream/news")).toMatchObject({
      status: 429,
      body: { error: refusal("rate_limited") },
      socket: null,
    });
    await openWatcher(host, "news", other);
    sockets[0]?.socket.close(1000, "");
    sockets[1]?.socket.close(1000, "");
    await runInDurableObject(host, async (_, state) => {
      while (state.getWebSockets("stream").length >= mostWatchers) {
        await new Promise((resolve) => setTimeout(resolve));
      }
    });
    await openWatcher(host);
  });

  it("serves a bounded number of watches, of each grant and in all, and a second of the same stream in place of the first", async () => {
    const host = freshHost();
    const open = (id: string, caller = ownerOfLocalMode) =>
      openSocket(host, `watch?id=${id}&uri=ibkr://status`, caller);
    for (let count = 1; count <= watchLimits.socketsOfGrant; count += 1) await open(`mine ${count}`);
    expect(await refused(host, "watch?id=more&uri=ibkr://status")).toMatchObject({
      status: 413,
      body: { error: refusal("too_large") },
      socket: null,
    });
    const successor = await open("mine 1");
    expect(successor.socket.readyState).toBe(WebSocket.READY_STATE_OPEN);
    const left = watchLimits.sockets - watchLimits.socketsOfGrant - 1;
    for (let count = 1; count <= left; count += 1) {
      await open(`other ${count}`, { ...other, grantId: `other ${count % 10}` });
    }
    expect(await refused(host, "watch?id=more&uri=ibkr://status", other)).toMatchObject({
      status: 429,
      body: { error: refusal("rate_limited") },
      socket: null,
    });
  });
});

describe("a grant", () => {
  it("has a bounded number of started streams, and others are served", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    for (let conId = 1; conId < 100; conId += 1) {
      await startQuote(host, agent, instrument(`S${conId}`, conId));
    }
    // two streams, of which one could still be had
    const portfolio = rpc(host).call(callOf("ibkr_start_portfolio_resource", { account: "DU1" }));
    const output = { resource_id: "DU1", orders_uri: "", account: "DU1", mode: "paper" };
    await agent.starts("portfolio/DU1", output);
    expect(await portfolio).toMatchObject({ ok: false, error: refusal("too_large") });
    await startQuote(host, agent, instrument("S100", 100));
    const more = rpc(host).call(callOf("ibkr_start_market_data_resource", { symbol: "MORE" }));
    await agent.opens(instrument("MORE", 101));
    expect(await more).toMatchObject({ ok: false, error: refusal("too_large") });
    expect(await active(host)).toHaveLength(100);
    await startQuote(host, agent, instrument("MORE", 101), other);
  });

  it("follows as many instruments as leave lines to another grant and to the checks of orders", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const client = (grantId: string) => ({
      ...ownerOfLocalMode,
      grantId,
      expiresAt: "2999-01-01T00:00:00.000Z",
    });
    const alone = (sharedLines * places.shareOfFree) / (1 + places.shareOfFree);
    const watcher = await openWatcher(host, "market-data", client("greedy"));
    const follow = async (one: typeof watcher, conId: number) => {
      one.send({ action: "subscribe", conId });
      await agent.opens(instrument(`S${conId}`, conId));
      return await one.json();
    };
    for (let conId = 1; conId <= alone; conId += 1) {
      expect(await follow(watcher, conId)).toMatchObject({ type: "subscribed" });
      await agent.expect("subscribe");
    }
    expect(await follow(watcher, 1_000)).toMatchObject({ type: "error", code: "rate_limited" });
    const started = rpc(host).call(
      callOf("ibkr_start_market_data_resource", { symbol: "MORE" }, client("greedy")),
    );
    await agent.opens(instrument("MORE", 1_001));
    expect(await started).toMatchObject({ ok: false, error: refusal("rate_limited") });
    const modest = await openWatcher(host, "market-data", client("modest"));
    expect(await follow(modest, 1_000)).toMatchObject({ type: "subscribed" });
  });
});
