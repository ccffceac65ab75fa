import { expect, test } from "vitest";
import { trader } from "../handlers/handlers.fixture.ts";
import { scriptedWorld } from "../tws/test-support/scripted-ledger.fixture.ts";
import { hasExits } from "./bracket-repair.ts";
import { nameOf } from "./intent-id.ts";
import { startOrders, untilAnswer, type OrdersFixture } from "./orders.fixture.ts";

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
async function dieBehind(fixture: OrdersFixture, input: object, messages: number): Promise<void> {
  const { promise: dead, resolve } = Promise.withResolvers<void>();
  let isDead = false;
  const die = () => {
    off();
    if (isDead) return;
    isDead = true;
    resolve(fixture.host().crash());
  };
  // held back, the legs are no event yet; a refused one is, and the last may still be on its way
  const off = fixture.simulator().world.ledger.listen(() => {
    if (fixture.placed() >= messages) die();
  });
  const placing = fixture.call("ibkr_place_bracket_order", { ...asked, ...input });
  await untilAnswer(fixture.placed, (count) => count >= messages);
  if (messages < 3 || fixture.simulator().world.ledger.openOrders().length === 0) die();
  await dead;
  await placing;
}

const cancelOrder = 4;

const cancelsOf = (fixture: OrdersFixture) =>
  fixture
    .simulator()
    .received()
    .filter(({ id }) => id === cancelOrder).length;

const again = (fixture: OrdersFixture, input: object = {}) =>
  fixture.call("ibkr_place_bracket_order", { ...asked, ...input });
const isSettled = (state: string | null) => state !== "sending" && state !== "unknown";

test("an entry whose take profit TWS has refused is cancelled by the next process, and that is said", async () => {
  const fixture = await startOrders();
  await dieBehind(fixture, badTakeProfit, 3);
  await untilAnswer(() => fixture.stateOf("b"), isSettled);
  expect(fixture.simulator().world.ledger.openOrders()).toEqual([]);
  expect(await again(fixture, badTakeProfit)).toMatchObject({
    error: {
      code: "order_rejected",
      message: expect.stringMatching(
        /did not hold takeProfit .* so its entry .* was cancelled; nothing was filled/,
      ),
    },
  });
  expect(fixture.logged).toContain("warn orders.bracket_repaired");
  expect(fixture.placed()).toBe(3);
});

test("an entry that has filled without its take profit keeps its stop loss, and the owner is told to look", async () => {
  const fixture = await startOrders();
  const input = { ...badTakeProfit, entryPrice: 5_000 };
  await dieBehind(fixture, input, 3);
  await untilAnswer(() => fixture.stateOf("b"), isSettled);
  const [stopLoss] = fixture.simulator().world.ledger.openOrders();
  expect(stopLoss?.request.orderType).toBe("STP");
  expect(await again(fixture, input)).toMatchObject({
    error: {
      code: "order_rejected",
      message: expect.stringMatching(/1 of the entry .* had filled, and that position has only order 3/),
      nextStep: expect.stringMatching(/Protect or close the position now/),
    },
  });
});

test.for([2, 3])("an entry that TWS holds back, since leg %i never came, is cancelled there", async (nth) => {
  const fixture = await startOrders();
  await fixture.fillBefore();
  const before = fixture.placed();
  const { ledger } = fixture.simulator().world;
  fixture.simulator().faults.orders({ drop: "before-reading", nth });
  const { intentId } = nameOf(trader.grantId, "b");
  await dieBehind(fixture, {}, before + nth);
  await untilAnswer(() => fixture.stateOf("b"), isSettled);
  const entry = ledger.completedOrders().find(({ request }) => request.orderRef === `${intentId}:P`);
  expect(entry).toMatchObject({ status: "Cancelled", filled: 0 });
  expect(await again(fixture)).toMatchObject({
    error: {
      code: "order_rejected",
      message: expect.stringMatching(/held back entry .* nothing was filled/),
    },
  });
});

test.for([
  ["is there", false, true],
  ["has ended", true, false],
] as const)("an Inactive exit of which TWS says that it %s counts so", async ([, isOver, isWhole]) => {
  const fixture = await startOrders();
  await fixture.call("ibkr_place_bracket_order", asked);
  const { reconciler, journal } = fixture.host().agent().orders;
  const intent = journal.intent(nameOf(trader.grantId, "b").intentId);
  if (intent === null) throw new Error("no bracket was written");
  const [entry, takeProfit, stopLoss] = reconciler.ordersOf(intent) ?? [];
  if (entry === undefined || takeProfit === undefined || stopLoss === undefined) throw new Error("not shown");
  const shown = new Map([
    ["entry", entry],
    ["takeProfit", takeProfit],
    ["stopLoss", { ...stopLoss, status: "Inactive" as const, isFinal: isOver, whyHeld: "locate" }],
  ]);
  const live = ({ leg }: (typeof intent.legs)[number]) => shown.get(leg) ?? null;
  expect(hasExits(intent.legs, { live })).toBe(isWhole);
});

