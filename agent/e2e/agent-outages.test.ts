import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { eventually } from "./clients/clients.ts";
import { type StreamingSystem, startStreamingSystem, usualSymbols } from "./rigs/streaming-system.ts";
import { linesAsked } from "./chaos/quote-oracle.ts";

let streaming: StreamingSystem;
beforeAll(async () => {
  streaming = await startStreamingSystem();
});
afterEach(async () => void (await streaming.end()));
afterAll(() => streaming.close());

test("an agent that is killed and started again: stale, a gap, then live with what TWS says now", async () => {
  const [first, second] = [await streaming.watching(), await streaming.watching()];
  const { agent } = streaming.system;
  agent.kill();
  await first.told("agent_offline");
  await second.told("agent_offline");
  agent.start();
  await first.told("agent_returned");
  await streaming.settled(first, second);
  expect(await streaming.end()).toEqual([]);
});

test("a link that is cut while the agent lives comes back with the same lines at TWS", async () => {
  const watcher = await streaming.watching();
  const asked = linesAsked(streaming.system.simulator).length;
  streaming.system.link.cut();
  await watcher.told("agent_offline");
  await watcher.told("agent_returned");
  await streaming.settled(watcher);
  expect(linesAsked(streaming.system.simulator)).toHaveLength(asked);
  expect(await streaming.end()).toEqual([]);
});

test("a link that is dead without having closed is noticed by the agent, which dials again", async () => {
  const watcher = await streaming.watching();
  const { link } = streaming.system;
  link.stall(true);
  // the agent has given the dead connection up and waits in a new one
  await eventually(
    async () => link.connections(),
    (open) => open === 2,
  );
  link.stall(false);
  await watcher.told("agent_returned");
  await streaming.settled(watcher);
  expect(await streaming.end()).toEqual([]);
});

test("over a slow link everything arrives later, and nothing is said to be wrong", async () => {
  const watcher = await streaming.watching();
  const shownBefore = watcher.shown.length;
  streaming.system.link.delay(150);
  await streaming.settled(watcher);
  expect(watcher.shown.slice(shownBefore).filter(({ state }) => state !== "live")).toEqual([]);
  streaming.system.link.delay(0);
  expect(await streaming.end()).toEqual([]);
});

test("watchers that leave while the agent is away leave no line behind", async () => {
  const [one, other] = [await streaming.watching(), streaming.watcher()];
  other.follow("NVDA");
  await other.live("NVDA");
  const { link, simulator } = streaming.system;
  link.stall(true);
  one.close();
  await eventually(
    async () => link.connections(),
    (open) => open === 2,
  );
  expect(simulator.subscriptions()).toBe(usualSymbols.length + 1);
  link.stall(false);
  await eventually(
    async () => simulator.subscriptions(),
    (open) => open === 1,
  );
  await streaming.settled(other);
  expect(await streaming.end()).toEqual([]);
});
