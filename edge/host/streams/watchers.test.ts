import { afterEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { type Caller, ownerOfLocalMode } from "../../../shared/caller.ts";
import { conditionOf, emptyQuote } from "../../../shared/events.ts";
import {
  connectAgent,
  dialAgent,
  freshHost,
  instrument,
  openWatcher,
  type ScriptedAgent,
  watchApple,
} from "../host.fixture.ts";
import { watcherLimits } from "./watcher.ts";
import { grantedPlaces, oversizeRate } from "./places.ts";
import { mostWatchers } from "./watchers.ts";

/** Looks up whatever the host asks for, for as long as the agent is there. */
async function answerCalls(agent: ScriptedAgent): Promise<void> {
  for (;;) {
    const frame = await agent.frame();
    if (frame.type !== "call") continue;
    const { conId } = z.object({ conId: z.int() }).parse(frame.input);
    const contract = instrument(`S${conId}`, conId);
    const topic = `quote/${conId}`;
    const output = { status: "started", resource_uri: "", resource_id: contract.symbol, topic, contract };
    agent.send({ type: "result", id: frame.id, output });
  }
}

const validActions = ["subscribe", "unsubscribe", "list", "ping", "ack"];

describe("the market-data stream", () => {
  it("greets a watcher", async () => {
    const { greeting } = await openWatcher(freshHost());
    expect(greeting).toMatchObject({ type: "connected", stream: "market_data", message: expect.any(String) });
  });

  it("subscribes by symbol alone and forwards values", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await openWatcher(host);
    watcher.send({ action: "subscribe", symbol: "AAPL" });
    const call = await agent.opens();
    expect(call).toMatchObject({
      tool: "ibkr_start_market_data_resource",
      input: { symbol: "AAPL" },
    });
    expect(await watcher.json()).toMatchObject({ type: "subscribed", symbol: "AAPL", conId: 265598 });
    expect(await agent.expect("subscribe")).toEqual({ type: "subscribe", topic: "quote/265598" });
    agent.quote({ last: 190.5, bid: 190.4, bidSize: 3 });
    expect(await watcher.json()).toMatchObject({
      type: "market_data",
      symbol: "AAPL",
      timestamp: 1_700_000_000_001,
      seq: expect.any(Number),
      data: { last: 190.5, bid: 190.4, ask: null, bidSize: 3 },
    });
  });

  it("takes the whole contract selector, written as people write it", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await openWatcher(host);
    const option = {
      symbol: "aapl",
      secType: "option",
      expiration: "2026-12-18",
      strike: "200",
      right: "call",
    };
    watcher.send({ action: "subscribe", ...option });
    expect((await agent.expect("call")).input).toMatchObject({
      symbol: "aapl",
      secType: "OPT",
      expiration: "20261218",
      strike: 200,
      right: "C",
    });
  });

  it("acknowledges what it takes from the agent", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await watchApple(host, agent);
    agent.quote({ last: 1 });
    expect(await agent.frame()).toEqual({ type: "ack", topic: "quote/265598", seq: 1 });
  });

  it("gives a second watcher the latest value first, without asking the agent", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const first = await watchApple(host, agent);
    agent.quote({ last: 1 });
    agent.quote({ last: 2 });
    await first.json();
    const latest = await first.json();
    const second = await openWatcher(host);
    second.send({ action: "subscribe", symbol: "AAPL" });
    expect(await second.json()).toMatchObject({ type: "subscribed" });
    expect(await second.json()).toEqual(latest);
    agent.quote({ last: 3 });
    expect(await second.json()).toEqual(await first.json());
  });

  it("closes the topic when its last watcher unsubscribes or leaves", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const first = await watchApple(host, agent);
    const second = await openWatcher(host);
    second.send({ action: "subscribe", symbol: "AAPL" });
    await second.json();
    // its value is not known yet, so it is asked again
    await agent.expect("subscribe");
    first.send({ action: "unsubscribe", symbol: "aapl" });
    expect(await first.json()).toMatchObject({ type: "unsubscribed", symbol: "AAPL" });
    agent.quote({ last: 5 });
    expect(await second.json()).toMatchObject({ data: { last: 5 } });
    second.socket.close(1000, "");
    expect(await agent.expect("unsubscribe")).toEqual({ type: "unsubscribe", topic: "quote/265598" });
  });

  it("warns of a second subscription and of one that does not exist", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    watcher.send({ action: "subscribe", symbol: "AAPL" });
    expect(await watcher.json()).toMatchObject({ type: "warning", symbol: "AAPL" });
    watcher.send({ action: "unsubscribe", symbol: "MSFT" });
    expect(await watcher.json()).toMatchObject({ type: "warning", symbol: "MSFT" });
  });

  it("lets a socket subscribe and unsubscribe in a row as often as it likes", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await openWatcher(host);
    const turns = watcherLimits.subscriptions + 20;
    for (let turn = 0; turn < turns; turn += 1) {
      watcher.send({ action: "subscribe", conId: 7 });
      watcher.send({ action: "unsubscribe", conId: 7 });
    }
    // all of it has been said before the first look-up is answered
    watcher.send({ action: "ping" });
    const answers: unknown[] = [await watcher.json()];
    void answerCalls(agent);
    while (answers.length < 2 * turns + 1) answers.push(await watcher.json());
    const types = answers.map((answer) => z.object({ type: z.string() }).parse(answer).type);
    expect(new Set(types)).toEqual(new Set(["pong", "subscribed", "unsubscribed"]));
  });

  it("has as many subscriptions as a socket may have, however fast they are asked for", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await openWatcher(host);
    const most = watcherLimits.subscriptions;
    for (let conId = 1; conId <= most + 2; conId += 1) watcher.send({ action: "subscribe", conId });
    void answerCalls(agent);
    for (let left = most; left > 0; left -= 1)
      expect(await watcher.json()).toMatchObject({ type: "subscribed" });
    for (const _ of [1, 2]) expect(await watcher.json()).toMatchObject({ type: "error", code: "too_large" });
  });

  it("lists subscriptions and answers ping", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    watcher.send({ action: "list" });
    expect(await watcher.json()).toMatchObject({ type: "subscriptions", symbols: ["AAPL"], count: 1 });
    watcher.send({ action: "ping" });
    expect(await watcher.json()).toEqual({ type: "pong", timestamp: expect.any(Number) });
  });

  it.each([
    ["an unknown action", JSON.stringify({ action: "buy" })],
    ["a name of Object's own", JSON.stringify({ action: "__proto__" })],
    ["no action", JSON.stringify({})],
    ["a list", JSON.stringify([])],
    ["text that is not JSON", "hello"],
    ["a subscription to nothing", JSON.stringify({ action: "subscribe" })],
    ["a symbol that is no text", JSON.stringify({ action: "subscribe", symbol: { a: 1 } })],
    ["an unknown security type", JSON.stringify({ action: "subscribe", symbol: "AAPL", secType: "BANANA" })],
    ["an acknowledgement of nothing", JSON.stringify({ action: "ack" })],
    ["an acknowledgement of what was never sent", JSON.stringify({ action: "ack", seq: 1 })],
    ["binary data", new Uint8Array([123, 125])],
  ])("answers %s with an error and stays open", async (_what, message) => {
    const watcher = await openWatcher(freshHost());
    watcher.socket.send(message);
    expect(await watcher.json()).toMatchObject({
      type: "error",
      error: expect.any(String),
      valid_actions: validActions,
    });
    watcher.send({ action: "ping" });
    expect(await watcher.json()).toMatchObject({ type: "pong" });
  });

  it.each([
    ["text", "x".repeat(65_537)],
    ["binary data", new Uint8Array(65_537)],
  ])("is closed with 1009 at the first message of more than 64 KB: %s", async (_what, message) => {
    const host = freshHost();
    const watcher = await openWatcher(host);
    watcher.socket.send(message);
    expect((await watcher.closed).code).toBe(1009);
  });

  it("answers with the id of the message that it answers", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await openWatcher(host);
    watcher.send({ action: "subscribe", symbol: "AAPL", id: 7 });
    await agent.opens();
    expect(await watcher.json()).toMatchObject({ type: "subscribed", id: 7 });
    watcher.send({ action: "subscribe", symbol: "AAPL", id: "again" });
    expect(await watcher.json()).toMatchObject({ type: "warning", id: "again" });
    watcher.send({ action: "list", id: 8 });
    expect(await watcher.json()).toMatchObject({ type: "subscriptions", id: 8 });
    watcher.send({ action: "ping", id: 9 });
    expect(await watcher.json()).toMatchObject({ type: "pong", id: 9 });
    watcher.send({ action: "fly", id: 10 });
    expect(await watcher.json()).toMatchObject({ type: "error", id: 10 });
    watcher.send({ action: "subscribe", conId: 5, id: 11 });
    await agent.expect("subscribe");
    const { id } = await agent.expect("call");
    const error = { code: "unknown_contract", message: "", nextStep: "", retryable: false } as const;
    agent.send({ type: "error", id, error });
    expect(await watcher.json()).toMatchObject({ type: "error", code: "unknown_contract", id: 11 });
    watcher.send({ action: "unsubscribe", symbol: "AAPL", id: 12 });
    expect(await watcher.json()).toMatchObject({ type: "unsubscribed", id: 12 });
    watcher.send({ action: "ping", id: { what: "ever" } });
    expect(await watcher.json()).toEqual({ type: "pong", timestamp: expect.any(Number) });
  });

  it("passes on why an instrument cannot be followed", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await openWatcher(host);
    watcher.send({ action: "subscribe", symbol: "NOPE" });
    const { id } = await agent.expect("call");
    const error = {
      code: "unknown_contract",
      message: "No such contract.",
      nextStep: "Look.",
      retryable: false,
    } as const;
    agent.send({ type: "error", id, error });
    expect(await watcher.json()).toMatchObject({
      type: "error",
      error: "No such contract.",
      code: "unknown_contract",
      symbol: "NOPE",
    });
  });

  it("says that no agent is there", async () => {
    const watcher = await openWatcher(freshHost());
    watcher.send({ action: "subscribe", symbol: "AAPL" });
    expect(await watcher.json()).toMatchObject({ type: "error", code: "agent_offline" });
  });

  it("answers ping while a subscription is still being looked up", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await openWatcher(host);
    watcher.send({ action: "subscribe", symbol: "AAPL" });
    await agent.expect("call");
    watcher.send({ action: "ping" });
    expect(await watcher.json()).toMatchObject({ type: "pong" });
  });

  it("passes on the states that the agent tells, and tells them to a new watcher", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const first = await watchApple(host, agent);
    agent.quote({ last: 1 });
    agent.state("tws_upstream_down");
    await first.json();
    const stale = { type: "state", symbol: "AAPL", state: "stale", reason: "tws_upstream_down" };
    expect(await first.json()).toMatchObject(stale);
    const second = await openWatcher(host);
    second.send({ action: "subscribe", symbol: "AAPL" });
    // at once, so that the old value which follows is taken for what it is
    expect(await second.json()).toMatchObject({ ...stale, type: "subscribed", message: expect.any(String) });
    expect(await second.json()).toMatchObject({ type: "market_data", data: { last: 1 } });
    expect(await second.json()).toMatchObject(stale);
  });

  it("says that values are stale when the agent goes, and live when a new one serves them, with seq still rising", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    agent.quote({ last: 1 });
    agent.quote({ last: 2 });
    const before = [await watcher.json(), await watcher.json()];
    agent.socket.close(1000, "");
    expect(await watcher.json()).toMatchObject({ type: "state", state: "stale", reason: "agent_offline" });

    const next = await connectAgent(host);
    expect(next.welcome).toMatchObject({ topics: ["quote/265598"] });
    expect(await watcher.json()).toMatchObject({ type: "state", state: "gap", reason: "agent_returned" });
    next.quote({ last: 3 });
    const seqs = [...before, await watcher.json()].map((message) => Reflect.get(Object(message), "seq"));
    // only now: what was shown before is not live
    expect(await watcher.json()).toMatchObject({ type: "state", state: "live" });
    expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
  });

  it("leaves a topic stale when the new agent says so itself", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    agent.socket.close(1000, "");
    await watcher.json();
    const next = await connectAgent(host);
    const event = { topic: "quote/265598", at: 1 } as const;
    next.send({
      type: "event",
      events: [
        { ...event, kind: "quote", seq: 1, data: emptyQuote },
        { ...event, kind: "state", seq: 2, ...conditionOf("tws_offline") },
      ],
    });
    expect(await watcher.json()).toMatchObject({ type: "state", state: "gap" });
    expect(await watcher.json()).toMatchObject({
      type: "state",
      state: "stale",
      reason: "tws_offline",
    });
    expect(await watcher.json()).toMatchObject({ type: "market_data" });
  });

  it.each(["data_lost", "refused"] as const)("takes a value after %s for the end of it", async (reason) => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    agent.state(reason);
    expect(await watcher.json()).toMatchObject({ type: "state", ...conditionOf(reason) });
    agent.quote({ last: 1 });
    expect(await watcher.json()).toMatchObject({ type: "market_data", data: { last: 1 } });
    expect(await watcher.json()).toMatchObject({ type: "state", state: "live" });
  });

  it("tells that all is well only after the value of the same batch", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    agent.state("tws_upstream_down");
    await watcher.json();
    const event = { topic: "quote/265598", at: 1 } as const;
    agent.send({
      type: "event",
      events: [
        { ...event, kind: "state", seq: 2, ...conditionOf("upstream_returned") },
        { ...event, kind: "state", seq: 3, ...conditionOf("ok") },
        { ...event, kind: "quote", seq: 4, data: { ...emptyQuote, last: 2 } },
      ],
    });
    expect([await watcher.json(), await watcher.json(), await watcher.json()]).toMatchObject([
      { state: "gap", reason: "upstream_returned" },
      { data: { last: 2 } },
      { state: "live" },
    ]);
  });

  it("leaves a topic stale that the agent called stale, whatever values come", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    agent.state("tws_upstream_down");
    await watcher.json();
    agent.quote({ last: 1 });
    expect(await watcher.json()).toMatchObject({ type: "market_data" });
  });

  it("tells the agent to drop a topic that nobody watches", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    agent.quote({ last: 1 }, "quote/1");
    expect(await agent.expect("unsubscribe")).toEqual({ type: "unsubscribe", topic: "quote/1" });
  });

  it("does not listen to a socket that has not said hello", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    const stranger = await dialAgent(host);
    const event = {
      kind: "state",
      topic: "quote/265598",
      seq: 1,
      at: 1,
      ...conditionOf("refused"),
    } as const;
    stranger.send({ type: "event", events: [event] });
    await stranger.closed;
    watcher.send({ action: "ping" });
    expect(await watcher.json()).toMatchObject({ type: "pong" });
  });

  it("merges what a watcher has not acknowledged to the latest value", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    watcher.send({ action: "ack", seq: 0 });
    watcher.send({ action: "ping" });
    await watcher.json();
    for (let last = 1; last <= 20; last += 1) agent.quote({ last });
    const taken = [];
    for (let count = 0; count < 8; count += 1) taken.push(await watcher.json());
    expect(taken.at(-1)).toMatchObject({ data: { last: 8 } });
    // all batches have been taken once the last is acknowledged
    for (let taken = 0; taken < 20;) {
      const frame = await agent.frame();
      if (frame.type === "ack") taken = frame.seq;
    }
    watcher.send({ action: "ack", seq: Reflect.get(Object(taken.at(-1)), "seq") });
    expect(await watcher.json()).toMatchObject({ data: { last: 20 } });
  });

  it("serves as many watchers as one host may have, and refuses the next before the upgrade", async () => {
    const host = freshHost();
    await Promise.all(Array.from({ length: mostWatchers }, () => openWatcher(host)));
    await expect(openWatcher(host)).rejects.toThrow("HTTP 429");
  });
});

