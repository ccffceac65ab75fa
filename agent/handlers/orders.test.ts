import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import { callBy, startAgent, startHandlersFixture, trader } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

const placeOrder = 3;
const cancelOrder = 4;

let fixture: HandlersFixture;
beforeEach(async () => {
  fixture = await startHandlersFixture();
});
afterEach(async () => fixture.close());

/** The input as dispatch hands it over: parsed, defaults filled in. */
const order = (input: Record<string, unknown>) =>
  tools.ibkr_place_order.input.parse({ symbol: "AAPL", action: "BUY", quantity: 10, ...input });
const far = { orderType: "LMT", limitPrice: 1 };

const place = (input: Record<string, unknown> = {}) =>
  fixture.handlers.ibkr_place_order(order(input), callBy());

async function cash() {
  const input = { account: "", tags: "TotalCashValue" };
  const { summary } = await fixture.handlers.ibkr_get_account_summary(input, callBy());
  return Number(summary["TotalCashValue"]?.value);
}

async function held(symbol: string) {
  const { positions } = await fixture.handlers.ibkr_get_positions({ account: "" }, callBy());
  return positions.find(({ contract }) => contract.symbol === symbol)?.position ?? 0;
}

const executions = async () =>
  (await fixture.handlers.ibkr_get_executions({ account: "" }, callBy())).executions;

/** By an agent that knows nothing of what this one has done. */
async function placeAnew(input: Record<string, unknown>) {
  await fixture.session.close();
  const later = startAgent({ port: fixture.simulator.port });
  await later.session.whenConnected(5_000);
  try {
    return await later.handlers.ibkr_place_order(order(input), callBy());
  } finally {
    await later.close();
  }
}

const failure = (code: string) => expect.objectContaining({ code });

describe("a market order", () => {
  test("is filled when it answers, and the fill has its commission", async () => {
    const placed = await place();

    expect(placed).toMatchObject({
      status: "Filled",
      filled: 10,
      remaining: 0,
      account: "DU1234567",
      mode: "paper",
      symbol: "AAPL",
      action: "BUY",
      quantity: 10,
      orderType: "MKT",
    });
    const [fill, ...others] = (await executions()).filter(
      ({ execution }) => execution.orderId === placed.orderId,
    );
    expect(others).toEqual([]);
    expect(fill?.execution).toMatchObject({ shares: 10, side: "BOT", price: placed.avgFillPrice });
    expect(placed.lastFillPrice).toBe(fill?.execution.price);
    expect(fill?.commissionReport).toMatchObject({ currency: "USD", commission: expect.any(Number) });
  });

  test("changes position and cash to the cent", async () => {
    const before = { cash: await cash(), held: await held("AAPL") };

    const { orderId, avgFillPrice } = await place();

    const fill = (await executions()).find(({ execution }) => execution.orderId === orderId);
    const cost = 10 * Number(avgFillPrice) + Number(fill?.commissionReport?.commission);
    expect(await held("AAPL")).toBe(before.held + 10);
    expect(await cash()).toBeCloseTo(before.cash - cost, 2);
  });
});

describe("a limit order far from the market", () => {
  test("rests, takes new terms, and is cancelled", async () => {
    const { orderId, status } = await place(far);
    expect(status).toBe("Submitted");

    const changes = { orderId, quantity: 7, limitPrice: 1.5 };
    expect(await fixture.handlers.ibkr_modify_order(changes, callBy())).toMatchObject({
      orderId,
      status: "Submitted",
      remaining: 7,
    });
    const { orders, count } = await fixture.handlers.ibkr_get_open_orders({}, callBy());
    expect(count).toBe(1);
    expect(orders[0]).toMatchObject({ orderId, quantity: 7, limitPrice: 1.5, account: "DU1234567" });

    expect(await fixture.handlers.ibkr_cancel_order({ orderId }, callBy())).toMatchObject({
      orderId,
      status: "Cancelled",
      filled: 0,
      remaining: 7,
    });
    expect(await fixture.handlers.ibkr_get_open_orders({}, callBy())).toEqual({ orders: [], count: 0 });
  });

  test("keeps what a change leaves out", async () => {
    const { orderId } = await place({ ...far, tif: "GTC", outsideRth: true });

    const lookup = async () => (await fixture.handlers.ibkr_get_order_status({ orderId }, callBy())).order;
    await fixture.handlers.ibkr_modify_order({ orderId, quantity: 8 }, callBy());
    expect(await lookup()).toMatchObject({ quantity: 8, limitPrice: 1, tif: "GTC", outsideRth: true });
    await fixture.handlers.ibkr_modify_order({ orderId, limitPrice: 2 }, callBy());
    expect(await lookup()).toMatchObject({ quantity: 8, limitPrice: 2, tif: "GTC", outsideRth: true });
  });

  test("is cancelled once, however often that is asked", async () => {
    const { orderId } = await place(far);
    await fixture.handlers.ibkr_cancel_order({ orderId }, callBy());

    expect(await fixture.handlers.ibkr_cancel_order({ orderId }, callBy())).toMatchObject({
      status: "Cancelled",
    });
    expect(await fixture.received(cancelOrder)).toHaveLength(1);
  });

  test("stays as it was when TWS refuses the change", async () => {
    const { orderId } = await place(far);

    await expect(
      fixture.handlers.ibkr_modify_order({ orderId, limitPrice: 1.000_1 }, callBy()),
    ).rejects.toMatchObject({ code: "order_rejected", detail: { tws: { code: 110 } } });

    const { order } = await fixture.handlers.ibkr_get_order_status({ orderId }, callBy());
    expect(order).toMatchObject({ status: "Submitted", limitPrice: 1 });
  });

  test("takes two changes at once one after the other", async () => {
    const { orderId } = await place(far);

    await Promise.all([
      fixture.handlers.ibkr_modify_order({ orderId, quantity: 5 }, callBy()),
      fixture.handlers.ibkr_modify_order({ orderId, limitPrice: 2 }, callBy()),
    ]);

    const { order } = await fixture.handlers.ibkr_get_order_status({ orderId }, callBy());
    expect(order).toMatchObject({ quantity: 5, limitPrice: 2 });
  });
});

