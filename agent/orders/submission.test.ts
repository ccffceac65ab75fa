import { describe, expect, test, vi } from "vitest";
import { TwsError } from "../../shared/errors.ts";
import { tools } from "../../shared/tools/index.ts";
import { callBy, trader } from "../handlers/handlers.fixture.ts";
import { account, specOf } from "../limits/limits.fixture.ts";
import { scriptedWorld, shown } from "../tws/test-support/scripted-ledger.fixture.ts";
import { nameOf } from "./intent-id.ts";
import { far, startOrders, untilAnswer } from "./orders.fixture.ts";
import type { OrderPlan } from "./submission.ts";

const key = { idempotencyKey: "k" };
const placing = (input: object) => tools.ibkr_place_order.input.parse({ ...far, ...input });

describe("a key", () => {
  test("stands for one order: the same joins it or is answered with it, and another is refused", async () => {
    const fixture = await startOrders();
    const [one, same] = await Promise.all([fixture.place(key), fixture.place(key)]);
    expect(same).toEqual(one);
    expect(await fixture.place(key)).toEqual(one);
    expect(await fixture.place({ ...key, quantity: 11 })).toMatchObject({ error: { code: "invalid_input" } });
    expect(fixture.placed()).toBe(1);
  });

  test("stands for it while it is on its way too", async () => {
    const fixture = await startOrders();
    const [one, other] = await Promise.all([fixture.place(key), fixture.place({ ...key, quantity: 11 })]);
    expect(one).toMatchObject({ type: "result" });
    expect(other).toMatchObject({ error: { code: "invalid_input" } });
    expect(fixture.placed()).toBe(1);
  });

  test("that the edge has made for an order is not freed by a cancellation under the same", async () => {
    const fixture = await startOrders();
    const { handlers } = fixture.host().agent();
    const context = callBy(trader, { generatedKey: "made" });
    const { orderId } = await handlers.ibkr_place_order(placing({}), context);
    const other = await handlers.ibkr_place_order(placing(key), callBy());
    await handlers.ibkr_cancel_order({ orderId: other.orderId }, context);
    expect(fixture.stateOf("made")).toBe("acked");
    await handlers.ibkr_cancel_all_orders({ account: "" }, context);
    expect(await handlers.ibkr_place_order(placing({}), context)).toMatchObject({
      orderId,
      status: "Cancelled",
    });
    expect(fixture.placed()).toBe(2);
  });
});

describe("the same order without a key, within moments", () => {
  test("is asked about, and the answer names the first", async () => {
    const fixture = await startOrders();
    const first = await fixture.place();
    const intent = first.type === "result" ? { idempotencyKey: first.output["idempotencyKey"] } : {};
    expect(await fixture.place()).toMatchObject({ error: { code: "duplicate_order", intent } });
    expect(await fixture.place({ quantity: 11 })).toMatchObject({ type: "result" });
    expect(fixture.placed()).toBe(2);
  });

  test("is placed when the first has come to nothing, and for another grant", async () => {
    const fixture = await startOrders();
    const first = await fixture.place();
    await fixture.call("ibkr_cancel_order", {
      orderId: first.type === "result" ? first.output["orderId"] : 0,
    });
    expect(await fixture.place()).toMatchObject({ type: "result" });
    expect(await fixture.place({}, { ...trader, grantId: "grant-2" })).toMatchObject({ type: "result" });
    expect(fixture.placed()).toBe(3);
  });

  test("is asked about while the first is Inactive, since TWS may have parked it to wake later", async () => {
    const world = scriptedWorld({
      onPlace: (request, tell) => tell({ type: "order", order: shown(request, "Inactive") }),
    });
    const fixture = await startOrders({ world });
    expect(await fixture.place()).toMatchObject({ output: { status: "Inactive" } });
    expect(await fixture.place()).toMatchObject({ error: { code: "duplicate_order" } });
    expect(fixture.placed()).toBe(1);
  });

  test("may be retried under the key that was made for it when nothing could be written down", async () => {
    const fixture = await startOrders();
    const { handlers } = fixture.host().agent();
    const context = callBy(trader, { generatedKey: "made" });
    for (const last of ["received", "reserved"]) {
      // the refusal is not written either
      fixture.host().onWritten((step) => {
        if (step === last) fixture.host().failJournal(1_000, "before");
      });
      await expect(handlers.ibkr_place_order(placing({}), context)).rejects.toMatchObject({
        code: "journal_unavailable",
      });
      expect(fixture.stateOf("made")).toBe(last);
      fixture.host().failJournal(0, "before");
    }
    fixture.host().onWritten(() => {});
    expect(await handlers.ibkr_place_order(placing({}), context)).toMatchObject({ status: "Submitted" });
    expect(fixture.placed()).toBe(1);
  });
});

test("what was sent is never taken for unsent, also when it was found at TWS before its call has failed", async () => {
  const fixture = await startOrders();
  const { journal, pipeline } = fixture.host().agent().orders;
  const name = nameOf(trader.grantId, "k");
  const intent = {
    ...name,
    tool: "ibkr_place_order",
    kind: "place",
    digest: "d",
    account,
    hasClientKey: false,
    checksDuplicate: false,
  } as const;
  const spec = specOf({ conId: far.conId, exchange: "SMART" }, { orderRef: name.intentId });
  let sent = 0;
  const plan: OrderPlan = {
    priorOrders: () => Promise.resolve(null),
    prepare: () => Promise.resolve([{ spec, changes: null, isExit: false }]),
    reserve: () =>
      Promise.resolve({
        orders: [{ orderId: 1, spec }],
        release: () => {},
        transmit({ beforeWrite }) {
          beforeWrite();
          sent += 1;
          journal.acknowledge(name.intentId, [], false);
          return Promise.reject(new TwsError("cancelled", "The agent is stopping."));
        },
      }),
  };
  for (let calls = 2; calls > 0; calls -= 1) {
    await expect(pipeline.submit(intent, plan, callBy())).rejects.toMatchObject({ code: expect.any(String) });
  }
  expect(sent).toBe(1);
});

