import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { StreamClient } from "../../docs/examples/stream-client.js";
import { busyInstruments } from "./rigs/busy-instruments.ts";
import { eventually } from "./clients/clients.ts";
import { type LoadWatchers, gather } from "./clients/load-watchers.ts";
import { edgeProcess } from "./rigs/edge-process.ts";
import { startProxy } from "./rigs/proxy.ts";
import { type StreamingSystem, startStreamingSystem } from "./rigs/streaming-system.ts";
import { linesAsked, mostASecond } from "./chaos/quote-oracle.ts";

/** As many as TWS gives an account, which is as many as one socket may follow. */
const topics = 100;
/** One less than a host serves, since the example client is there too. */
const watcherCount = 199;

let streaming: StreamingSystem;
let conIds: readonly number[];
let steady: StreamClient;
let steadyProblems: string[];
let followed: ReturnType<StreamClient["subscribe"]>[];
beforeEach(() => streaming.thaw());
beforeAll(async () => {
  // at this speed the lines bring about 2,000 ticks a second
  streaming = await startStreamingSystem({ marketSpeed: 5 });
  conIds = busyInstruments(streaming.system.simulator.world, topics);
  steadyProblems = [];
  steady = new StreamClient(`${streaming.system.wsUrl}/api/v1/stream/market-data`, {
    onProblem: (text) => steadyProblems.push(text),
  });
  followed = conIds.map((conId) => steady.subscribe({ conId }));
  await eventually(
    async () => followed,
    (all) => all.every(({ state }) => state === "live"),
  );
});
afterAll(() => streaming.close());

const path = "/api/v1/stream/market-data";
const taken = (watchers: LoadWatchers, more: number) => {
  const before = watchers.messages();
  return eventually(
    async () => watchers.messages(),
    (now) => now >= before + more,
  );
};

/** Stops the market, and resolves when everyone has the last value of every topic. */
async function settled(...groups: readonly LoadWatchers[]): Promise<void> {
  streaming.freeze();
  for (const conId of conIds) {
    await eventually(
      async () => groups.flatMap((watchers) => watchers.latest(conId)),
      (quotes) => quotes.every((quote) => streaming.isStanding(conId, quote)),
    );
  }
}

test("two hundred watchers of a hundred topics all have the last value of each in the end", async () => {
  const watchers = await gather(`${streaming.system.wsUrl}${path}`, { size: watcherCount, conIds });
  const before = { ticks: streaming.system.simulator.ticks().length, at: performance.now() };
  await taken(watchers, 100_000);
  const ticks = streaming.system.simulator.ticks().length - before.ticks;
  expect((1_000 * ticks) / (performance.now() - before.at)).toBeGreaterThan(500);
  await settled(watchers);
  expect(watchers.lost()).toBe(0);
  // 128 MB is what one object may use; the rest is the runtime's, and what sockets hold
  expect(edgeProcess().megabytes()).toBeLessThan(800);
  watchers.close();
}, 120_000);

test("watchers that stop reading disturb nobody, and have the latest values soon after they read again", async () => {
  const network = await startProxy(Number(new URL(streaming.system.url).port));
  const away = `ws://127.0.0.1:${network.port}${path}`;
  const healthy = await gather(`${streaming.system.wsUrl}${path}`, { size: 20, conIds });
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
  for (const watchers of [healthy, slow, silent]) watchers.close();
  await network.close();
});

test("after a break a hundred lines are asked for again without haste", async () => {
  const { simulator } = streaming.system;
  const before = linesAsked(simulator).length;
  simulator.faults.dropConnections();
  await eventually(
    async () => followed,
    (all) => all.every(({ state }) => state === "live") && linesAsked(simulator).length === before + topics,
  );
  expect(mostASecond(simulator)).toBeLessThanOrEqual(50);
  expect(steadyProblems).toEqual([]);
  steady.close();
  expect(await streaming.end()).toEqual([]);
}, 120_000);
