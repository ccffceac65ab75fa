import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { linkTimes } from "../../../shared/deadlines.ts";
import { closeCodes } from "../../../shared/protocol.ts";
import { emptyHead } from "../../../shared/audit.ts";
import { ownerOfLocalMode } from "../../../shared/caller.ts";
import {
  active,
  callOf,
  connectAgent,
  connectedStatus,
  dialAgent,
  freshHost,
  type HostStub,
  openSocket,
  openWatcher,
  read,
  rpc,
  startQuote,
} from "../host.fixture.ts";

async function status(host: HostStub): Promise<unknown> {
  const outcome = await rpc(host).call(callOf("ibkr_get_status"));
  return outcome.ok ? outcome.output : outcome.error;
}

/** When the object wakes to look at the agent, at the latest; the end of idle streams is further away. */
async function checkAt(host: HostStub): Promise<number | null> {
  const at = await runInDurableObject(host, (_, { storage }) => storage.getAlarm());
  return at === null || at > Date.now() + 20 * 60_000 ? null : at;
}

describe("the agent's link", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("welcomes an agent that says hello", async () => {
    const { welcome } = await connectAgent(freshHost());
    expect(welcome).toMatchObject({ type: "welcome", topics: [] });
  });

  it("asks nothing of a socket that has not said hello", async () => {
    const host = freshHost();
    const agent = await dialAgent(host);
    expect(await rpc(host).call(callOf("ibkr_get_positions"))).toMatchObject({
      error: { code: "agent_offline" },
    });
    agent.send({ type: "status", status: connectedStatus });
    expect(await agent.closed).toMatchObject({ code: 1002 });
  });

  it("closes a socket that does not say hello in time, also when the object slept meanwhile", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const host = freshHost();
    const [first, later] = [await dialAgent(host), await dialAgent(host)];
    later.socket.send("ping");
    await later.next();
    expect(await checkAt(host)).toBe(Date.now() + linkTimes.helloWithinMs);
    await evictDurableObject(host);
    vi.setSystemTime(Date.now() + linkTimes.helloWithinMs);
    expect(await runDurableObjectAlarm(host)).toBe(true);
    expect(await first.closed).toMatchObject({ code: 4008 });
    expect(await later.closed).toMatchObject({ code: 4008 });
    expect(await checkAt(host)).toBeNull();
  });

  it("wakes for nobody once hello was said", async () => {
    const host = freshHost();
    await connectAgent(host);
    expect(await checkAt(host)).toBeNull();
  });

  it("answers a ping with pong", async () => {
    const agent = await connectAgent(freshHost());
    agent.socket.send("ping");
    expect(await agent.next()).toBe("pong");
  });

  it("gives the link to a newer connection, and fails the calls of the older", async () => {
    const host = freshHost();
    const older = await connectAgent(host);
    const lost = rpc(host).call(callOf("ibkr_get_positions"));
    await older.expect("call");
    const newer = await connectAgent(host);
    expect(await older.closed).toMatchObject({ code: 4001 });
    expect(await lost).toMatchObject({ ok: false, error: { code: "agent_offline" } });
    const outcome = rpc(host).call(callOf("ibkr_get_positions"));
    const { id } = await newer.expect("call");
    newer.send({ type: "result", id, output: { positions: [], count: 0 } });
    expect(await outcome).toMatchObject({ ok: true });
  });

  it("keeps the agent while another socket has not said hello", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const other = await dialAgent(host);
    other.socket.send("nonsense");
    expect(await other.closed).toMatchObject({ code: 1002 });
    const outcome = rpc(host).call(callOf("ibkr_get_positions"));
    const { id } = await agent.expect("call");
    agent.send({ type: "result", id, output: {} });
    expect(await outcome).toMatchObject({ ok: true });
  });

  it.each([
    ["text that is not JSON", "{"],
    ["an unknown type", '{"type":"frame"}'],
    ["a missing field", '{"type":"result","id":"1"}'],
    [
      "an unknown error code",
      '{"type":"error","id":"1","error":{"code":"constructor","message":"","nextStep":"","retryable":false}}',
    ],
    [
      "a second hello",
      JSON.stringify({
        type: "hello",
        agentVersion: "",
        instanceId: "x",
        machine: "",
        status: connectedStatus,
      }),
    ],
    ["binary data", new Uint8Array([123, 125])],
  ])("closes with 1002 on %s, and the agent counts as gone", async (_what, message) => {
    const host = freshHost();
    const agent = await connectAgent(host);
    agent.socket.send(message);
    expect(await agent.closed).toMatchObject({ code: 1002 });
    expect(await status(host)).toMatchObject({ is_connected: false, agent: { state: "offline" } });
  });

  it("treats an agent that has been silent for too long as gone", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + linkTimes.silentAfterMs + 1_000 });
    expect(await rpc(host).call(callOf("ibkr_get_positions"))).toMatchObject({
      error: { code: "agent_offline" },
    });
    expect(await agent.closed).toMatchObject({ code: 1001 });
  });

  it.each([
    [
      "a WebSocket",
      async (host: HostStub) => {
        const watcher = await openWatcher(host);
        watcher.send({ action: "subscribe", symbol: "AAPL" });
        await watcher.json();
        await watcher.json();
        return watcher;
      },
      { state: "stale", reason: "agent_offline" },
    ],
    [
      "an MCP stream",
      (host: HostStub) => openSocket(host, "watch?uri=ibkr%3A%2F%2Fmarket-data%2FAAPL"),
      { type: "updated", uri: "ibkr://market-data/AAPL" },
    ],
  ])("notices by itself that the agent has gone silent while somebody looks on %s", async (_, open, told) => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { silentAfterMs } = linkTimes;
    const host = freshHost();
    const agent = await connectAgent(host);
    await startQuote(host, agent);
    agent.quote({ last: 1 });
    await agent.taken();
    // nobody looks
    expect(await checkAt(host)).toBeNull();
    const watcher = await open(host);
    expect(await checkAt(host)).toBe(Date.now() + silentAfterMs + 1);
    await evictDurableObject(host);
    // it lives, though quietly
    vi.setSystemTime(Date.now() + silentAfterMs);
    agent.state("ok", "quote/1");
    await agent.taken();
    vi.setSystemTime(Date.now() + 1);
    await runDurableObjectAlarm(host);
    expect(await checkAt(host)).toBe(Date.now() + silentAfterMs);
    // and now its network has been cut, which no socket says
    vi.setSystemTime(Date.now() + silentAfterMs);
    await runDurableObjectAlarm(host);
    expect(await watcher.json()).toMatchObject(told);
    expect(await agent.closed).toMatchObject({ code: 1001 });
    expect(await checkAt(host)).toBeNull();
    const next = await connectAgent(host);
    expect(await checkAt(host)).toBe(Date.now() + silentAfterMs + 1);
    next.socket.close(1000, "");
  });

  it("says how old what it knows is while it cannot know that the agent was killed", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const host = freshHost();
    await connectAgent(host);
    const heardAt = new Date().toISOString();
    // its connection was cut without a word
    vi.setSystemTime(Date.now() + linkTimes.silentAfterMs);
    const asOf = new Date().toISOString();
    const known = { edge: { asOf }, agent: { state: "connected", asOf: heardAt }, tws: { asOf: heardAt } };
    expect(await rpc(host).health()).toMatchObject(known);
    expect(await status(host)).toMatchObject({ is_connected: true, ...known });
    vi.setSystemTime(Date.now() + 1);
    const gone = { agent: { state: "offline", asOf: null }, tws: { state: "unknown", asOf: null } };
    expect(await rpc(host).health()).toMatchObject(gone);
  });

  it("notices that the agent has gone silent when a resource is read or listed", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await startQuote(host, agent);
    agent.quote({ last: 1 });
    await agent.taken();
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + linkTimes.silentAfterMs + 1_000 });
    expect(await read(host, "ibkr://market-data/AAPL")).toMatchObject({
      data: { last: 1 },
      state: "stale",
      reason: "agent_offline",
    });
    expect(await active(host)).toMatchObject([{ state: "stale" }]);
  });

  it("notices that two machines connect as one host", async () => {
    const host = freshHost();
    const first = await connectAgent(host, { machine: "desk" });
    await connectAgent(host, { machine: "laptop" });
    await first.closed;
    expect(await status(host)).toMatchObject({ agent: { state: "conflict" } });
  });

  it("does not take a reconnection of the same process for a second agent", async () => {
    const host = freshHost();
    await connectAgent(host, { instanceId: "one" });
    await connectAgent(host, { instanceId: "one" });
    await connectAgent(host, { instanceId: "one" });
    expect(await status(host)).toMatchObject({ agent: { state: "connected", nextStep: "" } });
  });

  it("notices two processes of one machine once the first comes back", async () => {
    const host = freshHost();
    await connectAgent(host, { instanceId: "one" });
    await connectAgent(host, { instanceId: "two" });
    expect(await status(host)).toMatchObject({ agent: { state: "connected" } });
    await connectAgent(host, { instanceId: "one" });
    expect(await status(host)).toMatchObject({ agent: { state: "conflict" } });
  });

  describe("with an order journal of its own", () => {
    const desk = { journalId: "journal of desk", machine: "desk" };
    const laptop = { journalId: "journal of laptop", machine: "laptop" };
    const helloOf = (changes: object) => ({
      type: "hello" as const,
      agentVersion: "0.0.0",
      instanceId: crypto.randomUUID(),
      status: connectedStatus,
      ...laptop,
      ...changes,
    });
    async function refusedOn(host: HostStub, changes: object = {}) {
      const agent = await dialAgent(host);
      agent.send(helloOf(changes));
      return await agent.closed;
    }

    it("a second agent is refused while the first is here, and both and the owner are told", async () => {
      const host = freshHost();
      const first = await connectAgent(host, desk);
      expect(first.welcome).toMatchObject({ otherJournal: false });
      expect(await refusedOn(host)).toMatchObject({ code: closeCodes.otherJournal });
      expect(await first.frame()).toEqual({ type: "rival", machine: "laptop" });
      expect(await status(host)).toMatchObject({
        is_connected: true,
        agent: { state: "conflict", nextStep: expect.stringContaining("Another agent, on laptop") },
      });
    });

    it("a second agent is refused for two minutes after the first was lost, and then reads TWS's lists first", async () => {
      const host = freshHost();
      const first = await connectAgent(host, desk);
      first.socket.close(1001);
      await first.closed;
      await runInDurableObject(host, () => {});
      expect(await refusedOn(host)).toMatchObject({ code: closeCodes.otherJournal });
      expect(await status(host)).toMatchObject({ is_connected: false, agent: { state: "conflict" } });
      // the first comes back as if nothing had been
      expect((await connectAgent(host, desk)).welcome).toMatchObject({ otherJournal: false });
      await rpc(host).dropAgent("for the test");
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + linkTimes.otherJournalAfterMs + 1_000 });
      expect((await connectAgent(host, laptop)).welcome).toMatchObject({ otherJournal: true });
      expect(await refusedOn(host, desk)).toMatchObject({ code: closeCodes.otherJournal });
    });

    it("a second agent is let in at once where the first has said goodbye, or both are simulators", async () => {
      const host = freshHost();
      const first = await connectAgent(host, desk);
      first.send({ type: "bye", reason: "" });
      await first.closed;
      expect((await connectAgent(host, laptop)).welcome).toMatchObject({ otherJournal: true });
      await rpc(host).dropAgent("for the test");
      const tws = { ...connectedStatus.tws, isSimulator: true };
      const simulated = { journalId: "fresh", status: { ...connectedStatus, tws } };
      expect((await connectAgent(host, simulated)).welcome).toMatchObject({ type: "welcome" });
    });

    it("an agent that could not read it at hello says hello again once it can", async () => {
      const host = freshHost();
      await connectAgent(host, desk);
      const second = await connectAgent(host, { journalId: null });
      second.send({ type: "trail", trail: { trailId: "journal of laptop", head: emptyHead } });
      expect(await second.closed).toMatchObject({ code: closeCodes.restart });
    });
  });

  it("shows the agent's status, and only the accounts of the caller", async () => {
    const host = freshHost();
    await connectAgent(host);
    expect(await status(host)).toMatchObject({
      is_connected: true,
      edge: { state: "running", nextStep: "" },
      agent: { state: "connected", nextStep: "" },
      tws: { state: "connected", nextStep: "" },
      farms: [{ name: "usfarm", state: "ok", nextStep: "" }],
      accounts: ["DU1", "DU2"],
      mode: "paper",
      marketDataType: null,
      marketDataTypeAsked: "delayed-frozen",
    });
    const limited = { ...ownerOfLocalMode, accounts: ["DU2", "U9"] };
    expect(await rpc(host).call(callOf("ibkr_get_status", {}, limited))).toMatchObject({
      output: { accounts: ["DU2"] },
    });
  });

  it("follows a change of status", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const tws = {
      ...connectedStatus.tws,
      state: "upstream_down" as const,
      dataTypes: ["delayed" as const],
    };
    agent.send({ type: "status", status: { ...connectedStatus, tws } });
    agent.socket.send("ping");
    await agent.next();
    await vi.waitFor(async () =>
      expect(await status(host)).toMatchObject({
        is_connected: false,
        tws: { state: "upstream_down" },
        marketDataType: "delayed",
      }),
    );
  });

  it("says what to do while the agent is away, and that TWS is unknown", async () => {
    const host = freshHost();
    expect(await status(host)).toMatchObject({ is_connected: false, agent: { state: "never_connected" } });
    const agent = await connectAgent(host);
    agent.send({ type: "bye", reason: "stopping" });
    await agent.closed;
    expect(await status(host)).toMatchObject({
      is_connected: false,
      agent: { state: "stopped", nextStep: expect.stringContaining("Start it again") },
      tws: { state: "unknown", since: null },
      farms: [],
    });
  });

  it("outlives an eviction of the object", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await evictDurableObject(host);
    expect(await status(host)).toMatchObject({ is_connected: true, tws: { state: "connected" } });
    const outcome = rpc(host).call(callOf("ibkr_get_positions"));
    const { id } = await agent.expect("call");
    agent.send({ type: "result", id, output: { count: 0 } });
    expect(await outcome).toEqual({ ok: true, output: { count: 0 } });
  });

  it("counts an agent as gone whose socket was lost together with the object", async () => {
    const host = freshHost();
    await connectAgent(host);
    await evictDurableObject(host, { webSockets: "close" });
    expect(await status(host)).toMatchObject({ is_connected: false, agent: { state: "offline" } });
  });
});
