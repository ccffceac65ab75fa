import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Proxy, startProxy } from "./rigs/proxy.ts";
import { type StreamingSystem, startStreamingSystem, usualSymbols } from "./rigs/streaming-system.ts";

const folder = mkdtempSync(join(tmpdir(), "tws-edge-"));
let streaming: StreamingSystem;
/** Between the watchers and the edge. */
let network: Proxy;
beforeAll(async () => {
  streaming = await startStreamingSystem({ persistTo: folder });
  network = await startProxy(Number(new URL(streaming.system.url).port));
});
afterEach(async () => void (await streaming.end()));
afterAll(async () => {
  await network.close();
  await streaming.close();
  rmSync(folder, { recursive: true });
});

test("a watcher whose connection is cut shows no price as live until it is told one anew", async () => {
  const watcher = await streaming.watching(network);
  network.cut();
  await watcher.told("edge_offline");
  await watcher.told("ok");
  await streaming.settled(watcher);
  expect(await streaming.end()).toEqual([]);
});

test("a watcher whose connection is dead without having closed notices it by itself", async () => {
  const watcher = await streaming.watching(network);
  network.stall(true);
  await watcher.told("edge_offline");
  network.stall(false);
  await watcher.told("ok");
  await streaming.settled(watcher);
  expect(await streaming.end()).toEqual([]);
});

test("the edge is stopped and started again: everyone comes back by himself, and numbers go on rising", async () => {
  const [first, second] = [await streaming.watching(network), await streaming.watching(network)];
  await streaming.system.edge.stop();
  await first.told("edge_offline");
  await streaming.system.edge.start();
  await first.told("ok");
  await streaming.settled(first, second);
  for (const symbol of usualSymbols) {
    const numbers = [...first.numbers].filter(([key]) => key.startsWith(symbol)).flatMap(([, seqs]) => seqs);
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
  }
  expect(await streaming.end()).toEqual([]);
});

test("a watcher that comes while no agent is there is served when it comes back", async () => {
  const { agent } = streaming.system;
  agent.kill();
  const watcher = streaming.watcher();
  watcher.follow("AAPL");
  await watcher.until("AAPL", ({ reason }) => reason === "agent_offline");
  agent.start();
  await watcher.live("AAPL");
  await streaming.settled(watcher);
  expect(await streaming.end()).toEqual([]);
});
