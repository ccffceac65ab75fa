import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { TopicValue } from "../../../shared/events.ts";
import {
  connectAgent,
  freshHost,
  type HostStub,
  openWatcher,
  type ScriptedAgent,
  watchApple,
} from "../host.fixture.ts";
import { SendBudget, sendBudgetLimits } from "./send-budget.ts";

const mebibyte = 1024 * 1024;
const account = { resource_id: "DU1", orders_uri: "", account: "DU1", mode: "paper" };
const rows = 100;

/** An account of which every row has changed: 0.8 MB. */
const portfolio = (version: number): TopicValue => ({
  kind: "portfolio",
  data: {
    account: "DU1",
    mode: "paper",
    time: "2026-01-05T15:00:00.000Z",
    values: Array.from({ length: rows }, (_, row) => ({
      key: `row ${row}`,
      value: `${version} ${"x".repeat(8_000)}`,
      currency: null,
    })),
    positions: [],
    positionsTotal: 0,
  },
});

interface Row {
  readonly bytes: number;
  readonly seq: number;
  readonly version: number;
}

function rowOf(text: string): Row {
  const message: unknown = JSON.parse(text);
  const { data } = Object(Reflect.get(Object(message), "update") ?? {});
  const value = Number.parseInt(String(Reflect.get(Object(data), "value")), 10);
  return { bytes: text.length, seq: Number(Reflect.get(Object(message), "seq")), version: value };
}

/** Follows the account, and reads all that comes in the background. */
async function follow(host: HostStub, agent: ScriptedAgent, isAcknowledging: boolean) {
  const watcher = await openWatcher(host, "portfolio");
  watcher.send({ action: "subscribe", account: "DU1" });
  const isFirst = !agentHasAccount.has(agent);
  agentHasAccount.add(agent);
  if (isFirst) await agent.starts("portfolio/DU1", account);
  await watcher.json();
  if (isFirst) await agent.expect("subscribe");
  const got: Row[] = [];
  watcher.socket.addEventListener("message", ({ data }) => {
    const row = rowOf(String(data));
    if (Number.isNaN(row.seq)) return;
    got.push(row);
    if (isAcknowledging) watcher.send({ action: "ack", seq: row.seq });
  });
  return { ...watcher, got, bytes: () => got.reduce((sum, row) => sum + row.bytes, 0) };
}
const agentHasAccount = new WeakSet<ScriptedAgent>();

/** Tells a version of the account, and lets time pass until every watcher may be sent it. */
async function tell(host: HostStub, agent: ScriptedAgent, version: number): Promise<void> {
  agent.emit("portfolio/DU1", portfolio(version));
  await agent.taken();
  await runInDurableObject(host, () => vi.advanceTimersByTimeAsync(5_000));
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a watcher that never acknowledges", () => {
  it("is closed with advice after 16 MiB, others are not disturbed, and it gets the latest when it comes back", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const other = await watchApple(host, agent);
    const silent = await follow(host, agent, false);
    const diligent = await follow(host, agent, true);
    const versions = 25;
    for (let version = 1; version <= versions; version += 1) await tell(host, agent, version);
    expect(await silent.closed).toEqual({
      code: 1013,
      reason: "16 MiB were sent and nothing says that they were read: send ack now and then",
    });
    expect(silent.bytes()).toBeGreaterThan(15 * mebibyte);
    expect(silent.bytes()).toBeLessThan(17 * mebibyte);

    await vi.waitFor(() => expect(diligent.got.at(-1)).toMatchObject({ version: versions }));
    expect(diligent.bytes()).toBeGreaterThan(18 * mebibyte);
    expect(diligent.socket.readyState).toBe(WebSocket.READY_STATE_OPEN);
    agent.quote({ last: 7 });
    expect(await other.json()).toMatchObject({ data: { last: 7 } });

    const back = await follow(host, agent, false);
    await vi.waitFor(() => expect(back.got).toHaveLength(rows));
    expect(new Set(back.got.map(({ version }) => version))).toEqual(new Set([versions]));
  });

  it("has what it was sent counted through evictions of the object", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const silent = await follow(host, agent, false);
    for (let version = 1; version <= 30; version += 1) {
      await tell(host, agent, version);
      if (version % 4 === 0) await evictDurableObject(host);
    }
    expect(await silent.closed).toMatchObject({ code: 1013 });
    expect(silent.bytes()).toBeGreaterThan(15 * mebibyte);
    expect(silent.bytes()).toBeLessThan(17 * mebibyte);
  });

  it("has the answers counted that it asks for", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const watcher = await openWatcher(host, "news");
    for (let index = 0; index < 100; index += 1) {
      watcher.send({ action: "subscribe", symbol: `${index}`.padEnd(64, "X") });
      await agent.starts(`tick-news/${index + 1}`, { resource_id: "x" });
      await watcher.json();
      await agent.expect("subscribe");
    }
    for (let count = 0; count < 3_000; count += 1) watcher.send({ action: "list" });
    expect(await watcher.closed).toMatchObject({ code: 1013, reason: expect.stringContaining("ack") });
  });
});

it("a watcher that acknowledges is known by it after an eviction as well", async () => {
  const host = freshHost();
  const agent = await connectAgent(host);
  const diligent = await follow(host, agent, true);
  for (let version = 1; version <= 25; version += 1) {
    await tell(host, agent, version);
    if (version % 5 === 0) await evictDurableObject(host);
  }
  await vi.waitFor(() => expect(diligent.got.at(-1)).toMatchObject({ version: 25 }));
  expect(diligent.bytes()).toBeGreaterThan(18 * mebibyte);
});

describe("what is unacknowledged by all watchers", () => {
  it("has in it what was sent to those that were closed, until the other end has gone too", () => {
    const budget = new SendBudget();
    const socket = new WebSocketPair()[0];
    const unacked = budget.open(null, () => budget.left(socket, unacked));
    for (let count = 0; count < 17; count += 1) unacked.add("x".repeat(mebibyte), count + 1);
    expect(budget.bytes()).toBeGreaterThan(sendBudgetLimits.watcherBytes);
    expect(budget.hasRoom()).toBe(true);
    // an acknowledgement that comes now changes nothing
    const before = budget.bytes();
    unacked.prove(17);
    expect(budget.bytes()).toBe(before);
    budget.leaving(new WebSocketPair()[0], sendBudgetLimits.watcherBytes);
    expect(budget.hasRoom()).toBe(false);
    budget.gone(socket, unacked);
    expect(budget.bytes()).toBe(sendBudgetLimits.watcherBytes);
    expect(budget.hasRoom()).toBe(true);
  });
});
