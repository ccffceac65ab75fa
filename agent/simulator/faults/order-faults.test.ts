import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { parseOrderFaults } from "./order-faults.ts";
import { message, type RawClient, startedClient } from "../test-support/raw-client.fixture.ts";
import { type Simulator, startSimulator } from "../server.ts";
import { instrumentOf } from "../test-support/world.fixture.ts";

let simulator: Simulator;
beforeEach(async () => {
  simulator = await startSimulator({ seed: 7, serverVersion: 151 });
});
afterEach(() => simulator.close());

const start = (): Promise<RawClient> => startedClient(simulator.port, 151, 1);

/** placeOrder of version 151, all that is not named left empty. */
function place(client: RawClient, orderId: number, { type = "LMT", transmit = 1, parent = 0 } = {}): void {
  const contract = [265598, "", "", "", "", "", "", "SMART", "", "", "", "", "", ""];
  const main = ["BUY", 10, type, type === "LMT" ? 50 : "", "", "DAY", "", "", "", 0, "", transmit, parent];
  client.send(3, orderId, ...contract, ...main, ...Array.from({ length: 90 }, () => ""));
}

const orderRows = (client: RawClient) =>
  client.messages.map(([id]) => Number(id)).filter((id) => [3, 5, 11, 59].includes(id));
const open = () => simulator.world.ledger.openOrders().map(({ request }) => request.orderId);

/** TWS answers in turn, so this comes behind all that was said of earlier messages. */
async function fence(client: RawClient): Promise<void> {
  const from = client.messages.length;
  client.send(49, 1);
  await client.waitFor(message(49), from);
}

describe("drop", () => {
  test("before reading: the line is cut and the order never was", async () => {
    const client = await start();
    simulator.faults.orders({ drop: "before-reading" });
    place(client, 1);
    await client.closed;
    expect(open()).toEqual([]);
  });

  test("after reading: the order works and nobody was told", async () => {
    const client = await start();
    simulator.faults.orders({ drop: "after-reading" });
    place(client, 1);
    await client.closed;
    expect(open()).toEqual([1]);
    expect(orderRows(client)).toEqual([]);
  });

  test("after acknowledging: the first openOrder is the last that is heard", async () => {
    const client = await start();
    simulator.faults.orders({ drop: "after-acknowledging" });
    place(client, 1);
    await client.closed;
    expect(open()).toEqual([1]);
    expect(orderRows(client)).toEqual([5]);
  });

  test("between bracket legs: what came in the same packet behind the cut is not read", async () => {
    const client = await start();
    simulator.faults.orders({ drop: "before-reading", nth: 2 });
    place(client, 1, { transmit: 0 });
    place(client, 2, { transmit: 0, parent: 1 });
    place(client, 3, { parent: 1 });
    await client.closed;
    expect(open()).toEqual([]);
    expect(simulator.world.ledger.nextValidId(1)).toBe(2);
  });

  test("happens once", async () => {
    const client = await start();
    simulator.faults.orders({ drop: "before-reading" });
    place(client, 1);
    await client.closed;
    const again = await start();
    place(again, 1);
    await fence(again);
    expect(open()).toEqual([1]);
  });
});

test("duplicate tells everything twice, reorder tells it backwards", async () => {
  const client = await start();
  place(client, 1, { type: "MKT" });
  await fence(client);
  const usual = orderRows(client);
  expect(usual).toEqual([5, 3, 11, 5, 3, 59]);

  simulator.faults.orders({ duplicate: true });
  place(client, 2, { type: "MKT" });
  await fence(client);
  expect(orderRows(client).slice(usual.length)).toEqual(usual.flatMap((id) => [id, id]));

  const from = orderRows(client).length;
  simulator.faults.orders({ reorder: true });
  place(client, 3, { type: "MKT" });
  await client.waitFor(message(5, { 1: 3 }));
  await fence(client);
  expect(orderRows(client).slice(from)).toEqual(usual.toReversed());
});

test("delay holds back all about orders, lists and their ends in their order", async () => {
  const client = await start();
  place(client, 1);
  await fence(client);
  const from = client.messages.length;
  simulator.faults.orders({ delayMs: 60 });
  client.send(16, 1);
  await fence(client);
  expect(client.messages.slice(from).map(([id]) => id)).toEqual(["49"]);
  await client.waitFor(message(53));
  expect(client.messages.slice(from).map(([id]) => id)).toEqual(["49", "5", "3", "53"]);
});

test.for([
  [53, [16, 1]],
  [55, [7, 3, 9, 0, "", "", "", "", "", ""]],
  [102, [99, 0]],
] as const)("withoutEnds leaves out %i, and {} brings it back", async ([end, request]) => {
  const client = await start();
  simulator.faults.orders({ withoutEnds: [end] });
  client.send(...request);
  await fence(client);
  expect(client.messages.some(message(end))).toBe(false);
  simulator.faults.orders({});
  client.send(...request);
  await client.waitFor(message(end));
});

test("correctExecution tells the fill again to its client", async () => {
  const client = await start();
  place(client, 1, { type: "MKT" });
  const [, , , , , , , , , , , , , , execId = ""] = await client.waitFor(message(11));
  expect(execId).toMatch(/\.01$/);
  const price = simulator.world.market.quote(instrumentOf(simulator.world, 265598), Date.now()).bid ?? 0;
  expect(simulator.faults.correctExecution(execId, price)).toBe(true);
  await client.waitFor((fields) => fields[0] === "11" && fields.includes(execId.replace(/01$/, "02")));
});

test("emptyMs hides ended orders and fills from lists for a while, and nothing that happens meanwhile", async () => {
  const client = await start();
  place(client, 1, { type: "MKT" });
  await client.waitFor(message(59));
  const listed = async () => {
    const from = client.messages.length;
    client.send(7, 3, 9, 0, "", "", "", "", "", "");
    client.send(99, 0);
    await client.waitFor(message(102), from);
    return client.messages.slice(from).map(([id]) => Number(id));
  };
  simulator.faults.orders({ emptyMs: 400 });
  const startedAt = performance.now();
  expect(await listed()).toEqual([55, 102]);
  const from = orderRows(client).length;
  place(client, 2, { type: "MKT" });
  await fence(client);
  expect(orderRows(client).slice(from)).toEqual([5, 3, 11, 5, 3, 59]);
  const whole = [11, 59, 11, 59, 55, 101, 101, 102];
  await vi.waitFor(async () => expect(await listed()).toEqual(whole), { timeout: 5_000, interval: 100 });
  expect(performance.now() - startedAt).toBeGreaterThan(400);
});

test("the words of --order-faults mean the same, and others are refused", () => {
  expect(
    parseOrderFaults("drop=after-reading,nth=2,delay=50,duplicate,reorder,no-end=55,no-end=53,empty=9"),
  ).toEqual({
    drop: "after-reading",
    nth: 2,
    delayMs: 50,
    duplicate: true,
    reorder: true,
    withoutEnds: [55, 53],
    emptyMs: 9,
  });
  for (const word of ["drop=now", "delay", "no-end=54", "empty", "nth=0", "twice"]) {
    expect(() => parseOrderFaults(word)).toThrow(`'${word}'`);
  }
});
