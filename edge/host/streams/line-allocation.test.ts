import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ownerOfLocalMode } from "../../../shared/caller.ts";
import { idleAfterMs } from "./line-allocation.ts";
import {
  active,
  callOf,
  connectAgent,
  freshHost,
  type HostStub,
  instrument,
  openSocket,
  openWatcher,
  read,
  rpc,
  type ScriptedAgent,
  startQuote,
} from "../host.fixture.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const stranger = { ...ownerOfLocalMode, grantId: "stranger" };
const topicOf = (conId: number) => `quote/${conId}`;
const uriOf = (symbol: string) => `ibkr://market-data/${symbol}`;

/** Time passes, and the agent lives. */
async function pass(agent: ScriptedAgent, ms: number): Promise<void> {
  vi.setSystemTime(Date.now() + ms);
  agent.quote({}, "quote/99");
  await agent.taken();
}

/** Started, with a value, a second after the one before. */
async function start(host: HostStub, agent: ScriptedAgent, conId: number, caller = ownerOfLocalMode) {
  await pass(agent, 1_000);
  await startQuote(host, agent, instrument(`S${conId}`, conId), caller);
  agent.quote({ last: conId }, topicOf(conId));
  await agent.taken();
}

/** A host with these started, and nothing used for a minute since. */
async function withStarted(...conIds: readonly number[]) {
  const host = freshHost();
  const agent = await connectAgent(host);
  for (const conId of conIds) await start(host, agent, conId);
  await pass(agent, idleAfterMs);
  return { host, agent };
}

/** A watcher whose instrument gets no line. */
async function watchInVain(host: HostStub, agent: ScriptedAgent, conId: number) {
  const watcher = await openWatcher(host);
  watcher.send({ action: "subscribe", conId });
  await agent.opens(instrument(`S${conId}`, conId));
  await watcher.json();
  await agent.expect("subscribe");
  agent.state("lines_exhausted", topicOf(conId));
  await agent.taken();
  return watcher;
}

async function topicsOf(host: HostStub, caller = ownerOfLocalMode): Promise<unknown[]> {
  const streams = await active(host, caller);
  return Array.isArray(streams) ? streams.map((one) => Reflect.get(Object(one), "topic")) : [];
}

describe("a topic that gets no market data line", () => {
  it("gets that of the started stream which nobody has used for longest, whose reader is told", async () => {
    const { host, agent } = await withStarted(1, 2, 3);
    await read(host, uriOf("S1"));
    await pass(agent, idleAfterMs);
    const watcher = await openWatcher(host);
    watcher.send({ action: "subscribe", symbol: "NEW" });
    await agent.opens(instrument("NEW", 9));
    await watcher.json();
    await agent.expect("subscribe");
    agent.state("lines_exhausted", topicOf(9));
    expect(await agent.expect("unsubscribe")).toEqual({ type: "unsubscribe", topic: "quote/2" });
    expect(await topicsOf(host)).toEqual(["quote/1", "quote/3"]);
    expect(await read(host, uriOf("S2"))).toMatchObject({
      code: "not_started",
      message:
        'The stream "Live quote of S2" has ended. Nobody was reading this, and its market data line was needed for another.',
      nextStep: expect.stringContaining("Call ibkr_start_market_data_resource again"),
    });
  });

  it("gets one and no more, and each topic that needs one gets one", async () => {
    const { host, agent } = await withStarted(1, 2, 3, 4);
    await watchInVain(host, agent, 8);
    expect(await topicsOf(host)).toEqual(["quote/2", "quote/3", "quote/4"]);
    // still none: somebody else may have taken it
    agent.state("lines_exhausted", topicOf(8));
    await agent.taken();
    await runDurableObjectAlarm(host);
    expect(await topicsOf(host)).toHaveLength(3);
    await watchInVain(host, agent, 9);
    expect(await topicsOf(host)).toEqual(["quote/3", "quote/4"]);
  });

  it("takes none that a WebSocket or an MCP client watches, or that was read in the last minute", async () => {
    const { host, agent } = await withStarted(1, 2, 3);
    const watcher = await openWatcher(host);
    watcher.send({ action: "subscribe", symbol: "S1" });
    await watcher.json();
    await openSocket(host, `watch?uri=${encodeURIComponent(uriOf("S2"))}`);
    await read(host, uriOf("S3"));
    await pass(agent, idleAfterMs - 1);
    await watchInVain(host, agent, 9);
    expect(await topicsOf(host)).toEqual(["quote/1", "quote/2", "quote/3"]);
    // it may be taken as soon as the minute is over
    expect(await runInDurableObject(host, (_, { storage }) => storage.getAlarm())).toBe(Date.now() + 1);
    await pass(agent, 1);
    await runDurableObjectAlarm(host);
    expect(await topicsOf(host)).toEqual(["quote/1", "quote/2"]);
  });

  it("takes none that was used more recently than itself", async () => {
    const { host, agent } = await withStarted(1, 2);
    agent.state("lines_exhausted", topicOf(1));
    await agent.taken();
    expect(await topicsOf(host)).toEqual(["quote/1", "quote/2"]);
    // now it is wanted again
    await read(host, uriOf("S1"));
    expect(await topicsOf(host)).toEqual(["quote/1"]);
  });

  it("takes none that another grant still reads, and where nobody does it ends for all", async () => {
    const { host, agent } = await withStarted(1);
    await start(host, agent, 2, stranger);
    await rpc(host).call(callOf("ibkr_start_market_data_resource", { symbol: "S2" }));
    await pass(agent, idleAfterMs);
    await read(host, uriOf("S1"));
    await read(host, uriOf("S2"), stranger);
    await watchInVain(host, agent, 8);
    expect([await topicsOf(host), await topicsOf(host, stranger)]).toEqual([
      ["quote/1", "quote/2"],
      ["quote/2"],
    ]);
    await pass(agent, idleAfterMs);
    await read(host, uriOf("S1"));
    await watchInVain(host, agent, 9);
    expect([await topicsOf(host), await topicsOf(host, stranger)]).toEqual([["quote/1"], []]);
  });

  it("takes none of which it is not known that it has a line", async () => {
    const { host, agent } = await withStarted(1, 2, 3);
    await evictDurableObject(host);
    agent.quote({ last: 1 }, topicOf(1));
    agent.state("competing_session", topicOf(1));
    agent.quote({ last: 3 }, topicOf(3));
    for (let count = 0; count < 3; count += 1) await agent.taken();
    await pass(agent, idleAfterMs);
    await watchInVain(host, agent, 9);
    expect(await topicsOf(host)).toEqual(["quote/1", "quote/2"]);
  });

  it("takes none of another kind, which would free no line", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const outcome = rpc(host).call(callOf("ibkr_start_portfolio_resource", { account: "DU1" }));
    const account = { resource_id: "DU1", orders_uri: "", account: "DU1", mode: "paper" };
    await agent.starts("portfolio/DU1", account);
    await outcome;
    const data = { account: "DU1", mode: "paper", time: "", orders: [], ordersTotal: 0 } as const;
    agent.emit("orders/DU1", { kind: "orders", data: { ...data, orders: [] } });
    await agent.taken();
    await pass(agent, idleAfterMs);
    await watchInVain(host, agent, 9);
    expect(await topicsOf(host)).toEqual(["portfolio/DU1", "orders/DU1"]);
  });
});
