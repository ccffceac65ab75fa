import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { eventually } from "./clients/clients.ts";
import { type Scene, startScene, usualSymbols } from "./rigs/streaming-system.ts";
import { linesAsked } from "./chaos/quote-oracle.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
});
afterEach(async () => void (await scene.end()));
afterAll(() => scene.close());

test("an agent that is killed and started again: stale, a gap, then live with what TWS says now", async () => {
  const [first, second] = [await scene.watching(), await scene.watching()];
  const { agent } = scene.system;
  agent.kill();
  await first.told("agent_offline");
  await second.told("agent_offline");
  agent.start();
  await first.told("agent_returned");
  await scene.settled(first, second);
  expect(await scene.end()).toEqual([]);
});

test("a link that is cut while the agent lives comes back with the same lines at TWS", async () => {
  const watcher = await scene.watching();
  const asked = linesAsked(scene.system.simulator).length;
  scene.system.link.cut();
  await watcher.told("agent_offline");
  await watcher.told("agent_returned");
  await scene.settled(watcher);
  expect(linesAsked(scene.system.simulator)).toHaveLength(asked);
  expect(await scene.end()).toEqual([]);
});

test("a link that is dead without having closed is noticed by the agent, which dials again", async () => {
  const watcher = await scene.watching();
  const { link } = scene.system;
  link.stall(true);
  // the agent has given the dead connection up and waits in a new one
  await eventually(
    async () => link.connections(),
    (open) => open === 2,
  );
  link.stall(false);
  await watcher.told("agent_returned");
  await scene.settled(watcher);
  expect(await scene.end()).toEqual([]);
});

test("over a slow link everything arrives later, and nothing is said to be wrong", async () => {
  const watcher = await scene.watching();
  const shownBefore = watcher.shown.length;
  scene.system.link.delay(150);
  await scene.settled(watcher);
  expect(watcher.shown.slice(shownBefore).filter(({ state }) => state !== "live")).toEqual([]);
  scene.system.link.delay(0);
  expect(await scene.end()).toEqual([]);
});

test("watchers that leave while the agent is away leave no line behind", async () => {
  const [one, other] = [await scene.watching(), scene.watcher()];
  other.follow("NVDA");
  await other.live("NVDA");
  const { link, simulator } = scene.system;
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
  await scene.settled(other);
  expect(await scene.end()).toEqual([]);
});
