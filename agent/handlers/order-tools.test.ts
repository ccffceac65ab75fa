import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import { callBy, startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

const placeOrder = 3;
let fixture: HandlersFixture;
beforeEach(async () => {
  fixture = await startHandlersFixture();
});
afterEach(async () => fixture.close());

type Input = Record<string, unknown>;
const far = { symbol: "AAPL", action: "BUY", quantity: 10, orderType: "LMT", limitPrice: 1 };

const place = (input: Input) =>
  fixture.handlers.ibkr_place_order(tools.ibkr_place_order.input.parse({ ...far, ...input }), callBy());

async function preview(input: Input) {
  const tool = tools.ibkr_preview_order;
  const asked = tool.input.parse({ symbol: "AAPL", action: "BUY", quantity: 10, ...input });
  return tool.output.parse(await fixture.handlers.ibkr_preview_order(asked, callBy()));
}

describe("a preview", () => {
  test("tells margin and commission, and places nothing", async () => {
    const before = fixture.simulator.world.ledger.nextValidId(1);

    const told = await preview({});

    expect(told).toMatchObject({
      account: "DU1234567",
      mode: "paper",
      commission: 1,
      commissionCurrency: "USD",
    });
    expect(told.initMargin.after).toBeGreaterThan(told.initMargin.before ?? 0);
    expect(told.initMargin.change).toBeCloseTo(
      Number(told.initMargin.after) - Number(told.initMargin.before),
      2,
    );
    expect(fixture.simulator.world.ledger.openOrders()).toEqual([]);
    expect(fixture.simulator.world.ledger.executions()).toEqual([]);
    expect(fixture.simulator.world.ledger.nextValidId(1)).toBe(before);
    expect((await fixture.handlers.ibkr_get_open_orders({}, callBy())).orders).toEqual([]);
  });

  test("goes under an id that no order gets", async () => {
    await preview({});
    const { orderId } = await place({});
    const sent = (await fixture.received(placeOrder)).map(({ fields }) => Number(fields[1]));
    expect(sent).toEqual([expect.any(Number), orderId]);
    expect(sent[0]).not.toBe(orderId);
  });

  test("is refused where the order would be", async () => {
    await expect(preview({ quantity: 9_000_000 })).rejects.toMatchObject({
      code: "order_rejected",
      message: expect.stringMatching(/nothing was placed/),
      detail: { tws: { code: 201 } },
    });
    await expect(preview({ orderType: "LMT" })).rejects.toMatchObject({ code: "invalid_input" });
  });

  test("fails plainly when TWS does not answer, and when it is away", async () => {
    fixture.simulator.faults.mute(true);
    const short = callBy(undefined, { twsTimeoutMs: 50 });
    const asked = tools.ibkr_preview_order.input.parse({ conId: 265598, action: "BUY", quantity: 1 });
    await expect(fixture.handlers.ibkr_preview_order(asked, short)).rejects.toMatchObject({
      code: "timeout",
    });
    fixture.session.stop();
    await expect(preview({})).rejects.toMatchObject({ code: "tws_offline" });
  });
});

describe("order types", () => {
  const near = async () => {
    const apple = fixture.simulator.world.universe.byConId(265598);
    if (apple === undefined) throw new Error("no AAPL");
    return Math.round(fixture.simulator.world.market.quote(apple, Date.now()).last ?? 0);
  };
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString();

  test.for([
    [
      { orderType: "TRAIL", auxPrice: 3 },
      { auxPrice: 3, status: "PreSubmitted" },
    ],
    [
      { orderType: "MIT", auxPrice: 5 },
      { auxPrice: 5, status: "PreSubmitted" },
    ],
    [
      { orderType: "LIT", auxPrice: 5, limitPrice: 4 },
      { auxPrice: 5, limitPrice: 4 },
    ],
    [{ orderType: "MOC" }, { status: "PreSubmitted", limitPrice: null }],
    [
      { orderType: "LOC", limitPrice: 5 },
      { status: "PreSubmitted", limitPrice: 5 },
    ],
    [
      { orderType: "REL", auxPrice: 0.02, limitPrice: 5 },
      { auxPrice: 0.02, limitPrice: 5, status: "Submitted" },
    ],
    [
      { orderType: "MKT", tif: "OPG" },
      { tif: "OPG", status: "PreSubmitted" },
    ],
    [{ orderType: "LMT", limitPrice: 1, tif: "GTD", goodTillDate: tomorrow }, { tif: "GTD" }],
  ] as const)("%j works, and is shown with its terms", async ([input, expected]) => {
    const { limitPrice: _none, ...base } = far;
    const tool = tools.ibkr_place_order;
    const { orderId } = await fixture.handlers.ibkr_place_order(
      tool.input.parse({ ...base, ...input }),
      callBy(),
    );
    const { order } = await fixture.handlers.ibkr_get_order_status({ orderId }, callBy());
    expect(order).toMatchObject({ orderType: input.orderType, ...expected });
  });

  test("a trailing stop limit keeps its stop and its offset when its amount is changed", async () => {
    const start = (await near()) - 20;
    const { orderId } = await place({
      action: "SELL",
      orderType: "TRAIL LIMIT",
      limitPrice: undefined,
      auxPrice: 10,
      trailStopPrice: start,
      limitOffset: 0.5,
    });
    await fixture.handlers.ibkr_modify_order({ orderId, auxPrice: 15 }, callBy());
    const { order } = await fixture.handlers.ibkr_get_order_status({ orderId }, callBy());
    expect(order).toMatchObject({ auxPrice: 15, limitOffset: 0.5, limitPrice: null });
    expect(order?.trailStopPrice).toBeGreaterThanOrEqual(start);
  });

  test.for([
    [{ orderType: "TRAIL" }, "limitPrice"],
    [{ orderType: "TRAIL", limitPrice: undefined }, "auxPrice"],
    [{ orderType: "TRAIL LIMIT", limitPrice: undefined, auxPrice: 1 }, "trailStopPrice"],
    [{ tif: "GTD" }, "goodTillDate"],
    [{ tif: "GTD", goodTillDate: "2020-01-01T00:00:00Z" }, "goodTillDate"],
    [{ goodTillDate: tomorrow }, "goodTillDate"],
    [{ tif: "OPG", orderType: "STP", limitPrice: undefined, auxPrice: 5 }, "tif"],
  ] as const)("%j names what is wrong, and is not sent", async ([input, name]) => {
    await expect(place(input)).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringMatching(new RegExp(`^${name}:`)),
    });
    expect(await fixture.received(placeOrder)).toEqual([]);
  });
});

