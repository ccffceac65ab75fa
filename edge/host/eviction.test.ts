import { evictDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { conditionOf, emptyQuote } from "../../shared/events.ts";
import {
  apple,
  connectAgent,
  freshHost,
  openSocket,
  openWatcher,
  read,
  startQuote,
  watchApple,
} from "./host.fixture.ts";

const appleUri = "ibkr://market-data/AAPL";
const seqOf = (message: unknown) => Number(Reflect.get(Object(message), "seq"));

describe("an eviction of the host's object", () => {
  it("leaves watchers and agent connected, and seq rising", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    agent.quote({ last: 1 });
    const before = await watcher.json();
    await evictDurableObject(host);
    agent.quote({ last: 2 });
    const after = await watcher.json();
    expect(after).toMatchObject({ type: "market_data", symbol: "AAPL", data: { last: 2 } });
    expect(seqOf(after)).toBeGreaterThan(seqOf(before));
    await evictDurableObject(host);
    agent.quote({ last: 3 });
    expect(seqOf(await watcher.json())).toBeGreaterThan(seqOf(after));
  });

  it("takes the acknowledgement of what was sent before", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    for (let last = 1; last <= 20; last += 1) agent.quote({ last });
    let seq = 0;
    for (let count = 0; count < 20; count += 1) seq = seqOf(await watcher.json());
    await evictDurableObject(host);
    watcher.send({ action: "ack", seq });
    watcher.send({ action: "ping" });
    expect(await watcher.json()).toMatchObject({ type: "pong" });
  });

  it("leaves subscriptions as they were", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    await evictDurableObject(host);
    watcher.send({ action: "list" });
    expect(await watcher.json()).toMatchObject({ symbols: ["AAPL"], count: 1 });
    watcher.send({ action: "unsubscribe", symbol: "AAPL" });
    expect(await watcher.json()).toMatchObject({ type: "unsubscribed" });
    expect(await agent.expect("unsubscribe")).toEqual({ type: "unsubscribe", topic: "quote/265598" });
  });

  it("is made good for a new watcher by asking the agent for the value again", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const first = await watchApple(host, agent);
    agent.quote({ last: 1 });
    await first.json();
    await evictDurableObject(host);
    const second = await openWatcher(host);
    second.send({ action: "subscribe", symbol: "AAPL" });
    await agent.opens();
    await second.json();
    await agent.expect("subscribe");
    agent.quote({ last: 1 });
    expect(await second.json()).toMatchObject({ data: { last: 1 } });
  });

  it("does not swallow the end of a state that was told before it", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    agent.state("tws_upstream_down");
    await watcher.json();
    await evictDurableObject(host);
    agent.state("ok");
    expect(await watcher.json()).toMatchObject({ type: "state", state: "live" });
  });

  it("does not hide that the agent goes while the object sleeps", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    await evictDurableObject(host);
    agent.socket.close(1000, "");
    expect(await watcher.json()).toMatchObject({ type: "state", state: "stale", reason: "agent_offline" });
  });

  it("tells readers and MCP streams too that the agent went while the object slept, and that it came back", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startQuote(host, agent);
    agent.quote({ last: 1 });
    await agent.taken();
    const watcher = await openWatcher(host);
    watcher.send({ action: "subscribe", symbol: "AAPL" });
    await watcher.json();
    await watcher.json();
    const watch = await openSocket(host, `watch?uri=${encodeURIComponent(appleUri)}`);
    await evictDurableObject(host);
    agent.socket.close(1000, "");
    expect(await watcher.json()).toMatchObject({ state: "stale", reason: "agent_offline" });
    expect(await watch.json()).toMatchObject({ uri: appleUri });
    expect(await read(host, appleUri)).toMatchObject({ data: null, state: "stale", reason: "agent_offline" });
    await evictDurableObject(host);
    const next = await connectAgent(host);
    expect(next.welcome).toMatchObject({ topics: ["quote/265598"] });
    expect(await watcher.json()).toMatchObject({ state: "gap", reason: "agent_returned" });
    expect(await watch.json()).toMatchObject({ uri: appleUri });
    next.quote({ last: 2 });
    expect(await watcher.json()).toMatchObject({ data: { last: 2 } });
    expect(await watcher.json()).toMatchObject({ state: "live" });
    expect(await read(host, appleUri)).toMatchObject({ data: { last: 2 }, state: "live" });
  });

  it("claims nothing of a stream that it has forgotten to a new watcher", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const first = await watchApple(host, agent);
    agent.state("tws_upstream_down");
    await first.json();
    await evictDurableObject(host);
    const second = await openWatcher(host);
    second.send({ action: "subscribe", symbol: "AAPL" });
    await agent.opens();
    expect(await second.json()).not.toHaveProperty("state");
    await agent.expect("subscribe");
    // as the agent tells it afresh: the value and how it stands
    const event = { topic: "quote/265598", at: 1 } as const;
    agent.send({
      type: "event",
      events: [
        { ...event, kind: "quote", seq: 2, data: emptyQuote },
        { ...event, kind: "state", seq: 3, ...conditionOf("tws_upstream_down") },
      ],
    });
    expect([await second.json(), await second.json()]).toMatchObject([
      { state: "stale", reason: "tws_upstream_down" },
      { type: "market_data" },
    ]);
  });

  it("keeps as many subscriptions as one socket may have, and no more can be made", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await openWatcher(host);
    const symbols = Array.from({ length: 100 }, (_, index) => `${index}`.padEnd(64, "X"));
    for (const [index, symbol] of symbols.entries()) {
      watcher.send({ action: "subscribe", symbol });
      await agent.opens({ ...apple, conId: 1_000_000_000 + index, symbol });
      await watcher.json();
      await agent.expect("subscribe");
    }
    watcher.send({ action: "subscribe", symbol: "ONEMORE" });
    expect(await watcher.json()).toMatchObject({ type: "error", code: "too_large" });
    await evictDurableObject(host);
    watcher.send({ action: "list" });
    expect(await watcher.json()).toMatchObject({ symbols, count: 100 });
  });

  it("keeps how far each of as many news lists has been told", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await openWatcher(host, "news");
    const headline = (id: string) =>
      ({
        kind: "headline",
        time: null,
        providerCode: "P",
        articleId: id,
        headline: id,
        source: "S",
      }) as const;
    const first = headline("first".padEnd(200, "x"));
    for (let index = 0; index < 100; index += 1) {
      const symbol = `${index}`.padEnd(64, "X");
      const topic = `tick-news/${1_000_000_000 + index}`;
      watcher.send({ action: "subscribe", symbol });
      await agent.starts(topic, { resource_id: symbol });
      await watcher.json();
      await agent.expect("subscribe");
      agent.emit(topic, { kind: "news", data: { items: [first] } });
      await watcher.json();
    }
    await evictDurableObject(host);
    agent.emit("tick-news/1000000099", { kind: "news", data: { items: [first, headline("second")] } });
    expect(await watcher.json()).toMatchObject({ data: { message: "second" } });
  });
});
