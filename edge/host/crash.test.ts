import { evictDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import {
  active,
  connectAgent,
  freshHost,
  openWatcher,
  read,
  startQuote,
  watchApple,
} from "./host.fixture.ts";

const uri = "ibkr://market-data/AAPL";

/** An object that breaks down loses every socket, and what it had in memory. */
const crash = (host: ReturnType<typeof freshHost>) => evictDurableObject(host, { webSockets: "close" });

describe("a crash of the host's object", () => {
  it("leaves started streams, which say what was missed until the agent has told them afresh", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startQuote(host, agent);
    agent.quote({ last: 1 });
    await agent.taken();
    await crash(host);
    expect(await active(host)).toMatchObject([{ resource_id: "AAPL", state: "stale" }]);
    expect(await read(host, uri)).toMatchObject({ data: null, state: "stale", reason: "agent_offline" });
    const next = await connectAgent(host);
    expect(next.welcome).toMatchObject({ topics: ["quote/265598"] });
    const reading = read(host, uri);
    // who reads in between waits for the value, which the agent tells as it is welcomed
    expect(await next.expect("subscribe")).toMatchObject({ topic: "quote/265598" });
    next.quote({ last: 2 });
    expect(await reading).toMatchObject({ data: { last: 2 }, state: "live" });
  });

  it("closes the watchers, which get their streams by coming back, and their numbers still rise", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const before = await watchApple(host, agent);
    agent.quote({ last: 1 });
    const seq = Reflect.get(Object(await before.json()), "seq");
    await crash(host);
    await before.closed;
    const early = await openWatcher(host);
    early.send({ action: "subscribe", symbol: "AAPL" });
    expect(await early.json()).toMatchObject({ type: "error", code: "agent_offline", retryable: true });
    const next = await connectAgent(host);
    const after = await watchApple(host, next);
    next.quote({ last: 2 });
    const message = await after.json();
    expect(message).toMatchObject({ data: { last: 2 } });
    expect(Number(Reflect.get(Object(message), "seq"))).toBeGreaterThan(Number(seq));
  });

  it("shows a watcher that comes back before the agent an old stream as what it is", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startQuote(host, agent);
    await crash(host);
    const next = await connectAgent(host);
    const first = await watchApple(host, next);
    next.quote({ last: 1 });
    expect([await first.json(), await first.json(), await first.json()]).toMatchObject([
      { state: "gap", reason: "agent_returned" },
      { data: { last: 1 } },
      { state: "live" },
    ]);
    next.socket.close(1000, "");
    expect(await first.json()).toMatchObject({ state: "stale", reason: "agent_offline" });
    const second = await openWatcher(host);
    second.send({ action: "subscribe", symbol: "AAPL" });
    expect(await second.json()).toMatchObject({
      type: "subscribed",
      state: "stale",
      reason: "agent_offline",
    });
    expect(await second.json()).toMatchObject({ data: { last: 1 } });
  });
});
