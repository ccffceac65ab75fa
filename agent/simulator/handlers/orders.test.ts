import {
  ConjunctionConnection,
  type Contract,
  type Order,
  OrderAction,
  OrderType,
  SecType,
  TimeCondition,
  TimeInForce,
} from "@stoqey/ib";
import { Encoder } from "@stoqey/ib/dist/core/io/encoder.js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  errorMessage,
  message,
  type RawClient,
  startedClient,
  tokenFields,
} from "../test-support/raw-client.fixture.ts";
import { type Simulator, startSimulator } from "../server.ts";
import { readStrictly } from "../test-support/message-layouts.fixture.ts";

const version = 193;
let simulator: Simulator;
beforeEach(async () => {
  const offset = Date.parse("2026-11-20T15:30:00Z") - Date.now();
  simulator = await startSimulator({ seed: 7, now: () => Date.now() + offset });
});
afterEach(() => simulator.close());

const start = (clientId: number): Promise<RawClient> => startedClient(simulator.port, version, clientId);

type Draft = Partial<Order> & { readonly id: number; readonly contract?: Contract };

/** placeOrder as a widely used client writes it. */
function place(
  client: RawClient,
  { id, contract = { conId: 265598, exchange: "SMART" }, ...order }: Draft,
): void {
  const encoder = new Encoder({
    serverVersion: version,
    sendMsg(...tokens) {
      client.send(...tokenFields(tokens));
    },
    emitError(text) {
      throw new Error(text);
    },
  });
  const limit = { action: OrderAction.BUY, orderType: OrderType.LMT, totalQuantity: 10, lmtPrice: 50 };
  encoder.placeOrder(id, contract, {
    ...limit,
    tif: TimeInForce.DAY,
    transmit: true,
    orderRef: `ref ${id}`,
    ...order,
  });
}

const status = (orderId: number, text: string) => message(3, { 1: orderId, 2: text });

test("an order comes back as openOrder and orderStatus with all its values", async () => {
  const client = await start(1);
  place(client, { id: 1 });
  const open = readStrictly(await client.waitFor(message(5)), version);
  expect(open).toMatchObject({
    orderId: "1",
    symbol: "AAPL",
    lmtPrice: "50",
    orderRef: "ref 1",
    clientId: "1",
  });
  expect(open).toMatchObject({
    account: "DU1234567",
    tif: "DAY",
    ocaType: "3",
    right: "?",
    dnOrderType: "None",
  });
  await client.waitFor(status(1, "Submitted"));
});

test("a fill tells its owner alone, with the execution unasked for", async () => {
  const [owner, other] = [await start(1), await start(2)];
  place(owner, { id: 1, orderType: OrderType.MKT });
  const execution = readStrictly(await owner.waitFor(message(11)), version);
  expect(execution).toMatchObject({
    reqId: "-1",
    orderId: "1",
    side: "BOT",
    shares: "10",
    orderRef: "ref 1",
  });
  expect(execution["time"]).toMatch(/^20261120 10:\d\d:\d\d US\/Eastern$/);
  const commission = readStrictly(await owner.waitFor(message(59)), version);
  expect(commission["execId"]).toBe(execution["execId"]);
  await owner.waitFor(status(1, "Filled"));
  other.send(49, 1);
  await other.waitFor(message(49));
  expect(other.messages.some((fields) => ["3", "5", "11", "59"].includes(fields[0] ?? ""))).toBe(false);
});

test("openOrders shows one's own, allOpenOrders everyone's under their own ids", async () => {
  const [one, two] = [await start(1), await start(2)];
  place(one, { id: 1 });
  place(two, { id: 4 });
  await one.waitFor(status(1, "Submitted"));
  await two.waitFor(status(4, "Submitted"));
  const listed = async (request: number): Promise<string[]> => {
    const from = two.messages.length;
    two.send(request, 1);
    await two.waitFor(message(53), from);
    const rows = two.messages.slice(from).filter(message(5));
    return rows
      .map((fields) => readStrictly(fields, version))
      .map((row) => `${row["clientId"]}/${row["orderId"]}`);
  };
  expect(await listed(5)).toEqual(["2/4"]);
  expect((await listed(16)).sort()).toEqual(["1/1", "2/4"]);
});