test("nothing is sent after the time of its call", async () => {
  const fixture = await startOrders();
  const late = callBy(trader, { notAfter: Date.now() - 1 });
  await expect(fixture.host().agent().handlers.ibkr_place_order(placing(key), late)).rejects.toMatchObject({
    code: "cancelled",
  });
  expect(fixture.placed()).toBe(0);
  expect(fixture.stateOf("k")).toBe("refused");
  expect(await fixture.place(key)).toMatchObject({ type: "result" });
});

test("a stop of new orders that comes behind the reservation is in time", async () => {
  const fixture = await startOrders();
  fixture.host().onWritten((step) => {
    if (step === "reserved") fixture.host().freeze(true);
  });
  expect(await fixture.place(key)).toMatchObject({ error: { code: "trading_frozen" } });
  expect(fixture.placed()).toBe(0);
  fixture.host().freeze(false);
  fixture.host().onWritten(() => {});
  expect(await fixture.place(key)).toMatchObject({ type: "result" });
});

describe("a journal that fails", () => {
  test.for(["received", "reserved", "sending"])(
    "at %s keeps the order from being sent, and the key free",
    async (step) => {
      const fixture = await startOrders();
      fixture.host().failJournal(1, "before", step);
      expect(await fixture.place(key)).toMatchObject({ error: { code: "journal_unavailable" } });
      expect(fixture.placed()).toBe(0);
      expect(await fixture.place(key)).toMatchObject({ output: { status: "Submitted" } });
      expect(fixture.placed()).toBe(1);
    },
  );

  test("behind sending keeps the order from being sent, which this process knows, and the key free", async () => {
    const fixture = await startOrders();
    fixture.host().failJournal(1, "after", "sending");
    expect(await fixture.place(key)).toMatchObject({ error: { code: "journal_unavailable" } });
    expect(fixture.stateOf("k")).toBe("refused");
    expect(fixture.placed()).toBe(0);
    expect(await fixture.place(key)).toMatchObject({ output: { status: "Submitted" } });
    expect(fixture.placed()).toBe(1);
  });

  test("at the acknowledgement hides no order: it is answered, answered again, and written down later", async () => {
    const fixture = await startOrders();
    fixture.host().failJournal(1_000, "before", "acked");
    const placed = { output: { status: "Submitted" } };
    expect(await fixture.place(key)).toMatchObject(placed);
    expect(await fixture.place(key)).toMatchObject(placed);
    expect(fixture.stateOf("k")).toBe("sending");
    fixture.host().failJournal(0, "before");
    await untilAnswer(
      () => fixture.stateOf("k"),
      (state) => state === "acked",
    );
    expect(fixture.placed()).toBe(1);
  });

  test("at an end is tried again, also when TWS has nothing more to say", async () => {
    const fixture = await startOrders();
    const placed = await fixture.place(key);
    fixture.host().failJournal(3, "before", "done");
    await fixture.call("ibkr_cancel_order", {
      orderId: placed.type === "result" ? placed.output["orderId"] : 0,
    });
    await vi.waitFor(() => expect(fixture.stateOf("k")).toBe("done"), 10_000);
  });

  test("by a row that is damaged keeps every order from being sent, and each is told why", async () => {
    const fixture = await startOrders();
    await fixture.place(key);
    const { file } = fixture.host().agent().orders.journal;
    file.write("damage", (db) => db.exec("UPDATE leg SET shown = '{}'"));
    await fixture.whileStopped(async () => {});
    for (let calls = 2; calls > 0; calls -= 1) {
      expect(await fixture.place({ idempotencyKey: "another", quantity: 11 })).toMatchObject({
        error: { code: "journal_unavailable", message: expect.stringContaining("a row in it is damaged") },
      });
    }
    expect(fixture.placed()).toBe(1);
  });

  test("keeps no cancellation from TWS", async () => {
    const fixture = await startOrders();
    const placed = await fixture.place(key);
    fixture.host().failJournal(1_000, "before");
    const orderId = placed.type === "result" ? placed.output["orderId"] : 0;
    expect(await fixture.call("ibkr_cancel_order", { orderId })).toMatchObject({
      output: { status: "Cancelled" },
    });
    expect(fixture.simulator().world.ledger.openOrders()).toEqual([]);
  });
});

test("a change that TWS refuses since the order has filled is over, and looked for by nobody", async () => {
  const fixture = await startOrders();
  const placed = await fixture.place(key);
  const orderId = placed.type === "result" ? placed.output["orderId"] : 0;
  fixture.simulator().faults.reply("placeOrder", {
    does: "refuse",
    code: 104,
    text: "Cannot modify a filled order.",
    times: 1,
  });
  expect(await fixture.call("ibkr_modify_order", { orderId, limitPrice: 2 })).toMatchObject({
    error: { code: "order_not_changeable" },
  });
  expect(fixture.host().agent().orders.status()).toMatchObject({ unknownOrders: 0 });
});
