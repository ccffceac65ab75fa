import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ownerOfLocalMode } from "../../shared/caller.ts";
import {
  active,
  apple,
  callOf,
  connectAgent,
  connectedStatus,
  freshHost,
  type HostStub,
  openSocket,
  read,
  rpc,
  type ScriptedAgent,
  startQuote,
} from "./host.fixture.ts";

const minuteMs = 60_000;
const uri = "ibkr://market-data/AAPL";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Time passes, and the agent lives. */
async function pass(agent: ScriptedAgent, minutes: number): Promise<void> {
  vi.setSystemTime(Date.now() + minutes * minuteMs);
  agent.quote({ last: minutes }, "quote/1");
  await agent.taken();
}

/** What is kept of each started stream: when it was used. */
const kept = (host: HostStub) =>
  runInDurableObject(host, (_, { storage: { sql } }) =>
    sql.exec<{ used_at: string | null }>("SELECT used_at FROM started").toArray(),
  );
const alarmOf = (host: HostStub) => runInDurableObject(host, (_, { storage }) => storage.getAlarm());
const openWatch = (host: HostStub, of = uri, caller = ownerOfLocalMode) =>
  openSocket(host, `watch?uri=${encodeURIComponent(of)}`, caller);

/** Until the object has heard that a socket closed; each look lets it work. */
async function untilNoWatch(host: HostStub): Promise<void> {
  while ((await runInDurableObject(host, (_, state) => state.getWebSockets("watch").length)) > 0);
}

async function withApple() {
  const host = freshHost();
  const agent = await connectAgent(host);
  await startQuote(host, agent);
  agent.quote({ last: 1 });
  await agent.taken();
  return { host, agent };
}

