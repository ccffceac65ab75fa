import { describe, expect, test, vi } from "vitest";
import { TwsError } from "../../shared/errors.ts";
import { tools } from "../../shared/tools/index.ts";
import { callBy, trader } from "../handlers/handlers.fixture.ts";
import { account, specOf } from "../limits/limits.fixture.ts";
import { scriptedWorld, shown } from "../tws/test-support/scripted-ledger.fixture.ts";
import { nameOf } from "./intent-id.ts";
import { far, startOrders, untilAnswer } from "./orders.fixture.ts";
import type { Work } from "./submission.ts";

const key = { idempotencyKey: "k" };
const placing = (input: object) => tools.ibkr_place_order.input.parse({ ...far, ...input });

describe("a key", () => {
  test("stands for one order: the same joins it or is answered with it, and another is refused", async () => {
    const bed = await startOrders();
    const [one, same] = await Promise.all([bed.place(key), bed.place(key)]);
    expect(same).toEqual(one);
    expect(await bed.place(key)).toEqual(one);
    expect(await bed.place({ ...key, quantity: 11 })).toMatchObject({ error: { code: "invalid_input" } });
    expect(bed.placed()).toBe(1);
  });

  test("stands for it while it is on its way too", async () => {
    const bed = await startOrders();
    const [one, other] = await Promise.all([bed.place(key), bed.place({ ...key, quantity: 11 })]);
    expect(one).toMatchObject({ type: "result" });
    expect(other).toMatchObject({ error: { code: "invalid_input" } });
    expect(bed.placed()).toBe(1);
  });

  test("that the edge has made for an order is not freed by a cancellation under the same", async () => {
    const bed = await startOrders();
    const { handlers } = bed.host().agent();
    const context = callBy(trader, { madeKey: "made" });
    const { orderId } = await handlers.ibkr_place_order(placing({}), context);
    const other = await handlers.ibkr_place_order(placing(key), callBy());
    await handlers.ibkr_cancel_order({ orderId: other.orderId }, context);
    expect(bed.stateOf("made")).toBe("acked");
    await handlers.ibkr_cancel_all_orders({ account: "" }, context);
    expect(await handlers.ibkr_place_order(placing({}), context)).toMatchObject({
      orderId,
      status: "Cancelled",
    });
    expect(bed.placed()).toBe(2);
  });
});

describe("the same order without a key, within moments", () => {
  test("is asked about, and the answer names the first", async () => {
    const bed = await startOrders();
    const first = await bed.place();
    const intent = first.type === "result" ? { idempotencyKey: first.output["idempotencyKey"] } : {};
    expect(await bed.place()).toMatchObject({ error: { code: "duplicate_order", intent } });
    expect(await bed.place({ quantity: 11 })).toMatchObject({ type: "result" });
    expect(bed.placed()).toBe(2);
  });

  test("is placed when the first has come to nothing, and for another grant", async () => {
    const bed = await startOrders();
    const first = await bed.place();
    await bed.call("ibkr_cancel_order", { orderId: first.type === "result" ? first.output["orderId"] : 0 });
    expect(await bed.place()).toMatchObject({ type: "result" });
    expect(await bed.place({}, { ...trader, grantId: "grant-2" })).toMatchObject({ type: "result" });
    expect(bed.placed()).toBe(3);
  });

  test("is asked about while the first is Inactive, since TWS may have parked it to wake later", async () => {
    const world = scriptedWorld({
      onPlace: (request, tell) => tell({ type: "order", order: shown(request, "Inactive") }),
    });
    const bed = await startOrders({ world });
    expect(await bed.place()).toMatchObject({ output: { status: "Inactive" } });
    expect(await bed.place()).toMatchObject({ error: { code: "duplicate_order" } });
    expect(bed.placed()).toBe(1);
  });

  test("may be retried under the key that was made for it when nothing could be written down", async () => {
    const bed = await startOrders();
    const { handlers } = bed.host().agent();
    const context = callBy(trader, { madeKey: "made" });
    for (const last of ["received", "reserved"]) {
      // the refusal is not written either
      bed.host().onWritten((step) => {
        if (step === last) bed.host().failJournal(1_000, "before");
      });
      await expect(handlers.ibkr_place_order(placing({}), context)).rejects.toMatchObject({
        code: "journal_unavailable",
      });
      expect(bed.stateOf("made")).toBe(last);
      bed.host().failJournal(0, "before");
    }
    bed.host().onWritten(() => {});
    expect(await handlers.ibkr_place_order(placing({}), context)).toMatchObject({ status: "Submitted" });
    expect(bed.placed()).toBe(1);
  });
});

test("what was sent is never taken for unsent, also when it was found at TWS before its call has failed", async () => {
  const bed = await startOrders();
  const { journal, pipeline } = bed.host().agent().orders;
  const name = nameOf(trader.grantId, "k");
  const wish = {
    ...name,
    tool: "ibkr_place_order",
    kind: "place",
    digest: "d",
    account,
    isOwnKey: false,
    checksTwin: false,
  } as const;
  const spec = specOf({ conId: far.conId, exchange: "SMART" }, { orderRef: name.intentId });
  let sent = 0;
  const work: Work = {
    earlier: () => Promise.resolve(null),
    prepare: () => Promise.resolve([{ spec, changes: null, isExit: false }]),
    async send(_proposed, steps) {
      steps.reserved([{ orderId: 1, spec }]);
      steps.sending();
      sent += 1;
      journal.acknowledge(name.intentId, [], false);
      throw new TwsError("cancelled", "The agent is stopping.");
    },
  };
  for (let calls = 2; calls > 0; calls -= 1) {
    await expect(pipeline.carryOut(wish, work, callBy())).rejects.toMatchObject({ code: expect.any(String) });
  }
  expect(sent).toBe(1);
});

