import { afterEach, beforeEach, expect, test } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import { callBy, startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

let fixture: HandlersFixture;
beforeEach(async () => {
  fixture = await startHandlersFixture();
});
afterEach(async () => fixture.close());

/** An order for which TWS looks for shares to borrow. */
async function parked(): Promise<number> {
  const input = { symbol: "AAPL", action: "BUY", quantity: 7, orderType: "LMT", limitPrice: 1 };
  const asked = tools.ibkr_place_order.input.parse(input);
  const { orderId } = await fixture.handlers.ibkr_place_order(asked, callBy());
  fixture.simulator.faults.park(orderId, "locate");
  return orderId;
}

const wait = (orderId: number, timeoutSeconds: number, progress: () => void = () => {}) =>
  fixture.handlers.ibkr_wait_for_order(
    tools.ibkr_wait_for_order.input.parse({ orderId, timeoutSeconds }),
    callBy(undefined, { progress }),
  );

test("waiting for the end of an order that TWS holds Inactive goes on until it wakes and fills", async () => {
  const orderId = await parked();
  expect(await wait(orderId, 0.1)).toMatchObject({
    reached: false,
    status: "Inactive",
    isFinal: false,
    whyHeld: "locate",
  });
  const waited = wait(orderId, 8, () => {
    // told as it stands once the waiting has begun
    fixture.simulator.faults.park(orderId, null);
  });
  await fixture.handlers.ibkr_modify_order({ orderId, limitPrice: 9_000 }, callBy());
  expect(await waited).toMatchObject({ reached: true, status: "Filled", filled: 7, whyHeld: null });
});

test("an order that TWS holds Inactive can be changed, and the answer says why it is held", async () => {
  const orderId = await parked();
  const changed = await fixture.handlers.ibkr_modify_order({ orderId, limitPrice: 2 }, callBy());
  expect(changed).toMatchObject({ status: "Inactive", isFinal: false, whyHeld: "locate" });
  expect(fixture.simulator.world.ledger.openOrders()[0]?.request.limitPrice).toBe(2);
});

test("an order that TWS held and then refuses has ended", async () => {
  const orderId = await parked();
  const waited = wait(orderId, 8, () =>
    fixture.simulator.faults.refuseLate(orderId, "No shares were found."),
  );
  expect(await waited).toMatchObject({ reached: true, status: "Inactive", isFinal: true });
  await expect(
    fixture.handlers.ibkr_modify_order({ orderId, limitPrice: 2 }, callBy()),
  ).rejects.toMatchObject({ code: "order_not_changeable" });
});
