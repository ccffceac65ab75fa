import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import type { OrderRequest } from "../simulator/model/ledger.ts";
import { decodeRequest } from "../simulator/wire/requests-decode.ts";
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
const modify = (orderId: number, changes: Input) =>
  fixture.handlers.ibkr_modify_order({ orderId, ...changes }, callBy());
const held = (orderId: number) =>
  fixture.simulator.world.ledger.openOrders().find(({ request }) => request.orderId === orderId);

async function lastSent() {
  const { fields = [] } = (await fixture.received(placeOrder)).at(-1) ?? {};
  const request = decodeRequest(fields, 193);
  if (request.type !== "placeOrder") throw new Error("no order was sent");
  return request;
}

/** An order of this client that another program has placed under its id. */
async function placedElsewhere(change: Partial<OrderRequest> = {}): Promise<number> {
  const instrument = fixture.simulator.world.universe.byConId(265598);
  if (instrument === undefined) throw new Error("no AAPL");
  const orderId = 50;
  fixture.simulator.world.ledger.place({
    clientId: 1,
    orderId,
    instrument,
    routing: "SMART",
    action: "BUY",
    quantity: 10,
    orderType: "LMT",
    limitPrice: 1,
    auxPrice: null,
    tif: "DAY",
    outsideRth: false,
    account: "DU1234567",
    transmit: true,
    parentId: 0,
    ocaGroup: "",
    ocaType: 0,
    orderRef: "",
    whatIf: false,
    echo: {},
    ...change,
  });
  await fixture.received(0);
  return orderId;
}

describe("a change that TWS takes otherwise", () => {
  test("with another price is told as it stands", async () => {
    const { orderId } = await place();
    fixture.simulator.faults.orders({ repricedBy: 0.05 });

    const changed = await modify(orderId, { limitPrice: 2 });

    expect(changed.warnings.join(" ")).toMatch(/limitPrice 2\.05 in place of 2/);
    const { order } = await fixture.handlers.ibkr_get_order_status({ orderId }, callBy());
    expect(order).toMatchObject({ limitPrice: 2.05, warnings: changed.warnings });
    fixture.simulator.faults.orders({});
    expect((await modify(orderId, { limitPrice: 3 })).warnings).toEqual([]);
  });

  test("with an error that is no more than a remark is told as taken", async () => {
    const { orderId } = await place();
    const text = "An error that no table has";
    fixture.simulator.faults.reply("placeOrder", { does: "remark", code: 9876, text, times: 1 });
    await modify(orderId, { quantity: 20 });
    expect(held(orderId)?.request.quantity).toBe(20);
  });

  test("with a refusal says how the order stands", async () => {
    const { orderId } = await place();
    fixture.simulator.faults.reply("placeOrder", { does: "refuse", code: 201, times: 1 });
    await expect(modify(orderId, { quantity: 20 })).rejects.toMatchObject({
      code: "order_rejected",
      message: expect.stringMatching(/it stands at quantity 10, limitPrice 1 /),
    });
  });
});