test("a bracket that TWS has whole is left as it is", async () => {
  const fixture = await startOrders();
  await dieBehind(fixture, {}, 3);
  await untilAnswer(
    () => fixture.stateOf("b"),
    (state) => state === "acked",
  );
  expect(fixture.simulator().world.ledger.openOrders()).toHaveLength(3);
  expect(await again(fixture)).toMatchObject({
    output: { status: "Submitted", stopLossStatus: "PreSubmitted" },
  });
  expect(fixture.placed()).toBe(3);
});

test("a bracket whose fill TWS does not list at first is whole when it does, and is left alone until then", async () => {
  const fixture = await startOrders();
  fixture.simulator().faults.orders({ drop: "after-reading", nth: 3, emptyMs: 60_000 });
  await again(fixture, { entryPrice: 5_000 });
  await untilAnswer(
    () => fixture.status({ idempotencyKey: "b" }),
    (answer) => JSON.stringify(answer).includes("TWS shows a part of it"),
  );
  fixture.simulator().faults.orders({});
  await untilAnswer(() => fixture.stateOf("b"), isSettled);
  expect(fixture.stateOf("b")).toBe("acked");
  expect(await again(fixture, { entryPrice: 5_000 })).toMatchObject({
    output: { status: "Filled", filled: 1 },
  });
  expect(cancelsOf(fixture)).toBe(0);
  expect(fixture.simulator().world.ledger.openOrders()).toHaveLength(2);
});

test("a bracket that TWS has refused while the agent died was refused, is told so, and counts no more", async () => {
  const fixture = await startOrders();
  const input = { quantity: 1_000_000, entryPrice: 200 };
  await dieBehind(fixture, input, 3);
  await untilAnswer(() => fixture.stateOf("b"), isSettled);
  expect(fixture.stateOf("b")).toBe("rejected");
  expect(await again(fixture, input)).toMatchObject({
    error: { code: "order_rejected", message: expect.stringMatching(/as Inactive.*nothing was filled/) },
  });
  expect(cancelsOf(fixture)).toBeLessThan(3);
  expect(fixture.host().agent().orders.status().unknownOrders).toBe(0);
});

test("a bracket that is merely not seen in time is not cancelled, and placed when it is seen", async () => {
  const fixture = await startOrders();
  await fixture.fillBefore();
  fixture.simulator().faults.orders({ delayMs: 2_500 });
  expect(await again(fixture)).toMatchObject({ error: { code: "outcome_unknown" } });
  await untilAnswer(() => fixture.stateOf("b"), isSettled);
  fixture.simulator().faults.orders({});
  expect(fixture.stateOf("b")).toBe("acked");
  expect(cancelsOf(fixture)).toBe(0);
  expect(await again(fixture)).toMatchObject({ output: { status: "Submitted" } });
  expect(fixture.simulator().world.ledger.openOrders()).toHaveLength(3);
});

test("a bracket that the agent is cancelling is no placed one, whole as it may look, until that is over", async () => {
  let takeProfit = () => {};
  let cancel = () => {};
  const world = scriptedWorld({
    onPlace(request, _tell, proceed) {
      if (request.orderType !== "LMT" || request.parentId === 0 || request.transmit) return proceed();
      world.ledger.expect(request.clientId, request.orderId);
      takeProfit = () => world.ledger.place({ ...request, transmit: true });
    },
    onCancel: (_orderId, _tell, proceed) => (cancel = proceed),
  });
  const fixture = await startOrders({ world });
  expect(await again(fixture)).toMatchObject({ error: { code: "outcome_unknown" } });
  takeProfit();
  await untilAnswer(
    () => world.ledger.openOrders().length,
    (count) => count === 3,
  );
  const cancelling = {
    error: {
      code: "outcome_unknown",
      message: expect.stringMatching(/agent has been cancelling its entry since/),
    },
  };
  expect(await again(fixture)).toMatchObject(cancelling);
  await fixture.host().crash();
  expect(await again(fixture)).toMatchObject(cancelling);
  cancel();
  await untilAnswer(() => fixture.stateOf("b"), isSettled);
  expect(fixture.stateOf("b")).toBe("rejected");
  expect(world.ledger.openOrders()).toEqual([]);
});