test("cancelling someone else's order ends it for both, each under its own client id", async () => {
  const [owner, canceller] = [await start(1), await start(2)];
  place(owner, { id: 9 });
  await owner.waitFor(status(9, "Submitted"));
  canceller.send(4, 9, "", "", "");
  const toOwner = await owner.waitFor(status(9, "Cancelled"));
  const toCanceller = await canceller.waitFor(status(9, "Cancelled"));
  expect(readStrictly(toOwner, version)["clientId"]).toBe("1");
  expect(readStrictly(toCanceller, version)["clientId"]).toBe("2");
  await canceller.waitFor(errorMessage(9, 202));
});

test("an order outlives its connection and is found again after a new one", async () => {
  const client = await start(1);
  place(client, { id: 1 });
  await client.waitFor(status(1, "Submitted"));
  simulator.faults.dropConnections();
  await client.closed;
  const again = await start(1);
  expect(Number(again.messages.find(message(9))?.[2])).toBeGreaterThan(1);
  again.send(5, 1);
  const open = readStrictly(await again.waitFor(message(5)), version);
  expect(open).toMatchObject({ orderId: "1", orderRef: "ref 1", clientId: "1" });
});

test("client 0 with automatic binding hears of everyone's orders, others may not bind", async () => {
  const [zero, one] = [await start(0), await start(1)];
  zero.send(15, 1, 1);
  one.send(15, 1, 1);
  await one.waitFor(errorMessage(-1, 321));
  place(one, { id: 3 });
  const seen = readStrictly(await zero.waitFor(status(3, "Submitted")), version);
  expect(seen["clientId"]).toBe("1");
});

test("a what-if answers with margins only and leaves no order", async () => {
  const client = await start(1);
  place(client, { id: 1, whatIf: true });
  const open = readStrictly(await client.waitFor(message(5)), version);
  expect(open).toMatchObject({ whatIf: "1", status: "PreSubmitted" });
  expect(Number(open["initMarginAfter"])).toBeGreaterThan(0);
  expect(Number(open["initMarginChange"])).toBeLessThan(Number(open["initMarginAfter"]));
  client.send(16, 1);
  await client.waitFor(message(53));
  expect(client.messages.filter(message(5))).toHaveLength(1);
  expect(client.messages.some(message(3))).toBe(false);
});

describe("executions", () => {
  const ask = async (
    client: RawClient,
    reqId: number,
    filter: readonly (string | number)[],
  ): Promise<number> => {
    client.send(7, 3, reqId, ...filter);
    await client.waitFor(message(55, { 2: reqId }));
    return client.messages.filter(message(11, { 1: reqId })).length;
  };

  test("are filtered by client, time, symbol and side", async () => {
    const client = await start(1);
    place(client, { id: 1, orderType: OrderType.MKT });
    await client.waitFor(message(59));
    expect(await ask(client, 1001, [0, "", "", "", "", "", ""])).toBe(1);
    expect(await ask(client, 1002, [2, "", "", "", "", "", ""])).toBe(0);
    expect(await ask(client, 1003, [1, "DU1234567", "20261120-15:00:00", "aapl", "STK", "", "BUY"])).toBe(1);
    expect(await ask(client, 1004, [0, "", "20261120-23:00:00", "", "", "", ""])).toBe(0);
    expect(await ask(client, 1005, [0, "", "", "", "", "", "SELL"])).toBe(0);
    client.send(7, 3, 1006, 0, "", "noon", "", "", "", "");
    await client.waitFor(errorMessage(1006, 321));
  });
});

const later = new TimeCondition("20261120 15:00:00 US/Eastern", true, ConjunctionConnection.AND);

describe("orders it cannot take", () => {
  test.each<readonly [string, Draft, number]>([
    [
      "an unknown contract",
      { id: 5, contract: { symbol: "NOSUCH", secType: SecType.STK, exchange: "SMART" } },
      200,
    ],
    ["a combination", { id: 5, contract: { symbol: "AAPL", secType: SecType.BAG, exchange: "SMART" } }, 321],
    ["a conditional order", { id: 5, conditions: [later] }, 201],
    ["an unknown account", { id: 5, account: "U999" }, 321],
    ["a kind of order nobody trades here", { id: 5, orderType: OrderType.PEG_BENCH }, 321],
    ["an order id of zero", { id: 0 }, 10149],
  ])("are refused under their id: %s", async (_what, draft, code) => {
    const client = await start(1);
    place(client, draft);
    await client.waitFor(errorMessage(draft.id, code));
    expect(client.messages.some(message(5))).toBe(false);
    expect(simulator.world.ledger.openOrders()).toEqual([]);
  });
});
