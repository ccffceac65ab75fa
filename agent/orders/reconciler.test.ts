import { describe, expect, test, vi } from "vitest";
import { startAgent, callBy } from "../handlers/handlers.fixture.ts";
import { market, startOrders, untilAnswer, type OrdersFixture } from "./orders.fixture.ts";

const key = { idempotencyKey: "k" };
const statusOf = async (fixture: OrdersFixture) => {
  const answer = await fixture.status(key);
  return answer.type === "result" ? answer.output["status"] : answer.type;
};
const isKnown = (status: unknown) => status !== "Unknown";

describe("an order whose line was cut", () => {
  test("is found when TWS has it, and written down", async () => {
    const fixture = await startOrders();
    fixture.simulator().faults.orders({ drop: "after-reading" });
    expect(await fixture.place(key)).toMatchObject({ error: { code: "outcome_unknown" } });
    await untilAnswer(
      () => fixture.stateOf("k"),
      (state) => state === "acked",
    );
    expect(await fixture.place(key)).toMatchObject({ output: { status: "Submitted" } });
    expect(fixture.placed()).toBe(1);
  });

  test("is unknown, with what is being done, until two looks far enough from the cut; and is never sent again", async () => {
    const fixture = await startOrders({}, { settledMs: 1_500 });
    await fixture.fillBefore();
    fixture.simulator().faults.orders({ drop: "before-reading" });
    await fixture.place(key);
    await fixture.back();
    const backAt = performance.now();
    expect(await fixture.status(key)).toMatchObject({
      output: {
        status: "Unknown",
        intent: { state: "unknown" },
        warnings: [expect.stringMatching(/asked for it again .*Do not place it again/)],
      },
    });
    await untilAnswer(() => statusOf(fixture), isKnown);
    expect(performance.now() - backAt).toBeGreaterThan(1_490);
    expect(await fixture.place(key)).toMatchObject({
      error: { code: "order_rejected", message: expect.stringMatching(/did not reach TWS/) },
    });
    expect(fixture.simulator().world.ledger.openOrders()).toEqual([]);
    expect(fixture.placed()).toBe(2);
  });

  test("stays unknown while TWS does not list what is known to have filled", async () => {
    const fixture = await startOrders();
    await fixture.fillBefore();
    fixture.simulator().faults.orders({ drop: "before-reading", emptyMs: 1_500 });
    const startedAt = performance.now();
    await fixture.place(key);
    await untilAnswer(() => statusOf(fixture), isKnown);
    expect(performance.now() - startedAt).toBeGreaterThan(1_450);
    expect(fixture.stateOf("k")).toBe("absent");
  });

  test("is looked for again by itself when TWS did not list its orders after a restart of the agent", async () => {
    const fixture = await startOrders();
    await fixture.fillBefore();
    fixture.simulator().faults.orders({ drop: "before-reading" });
    await fixture.place(key);
    fixture.simulator().faults.orders({ withoutEnds: [53] });
    await fixture.host().crash();
    await untilAnswer(() => fixture.logged.includes("error orders.not_reconciled"), Boolean);
    fixture.simulator().faults.orders({});
    // nobody asks for anything
    await vi.waitFor(() => expect(fixture.stateOf("k")).toBe("absent"), 10_000);
  });
});

