import { afterEach, beforeEach, expect, test } from "vitest";
import { type RawClient, startedClient } from "../test-support/raw-client.fixture.ts";
import { type Simulator, startSimulator } from "../server.ts";

let sim: Simulator;
let client: RawClient;
let isFrozen = false;
beforeEach(async () => {
  isFrozen = false;
  sim = await startSimulator({ recordTicks: true, now: () => (isFrozen ? 1_795_000_000_000 : Date.now()) });
  client = await startedClient(sim.port, 193, 1);
});
afterEach(async () => {
  client.end();
  await sim.close();
});

const isLast = ([id, , , tick]: readonly string[]) => id === "1" && tick === "4";

const ask = (reqId: number, by = client) =>
  by.send(1, 11, reqId, 265598, ...Array(6).fill(""), "SMART", "", "", "", "", 0, "", 0, 0, "");

test("writes down every price and size that a line was sent, as the client reads them", async () => {
  // one burst, and nothing behind it
  isFrozen = true;
  ask(7);
  await client.waitFor(([id, , , tick]) => id === "45" && tick === "49");
  const read = client.messages.flatMap(([id, , , tick, value, size]) => {
    const rows = [[Number(tick), Number(value)]];
    const sizeTick = { 1: 0, 2: 3, 4: 5 }[Number(tick)];
    if (id === "1" && sizeTick !== undefined) rows.push([sizeTick, Number(size)]);
    return id === "1" || id === "2" ? rows : [];
  });
  expect(sim.ticks().map(({ tick, value }) => [tick, value])).toEqual(read);
  expect(read.length).toBeGreaterThan(10);
  expect(sim.ticks().every(({ reqId, clientId }) => reqId === 7 && clientId === 1)).toBe(true);
});

test("writes nothing down that a mute TWS does not send, and nothing at all unless it is told to", async () => {
  ask(7);
  await client.waitFor(([id]) => id === "1");
  sim.faults.mute(true);
  const before = sim.ticks().length;
  const other = await startSimulator();
  const otherClient = await startedClient(other.port, 193, 1);
  ask(7, otherClient);
  // when the price has moved here, it has moved there as well
  const first = await otherClient.waitFor(isLast);
  await otherClient.waitFor((message) => isLast(message) && message[4] !== first[4]);
  expect(sim.ticks()).toHaveLength(before);
  expect(other.ticks()).toEqual([]);
  otherClient.end();
  await other.close();
});
