import { expect, test } from "vitest";
import { z } from "zod";
import { createOrderIds } from "../tws/orders/order-ids.ts";
import { firstRequestId, nextRequestId } from "../tws/session/request-table.ts";
import { scriptedWorld } from "../tws/test-support/scripted-ledger.fixture.ts";
import { startOrders } from "./orders.fixture.ts";

const Answer = z.object({ output: z.object({ orderId: z.int() }) });
const orderIdOf = (answer: unknown): number => Answer.parse(answer).output.orderId;

test.each([["TWS lists the working order"], ["the journal alone knows it"]])(
  "after a restart with a next id that fell back, no id above 1,000,000,000 is used again: %s",
  async (scene) => {
    const isListed = scene.startsWith("TWS");
    const world = scriptedWorld({ nextValidId: () => 1_700_000_000 });
    const fixture = await startOrders({ world });
    const first = orderIdOf(await fixture.place({ idempotencyKey: "one" }));
    expect(first).toBe(1_700_000_000);
    await fixture.whileStopped(async () => {
      if (!isListed) world.ledger.cancel(1, 1_700_000_000);
    });

    const second = orderIdOf(await fixture.place({ idempotencyKey: "two", quantity: 7 }));

    expect(second).toBe(1_700_000_001);
    const working = world.ledger.openOrders().map(({ request }) => request.quantity);
    expect(working.toSorted((a, b) => a - b)).toEqual(isListed ? [7, 10] : [7]);
  },
);

test("an order and a request never have one id, whichever comes first", () => {
  const ids = createOrderIds(() => false);
  const request = nextRequestId();
  ids.saw(request - 1);
  expect(ids.take()).toBe(request + 1);
  expect(nextRequestId()).toBe(request + 2);
  expect(request).toBeGreaterThanOrEqual(firstRequestId);
});

test("an id that an order of this client has is not taken, and the last id there is ends them", () => {
  const ids = createOrderIds((orderId) => orderId === 5 || orderId === 6);
  ids.startsAt(5);
  expect(ids.take()).toBe(7);
  ids.saw(2_147_483_647);
  expect(() => ids.take()).toThrow("largest id");
});