describe("a change sends back", () => {
  const extras = {
    hidden: "1",
    allOrNone: "1",
    goodAfterTime: "20301231 10:00:00 US/Eastern",
    minQty: "5",
    displaySize: "2",
    triggerMethod: "7",
    sweepToFill: "1",
    cashQty: "3.5",
  };

  test("what we do not model", async () => {
    const orderId = await placedElsewhere({ echo: extras, ocaGroup: "one", ocaType: 2 });

    await modify(orderId, { limitPrice: 2 });

    expect(await lastSent()).toMatchObject({ limitPrice: 2, ocaGroup: "one", ocaType: 2, echo: extras });
    expect(held(orderId)?.request).toMatchObject({ limitPrice: 2, ocaType: 2, echo: extras });
  });

  test("no type of a group for an order in none", async () => {
    const orderId = await placedElsewhere();
    await modify(orderId, { limitPrice: 2 });
    expect(await lastSent()).toMatchObject({ ocaGroup: "", ocaType: 0 });
  });

  test("the percent of a trailing order, and no amount", async () => {
    const echo = { trailingPercent: "5" };
    const orderId = await placedElsewhere({ orderType: "TRAIL", limitPrice: null, echo });
    await modify(orderId, { quantity: 20 });
    expect(await lastSent()).toMatchObject({ quantity: 20, auxPrice: null, echo });
    await expect(modify(orderId, { auxPrice: 3 })).rejects.toMatchObject({ code: "order_not_changeable" });
  });

  test.for([
    { algoStrategy: "Adaptive", algoParams: '[["adaptivePriority","Normal"]]' },
    { adjustedOrderType: "STP", triggerPrice: "1.5", adjustedStopPrice: "1.2" },
    { faGroup: "Family" },
  ])("nothing of an order with %j, which cannot be sent back whole", async (echo) => {
    const orderId = await placedElsewhere({ echo });
    await expect(modify(orderId, { limitPrice: 2 })).rejects.toMatchObject({
      code: "order_not_changeable",
      message: expect.stringContaining(Object.keys(echo)[0] ?? ""),
    });
    expect(await fixture.received(placeOrder)).toEqual([]);
  });

  test.for([
    { orderType: "TRAIL", auxPrice: 20 },
    { orderType: "TRAIL LIMIT", auxPrice: 20, trailStopPrice: 1, limitOffset: 0.5 },
  ])("no stop that TWS has moved by itself: %j", async (terms) => {
    const { orderId } = await place({ action: "SELL", limitPrice: undefined, ...terms });
    const { orders } = await fixture.handlers.ibkr_get_open_orders({}, callBy());
    const [order] = orders;
    expect(order?.trailStopPrice).toBeGreaterThan(1);

    await modify(orderId, { quantity: 20 });

    const { echo, quantity } = await lastSent();
    expect(quantity).toBe(20);
    expect(echo["trailStopPrice"]).toBe("");
    const stop = Number(held(orderId)?.request.echo["trailStopPrice"]);
    expect(stop).toBeGreaterThanOrEqual(order?.trailStopPrice ?? Infinity);
  });
});

test("an exit whose entry has filled is changed without it", async () => {
  const input = { symbol: "AAPL", action: "BUY", quantity: 10 };
  const prices = { entryPrice: 9_000, takeProfitPrice: 9_500, stopLossPrice: 5 };
  const asked = tools.ibkr_place_bracket_order.input.parse({ ...input, ...prices });
  const { parentOrderId, stopLossOrderId } = await fixture.handlers.ibkr_place_bracket_order(asked, callBy());
  const wait = tools.ibkr_wait_for_order.input.parse({ orderId: parentOrderId, until: "filled" });
  expect(await fixture.handlers.ibkr_wait_for_order(wait, callBy())).toMatchObject({ reached: true });

  await modify(stopLossOrderId, { auxPrice: 6 });

  expect(held(stopLossOrderId)?.request.auxPrice).toBe(6);
  expect((await lastSent()).parentId).toBe(0);
});

describe("an order that TWS lists is never told to be gone", () => {
  test("when a change is answered with 135", async () => {
    const { orderId } = await place();
    fixture.simulator.faults.reply("placeOrder", { does: "refuse", code: 135, times: 1 });
    await expect(modify(orderId, { limitPrice: 2 })).rejects.toMatchObject({
      code: "order_not_changeable",
      message: expect.stringMatching(/it stands at quantity 10, limitPrice 1/),
    });
  });

  test("when a cancellation is answered with 10147", async () => {
    const { orderId } = await place();
    fixture.simulator.faults.reply("cancelOrder", { does: "refuse", code: 10147, times: 1 });
    await expect(fixture.handlers.ibkr_cancel_order({ orderId }, callBy())).rejects.toMatchObject({
      code: "order_not_changeable",
    });
    expect(held(orderId)).toBeDefined();
  });

  test("when two other clients have orders of its id", async () => {
    await placedElsewhere({ clientId: 5 });
    await placedElsewhere({ clientId: 6 });
    await fixture.handlers.ibkr_get_open_orders({}, callBy());
    await expect(fixture.handlers.ibkr_get_order_status({ orderId: 50 }, callBy())).rejects.toMatchObject({
      code: "invalid_input",
      detail: { nextStep: expect.stringMatching(/permId/) },
    });
  });
});
