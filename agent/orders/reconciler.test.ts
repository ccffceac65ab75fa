import { describe, expect, test, vi } from "vitest";
import { startAgent, callBy } from "../handlers/handlers.fixture.ts";
import { market, startOrders, untilAnswer, type OrdersBed } from "./orders.fixture.ts";

const key = { idempotencyKey: "k" };
const statusOf = async (bed: OrdersBed) => {
  const answer = await bed.status(key);
  return answer.type === "result" ? answer.output["status"] : answer.type;
};
const isKnown = (status: unknown) => status !== "Unknown";

describe("an order whose line was cut", () => {
  test("is found when TWS has it, and written down", async () => {
    const bed = await startOrders();
    bed.simulator().faults.orders({ drop: "after-reading" });
    expect(await bed.place(key)).toMatchObject({ error: { code: "outcome_unknown" } });
    await untilAnswer(
      () => bed.stateOf("k"),
      (state) => state === "acked",
    );
    expect(await bed.place(key)).toMatchObject({ output: { status: "Submitted" } });
    expect(bed.placed()).toBe(1);
  });

  test("is unknown, with what is being done, until two looks far enough from the cut; and is never sent again", async () => {
    const bed = await startOrders({}, { settledMs: 1_500 });
    bed.simulator().faults.orders({ drop: "before-reading" });
    await bed.place(key);
    await bed.back();
    const backAt = performance.now();
    expect(await bed.status(key)).toMatchObject({
      output: {
        status: "Unknown",
        wish: { state: "unknown" },
        warnings: [expect.stringMatching(/asked for it again .*Do not place it again/)],
      },
    });
    await untilAnswer(() => statusOf(bed), isKnown);
    expect(performance.now() - backAt).toBeGreaterThan(1_490);
    expect(await bed.place(key)).toMatchObject({
      error: { code: "order_rejected", message: expect.stringMatching(/did not reach TWS/) },
    });
    expect(bed.simulator().world.ledger.openOrders()).toEqual([]);
    expect(bed.placed()).toBe(1);
  });

  test("stays unknown while TWS does not list what is known to have filled", async () => {
    const bed = await startOrders();
    await bed.call("ibkr_place_order", { ...market, idempotencyKey: "control" });
    await untilAnswer(
      () => bed.stateOf("control"),
      (state) => state === "done",
    );
    bed.simulator().faults.orders({ drop: "before-reading", emptyMs: 1_500 });
    const startedAt = performance.now();
    await bed.place(key);
    await untilAnswer(() => statusOf(bed), isKnown);
    expect(performance.now() - startedAt).toBeGreaterThan(1_450);
    expect(bed.stateOf("k")).toBe("absent");
  });

  test("and that was called absent is an error in the log when it turns up, and what it is", async () => {
    const bed = await startOrders();
    // nothing else has filled, so that nothing shows the lists to be short
    bed.simulator().faults.orders({ drop: "after-reading", emptyMs: 2_000 });
    await bed.call("ibkr_place_order", { ...market, ...key });
    await untilAnswer(
      () => bed.stateOf("k"),
      (state) => state === "absent",
    );
    bed.simulator().faults.orders({});
    await bed.call("ibkr_get_executions", { account: "" });
    await untilAnswer(
      () => bed.stateOf("k"),
      (state) => state === "done",
    );
    expect(bed.logged).toContain("error orders.appeared_failed");
    expect(await bed.call("ibkr_place_order", { ...market, ...key })).toMatchObject({
      output: { status: "Filled", filled: 3 },
    });
  });

  test("is looked for again by itself when TWS did not list its orders after a restart of the agent", async () => {
    const bed = await startOrders();
    bed.simulator().faults.orders({ drop: "before-reading" });
    await bed.place(key);
    bed.simulator().faults.orders({ withoutEnds: [53] });
    await bed.host().crash();
    await untilAnswer(() => bed.logged.includes("error orders.not_reconciled"), Boolean);
    bed.simulator().faults.orders({});
    // nobody asks for anything
    await vi.waitFor(() => expect(bed.stateOf("k")).toBe("absent"), 10_000);
  });
});