describe("an order that has been filled", () => {
  test("is reported as filled by a cancellation, which TWS never sees", async () => {
    const { orderId } = await place();

    expect(await fixture.handlers.ibkr_cancel_order({ orderId }, callBy())).toMatchObject({
      status: "Filled",
      filled: 10,
    });
    expect(await fixture.received(cancelOrder)).toEqual([]);
  });

  test("takes no change", async () => {
    const { orderId } = await place();

    await expect(fixture.handlers.ibkr_modify_order({ orderId, quantity: 11 }, callBy())).rejects.toEqual(
      failure("order_not_changeable"),
    );
  });

  test("is known by its id to an agent that starts later", async () => {
    const { orderId } = await place();
    await fixture.session.close();
    const later = startAgent({ port: fixture.simulator.port });
    await later.session.whenConnected(5_000);

    const status = await later.handlers.ibkr_get_order_status({ orderId }, callBy());
    await later.close();

    expect(status).toMatchObject({ orderId, status: "Filled", filled: 10 });
  });
});

test("an id that TWS does not show is order_not_found, for every tool", async () => {
  const orderId = 4711;
  const { handlers } = fixture;

  await expect(handlers.ibkr_get_order_status({ orderId }, callBy())).rejects.toEqual(
    failure("order_not_found"),
  );
  await expect(handlers.ibkr_modify_order({ orderId, quantity: 1 }, callBy())).rejects.toEqual(
    failure("order_not_found"),
  );
  await expect(handlers.ibkr_cancel_order({ orderId }, callBy())).rejects.toEqual(failure("order_not_found"));
});

test.for([
  [{ orderType: "LMT", limitPrice: 100.001 }, 110],
  [{ quantity: 0.5 }, 10_243],
  [{ quantity: 9_000_000 }, 201],
] as const)("an order that TWS refuses is order_rejected with TWS's reason: %j", async ([input, code]) => {
  await expect(place(input)).rejects.toMatchObject({
    code: "order_rejected",
    detail: { tws: { code, text: expect.stringMatching(/\w/) } },
  });
  expect(await fixture.handlers.ibkr_get_open_orders({}, callBy())).toEqual({ orders: [], count: 0 });
});

test.for([
  [{ orderType: "LMT" }, "limitPrice"],
  [{ orderType: "STP" }, "auxPrice"],
  [{ orderType: "STP LMT", limitPrice: 5 }, "auxPrice"],
  [{ orderType: "MKT", limitPrice: 5 }, "limitPrice"],
  [{ account: "DU999" }, "account"],
] as const)("an order that makes no sense names the argument and is not sent: %j", async ([input, name]) => {
  await expect(place(input)).rejects.toMatchObject({
    code: "invalid_input",
    message: expect.stringMatching(new RegExp(`^${name}:`)),
  });
  expect(await fixture.received(placeOrder)).toEqual([]);
});

test("a symbol with several meanings is ambiguous_contract and no order", async () => {
  await expect(place({ symbol: "ES", secType: "FUT" })).rejects.toEqual(failure("ambiguous_contract"));
  expect(await fixture.received(placeOrder)).toEqual([]);
});

test.for([
  [{ symbol: "MSFT", conId: 265_598 }, "symbol"],
  [{ symbol: "A", conId: 265_598 }, "symbol"],
  [{ secType: "OPT", conId: 265_598 }, "secType"],
  [{ symbol: "USD.JPY", conId: 12_087_792 }, "symbol"],
] as const)("a conId of something else than the rest says is no order: %j", async ([input, name]) => {
  await expect(place({ ...far, ...input })).rejects.toMatchObject({
    code: "invalid_input",
    message: expect.stringMatching(new RegExp(`^${name}: conId`)),
  });
  expect(await fixture.received(placeOrder)).toEqual([]);
});

