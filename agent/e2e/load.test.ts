import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { StreamClient } from "../../docs/examples/stream-client.js";
import { busyInstruments } from "./rigs/busy-instruments.ts";
import { eventually } from "./clients/clients.ts";
import { type Crowd, gather } from "./clients/load-watchers.ts";
import { edgeProcess } from "./rigs/edge-process.ts";
import { startProxy } from "./rigs/proxy.ts";
import { type Scene, startScene } from "./rigs/streaming-system.ts";
import { linesAsked, mostASecond } from "./chaos/quote-oracle.ts";

/** As many as TWS gives an account, which is as many as one socket may follow. */
const topics = 100;
/** One less than a host serves, since the example client is there too. */
const crowdSize = 199;

let scene: Scene;
let conIds: readonly number[];
let steady: StreamClient;
let steadyProblems: string[];
let followed: ReturnType<StreamClient["subscribe"]>[];
beforeEach(() => scene.thaw());
beforeAll(async () => {
  // at this speed the lines bring about 2,000 ticks a second
  scene = await startScene({ marketSpeed: 5 });
  conIds = busyInstruments(scene.system.simulator.world, topics);
  steadyProblems = [];
  steady = new StreamClient(`${scene.system.wsUrl}/api/v1/stream/market-data`, {
    onProblem: (text) => steadyProblems.push(text),
  });
  followed = conIds.map((conId) => steady.subscribe({ conId }));
  await eventually(
    async () => followed,
    (all) => all.every(({ state }) => state === "live"),
  );
});
afterAll(() => scene.close());

const path = "/api/v1/stream/market-data";
const taken = (crowd: Crowd, more: number) => {
  const before = crowd.messages();
  return eventually(
    async () => crowd.messages(),
    (now) => now >= before + more,
  );
};

/** Stops the market, and resolves when everyone has the last value of every topic. */
async function settled(...crowds: readonly Crowd[]): Promise<void> {
  scene.freeze();
  for (const conId of conIds) {
    await eventually(
      async () => crowds.flatMap((crowd) => crowd.latest(conId)),
      (quotes) => quotes.every((quote) => scene.isStanding(conId, quote)),
    );
  }
}

test("two hundred watchers of a hundred topics all have the last value of each in the end", async () => {
  const crowd = await gather(`${scene.system.wsUrl}${path}`, { size: crowdSize, conIds });
  const before = { ticks: scene.system.simulator.ticks().length, at: performance.now() };
  await taken(crowd, 100_000);
  const ticks = scene.system.simulator.ticks().length - before.ticks;
  expect((1_000 * ticks) / (performance.now() - before.at)).toBeGreaterThan(500);
  await settled(crowd);
  expect(crowd.lost()).toBe(0);
  // 128 MB is what one object may use; the rest is the runtime's, and what sockets hold
  expect(edgeProcess().megabytes()).toBeLessThan(800);
  crowd.close();
});

test("watchers that stop reading disturb nobody, and have the latest values soon after they read again", async () => {
  const network = await startProxy(Number(new URL(scene.system.url).port));
  const away = `ws://127.0.0.1:${network.port}${path}`;
  const healthy = await gather(`${scene.system.wsUrl}${path}`, { size: 20, conIds });
  const slow = await gather(away, { size: 1, conIds });
  const silent = await gather(away, { size: 1, conIds, acknowledges: false });
  network.stall(true);
  const memory = edgeProcess().megabytes();
  // some ten seconds of it at the pace of the market
  await taken(healthy, 80_000);
  expect(edgeProcess().megabytes() - memory).toBeLessThan(100);
  network.stall(false);
  await settled(healthy, slow, silent);
  expect([healthy.lost(), slow.lost(), silent.lost()]).toEqual([0, 0, 0]);
  for (const crowd of [healthy, slow, silent]) crowd.close();
  await network.close();
});

test("after a break a hundred lines are asked for again without haste", async () => {
  const { simulator } = scene.system;
  const before = linesAsked(simulator).length;
  simulator.faults.dropConnections();
  await eventually(
    async () => followed,
    (all) => all.every(({ state }) => state === "live") && linesAsked(simulator).length === before + topics,
  );
  expect(mostASecond(simulator)).toBeLessThanOrEqual(50);
  expect(steadyProblems).toEqual([]);
  steady.close();
  expect(await scene.end()).toEqual([]);
});
