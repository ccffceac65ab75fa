import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  connectRaw,
  errorMessage,
  message,
  type RawClient,
  startedClient,
} from "../test-support/raw-client.fixture.ts";
import { type Simulator, startSimulator } from "../server.ts";

let simulator: Simulator;
beforeEach(async () => {
  simulator = await startSimulator({ seed: 7 });
});
afterEach(() => simulator.close());

const start = (clientId = 1): Promise<RawClient> => startedClient(simulator.port, 193, clientId);

function subscribe(client: RawClient): void {
  client.send(1, 11, 1001, 265598, "", "", "", "", "", "", "SMART", "", "", "", "", 0, "", 0, 0, "");
}

const isHelloAnswer = (fields: readonly string[]): boolean => fields.length === 2;

test("dropConnections cuts everyone off, and their client ids are free at once", async () => {
  const [one, two] = [await start(1), await start(2)];
  simulator.faults.dropConnections();
  await Promise.all([one.closed, two.closed]);
  await start(1);
  expect(simulator.clients()).toMatchObject([{ clientId: 1 }]);
});

test("restart ends all subscriptions", async () => {
  const client = await start();
  subscribe(client);
  await client.waitFor(message(81));
  simulator.faults.restart();
  await client.closed;
  expect(simulator.subscriptions()).toBe(0);
});

test("refuse closes the port to newcomers, keeps who is there, and reopens the same port", async () => {
  const client = await start(1);
  await simulator.faults.refuse(true);
  await expect(connectRaw(simulator.port)).rejects.toThrow("could not connect");
  client.send(49, 1);
  await client.waitFor(message(49));
  await simulator.faults.refuse(false);
  await start(2);
});

test("mute answers neither a hello nor a request, and does nothing of what it heard", async () => {
  const client = await start(1);
  simulator.faults.mute(true);
  const newcomer = await connectRaw(simulator.port);
  newcomer.hello("v100..193");
  client.send(17, 1);
  subscribe(client);
  const heard = client.messages.length;
  await vi.waitFor(() => expect(simulator.received().at(-1)).toMatchObject({ clientId: 1, id: 1 }));
  // server and clients share this process, so the older bytes of the newcomer are read within the next turns.
  for (let turn = 0; turn < 5; turn++) await setImmediate();
  simulator.faults.mute(false);
  newcomer.send(71, 2, 2, "");
  client.send(49, 1);
  await client.waitFor(message(49));
  expect(client.messages.slice(heard).map((fields) => fields[0])).toEqual(["49"]);
  expect(simulator.subscriptions()).toBe(0);
  await newcomer.closed;
  expect(newcomer.messages).toEqual([]);
});

test("slowHello delays the answer and then goes on in order", async () => {
  simulator.faults.slowHello(80);
  const client = await connectRaw(simulator.port);
  const sentAt = performance.now();
  client.hello("v100..193");
  client.send(49, 1);
  client.send(71, 2, 1, "");
  await client.waitFor(isHelloAnswer);
  expect(performance.now() - sentAt).toBeGreaterThan(75);
  await client.waitFor(errorMessage(-1, 2158));
  expect(client.messages.some(message(49))).toBe(false);
});

test("1100 stops the ticks and 1102 brings them back on the same line", async () => {
  const client = await start();
  subscribe(client);
  await client.waitFor(message(81));
  await client.waitFor(message(2), client.messages.length);
  simulator.faults.announce(1100);
  const lost = await client.waitFor(errorMessage(-1, 1100));
  expect(lost[4]).toBe("Connectivity between IBKR and Trader Workstation has been lost.");
  const from = client.messages.length;
  client.send(92, 1002, "DU1234567", "");
  // the profit and loss stream ticks once a second, so ticks would have come between two of its rows.
  await client.waitFor(message(94), from);
  await client.waitFor(message(94), client.messages.length);
  expect(client.messages.slice(from).some((fields) => fields[0] === "1" || fields[0] === "2")).toBe(false);
  simulator.faults.announce(1102);
  await client.waitFor(errorMessage(-1, 1102));
  await client.waitFor(message(2), client.messages.length);
  expect(simulator.subscriptions()).toBe(1);
});

test("1101 forgets market data but not the connection", async () => {
  const client = await start();
  subscribe(client);
  await client.waitFor(message(81));
  simulator.faults.announce(1100);
  simulator.faults.announce(1101);
  await client.waitFor(errorMessage(-1, 1101));
  expect(simulator.subscriptions()).toBe(0);
  client.send(2, 1, 1001);
  await client.waitFor(errorMessage(1001, 300));
  subscribe(client);
  await client.waitFor(message(81), client.messages.length);
});

test("announce sends any code with a text of one's own", async () => {
  const client = await start();
  simulator.faults.announce(1300, "TWS socket port has been reset");
  expect((await client.waitFor(errorMessage(-1, 1300)))[4]).toBe("TWS socket port has been reset");
});

test("rollbackNextValidId makes the next id smaller than the last order's", async () => {
  const client = await start();
  client.send(8, 1, 1);
  const from = client.messages.length;
  const next = Number((await client.waitFor(message(9), from))[2]);
  simulator.faults.rollbackNextValidId(next + 5);
  const again = client.messages.length;
  client.send(8, 1, 1);
  expect((await client.waitFor(message(9), again))[2]).toBe("1");
});

test("ghostClients keeps an id taken for a while after its client has gone", async () => {
  simulator.faults.ghostClients(150);
  const first = await start(1);
  first.end();
  await vi.waitFor(() => expect(simulator.clients()).toEqual([]));
  const early = await connectRaw(simulator.port);
  early.hello("v100..193");
  early.send(71, 2, 1, "");
  await early.waitFor(errorMessage(-1, 326));
  await early.closed;
  simulator.faults.ghostClients(0);
  await vi.waitFor(() => start(1), { timeout: 5000 });
});