test("a conId may have its pair beside it", async () => {
  const pair = { symbol: "EUR/USD", conId: 12_087_792, quantity: 20_000 };

  expect(await place(pair)).toMatchObject({ status: "Filled", symbol: "EUR" });
});

describe("an idempotencyKey", () => {
  const keyed = { ...far, idempotencyKey: "key-1" };

  test("that is used twice, also at once, makes one order", async () => {
    const [first, second] = await Promise.all([place(keyed), place(keyed)]);
    const third = await place(keyed);

    expect(await fixture.received(placeOrder)).toHaveLength(1);
    expect([second.orderId, third.orderId]).toEqual([first.orderId, first.orderId]);
    expect(third.idempotencyKey).toBe("key-1");
  });

  test("answers with the state of now", async () => {
    const { orderId } = await place(keyed);
    await fixture.handlers.ibkr_cancel_order({ orderId }, callBy());

    expect(await place(keyed)).toMatchObject({ orderId, status: "Cancelled" });
  });

  test("cannot stand for another order", async () => {
    await place(keyed);

    await expect(place({ ...keyed, quantity: 11 })).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringMatching(/^idempotencyKey:/),
    });
    expect(await fixture.received(placeOrder)).toHaveLength(1);
  });

  test("belongs to the grant that used it", async () => {
    const other = callBy({ ...trader, grantId: "grant-2" });

    const [mine, theirs] = [await place(keyed), await fixture.handlers.ibkr_place_order(order(keyed), other)];

    expect(theirs.orderId).not.toBe(mine.orderId);
  });

  test("finds its order again after the agent has started anew", async () => {
    const { orderId } = await place(keyed);
    await fixture.session.close();
    const later = startAgent({ port: fixture.simulator.port });
    await later.session.whenConnected(5_000);

    const again = await later.handlers.ibkr_place_order(order(keyed), callBy());
    // its answer comes after all that was sent before
    await later.handlers.ibkr_get_current_time({}, callBy());
    await later.close();

    expect(again.orderId).toBe(orderId);
    expect(fixture.simulator.received().filter(({ id }) => id === placeOrder)).toHaveLength(1);
  });

  test("finds an order that was cancelled before the agent started anew", async () => {
    const { orderId } = await place(keyed);
    await fixture.handlers.ibkr_cancel_order({ orderId }, callBy());

    const again = await placeAnew(keyed);

    expect(again).toMatchObject({ status: "Cancelled", symbol: "AAPL" });
    expect(fixture.simulator.received().filter(({ id }) => id === placeOrder)).toHaveLength(1);
  });

  test("stands for no other instrument after the agent has started anew", async () => {
    await place(keyed);

    await expect(placeAnew({ ...keyed, symbol: "MSFT" })).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringMatching(/^idempotencyKey:/),
    });
  });

  test("may be used again when nothing was sent", async () => {
    const ended = callBy(trader, { signal: AbortSignal.abort() });
    await expect(fixture.handlers.ibkr_place_order(order(keyed), ended)).rejects.toEqual(
      failure("cancelled"),
    );
    expect(await fixture.received(placeOrder)).toEqual([]);

    expect(await place(keyed)).toMatchObject({ status: "Submitted" });
  });
});

test("orders of other clients are shown and can be cancelled, not changed", async () => {
  const other = startAgent({ port: fixture.simulator.port, clientId: 7 });
  await other.session.whenConnected(5_000);
  // ids count for each client, so this one must differ from all of ours
  await other.handlers.ibkr_place_order(order(far), callBy());
  const { orderId } = await other.handlers.ibkr_place_order(
    order({ ...far, idempotencyKey: "second" }),
    callBy(),
  );
  await place(far);

  const { orders } = await fixture.handlers.ibkr_get_open_orders({}, callBy());
  expect(orders.map((one) => one.clientId).sort((a, b) => Number(a) - Number(b))).toEqual([1, 7, 7]);
  await expect(fixture.handlers.ibkr_modify_order({ orderId, quantity: 3 }, callBy())).rejects.toEqual(
    failure("order_not_changeable"),
  );
  const cancelled = await fixture.handlers.ibkr_cancel_order({ orderId }, callBy());
  expect(cancelled).toMatchObject({ orderId, status: "Cancelled" });
  await other.close();
});

describe("executions", () => {
  test("are filtered by symbol, type and venue", async () => {
    await place();
    await place({ symbol: "MSFT", quantity: 3 });

    const find = async (filter: Record<string, string>) => {
      const { executions } = await fixture.handlers.ibkr_get_executions({ account: "", ...filter }, callBy());
      return executions.map(({ contract }) => contract.symbol);
    };
    expect(new Set(await find({}))).toEqual(new Set(["AAPL", "MSFT"]));
    expect(new Set(await find({ symbol: "msft" }))).toEqual(new Set(["MSFT"]));
    expect(await find({ secType: "OPT" })).toEqual([]);
    expect(await find({ exchange: "NOWHERE" })).toEqual([]);
  });
});
