import { expect, test } from "vitest";
import { trader } from "../handlers/handlers.fixture.ts";
import { nameOf } from "./intent-id.ts";
import { market, startOrders, untilAnswer } from "./orders.fixture.ts";

const key = { idempotencyKey: "k" };
const { intentId } = nameOf(trader.grantId, "k");
const stranger = { ...trader, grantId: "grant-2" };

test("an order is found by its id, its permId, its intent and its key, also by the next process", async () => {
  const fixture = await startOrders();
  const placed = await fixture.place(key);
  const { orderId, permId } = placed.type === "result" ? placed.output : {};
  const found = { output: { orderId, status: "Submitted", order: { permId, orderRef: intentId } } };
  const intent = { intent: { intentId, idempotencyKey: "k", state: "acked" } };
  const look = async () => {
    for (const name of [{ orderId }, { permId }]) expect(await fixture.status(name)).toMatchObject(found);
    for (const name of [{ intentId }, key]) {
      expect(await fixture.status(name)).toMatchObject({ output: { ...found.output, ...intent } });
    }
  };
  await look();
  await fixture.host().crash();
  await look();
});

test("one name is needed, and no more", async () => {
  const fixture = await startOrders();
  for (const names of [{}, { orderId: 1, intentId }]) {
    expect(await fixture.status(names)).toMatchObject({ error: { code: "invalid_input" } });
  }
});

test("an order that TWS has not shown is Unknown by its id too, and says that it is looked for", async () => {
  const fixture = await startOrders({}, { settledMs: 2_500 });
  await fixture.fillBefore();
  fixture.simulator().faults.orders({ drop: "before-reading" });
  await fixture.place(key);
  await fixture.back();
  for (const name of [{ intentId }, key, { orderId: 2 }]) {
    expect(await fixture.status(name)).toMatchObject({
      output: {
        orderId: 2,
        status: "Unknown",
        order: null,
        warnings: [expect.stringMatching(/TWS has not shown it .* Do not place it again/)],
      },
    });
  }
  await untilAnswer(
    () => fixture.stateOf("k"),
    (state) => state === "absent",
  );
  expect(await fixture.status(key)).toMatchObject({
    output: {
      status: "Inactive",
      intent: { state: "absent", note: expect.stringMatching(/did not reach TWS/) },
    },
  });
});

test("while TWS is away it says so, and does not call it working", async () => {
  const fixture = await startOrders();
  await fixture.place(key);
  fixture.simulator().faults.orders({ drop: "before-reading" });
  await fixture.place({ idempotencyKey: "lost" });
  await fixture.back();
  await fixture.simulator().faults.refuse(true);
  fixture.simulator().faults.dropConnections();
  await untilAnswer(
    () => fixture.host().agent().session.status().tws.state,
    (state) => state !== "connected",
  );
  expect(await fixture.status({ idempotencyKey: "lost" })).toMatchObject({
    output: { status: "Unknown", warnings: [expect.stringMatching(/TWS is away/)] },
  });
  await fixture.simulator().faults.refuse(false);
  await fixture.back();
});

test("a key is of its grant alone, and orders of other accounts do not exist for a grant", async () => {
  const fixture = await startOrders({ accounts: ["DU1111111", "DU2222222"] });
  const placed = await fixture.place({ ...key, account: "DU2222222" });
  const { orderId, permId } = placed.type === "result" ? placed.output : {};
  expect(await fixture.status(key, stranger)).toMatchObject({ error: { code: "order_not_found" } });
  const narrow = { ...stranger, accounts: ["DU1111111"] };
  for (const name of [{ orderId }, { permId }, { intentId }]) {
    expect(await fixture.status(name, narrow)).toMatchObject({ error: { code: "order_not_found" } });
  }
  const own = { ...trader, accounts: ["DU1111111"] };
  expect(await fixture.status(key, own)).toMatchObject({ error: { code: "order_not_found" } });
});

test("the key of a basket names its orders", async () => {
  const fixture = await startOrders();
  const rows = [0, 1].map((row) => nameOf(trader.grantId, "many", row).intentId);
  const orders = [1, 2].map((quantity) => ({
    conId: 265_598,
    action: "BUY",
    quantity,
    orderType: "LMT",
    limitPrice: 1,
  }));
  await fixture.call("ibkr_place_orders", { orders, idempotencyKey: "many" });
  expect(await fixture.status({ idempotencyKey: "many" })).toMatchObject({
    error: { code: "invalid_input", nextStep: expect.stringContaining(rows.join(", ")) },
  });
  expect(await fixture.status({ intentId: rows[1] })).toMatchObject({ output: { status: "Submitted" } });
});

test("an order of this client that TWS lists no more is not taken for another client's of the same id", async () => {
  const fixture = await startOrders();
  const { faults, world } = fixture.simulator();
  const placed = await fixture.call("ibkr_place_order", { ...market, ...key });
  const orderId = placed.type === "result" ? Number(placed.output["orderId"]) : 0;
  await untilAnswer(
    () => fixture.stateOf("k"),
    (state) => state === "done",
  );
  const request = world.ledger.history().orders.find((order) => order.request.orderId === orderId)?.request;
  if (request === undefined) throw new Error("TWS has no such order");
  const far = { orderType: "LMT", limitPrice: 1, orderRef: "theirs", quantity: 7 } as const;
  await fixture.whileStopped(async () => {
    faults.beginDay();
    world.ledger.place({ ...request, ...far, clientId: 9 });
  });
  expect(await fixture.status({ orderId })).toMatchObject({ output: { status: "Filled", filled: 3 } });
  // neither cancelled nor changed
  expect(await fixture.call("ibkr_cancel_order", { orderId })).toMatchObject({
    output: { status: "Filled" },
  });
  expect(world.ledger.openOrders()).toHaveLength(1);
});

test("each leg of a bracket is told as itself, also when TWS lists none of them any more", async () => {
  const fixture = await startOrders();
  const bracket = {
    conId: 265_598,
    action: "BUY",
    quantity: 1,
    entryPrice: 5_000,
    takeProfitPrice: 9_000,
    stopLossPrice: 5,
  };
  await fixture.call("ibkr_place_bracket_order", { ...bracket, ...key });
  const { faults, world } = fixture.simulator();
  const legs = world.ledger.history().orders.filter(({ request }) => request.orderRef !== "");
  const entry = legs.find(({ filled }) => filled === 1);
  const exits = legs.filter(({ filled }) => filled === 0);
  for (const exit of exits) await fixture.call("ibkr_cancel_order", { orderId: exit.request.orderId });
  await untilAnswer(
    () => fixture.stateOf("k"),
    (state) => state === "done",
  );
  await fixture.whileStopped(async () => faults.beginDay());
  for (const leg of [entry, ...exits]) {
    const told = {
      output: { status: leg === entry ? "Filled" : "Cancelled", filled: leg === entry ? 1 : 0 },
    };
    for (const name of [{ orderId: leg?.request.orderId }, { permId: leg?.permId }])
      expect(await fixture.status(name)).toMatchObject(told);
  }
});
