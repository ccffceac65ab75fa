import { afterEach, beforeEach, expect, test } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import { callBy, startAgent, startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

let fixture: HandlersFixture;
beforeEach(async () => {
  fixture = await startHandlersFixture({ clientId: 0 });
});
afterEach(async () => fixture.close());

const byHand = (limitPrice = 1) =>
  fixture.simulator.faults.placeByHand({ action: "BUY", quantity: 7, symbol: "AAPL", limitPrice });
const open = async () => (await fixture.handlers.ibkr_get_open_orders({}, callBy())).orders;
const held = () => fixture.simulator.world.ledger.openOrders();

/** One more agent at the same TWS. */
async function startAgentAs(clientId: number) {
  const agent = startAgent({ port: fixture.simulator.port, clientId });
  await agent.session.whenConnected(5_000);
  return { ...agent, [Symbol.asyncDispose]: () => agent.close() };
}

test("client 0 changes and cancels an order that was made by hand before it came", async () => {
  await fixture.close();
  fixture = await startHandlersFixture({ clientId: 3 });
  byHand();
  await using agent = await startAgentAs(0);

  const [order] = (await agent.handlers.ibkr_get_open_orders({}, callBy())).orders;
  const orderId = tools.ibkr_modify_order.input.parse({ orderId: order?.orderId }).orderId;

  expect(orderId).toBeLessThan(0);
  await agent.handlers.ibkr_modify_order({ orderId, limitPrice: 2 }, callBy());
  expect(held()).toMatchObject([{ request: { limitPrice: 2, orderRef: "" } }]);
  const cancelled = await agent.handlers.ibkr_cancel_order({ orderId }, callBy());
  expect(cancelled).toMatchObject({ orderId, status: "Cancelled" });
  expect(held()).toEqual([]);
});

test("client 0 follows an order that is made by hand while it is there until it fills", async () => {
  byHand();
  const [order] = await open();
  const orderId = order?.orderId ?? 0;
  const input = tools.ibkr_wait_for_order.input.parse({ orderId, timeoutSeconds: 8 });
  const waited = fixture.handlers.ibkr_wait_for_order(input, callBy());
  await fixture.handlers.ibkr_modify_order({ orderId, limitPrice: 9_000 }, callBy());
  expect(await waited).toMatchObject({ reached: true, status: "Filled", filled: 7 });
  const { order: shown } = await fixture.handlers.ibkr_get_order_status({ orderId }, callBy());
  expect(shown).toMatchObject({ orderId, clientId: 0, status: "Filled" });
});

test("a refusal under the id of an order made by hand is that order's", async () => {
  byHand();
  const [order] = await open();
  const orderId = order?.orderId ?? 0;
  fixture.simulator.faults.reply("placeOrder", { does: "refuse", code: 201, times: 1 });
  await expect(
    fixture.handlers.ibkr_modify_order({ orderId, limitPrice: 2 }, callBy()),
  ).rejects.toMatchObject({ code: "order_rejected" });
});

test("another client sees an order made by hand, without an id", async () => {
  await fixture.close();
  fixture = await startHandlersFixture({ clientId: 3 });
  byHand();
  expect(await open()).toMatchObject([{ orderId: 0, quantity: 7 }]);
  expect(tools.ibkr_cancel_order.input.safeParse({ orderId: 0 }).success).toBe(false);
});