describe("an option order", () => {
  const option = (input: Input) => {
    const asked = { symbol: "AAPL", action: "BUY", quantity: 1, ...input };
    const tool = tools.ibkr_place_option_order;
    return fixture.handlers
      .ibkr_place_option_order(tool.input.parse(asked), callBy())
      .then((out) => tool.output.parse(out));
  };

  test("is placed for the one option that is named", async () => {
    const [chain] = fixture.simulator.world.universe.optionChains(265598);
    const expiration = chain?.expirations[2] ?? "";
    const strikes = chain?.strikes ?? [];
    const strike = strikes[Math.floor(strikes.length / 2)];
    const placed = await option({ expiration, strike, right: "C", orderType: "LMT", limitPrice: 0.05 });
    expect(placed).toMatchObject({
      quantity: 1,
      contract: { secType: "OPT", expiration, strike, right: "C" },
    });
  });

  test.for([
    [{ expiration: "20261218" }, "strike, right"],
    [{ secType: "STK" }, "secType"],
    [{ conId: 265598 }, "conId"],
  ] as const)("%j is refused, and names what is missing", async ([input, name]) => {
    await expect(option(input)).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringMatching(new RegExp(`^${name}:`)),
    });
    expect(await fixture.received(placeOrder)).toEqual([]);
  });
});

describe("orders that have ended", () => {
  test("are listed with how they ended, alone and behind those that work", async () => {
    const filled = await place({ orderType: "MKT", limitPrice: undefined });
    const cancelled = await place({});
    await fixture.handlers.ibkr_cancel_order({ orderId: cancelled.orderId }, callBy());
    const working = await place({});

    const tool = tools.ibkr_get_completed_orders;
    const { orders } = await fixture.handlers.ibkr_get_completed_orders(tool.input.parse({}), callBy());
    expect(tool.output.shape.orders.parse(orders)).toMatchObject([
      { orderId: cancelled.orderId, status: "Cancelled", filled: 0, completedStatus: "Cancelled by Trader" },
      { orderId: filled.orderId, status: "Filled", filled: 10, completedStatus: "Filled Size: 10" },
    ]);
    const all = await fixture.handlers.ibkr_get_all_orders({ account: "" }, callBy());
    expect(all).toMatchObject({ count: 3, openCount: 1 });
    expect(all.orders.map(({ orderId }) => orderId)).toEqual([
      working.orderId,
      cancelled.orderId,
      filled.orderId,
    ]);
    await expect(fixture.handlers.ibkr_get_all_orders({ account: "DU9" }, callBy())).rejects.toMatchObject({
      code: "invalid_input",
    });
  });
});

describe("waiting for an order", () => {
  test("ends when it fills, and tells the way there", async () => {
    const { orderId } = await place({});
    const told: string[] = [];
    const progress = (_done: number, _total: number | null, words: string) => void told.push(words);
    const waiting = fixture.handlers.ibkr_wait_for_order(
      { orderId, until: "filled", timeoutSeconds: 10 },
      callBy(undefined, { progress }),
    );
    await fixture.handlers.ibkr_modify_order({ orderId, limitPrice: 9_000 }, callBy());

    const output = await waiting;
    expect(tools.ibkr_wait_for_order.output.parse(output)).toMatchObject({
      status: "Filled",
      filled: 10,
      reached: true,
    });
    expect(told[0]).toMatch(/is Submitted, 0 of 10 filled/);
    expect(told.at(-1)).toMatch(/is Filled, 10 of 10 filled/);
  });

  test("ends at its deadline with the state of then, and when the fill can no longer come", async () => {
    const { orderId } = await place({});
    const short = { orderId, until: "filled", timeoutSeconds: 0.1 } as const;
    expect(await fixture.handlers.ibkr_wait_for_order(short, callBy())).toMatchObject({
      status: "Submitted",
      reached: false,
    });

    const waiting = fixture.handlers.ibkr_wait_for_order({ ...short, timeoutSeconds: 10 }, callBy());
    await fixture.handlers.ibkr_cancel_order({ orderId }, callBy());
    expect(await waiting).toMatchObject({ status: "Cancelled", reached: false });
    const missing = { orderId: 4711, until: "ended", timeoutSeconds: 1 } as const;
    await expect(fixture.handlers.ibkr_wait_for_order(missing, callBy())).rejects.toMatchObject({
      code: "order_not_found",
    });
  });
});
