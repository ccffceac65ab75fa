import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type StreamingSystem, startStreamingSystem, usualSymbols } from "./rigs/streaming-system.ts";
import { linesAsked } from "./chaos/quote-oracle.ts";

let streaming: StreamingSystem;
beforeAll(async () => {
  streaming = await startStreamingSystem();
});
afterEach(async () => void (await streaming.end()));
afterAll(() => streaming.close());

const faults = () => streaming.system.simulator.faults;
const asked = () => linesAsked(streaming.system.simulator).length;

test("TWS drops its socket: every line is asked for anew, once", async () => {
  const watcher = await streaming.watching();
  const before = asked();
  faults().dropConnections();
  await watcher.told("tws_offline");
  await watcher.told("new_session");
  await streaming.settled(watcher);
  expect(asked()).toBe(before + usualSymbols.length);
  expect(await streaming.end()).toEqual([]);
});

test("TWS refuses for a while and comes back with lower order ids", async () => {
  const watcher = await streaming.watching();
  await faults().refuse(true);
  faults().restart();
  await watcher.told("tws_offline");
  faults().rollbackNextValidId(1_000);
  await faults().refuse(false);
  await watcher.told("new_session");
  await streaming.settled(watcher);
  expect(streaming.system.simulator.clients()).toHaveLength(1);
  faults().rollbackNextValidId(0);
  expect(await streaming.end()).toEqual([]);
});

test("an agent that is started again before TWS is there waits for it, and shows nothing of before as live", async () => {
  const watcher = await streaming.watching();
  const { agent } = streaming.system;
  await faults().refuse(true);
  agent.kill();
  await watcher.told("agent_offline");
  agent.start();
  await watcher.told("tws_offline");
  await faults().refuse(false);
  await watcher.told("ok");
  await streaming.settled(watcher);
  expect(await streaming.end()).toEqual([]);
});

test("TWS loses IBKR and its data (1100, 1101): every line is asked for anew, once", async () => {
  const watcher = await streaming.watching();
  const before = asked();
  faults().announce(1100);
  await watcher.told("tws_upstream_down");
  faults().announce(1101);
  await watcher.told("ok");
  await streaming.settled(watcher);
  expect(asked()).toBe(before + usualSymbols.length);
  expect(await streaming.end()).toEqual([]);
});

test("TWS loses IBKR and keeps its data (1100, 1102): nothing is asked for again", async () => {
  const watcher = await streaming.watching();
  const before = asked();
  faults().announce(1100);
  await watcher.told("tws_upstream_down");
  faults().announce(1102);
  await watcher.told("ok");
  await streaming.settled(watcher);
  expect(asked()).toBe(before);
  expect(await streaming.end()).toEqual([]);
});

test("a market data farm breaks and comes back (2103, 2104): those it serves are stale meanwhile", async () => {
  const watcher = await streaming.watching();
  const before = asked();
  faults().announce(2103);
  await watcher.until("AAPL", ({ reason }) => reason === "farm_broken");
  faults().announce(2104);
  await watcher.live("AAPL");
  await streaming.settled(watcher);
  expect(asked()).toBe(before);
  expect(await streaming.end()).toEqual([]);
});

test("another session of the login takes the data (10197) and leaves again", async () => {
  const watcher = await streaming.watching();
  faults().permissions({ quotes: "competing" });
  await watcher.told("competing_session");
  faults().permissions({});
  await watcher.told("ok");
  await streaming.settled(watcher);
  expect(await streaming.end()).toEqual([]);
});

test("a line that dies without a word in trading hours is asked for again", async () => {
  const watcher = await streaming.watching();
  faults().silence(["MSFT"]);
  await watcher.until("MSFT", ({ reason }) => reason === "line_reopened");
  await watcher.live("MSFT");
  await streaming.settled(watcher);
  expect(watcher.shown.filter(({ symbol, state }) => symbol === "AAPL" && state === "gap")).toEqual([]);
  expect(await streaming.end()).toEqual([]);
});
