import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ping, pong } from "../../shared/protocol.ts";
import {
  callOf,
  connectAgent,
  connectedStatus,
  freshHost,
  type HostStub,
  openSocket,
  openWatcher,
  read,
  rpc,
  startQuote,
  watchApple,
} from "./host.fixture.ts";

/**
 * An object is put to sleep when nothing has happened for a while, unless it waits for something: a timer, an alarm
 * that is due, a request under way. In the object all timers are `setTimeout`, which counts them here.
 */
const uri = "ibkr://market-data/AAPL";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const alarmOf = (host: HostStub) => runInDurableObject(host, (_, { storage }) => storage.getAlarm());
const pass = (host: HostStub, ms: number) => runInDurableObject(host, () => vi.advanceTimersByTimeAsync(ms));

/** Each look lets the object work. */
async function untilTimers(host: HostStub, count: number): Promise<void> {
  while (vi.getTimerCount() !== count) await runInDurableObject(host, () => undefined);
}

describe("nothing keeps the host's object awake", () => {
  it("while only the agent is connected, whatever there was before", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    expect(vi.getTimerCount()).toBe(0);
    await startQuote(host, agent);
    const watcher = await openWatcher(host);
    watcher.send({ action: "subscribe", symbol: "AAPL" });
    await watcher.json();
    const watch = await openSocket(host, `watch?uri=${encodeURIComponent(uri)}`);
    for (let last = 1; last <= 300; last += 1) agent.quote({ last });
    while ((await agent.frame()).type !== "ack");
    await read(host, uri);
    // what the last changes left behind: an update that is held back, messages beyond the rate
    expect(vi.getTimerCount()).toBeGreaterThan(0);
    watcher.socket.close(1000, "");
    watch.socket.close(1000, "");
    await rpc(host).call(callOf("ibkr_stop_market_data_resource", { resource_id: "AAPL" }));
    await agent.expect("unsubscribe");
    await untilTimers(host, 0);
    agent.send({ type: "status", status: { ...connectedStatus, farms: [] } });
    agent.socket.send(ping);
    while ((await agent.next()) !== pong);
    expect(vi.getTimerCount()).toBe(0);
    expect(await alarmOf(host)).toBeNull();
    // it would wait for what is under way
    await evictDurableObject(host);
    expect(await alarmOf(host)).toBeNull();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("between the values of a quiet stream, with watchers of every kind", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startQuote(host, agent);
    await openSocket(host, `watch?uri=${encodeURIComponent(uri)}`);
    const silent = await openWatcher(host);
    const diligent = await openWatcher(host);
    for (const watcher of [silent, diligent]) {
      watcher.send({ action: "subscribe", symbol: "AAPL" });
      await watcher.json();
    }
    diligent.send({ action: "ack", seq: 0 });
    agent.quote({ last: 1 });
    expect([await silent.json(), await diligent.json()]).toMatchObject([{ data: {} }, { data: {} }]);
    expect(vi.getTimerCount()).toBe(0);
    // only to see in a minute whether the agent still lives
    expect(await alarmOf(host)).toBeGreaterThanOrEqual(Date.now() + 59_000);
  });

  it("for longer than half a minute because of a watcher that has stopped to acknowledge", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await watchApple(host, agent);
    watcher.send({ action: "ack", seq: 0 });
    watcher.send({ action: "ping" });
    await watcher.json();
    for (let last = 1; last <= 8; last += 1) agent.quote({ last });
    for (let last = 1; last <= 8; last += 1) await watcher.json();
    expect(vi.getTimerCount()).toBe(0);
    agent.quote({ last: 9 });
    await untilTimers(host, 1);
    await pass(host, 30_000);
    expect(await watcher.closed).toMatchObject({ code: 1013 });
    expect(vi.getTimerCount()).toBe(0);
    expect(await agent.expect("unsubscribe")).toMatchObject({ topic: "quote/265598" });
  });
});
