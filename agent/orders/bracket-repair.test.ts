import { expect, test } from "vitest";
import { trader } from "../handlers/handlers.fixture.ts";
import { nameOf } from "./intent-id.ts";
import { startOrders, untilAnswer, type OrdersBed } from "./orders.fixture.ts";

const asked = {
  conId: 265_598,
  action: "BUY",
  quantity: 1,
  entryPrice: 10,
  takeProfitPrice: 9_000,
  stopLossPrice: 5,
  idempotencyKey: "b",
};
/** TWS refuses a price between its steps. */
const badTakeProfit = { takeProfitPrice: 9_000.001 };

/** The agent dies as soon as TWS has the last leg that it takes, and so sees to nothing itself. */
async function dieBehind(bed: OrdersBed, input: object, messages: number): Promise<void> {
  const { promise: dead, resolve } = Promise.withResolvers<void>();
  const die = () => {
    off();
    resolve(bed.host().crash());
  };
  // held back, the legs are no event yet
  const off = bed.simulator().world.ledger.listen(die);
  const placing = bed.call("ibkr_place_bracket_order", { ...asked, ...input });
  await untilAnswer(bed.placed, (count) => count >= messages);
  if (messages < 3 || bed.simulator().world.ledger.openOrders().length === 0) die();
  await dead;
  await placing;
}

const cancelOrder = 4;

const again = (bed: OrdersBed, input: object = {}) =>
  bed.call("ibkr_place_bracket_order", { ...asked, ...input });
const isSettled = (state: string | null) => state !== "sending" && state !== "unknown";

test("an entry whose take profit TWS has refused is cancelled by the next process, and that is said", async () => {
  const bed = await startOrders();
  await dieBehind(bed, badTakeProfit, 3);
  await untilAnswer(() => bed.stateOf("b"), isSettled);
  expect(bed.simulator().world.ledger.openOrders()).toEqual([]);
  expect(await again(bed, badTakeProfit)).toMatchObject({
    error: {
      code: "order_rejected",
      message: expect.stringMatching(
        /did not hold takeProfit .* so its entry .* was cancelled; nothing was filled/,
      ),
    },
  });
  expect(bed.logged).toContain("warn orders.bracket_mended");
  expect(bed.placed()).toBe(3);
});

test("an entry that has filled without its take profit keeps its stop loss, and the owner is told to look", async () => {
  const bed = await startOrders();
  const input = { ...badTakeProfit, entryPrice: 5_000 };
  await dieBehind(bed, input, 3);
  await untilAnswer(() => bed.stateOf("b"), isSettled);
  const [stopLoss] = bed.simulator().world.ledger.openOrders();
  expect(stopLoss?.request.orderType).toBe("STP");
  expect(await again(bed, input)).toMatchObject({
    error: {
      code: "order_rejected",
      message: expect.stringMatching(/1 of the entry .* had filled, and that position has only order 3/),
      nextStep: expect.stringMatching(/Protect or close the position now/),
    },
  });
});

test.for([2, 3])("an entry that TWS holds back, since leg %i never came, is cancelled there", async (nth) => {
  const bed = await startOrders();
  const { ledger } = bed.simulator().world;
  bed.simulator().faults.orders({ drop: "before-reading", nth });
  const { intentId } = nameOf(trader.grantId, "b");
  await dieBehind(bed, {}, nth);
  await untilAnswer(() => bed.stateOf("b"), isSettled);
  const entry = ledger.completedOrders().find(({ request }) => request.orderRef === `${intentId}:P`);
  expect(entry).toMatchObject({ status: "Cancelled", filled: 0 });
  expect(await again(bed)).toMatchObject({
    error: {
      code: "order_rejected",
      message: expect.stringMatching(/held back entry .* nothing was filled/),
    },
  });
});

test("a bracket that TWS has whole is left as it is", async () => {
  const bed = await startOrders();
  await dieBehind(bed, {}, 3);
  await untilAnswer(
    () => bed.stateOf("b"),
    (state) => state === "acked",
  );
  expect(bed.simulator().world.ledger.openOrders()).toHaveLength(3);
  expect(await again(bed)).toMatchObject({ output: { status: "Submitted", stopLossStatus: "PreSubmitted" } });
  expect(bed.placed()).toBe(3);
});

test("a bracket whose fill TWS does not list at first is whole when it does, also while it is being mended", async () => {
  const bed = await startOrders();
  bed.simulator().faults.orders({ drop: "after-reading", nth: 3, emptyMs: 60_000 });
  const placing = again(bed, { entryPrice: 5_000 });
  const cancels = () =>
    bed
      .simulator()
      .received()
      .filter(({ id }) => id === cancelOrder).length;
  await untilAnswer(cancels, (count) => count > 0);
  bed.simulator().faults.orders({});
  await placing;
  await untilAnswer(() => bed.stateOf("b"), isSettled);
  expect(bed.stateOf("b")).toBe("acked");
  expect(await again(bed, { entryPrice: 5_000 })).toMatchObject({ output: { status: "Filled", filled: 1 } });
  expect(bed.simulator().world.ledger.openOrders()).toHaveLength(2);
});