describe("what an agent has left behind that died", () => {
  test("was not sent while it was reserved, and may be placed by the same key", async () => {
    const bed = await startOrders();
    // neither the next step nor the refusal is written
    bed.host().onWritten((step) => {
      if (step === "reserved") bed.host().failJournal(1_000, "before");
    });
    const placing = bed.place(key);
    expect(await placing).toMatchObject({ error: { code: "journal_unavailable" } });
    expect(bed.stateOf("k")).toBe("reserved");
    bed.host().onWritten(() => {});
    bed.host().failJournal(0, "before");
    await bed.host().crash();
    expect(bed.stateOf("k")).toBe("refused");
    expect(await bed.status(key)).toMatchObject({
      output: { status: "Inactive", wish: { state: "refused" } },
    });
    expect(bed.placed()).toBe(0);
    expect(await bed.place(key)).toMatchObject({ output: { status: "Submitted" } });
    expect(bed.placed()).toBe(1);
  });

  test("is followed to an end that came while it was away, under its own order id", async () => {
    const bed = await startOrders();
    const placed = await bed.place(key);
    const orderId = placed.type === "result" ? Number(placed.output["orderId"]) : 0;
    await bed.whileStopped(async () => {
      const other = startAgent({ port: bed.simulator().port, clientId: 7 });
      await other.session.whenConnected(5_000);
      await other.handlers.ibkr_cancel_all_orders({ account: "" }, callBy());
      await other.close();
    });
    await untilAnswer(
      () => bed.stateOf("k"),
      (state) => state === "done",
    );
    const ended = { orderId, status: "Cancelled" };
    expect(await bed.status(key)).toMatchObject({ output: ended });
    expect(await bed.place(key)).toMatchObject({ output: ended });
    // TWS lists it without its id
    expect(await bed.call("ibkr_cancel_order", { orderId })).toMatchObject({ output: ended });
    await bed.host().crash();
    expect(await bed.status({ orderId })).toMatchObject({ output: ended });
  });

  test("is not shown as working when TWS lists it no more, and is given up after two looks", async () => {
    const bed = await startOrders();
    await bed.place(key);
    await bed.whileStopped(() => bed.replaceTws());
    expect(await bed.place(key)).toMatchObject({
      output: { status: "Unknown", warnings: [expect.stringMatching(/does not list this order now/)] },
    });
    await untilAnswer(
      () => bed.stateOf("k"),
      (state) => state === "done",
    );
    expect(bed.logged).toContain("warn orders.unlisted");
    expect(bed.placed()).toBe(0);
  });

  test("is left alone while TWS is logged in without its account", async () => {
    const accounts = ["DU1111111", "DU2222222"];
    const bed = await startOrders({ accounts });
    bed.simulator().faults.orders({ drop: "before-reading" });
    await bed.place({ ...key, account: "DU2222222" });
    await bed.whileStopped(() => bed.replaceTws({ accounts: ["DU1111111"] }));
    // as often as it takes to call it absent
    for (let looks = 0; looks < 12; looks += 1) {
      expect(await bed.status(key)).toMatchObject({
        output: { status: "Unknown", warnings: [expect.stringMatching(/without the account DU2222222/)] },
      });
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    await bed.whileStopped(() => bed.replaceTws({ accounts }));
    await untilAnswer(
      () => bed.stateOf("k"),
      (state) => state === "absent",
    );
  });

  test("a cancellation is over, whichever account TWS is logged in to", async () => {
    const bed = await startOrders({ accounts: ["DU1111111", "DU2222222"] });
    bed.host().failJournal(9, "before", "done");
    await bed.call("ibkr_cancel_all_orders", { account: "" });
    expect(bed.host().agent().orders.journal.countUnknown()).toBe(1);
    bed.host().failJournal(0, "before");
    await bed.host().crash();
    await vi.waitFor(() => expect(bed.host().agent().orders.journal.countUnknown()).toBe(0), 10_000);
  });
});

test("a look that began before TWS had settled does not count as settled, however late it is answered", async () => {
  const bed = await startOrders();
  bed.simulator().faults.orders({ drop: "after-reading", emptyMs: 300 });
  const placing = bed.call("ibkr_place_order", { ...market, ...key });
  await placing;
  await bed.back();
  await untilAnswer(() => statusOf(bed), isKnown);
  expect(bed.stateOf("k")).toBe("done");
});
