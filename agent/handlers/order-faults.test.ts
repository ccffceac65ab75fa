import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import type { OrderFaults } from "../simulator/faults/order-faults.ts";
import { callBy, startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

const placeOrder = 3;
let fixture: HandlersFixture;
beforeEach(async () => {
  fixture = await startHandlersFixture();
});
afterEach(async () => fixture.close());

type Input = Record<string, unknown>;
const rest = { symbol: "AAPL", action: "BUY", quantity: 10, orderType: "LMT", limitPrice: 1 };

const place = (input: Input = {}) =>
  fixture.handlers.ibkr_place_order(tools.ibkr_place_order.input.parse({ ...rest, ...input }), callBy());

const market = { orderType: "MKT", limitPrice: undefined };

const bracket = (input: Input = {}) => {
  const asked = {
    symbol: "AAPL",
    action: "BUY",
    quantity: 10,
    entryPrice: 10,
    takeProfitPrice: 9_000,
    stopLossPrice: 5,
  };
  const tool = tools.ibkr_place_bracket_order;
  return fixture.handlers.ibkr_place_bracket_order(tool.input.parse({ ...asked, ...input }), callBy());
};

const fault = (faults: OrderFaults) => fixture.simulator.faults.orders(faults);
const held = () => fixture.simulator.world.ledger.openOrders();
const back = () => fixture.session.whenConnected(5_000);

/** Cut off between sending and hearing: what TWS has is asked of TWS itself. */
describe("a line that is cut around an order", () => {
  test.for([
    ["before-reading", 0, { code: "outcome_unknown" }],
    ["after-reading", 1, { code: "outcome_unknown" }],
    ["after-acknowledging", 1, { orderId: 1, filled: 0 }],
  ] as const)(
    "%s: it is never sent again, and a repeat with its key tells the truth",
    async ([drop, working, answer]) => {
      fault({ drop });
      const first = await place({ idempotencyKey: "once" }).catch((error: unknown) => error);
      await back();

      const again = await place({ idempotencyKey: "once" }).catch((error: unknown) => error);

      expect(held()).toHaveLength(working);
      expect(await fixture.received(placeOrder)).toHaveLength(1);
      expect(first).toMatchObject(answer);
      expect(again).toMatchObject(working === 1 ? { status: "Submitted" } : { code: "outcome_unknown" });
    },
  );

  test.for([
    [{ drop: "before-reading", nth: 2 }, "take profit"],
    [{ drop: "after-reading", nth: 2 }, "stop loss, not read"],
    [{ drop: "before-reading", nth: 3 }, "stop loss"],
  ] as const)("%j of a bracket: no entry is left without its exits (%s)", async ([faults]) => {
    fault(faults);

    await expect(bracket({ idempotencyKey: "b" })).rejects.toMatchObject({
      code: "order_rejected",
      message: expect.stringMatching(/so the entry was cancelled; nothing was filled/),
    });

    expect(held()).toEqual([]);
    // nothing is held back either that a later leg could let loose
    expect(fixture.simulator.world.ledger.completedOrders().every(({ filled }) => filled === 0)).toBe(true);
    expect((await fixture.received(placeOrder)).length).toBeLessThanOrEqual(faults.nth + 1);
    await expect(bracket({ idempotencyKey: "b" })).rejects.toMatchObject({ code: "order_rejected" });
  });

  test("and cut again while the entry is cancelled: it is cancelled all the same", async () => {
    fault({ drop: "before-reading", nth: 3 });
    const { ledger } = fixture.simulator.world;
    let cuts = 1;
    const off = ledger.listen((event) => {
      // the staged entry is being cancelled: nobody hears of it
      if (cuts === 0 || event.type !== "status" || event.order.status !== "PendingCancel") return;
      cuts -= 1;
      fixture.simulator.faults.dropConnections();
    });

    await expect(bracket()).rejects.toMatchObject({
      code: expect.stringMatching(/order_rejected|outcome_unknown/),
    });

    off();
    expect(cuts).toBe(0);
    expect(held()).toEqual([]);
  });

  test("before all of a bracket: nothing is working, and as TWS shows none of it, that is not claimed", async () => {
    fault({ drop: "before-reading" });
    await expect(bracket({ idempotencyKey: "b" })).rejects.toMatchObject({
      code: "outcome_unknown",
      message: expect.stringMatching(/shows none of it after the connection was lost/),
    });
    await expect(bracket({ idempotencyKey: "b" })).rejects.toMatchObject({ code: "outcome_unknown" });
    expect(held()).toEqual([]);
    expect(await fixture.received(placeOrder)).toHaveLength(1);
  });

  test.for([{ drop: "after-reading", nth: 3 }, { drop: "after-acknowledging" }] as const)(
    "%j of a bracket that TWS has whole: it is found again, and answered as placed",
    async (faults) => {
      fault(faults);

      const placed = await bracket();

      expect(placed).toMatchObject({ status: "Submitted", stopLossStatus: "PreSubmitted" });
      expect(held().map(({ request }) => request.orderId)).toEqual([
        placed.parentOrderId,
        placed.takeProfitOrderId,
        placed.stopLossOrderId,
      ]);
      expect(await fixture.received(placeOrder)).toHaveLength(3);
    },
  );

  test("and of a basket, each row that was sent is unknown until TWS has shown it", async () => {
    const tool = tools.ibkr_place_orders;
    const input = tool.input.parse({ orders: [rest, { ...rest, symbol: "MSFT" }], idempotencyKey: "many" });
    fault({ drop: "after-reading", nth: 2 });

    const result = await fixture.handlers.ibkr_place_orders(input, callBy());
    expect(result).toMatchObject({ count: 2, refused: 0 });
    expect(result.unknown).toBeGreaterThan(0);
    await back();
    const again = await fixture.handlers.ibkr_place_orders(input, callBy());

    expect(again).toMatchObject({ accepted: 2, unknown: 0 });
    expect(held()).toHaveLength(2);
    expect(await fixture.received(placeOrder)).toHaveLength(2);
  });
});

describe("news of orders", () => {
  test.for([
    { duplicate: true },
    { reorder: true },
    { delayMs: 100 },
    { duplicate: true, reorder: true },
  ] as const)("that is spoiled by %j changes no outcome: one order, one fill", async (faults) => {
    fault(faults);
    const filled = await place(market);
    expect(filled).toMatchObject({ status: "Filled", filled: 10, remaining: 0 });
    const resting = await place();
    // told backwards, its first state is the last that is heard
    expect(resting).toMatchObject({ status: expect.stringMatching(/^(Pre)?Submitted$/), filled: 0 });
    const { orderId } = resting;
    await fixture.handlers.ibkr_modify_order({ orderId, limitPrice: 2 }, callBy());
    expect(await fixture.handlers.ibkr_cancel_order({ orderId }, callBy())).toMatchObject({
      status: "Cancelled",
    });

    const { executions } = await fixture.handlers.ibkr_get_executions({ account: "" }, callBy());
    expect(executions.filter(({ execution }) => execution.orderId === filled.orderId)).toHaveLength(1);
    expect(await fixture.received(placeOrder)).toHaveLength(3);
  });

  test("a bracket comes through all of it", async () => {
    fault({ duplicate: true, reorder: true, delayMs: 20 });
    expect(await bracket()).toMatchObject({ parentOrderId: 1, filled: 0, takeProfitStatus: "PreSubmitted" });
    expect(held()).toHaveLength(3);
  });

  test("that is corrected takes the place of what it corrects", async () => {
    const { orderId, avgFillPrice } = await place(market);
    const corrected = Number(avgFillPrice) + 1;
    const [fill] = fixture.simulator.world.ledger.executions();

    fixture.simulator.faults.correctExecution(fill?.execId ?? "", corrected);

    const { executions } = await fixture.handlers.ibkr_get_executions({ account: "" }, callBy());
    const own = executions.filter(({ execution }) => execution.orderId === orderId);
    expect(own).toMatchObject([{ execution: { shares: 10, price: corrected } }]);
    expect(await fixture.handlers.ibkr_get_order_status({ orderId }, callBy())).toMatchObject({
      filled: 10,
      avgFillPrice: corrected,
    });
  });
});

describe("a list that has no end", () => {
  const short = callBy(undefined, { twsTimeoutMs: 300 });

  test("of open orders is a timeout, and never an empty list", async () => {
    await place();
    fault({ withoutEnds: [53] });
    await expect(fixture.handlers.ibkr_get_open_orders({}, short)).rejects.toMatchObject({ code: "timeout" });
    await expect(fixture.handlers.ibkr_get_all_orders({ account: "" }, short)).rejects.toMatchObject({
      code: "timeout",
    });
    await expect(fixture.handlers.ibkr_cancel_all_orders({ account: "" }, short)).rejects.toMatchObject({
      code: "timeout",
    });
  });

  test("of completed orders is a timeout", async () => {
    fault({ withoutEnds: [102] });
    const asked = fixture.handlers.ibkr_get_completed_orders({ account: "" }, short);
    await expect(asked).rejects.toMatchObject({ code: "timeout" });
  });

  test("of executions ends by silence, as TWS does leave that one out", async () => {
    await place(market);
    fault({ withoutEnds: [55] });
    const { executions } = await fixture.handlers.ibkr_get_executions({ account: "" }, callBy());
    expect(executions).toHaveLength(1);
  });
});
