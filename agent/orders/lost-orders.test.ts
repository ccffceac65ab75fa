import { describe, expect, test, vi } from "vitest";
import { trader } from "../handlers/handlers.fixture.ts";
import { far, market, startOrders, untilAnswer, type OrdersFixture } from "./orders.fixture.ts";

const key = { idempotencyKey: "k" };
const buy = (fixture: OrdersFixture) => fixture.call("ibkr_place_order", { ...market, ...key });
const unknown = (words: RegExp) => ({
  output: {
    status: "Unknown",
    intent: { state: "unknown" },
    warnings: [expect.stringMatching(words)],
  },
});
const reaches = (fixture: OrdersFixture, wanted: string) =>
  untilAnswer(
    () => fixture.stateOf("k"),
    (state) => state === wanted,
  );
/** By then an order would have been called absent, were silence a proof. */
async function waitLong(fixture: OrdersFixture): Promise<void> {
  const startedAt = performance.now();
  await untilAnswer(
    () => fixture.status(key),
    () => performance.now() - startedAt > 1_500,
  );
}
const steps = ({ host }: OrdersFixture) =>
  host()
    .agent()
    .orders.journal.audit.after(0, 10_000)
    .map(({ step }) => step);

describe("an order whose answer was lost", () => {
  test("is unknown for as long as TWS lists only a day that began behind it, and the position is told", async () => {
    const fixture = await startOrders();
    const { faults, world } = fixture.simulator();
    faults.orders({ drop: "after-reading" });
    await buy(fixture);
    await vi.waitFor(() => expect(world.ledger.executions()).toHaveLength(1));
    await fixture.whileStopped(async () => faults.beginDay());
    await waitLong(fixture);
    const position = world.ledger.positions().find(({ instrument }) => instrument.conId === market.conId);
    expect(await fixture.status(key)).toMatchObject(
      unknown(
        new RegExp(
          `nothing on the lists is older.*The position of DU\\d+ in its instrument is ${position?.quantity} now.*In TWS look`,
        ),
      ),
    );
    expect(await buy(fixture)).toMatchObject({ error: { code: "outcome_unknown" } });
  });

  test("is unknown while the lists are empty for minutes, though nothing of its account is missing from them", async () => {
    const fixture = await startOrders();
    fixture.simulator().faults.orders({ drop: "after-reading", emptyMs: 60_000 });
    await buy(fixture);
    await waitLong(fixture);
    expect(await fixture.status(key)).toMatchObject(unknown(/nothing on the lists is older/));
    fixture.simulator().faults.orders({});
    await reaches(fixture, "done");
    expect(await buy(fixture)).toMatchObject({ output: { status: "Filled", filled: 3 } });
  });

  test("that was called absent is looked for on, and what comes up reaches caller, trail and owner", async () => {
    const fixture = await startOrders();
    await fixture.fillBefore();
    const { faults } = fixture.simulator();
    faults.orders({ drop: "after-reading", dialog: true });
    await buy(fixture);
    await reaches(fixture, "absent");
    expect(await fixture.status(key)).toMatchObject({
      output: { intent: { note: expect.stringMatching(/reach back to before it was sent.*looked for on/) } },
    });
    faults.orders({});
    faults.answerDialogs(true);
    // nobody asks for anything
    await vi.waitFor(() => expect(fixture.stateOf("k")).toBe("done"), 10_000);
    expect(fixture.logged).toContain("warn orders.corrected");
    expect(steps(fixture)).toContain("corrected");
    const corrected = expect.arrayContaining([expect.stringMatching(/called absent before; that was wrong/)]);
    expect(await buy(fixture)).toMatchObject({ output: { status: "Filled", warnings: corrected } });
    expect(await fixture.status(key)).toMatchObject({ output: { status: "Filled", warnings: corrected } });
  });
});

describe("an order that a dialog of TWS holds", () => {
  test("is unknown on an unbroken line, however long, and found when somebody accepts it", async () => {
    const fixture = await startOrders();
    await fixture.fillBefore();
    fixture.simulator().faults.orders({ dialog: true });
    expect(await buy(fixture)).toMatchObject({ error: { code: "outcome_unknown" } });
    await waitLong(fixture);
    expect(await fixture.status(key)).toMatchObject(unknown(/a dialog in TWS may hold it/));
    // what is sent behind it is answered, which says nothing of it
    fixture.simulator().faults.orders({});
    await fixture.call("ibkr_place_order", { ...far, idempotencyKey: "behind" });
    await waitLong(fixture);
    expect(fixture.stateOf("k")).toBe("unknown");
    fixture.simulator().faults.answerDialogs(true);
    await reaches(fixture, "done");
    expect(await buy(fixture)).toMatchObject({ output: { status: "Filled", filled: 3 } });
  });
});