describe("a started stream", () => {
  it("ends when nobody has read or watched it for 30 minutes, and says so to who reads it later", async () => {
    const { host, agent } = await withApple();
    expect(await alarmOf(host)).toBe(Date.now() + 30 * minuteMs);
    await pass(agent, 30);
    expect(await runDurableObjectAlarm(host)).toBe(true);
    expect(await agent.expect("unsubscribe")).toMatchObject({ topic: "quote/265598" });
    expect(await read(host, uri)).toMatchObject({
      code: "not_started",
      message: 'The stream "Live quote of AAPL" has ended: nobody read or watched it for 30 minutes.',
      nextStep: expect.stringContaining("Call ibkr_start_market_data_resource again"),
    });
    expect(await active(host)).toEqual([]);
    expect(await kept(host)).toEqual([]);
    expect(await alarmOf(host)).toBeNull();
    await evictDurableObject(host);
    expect(await read(host, uri)).toMatchObject({
      message: expect.stringContaining("or has ended because nobody read or watched it for 30 minutes"),
    });
  });

  it("goes on for 30 minutes from when it was last read", async () => {
    const { host, agent } = await withApple();
    await pass(agent, 20);
    await read(host, uri);
    await pass(agent, 0.5);
    await read(host, uri);
    await pass(agent, 29.5);
    await runDurableObjectAlarm(host);
    expect(await active(host)).toMatchObject([{ resource_id: "AAPL" }]);
    expect(await alarmOf(host)).toBe(Date.now() + minuteMs / 2);
    await pass(agent, 0.5);
    await runDurableObjectAlarm(host);
    expect(await active(host)).toEqual([]);
  });

  it("goes on when it is asked for again", async () => {
    const { host, agent } = await withApple();
    await pass(agent, 20);
    await rpc(host).call(callOf("ibkr_start_market_data_resource", { symbol: "AAPL" }));
    await pass(agent, 29);
    await runDurableObjectAlarm(host);
    expect(await active(host)).toMatchObject([{ resource_id: "AAPL" }]);
  });

  it("has each reading written down, but no more than one a minute", async () => {
    const { host, agent } = await withApple();
    const first = await kept(host);
    vi.setSystemTime(Date.now() + minuteMs - 1);
    await read(host, uri);
    expect(await kept(host)).toEqual(first);
    await pass(agent, 1);
    await read(host, uri);
    const second = await kept(host);
    expect(second).toEqual([{ used_at: new Date().toISOString() }]);
    vi.setSystemTime(Date.now() + minuteMs / 2);
    await read(host, uri);
    expect(await kept(host)).toEqual(second);
  });

  it("ends though the object slept, and not earlier for it", async () => {
    const { host, agent } = await withApple();
    // not written down, since the start was
    vi.setSystemTime(Date.now() + minuteMs - 1);
    await read(host, uri);
    await evictDurableObject(host);
    await pass(agent, 30);
    await runDurableObjectAlarm(host);
    expect(await active(host)).toMatchObject([{ resource_id: "AAPL" }]);
    await evictDurableObject(host);
    await pass(agent, 1);
    await runDurableObjectAlarm(host);
    expect(await active(host)).toEqual([]);
  });

  it("goes on while a socket of its grant watches its URI, without a write", async () => {
    const { host, agent } = await withApple();
    const watch = await openWatch(host, "ibkr://market-data/aapl");
    await runInDurableObject(host, () => undefined);
    expect(await kept(host)).toEqual([{ used_at: null }]);
    await pass(agent, 31);
    await runDurableObjectAlarm(host);
    await evictDurableObject(host);
    await pass(agent, 600);
    await runDurableObjectAlarm(host);
    expect(await kept(host)).toEqual([{ used_at: null }]);
    expect(await active(host)).toMatchObject([{ resource_id: "AAPL" }]);
    watch.socket.close(1000, "");
    await untilNoWatch(host);
    expect(await kept(host)).toEqual([{ used_at: new Date().toISOString() }]);
    await pass(agent, 29);
    await runDurableObjectAlarm(host);
    expect(await active(host)).toMatchObject([{ resource_id: "AAPL" }]);
    expect(await alarmOf(host)).toBe(Date.now() + minuteMs);
    await pass(agent, 1);
    await runDurableObjectAlarm(host);
    expect(await active(host)).toEqual([]);
  });

  it("is watched from its start where a socket watches its URI already", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await openWatch(host);
    await startQuote(host, agent);
    expect(await kept(host)).toEqual([{ used_at: null }]);
  });

  it.each([
    ["another grant", uri, { ...ownerOfLocalMode, grantId: "stranger" }],
    ["another URI", "ibkr://market-data/MSFT", ownerOfLocalMode],
  ])("is not kept by a socket of %s", async (_, of, caller) => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await openWatch(host, of, caller);
    await startQuote(host, agent);
    await openWatch(host, of, caller);
    await pass(agent, 30);
    await runDurableObjectAlarm(host);
    expect(await active(host)).toEqual([]);
  });

  it("that was watched when the object broke down has 30 minutes from then", async () => {
    const { host, agent } = await withApple();
    await openWatch(host);
    await pass(agent, 300);
    await evictDurableObject(host, { webSockets: "close" });
    expect(await active(host)).toMatchObject([{ resource_id: "AAPL" }]);
    expect(await alarmOf(host)).toBe(Date.now() + 30 * minuteMs);
    vi.setSystemTime(Date.now() + 29 * minuteMs);
    await runDurableObjectAlarm(host);
    expect(await active(host)).toMatchObject([{ resource_id: "AAPL" }]);
  });

  it("that an older release had started has 30 minutes from the upgrade", async () => {
    const host = freshHost();
    await rpc(host).listResources(ownerOfLocalMode);
    await runInDurableObject(host, (_, { storage: { sql } }) => {
      sql.exec("ALTER TABLE started DROP COLUMN used_at");
      sql.exec("DROP TABLE audit; DROP TABLE trail");
      sql.exec(
        "INSERT INTO started VALUES ('local', 'market-data', 'AAPL', 'quote/265598', ?, '2026-01-05T15:00:00.000Z')",
        JSON.stringify(apple),
      );
      sql.exec("UPDATE fact SET value = '2' WHERE key = 'schema'");
    });
    await evictDurableObject(host);
    expect(await active(host)).toMatchObject([{ resource_id: "AAPL" }]);
    expect(await alarmOf(host)).toBe(Date.now() + 30 * minuteMs);
  });

  it("of a portfolio is kept by who reads the orders of the account, and ends with them", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const outcome = rpc(host).call(callOf("ibkr_start_portfolio_resource", { account: "DU1" }));
    const account = { resource_id: "DU1", orders_uri: "", account: "DU1", mode: "paper" };
    await agent.starts("portfolio/DU1", account);
    await outcome;
    agent.emit("orders/DU1", {
      kind: "orders",
      data: { account: "DU1", mode: "paper", time: "", orders: [], ordersTotal: 0 },
    });
    await pass(agent, 20);
    await read(host, "ibkr://orders/DU1");
    await pass(agent, 29);
    await runDurableObjectAlarm(host);
    expect(await active(host)).toMatchObject([{ topic: "portfolio/DU1" }, { topic: "orders/DU1" }]);
    await pass(agent, 1);
    await runDurableObjectAlarm(host);
    expect(await active(host)).toEqual([]);
  });
});

describe("an idle host", () => {
  it("has no alarm while nothing is started", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    agent.send({ type: "status", status: { ...connectedStatus, farms: [] } });
    await openSocket(host, "stream/market-data");
    expect(await alarmOf(host)).toBeNull();
    await startQuote(host, agent);
    expect(await alarmOf(host)).not.toBeNull();
    await rpc(host).call(callOf("ibkr_stop_market_data_resource", { resource_id: "AAPL" }));
    expect(await alarmOf(host)).toBeNull();
  });
});
