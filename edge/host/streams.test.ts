import { evictDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { TopicValue } from "../../shared/events.ts";
import type { NewsItem } from "../../shared/news.ts";
import { ownerOfLocalMode } from "../../shared/caller.ts";
import {
  apple,
  connectAgent,
  freshHost,
  type HostStub,
  openWatcher,
  type ScriptedAgent,
} from "./host.fixture.ts";

const portfolio = (net: string, holdings: Readonly<Record<string, number>> = {}): TopicValue => ({
  kind: "portfolio",
  data: {
    account: "DU1",
    mode: "paper",
    time: "2026-01-05T15:00:00.000Z",
    values: [
      { key: "NetLiquidation", value: net, currency: "USD" },
      { key: "AccountType", value: "INDIVIDUAL", currency: null },
    ],
    positions: Object.entries(holdings).map(([symbol, position], index) => ({
      contract: { conId: index + 1, symbol },
      position,
      avgCost: 1,
      marketPrice: 2,
      marketValue: 2 * position,
      unrealizedPnL: null,
      realizedPnL: null,
    })),
    positionsTotal: Object.keys(holdings).length,
  },
});

const account = { resource_id: "DU1", orders_uri: "", account: "DU1", mode: "paper" };

async function watchAccount(host: HostStub, agent: ScriptedAgent) {
  const watcher = await openWatcher(host, "portfolio");
  watcher.send({ action: "subscribe", account: "DU1" });
  expect(await agent.starts("portfolio/DU1", account)).toMatchObject({
    tool: "ibkr_start_portfolio_resource",
    input: { account: "DU1" },
  });
  expect(await watcher.json()).toEqual({ type: "subscribed", account: "DU1" });
  expect(await agent.expect("subscribe")).toEqual({ type: "subscribe", topic: "portfolio/DU1" });
  return watcher;
}

describe("the portfolio stream", () => {
  it("greets, tells every row at first and then the rows that change, each with a number that rises", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchAccount(host, agent);
    expect(watcher.greeting).toMatchObject({ type: "connected", stream: "portfolio" });
    agent.emit("portfolio/DU1", portfolio("1000", { AAPL: 5 }));
    const first = [await watcher.json(), await watcher.json(), await watcher.json()];
    expect(first).toMatchObject([
      {
        type: "portfolio",
        account: "DU1",
        timestamp: 1_700_000_000_001,
        seq: expect.any(Number),
        update: { type: "account_value", data: { key: "NetLiquidation", value: "1000", currency: "USD" } },
      },
      { update: { type: "account_value", data: { key: "AccountType", currency: null } } },
      {
        update: { type: "portfolio", data: { contract: { symbol: "AAPL" }, position: 5, realizedPnL: null } },
      },
    ]);
    agent.emit("portfolio/DU1", portfolio("1001", { AAPL: 5 }));
    const next = await watcher.json();
    expect(next).toMatchObject({ update: { type: "account_value", data: { value: "1001" } } });
    const seqs = [...first, next].map((one) => Number(Reflect.get(Object(one), "seq")));
    expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
    agent.emit("portfolio/DU1", portfolio("1001"));
    expect(await watcher.json()).toMatchObject({
      update: { type: "portfolio", data: { contract: { symbol: "AAPL" }, position: 0 } },
    });
  });

  it("gives a second watcher the whole account without asking the agent for it", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const first = await watchAccount(host, agent);
    agent.emit("portfolio/DU1", portfolio("1000"));
    await first.json();
    const second = await openWatcher(host, "portfolio");
    second.send({ action: "subscribe", account: "DU1" });
    expect(await second.json()).toMatchObject({ type: "subscribed", account: "DU1" });
    expect(await second.json()).toMatchObject({ update: { data: { value: "1000" } } });
  });

  it("warns, lists, says what became of the stream, and unsubscribes", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchAccount(host, agent);
    watcher.send({ action: "subscribe", account: "DU1" });
    expect(await watcher.json()).toMatchObject({ type: "warning", account: "DU1" });
    watcher.send({ action: "unsubscribe", account: "DU9" });
    expect(await watcher.json()).toMatchObject({ type: "warning", account: "DU9" });
    watcher.send({ action: "list" });
    expect(await watcher.json()).toMatchObject({ type: "subscriptions", accounts: ["DU1"], count: 1 });
    agent.state("tws_upstream_down", "portfolio/DU1");
    expect(await watcher.json()).toMatchObject({
      type: "state",
      account: "DU1",
      state: "stale",
      reason: "tws_upstream_down",
    });
    watcher.send({ action: "unsubscribe", account: "DU1" });
    expect(await watcher.json()).toEqual({ type: "unsubscribed", account: "DU1" });
    expect(await agent.expect("unsubscribe")).toEqual({ type: "unsubscribe", topic: "portfolio/DU1" });
  });

  it("streams no account outside the caller's grant, even if the agent would", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await openWatcher(host, "portfolio", { ...ownerOfLocalMode, accounts: ["DU2"] });
    watcher.send({ action: "subscribe", account: "DU1" });
    await agent.starts("portfolio/DU1", account);
    expect(await watcher.json()).toMatchObject({ type: "error", code: "forbidden" });
    watcher.send({ action: "list" });
    expect(await watcher.json()).toMatchObject({ count: 0 });
  });

  it("follows no topic of another kind than was asked for", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await openWatcher(host, "portfolio");
    watcher.send({ action: "subscribe" });
    await agent.starts("quote/1", account);
    expect(await watcher.json()).toMatchObject({ type: "error", code: "protocol_error" });
  });
});