describe("clients that the owner has let in", () => {
  const client = (grantId: string): Caller => ({
    ...ownerOfLocalMode,
    grantId,
    expiresAt: "2999-01-01T00:00:00.000Z",
  });

  it("have few sockets each and together, since what they have not finished saying is not seen", async () => {
    const host = freshHost();
    const { ofGrant, ofHost } = grantedPlaces;
    for (let place = 0; place < ofGrant; place += 1) await openWatcher(host, "news", client("one"));
    await expect(openWatcher(host, "news", client("one"))).rejects.toThrow("HTTP 429");
    for (let place = ofGrant; place < ofHost; place += 1) {
      await openWatcher(host, "news", client(`other ${place}`));
    }
    await expect(openWatcher(host, "news", client("late"))).rejects.toThrow("HTTP 429");
  });

  it("open no socket for a while after too many messages that were too large, and others do", async () => {
    const host = freshHost();
    for (let message = 0; message < oversizeRate.burst; message += 1) {
      const watcher = await openWatcher(host, "news", client("one"));
      watcher.socket.send("x".repeat(65_537));
      await watcher.closed;
    }
    await expect(openWatcher(host, "news", client("one"))).rejects.toThrow("HTTP 429");
    await openWatcher(host, "news", client("another"));
  });
});

describe("a watcher that says too much", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("ends with what it said last: an unsubscribe does not pass its subscribe", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await openWatcher(host);
    watcher.send({ action: "subscribe", symbol: "AAPL" });
    watcher.send({ action: "unsubscribe", symbol: "AAPL" });
    await agent.opens();
    expect(await watcher.json()).toMatchObject({ type: "subscribed", symbol: "AAPL" });
    expect(await watcher.json()).toMatchObject({ type: "unsubscribed", symbol: "AAPL" });
    watcher.send({ action: "list" });
    expect(await watcher.json()).toMatchObject({ type: "subscriptions", count: 0 });
  });

  it("is let go when it floods, and others are served", async () => {
    // what it may say in a second does not grow while the object works it off
    vi.useFakeTimers({ toFake: ["Date"] });
    const host = freshHost();
    const [flooder, other] = [await openWatcher(host), await openWatcher(host)];
    for (let count = 0; count < watcherLimits.burst + 500; count += 1) flooder.send({ action: "fly" });
    expect((await flooder.closed).code).toBe(1008);
    other.send({ action: "ping" });
    expect(await other.json()).toMatchObject({ type: "pong" });
  });
});