describe("what an agent has left behind that died", () => {
  test("was not sent while it was reserved, and may be placed by the same key", async () => {
    const fixture = await startOrders();
    // neither the next step nor the refusal is written
    fixture.host().onWritten((step) => {
      if (step === "reserved") fixture.host().failJournal(1_000, "before");
    });
    const placing = fixture.place(key);
    expect(await placing).toMatchObject({ error: { code: "journal_unavailable" } });
    expect(fixture.stateOf("k")).toBe("reserved");
    fixture.host().onWritten(() => {});
    fixture.host().failJournal(0, "before");
    await fixture.host().crash();
    expect(fixture.stateOf("k")).toBe("refused");
    expect(await fixture.status(key)).toMatchObject({
      output: { status: "Inactive", intent: { state: "refused" } },
    });
    expect(fixture.placed()).toBe(0);
    expect(await fixture.place(key)).toMatchObject({ output: { status: "Submitted" } });
    expect(fixture.placed()).toBe(1);
  });

  test("is followed to an end that came while it was away, under its own order id", async () => {
    const fixture = await startOrders();
    const placed = await fixture.place(key);
    const orderId = placed.type === "result" ? Number(placed.output["orderId"]) : 0;
    await fixture.whileStopped(async () => {
      const other = startAgent({ port: fixture.simulator().port, clientId: 7 });
      await other.session.whenConnected(5_000);
      await other.handlers.ibkr_cancel_all_orders({ account: "" }, callBy());
      await other.close();
    });
    await untilAnswer(
      () => fixture.stateOf("k"),
      (state) => state === "done",
    );
    const ended = { orderId, status: "Cancelled" };
    expect(await fixture.status(key)).toMatchObject({ output: ended });
    expect(await fixture.place(key)).toMatchObject({ output: ended });
    // TWS lists it without its id
    expect(await fixture.call("ibkr_cancel_order", { orderId })).toMatchObject({ output: ended });
    await fixture.host().crash();
    expect(await fixture.status({ orderId })).toMatchObject({ output: ended });
  });

  test("is not shown as working when TWS lists it no more, and is given up after two looks", async () => {
    const fixture = await startOrders();
    await fixture.place(key);
    await fixture.whileStopped(() => fixture.replaceTws());
    expect(await fixture.place(key)).toMatchObject({
      output: { status: "Unknown", warnings: [expect.stringMatching(/does not list this order now/)] },
    });
    await untilAnswer(
      () => fixture.stateOf("k"),
      (state) => state === "done",
    );
    expect(fixture.logged).toContain("warn orders.unlisted");
    expect(fixture.placed()).toBe(0);
  });

  test("is left alone while TWS is logged in without its account", async () => {
    const accounts = ["DU1111111", "DU2222222"];
    const fixture = await startOrders({ accounts });
    fixture.simulator().faults.orders({ drop: "before-reading" });
    await fixture.place({ ...key, account: "DU2222222" });
    await fixture.whileStopped(() => fixture.replaceTws({ accounts: ["DU1111111"] }));
    // as often as it takes to call it absent
    for (let looks = 0; looks < 12; looks += 1) {
      expect(await fixture.status(key)).toMatchObject({
        output: { status: "Unknown", warnings: [expect.stringMatching(/without the account DU2222222/)] },
      });
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    await fixture.whileStopped(() => fixture.replaceTws({ accounts }));
    // this TWS knows nothing of the first, which proves nothing
    expect(await fixture.status(key)).toMatchObject({
      output: { warnings: [expect.stringMatching(/is asked for it again by itself/)] },
    });
    expect(fixture.stateOf("k")).toBe("unknown");
  });

  test("a cancellation is over, whichever account TWS is logged in to", async () => {
    const fixture = await startOrders({ accounts: ["DU1111111", "DU2222222"] });
    fixture.host().failJournal(9, "before", "done");
    await fixture.call("ibkr_cancel_all_orders", { account: "" });
    expect(fixture.host().agent().orders.journal.countUnknown()).toBe(1);
    fixture.host().failJournal(0, "before");
    await fixture.host().crash();
    await vi.waitFor(() => expect(fixture.host().agent().orders.journal.countUnknown()).toBe(0), 10_000);
  });
});

test("a look that began before TWS had settled does not count as settled, however late it is answered", async () => {
  const fixture = await startOrders();
  fixture.simulator().faults.orders({ drop: "after-reading", emptyMs: 300 });
  const placing = fixture.call("ibkr_place_order", { ...market, ...key });
  await placing;
  await fixture.back();
  await untilAnswer(() => statusOf(fixture), isKnown);
  expect(fixture.stateOf("k")).toBe("done");
});