test("a change that a dialog of TWS holds comes too late for an order that was cancelled meanwhile", async () => {
  const fixture = await startOrders();
  const { faults, world } = fixture.simulator();
  const placed = await fixture.place(key);
  const orderId = placed.type === "result" ? Number(placed.output["orderId"]) : 0;
  faults.orders({ dialog: true });
  expect(await fixture.call("ibkr_modify_order", { orderId, limitPrice: 2 })).toMatchObject({
    error: { code: "outcome_unknown" },
  });
  faults.orders({});
  expect(await fixture.call("ibkr_cancel_order", { orderId })).toMatchObject({
    output: { status: "Cancelled" },
  });
  faults.answerDialogs(true);
  expect(await fixture.status(key)).toMatchObject({ output: { status: "Cancelled" } });
  expect(world.ledger.openOrders()).toEqual([]);
});

describe("a code that nobody knows the meaning of", () => {
  test("refuses no order that TWS's own lists show", async () => {
    const fixture = await startOrders();
    fixture.simulator().faults.orders({ oddCode: 9_999, takenAfterMs: 30 });
    const placed = { output: { status: "Submitted" } };
    expect(await fixture.place(key)).toMatchObject(placed);
    expect(await fixture.place(key)).toMatchObject(placed);
  });

  test("is revised when TWS shows the order long after it, and that is said", async () => {
    const fixture = await startOrders();
    fixture.simulator().faults.orders({ oddCode: 9_999, takenAfterMs: 600 });
    expect(await buy(fixture)).toMatchObject({
      error: { code: "order_rejected", message: expect.stringMatching(/code 9999, which is not known here/) },
    });
    expect(fixture.stateOf("k")).toBe("rejected");
    await vi.waitFor(() => expect(fixture.stateOf("k")).toBe("done"), 10_000);
    expect(fixture.logged).toContain("warn orders.corrected");
    expect(await buy(fixture)).toMatchObject({
      output: {
        status: "Filled",
        filled: 3,
        warnings: expect.arrayContaining([expect.stringMatching(/called rejected before/)]),
      },
    });
  });
});

describe("an Inactive order", () => {
  test.for(["locate", ""])(
    "is not at its end (%j): it may fill later, and lists that forget it make it unknown",
    async (whyHeld) => {
      const fixture = await startOrders();
      const placed = await fixture.place(key);
      const orderId = placed.type === "result" ? Number(placed.output["orderId"]) : 0;
      const { faults } = fixture.simulator();
      faults.park(orderId, whyHeld);
      await untilAnswer(
        () => fixture.status(key),
        (answer) => answer.type === "result" && answer.output["status"] === "Inactive",
      );
      expect(fixture.stateOf("k")).toBe("acked");
      await fixture.whileStopped(() => fixture.replaceTws());
      expect(await fixture.status(key)).toMatchObject({ output: { status: "Unknown" } });
    },
  );

  test("that was written down as ended, and fills later, is what it is", async () => {
    const fixture = await startOrders();
    const placed = await fixture.place(key);
    const orderId = placed.type === "result" ? Number(placed.output["orderId"]) : 0;
    const { faults, world } = fixture.simulator();
    faults.park(orderId, "locate");
    await untilAnswer(
      () => fixture.status(key),
      (answer) => answer.type === "result" && answer.output["status"] === "Inactive",
    );
    // as an earlier release has written it
    const { journal, reconciler } = fixture.host().agent().orders;
    for (const intent of journal.byKey(trader.grantId, "k")) {
      journal.acknowledge(intent.intentId, reconciler.ordersOf(intent) ?? [], true);
    }
    await fixture.whileStopped(async () => {
      faults.park(orderId, null);
    });
    expect(world.ledger.openOrders()).toHaveLength(1);
    await untilAnswer(
      () => fixture.status(key),
      (answer) => answer.type === "result" && answer.output["status"] === "Submitted",
    );
    await reaches(fixture, "acked");
  });
});