const bulletin = (msgId: number): NewsItem => ({
  kind: "bulletin",
  time: "2026-01-05T15:00:00.000Z",
  msgId,
  msgType: 1,
  message: `bulletin ${msgId}`,
  origin: "NYSE",
});
const headline = (articleId: string): NewsItem => ({
  kind: "headline",
  time: null,
  providerCode: "BRFG",
  articleId,
  headline: `about ${articleId}`,
  source: "AAPL",
});
const news = (...items: NewsItem[]): TopicValue => ({ kind: "news", data: { items } });

async function watchBulletins(host: HostStub, agent: ScriptedAgent) {
  const watcher = await openWatcher(host, "news");
  watcher.send({ action: "subscribe", allMessages: true });
  expect(await agent.starts("bulletins", { resource_id: "news-bulletins" })).toMatchObject({
    tool: "ibkr_start_news_resource",
    input: { allMessages: true },
  });
  expect(await watcher.json()).toEqual({ type: "subscribed", feed: "bulletins" });
  await agent.expect("subscribe");
  return watcher;
}

describe("the news stream", () => {
  it("tells each bulletin once, the ones before first", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchBulletins(host, agent);
    agent.emit("bulletins", news(bulletin(1), bulletin(2)));
    expect(await watcher.json()).toMatchObject({
      type: "news",
      feed: "bulletins",
      timestamp: 1_700_000_000_001,
      seq: expect.any(Number),
      data: { msgId: 1, msgType: 1, message: "bulletin 1", origin: "NYSE" },
    });
    expect(await watcher.json()).toMatchObject({ data: { msgId: 2 } });
    agent.emit("bulletins", news(bulletin(1), bulletin(2), bulletin(3)));
    expect(await watcher.json()).toMatchObject({ data: { msgId: 3 } });
  });

  it("repeats nothing after an eviction", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchBulletins(host, agent);
    agent.emit("bulletins", news(bulletin(1), bulletin(2)));
    await watcher.json();
    await watcher.json();
    await evictDurableObject(host);
    agent.emit("bulletins", news(bulletin(1), bulletin(2), bulletin(3)));
    expect(await watcher.json()).toMatchObject({ data: { msgId: 3 } });
  });

  it("follows the headlines of a symbol, of all started, and the broad tape", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await openWatcher(host, "news");
    watcher.send({ action: "subscribe", feed: "ticks", symbol: "aapl" });
    await agent.starts(`tick-news/${apple.conId}`, { resource_id: "AAPL", contract: apple });
    const named = { feed: "ticks", symbol: "AAPL", conId: apple.conId };
    expect(await watcher.json()).toMatchObject({ type: "subscribed", ...named });
    await agent.expect("subscribe");
    agent.emit(`tick-news/${apple.conId}`, news(headline("BRFG$1")));
    expect(await watcher.json()).toMatchObject({
      type: "news",
      ...named,
      data: { msgId: "BRFG$1", message: "about BRFG$1", origin: "BRFG", providerCode: "BRFG", time: null },
    });
    watcher.send({ action: "subscribe", feed: "ticks" });
    expect(await agent.starts("tick-news/*", { resource_id: "*" })).toMatchObject({ input: { symbol: "*" } });
    expect(await watcher.json()).toMatchObject({ type: "subscribed", feed: "ticks", symbol: "*" });
    watcher.send({ action: "subscribe", feed: "broadtape" });
    await agent.expect("subscribe");
    await agent.starts("broadtape", { resource_id: "broadtape-news", providers: ["BRFG"] });
    expect(await watcher.json()).toEqual({ type: "subscribed", feed: "broadtape" });
    watcher.send({ action: "list" });
    expect(await watcher.json()).toMatchObject({ feeds: ["ticks", "ticks", "broadtape"], count: 3 });
    watcher.send({ action: "unsubscribe" });
    expect(await watcher.json()).toMatchObject({ type: "error", code: "ambiguous_contract" });
    watcher.send({ action: "unsubscribe", symbol: "AAPL" });
    expect(await watcher.json()).toMatchObject({ type: "unsubscribed", ...named });
    watcher.send({ action: "unsubscribe", feed: "bulletins" });
    expect(await watcher.json()).toMatchObject({ type: "warning", feed: "bulletins" });
  });

  it("says what is wrong and stays open", async () => {
    const watcher = await openWatcher(freshHost(), "news");
    watcher.send({ action: "subscribe", feed: "gossip" });
    expect(await watcher.json()).toMatchObject({ type: "error", code: "invalid_input" });
    watcher.send({ action: "subscribe", feed: "broadtape" });
    expect(await watcher.json()).toMatchObject({ type: "error", code: "agent_offline" });
  });
});