test("nothing is sent after the time of its call", async () => {
  const bed = await startOrders();
  const late = callBy(trader, { notAfter: Date.now() - 1 });
  await expect(bed.host().agent().handlers.ibkr_place_order(placing(key), late)).rejects.toMatchObject({
    code: "cancelled",
  });
  expect(bed.placed()).toBe(0);
  expect(bed.stateOf("k")).toBe("refused");
  expect(await bed.place(key)).toMatchObject({ type: "result" });
});

test("a stop of new orders that comes behind the reservation is in time", async () => {
  const bed = await startOrders();
  bed.host().onWritten((step) => {
    if (step === "reserved") bed.host().freeze(true);
  });
  expect(await bed.place(key)).toMatchObject({ error: { code: "trading_frozen" } });
  expect(bed.placed()).toBe(0);
  bed.host().freeze(false);
  bed.host().onWritten(() => {});
  expect(await bed.place(key)).toMatchObject({ type: "result" });
});

describe("a journal that fails", () => {
  test.for(["received", "reserved", "sending"])(
    "at %s keeps the order from being sent, and the key free",
    async (step) => {
      const bed = await startOrders();
      bed.host().failJournal(1, "before", step);
      expect(await bed.place(key)).toMatchObject({ error: { code: "journal_unavailable" } });
      expect(bed.placed()).toBe(0);
      expect(await bed.place(key)).toMatchObject({ output: { status: "Submitted" } });
      expect(bed.placed()).toBe(1);
    },
  );

  test("behind sending keeps the order from being sent, and the key taken until TWS is known not to have it", async () => {
    const bed = await startOrders();
    bed.host().failJournal(1, "after", "sending");
    expect(await bed.place(key)).toMatchObject({ error: { code: "journal_unavailable" } });
    expect(await bed.place(key)).toMatchObject({ error: { code: "outcome_unknown" } });
    await untilAnswer(
      () => bed.stateOf("k"),
      (state) => state === "absent",
    );
    expect(bed.placed()).toBe(0);
  });

  test("at the acknowledgement hides no order: it is answered, answered again, and written down later", async () => {
    const bed = await startOrders();
    bed.host().failJournal(1_000, "before", "acked");
    const placed = { output: { status: "Submitted" } };
    expect(await bed.place(key)).toMatchObject(placed);
    expect(await bed.place(key)).toMatchObject(placed);
    expect(bed.stateOf("k")).toBe("sending");
    bed.host().failJournal(0, "before");
    await untilAnswer(
      () => bed.stateOf("k"),
      (state) => state === "acked",
    );
    expect(bed.placed()).toBe(1);
  });

  test("at an end is tried again, also when TWS has nothing more to say", async () => {
    const bed = await startOrders();
    const placed = await bed.place(key);
    bed.host().failJournal(3, "before", "done");
    await bed.call("ibkr_cancel_order", { orderId: placed.type === "result" ? placed.output["orderId"] : 0 });
    await vi.waitFor(() => expect(bed.stateOf("k")).toBe("done"), 10_000);
  });

  test("by a row that is damaged keeps every order from being sent, and each is told why", async () => {
    const bed = await startOrders();
    await bed.place(key);
    const { file } = bed.host().agent().orders.journal;
    file.write("damage", (db) => db.exec("UPDATE leg SET shown = '{}'"));
    await bed.whileStopped(async () => {});
    for (let calls = 2; calls > 0; calls -= 1) {
      expect(await bed.place({ idempotencyKey: "another", quantity: 11 })).toMatchObject({
        error: { code: "journal_unavailable", message: expect.stringContaining("a row in it is damaged") },
      });
    }
    expect(bed.placed()).toBe(1);
  });

  test("keeps no cancellation from TWS", async () => {
    const bed = await startOrders();
    const placed = await bed.place(key);
    bed.host().failJournal(1_000, "before");
    const orderId = placed.type === "result" ? placed.output["orderId"] : 0;
    expect(await bed.call("ibkr_cancel_order", { orderId })).toMatchObject({
      output: { status: "Cancelled" },
    });
    expect(bed.simulator().world.ledger.openOrders()).toEqual([]);
  });
});

test("a change that TWS refuses since the order has filled is over, and looked for by nobody", async () => {
  const bed = await startOrders();
  const placed = await bed.place(key);
  const orderId = placed.type === "result" ? placed.output["orderId"] : 0;
  bed.simulator().faults.reply("placeOrder", {
    does: "refuse",
    code: 104,
    text: "Cannot modify a filled order.",
    times: 1,
  });
  expect(await bed.call("ibkr_modify_order", { orderId, limitPrice: 2 })).toMatchObject({
    error: { code: "order_not_changeable" },
  });
  expect(bed.host().agent().orders.status()).toMatchObject({ unknownOrders: 0 });
});
