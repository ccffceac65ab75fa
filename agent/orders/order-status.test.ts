import { expect, test } from "vitest";
import { trader } from "../handlers/handlers.fixture.ts";
import { nameOf } from "./intent-id.ts";
import { startOrders, untilAnswer } from "./orders.fixture.ts";

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