/** How often each message was made into text, by its type. */
function countTexts() {
  const made = vi.spyOn(JSON, "stringify");
  return (type: string) =>
    made.mock.calls.filter(([message]) => Reflect.get(Object(message), "type") === type).length;
}

describe("a text that many are sent", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("is made once for the rows and the states of an account", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watchers = [await watchAccount(host, agent)];
    agent.emit("portfolio/DU1", portfolio("1"));
    await watchers[0]?.json();
    await watchers[0]?.json();
    const textsOf = countTexts();
    for (let count = 0; count < 4; count += 1) {
      const watcher = await openWatcher(host, "portfolio");
      watcher.send({ action: "subscribe", account: "DU1" });
      await watcher.json();
      await watcher.json();
      await watcher.json();
      watchers.push(watcher);
    }
    // the first of them was told the account as a change
    expect(textsOf("portfolio")).toBeLessThanOrEqual(2);
    agent.emit("portfolio/DU1", portfolio("2"));
    const rows = await Promise.all(watchers.map((watcher) => watcher.json()));
    expect(rows[0]).toMatchObject({ update: { data: { value: "2" } } });
    expect(rows).toEqual(rows.map(() => rows[0]));
    expect(textsOf("portfolio")).toBeLessThanOrEqual(3);
    agent.state("tws_upstream_down", "portfolio/DU1");
    const states = await Promise.all(watchers.map((watcher) => watcher.json()));
    expect(states).toEqual(states.map(() => states[0]));
    expect(textsOf("state")).toBe(1);
  });

  it("is made once for an item of news, with one number, whatever each has been told before", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const first = await watchBulletins(host, agent);
    agent.emit("bulletins", news(bulletin(1), bulletin(2)));
    await first.json();
    const told = seqOf(await first.json());
    const textsOf = countTexts();
    const second = await openWatcher(host, "news");
    second.send({ action: "subscribe", allMessages: true });
    expect(await second.json()).toMatchObject({ type: "subscribed" });
    await second.json();
    expect(seqOf(await second.json())).toBe(told);
    expect(textsOf("news")).toBe(0);
    agent.emit("bulletins", news(bulletin(1), bulletin(2), bulletin(3)));
    const items = [await first.json(), await second.json()];
    expect(items[0]).toMatchObject({ data: { msgId: 3 } });
    expect(items[1]).toEqual(items[0]);
    expect(seqOf(items[0])).toBeGreaterThan(told);
    expect(textsOf("news")).toBe(1);
  });
});

const seqOf = (message: unknown) => Number(Reflect.get(Object(message), "seq"));
