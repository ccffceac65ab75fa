import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import { callBy, startAgent, startHandlersFixture, trader } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

const placeOrder = 3;
const globalCancel = 58;

let fixture: HandlersFixture;
beforeEach(async () => {
  fixture = await startHandlersFixture({
    simulator: { accounts: ["DU1234567", "DU7654321"] },
    limits: { onlyAccount: "DU1234567" },
  });
});
afterEach(async () => fixture.close());

type Input = Record<string, unknown>;
const far = { action: "BUY", quantity: 10, orderType: "LMT", limitPrice: 1 };

async function bracket(input: Input = {}, context = callBy(), handlers = fixture.handlers) {
  const asked = {
    symbol: "AAPL",
    action: "BUY",
    quantity: 10,
    entryPrice: 10,
    takeProfitPrice: 9_000,
    stopLossPrice: 5,
  };
  const tool = tools.ibkr_place_bracket_order;
  const output = await handlers.ibkr_place_bracket_order(tool.input.parse({ ...asked, ...input }), context);
  return tool.output.parse(output);
}

async function basket(orders: readonly Input[], input: Input = {}, handlers = fixture.handlers) {
  const tool = tools.ibkr_place_orders;
  return tool.output.parse(
    await handlers.ibkr_place_orders(tool.input.parse({ orders, ...input }), callBy()),
  );
}

const placeOne = (input: Input) =>
  fixture.handlers.ibkr_place_order(
    tools.ibkr_place_order.input.parse({ symbol: "AAPL", ...input }),
    callBy(),
  );

/** Oldest first. */
async function openOrders() {
  return (await fixture.handlers.ibkr_get_open_orders({}, callBy())).orders.toReversed();
}

const ask = () => {
  const [details] = fixture.simulator.world.universe
    .search("AAPL")
    .filter(({ secType }) => secType === "STK");
  if (details === undefined) throw new Error("no AAPL");
  return fixture.simulator.world.market.quote(details, Date.now()).ask ?? 0;
};

describe("a bracket", () => {
  test("is three orders in one go: the entry held back until its exits are there", async () => {
    const placed = await bracket({ idempotencyKey: "b-1" });

    expect(placed).toMatchObject({
      status: "Submitted",
      takeProfitStatus: "PreSubmitted",
      stopLossStatus: "PreSubmitted",
      account: "DU1234567",
      mode: "paper",
      symbol: "AAPL",
      filled: 0,
    });
    const { parentOrderId, takeProfitOrderId, stopLossOrderId } = placed;
    const open = await openOrders();
    expect(open).toMatchObject([
      { orderId: parentOrderId, parentId: null, orderType: "LMT", action: "BUY", tif: "DAY" },
      { orderId: takeProfitOrderId, parentId: parentOrderId, orderType: "LMT", action: "SELL", tif: "GTC" },
      { orderId: stopLossOrderId, parentId: parentOrderId, orderType: "STP", auxPrice: 5, tif: "GTC" },
    ]);
    const refs = open.map(({ orderRef }) => orderRef ?? "");
    expect(refs.map((ref) => ref.slice(-2))).toEqual([":P", ":T", ":S"]);
    expect(new Set(refs.map((ref) => ref.slice(0, -2))).size).toBe(1);
    expect(Math.max(...refs.map((ref) => ref.length))).toBeLessThanOrEqual(32);
    expect(await fixture.received(placeOrder)).toHaveLength(3);
  });

  test("whose entry fills has its exits working, and the fill of one cancels the other", async () => {
    const price = Math.ceil(ask());
    const placed = await bracket({ entryPrice: price + 2, takeProfitPrice: price + 3_000, stopLossPrice: 5 });
    const { orderId, ...entry } = await fixture.handlers.ibkr_wait_for_order(
      { orderId: placed.parentOrderId, until: "filled", timeoutSeconds: 5 },
      callBy(),
    );
    expect(entry).toMatchObject({ status: "Filled", filled: 10, reached: true });
    expect((await openOrders()).map((one) => one.orderId)).toEqual([
      placed.takeProfitOrderId,
      placed.stopLossOrderId,
    ]);

    // brought to the market, the take profit fills
    const change = { orderId: placed.takeProfitOrderId, limitPrice: 10 };
    await fixture.handlers.ibkr_modify_order(change, callBy());
    const stop = { orderId: placed.stopLossOrderId, until: "ended", timeoutSeconds: 5 } as const;
    expect(await fixture.handlers.ibkr_wait_for_order(stop, callBy())).toMatchObject({ status: "Cancelled" });
    expect(await openOrders()).toEqual([]);
    expect(orderId).toBe(placed.parentOrderId);
  });

  test.for([
    ["stop loss", { stopLossPrice: 5.001 }],
    ["take profit", { takeProfitPrice: 9_000.001 }],
    ["entry", { entryPrice: 10.001 }],
  ] as const)("of which TWS refuses the %s leaves nothing working, and says so", async ([leg, input]) => {
    await expect(bracket(input)).rejects.toMatchObject({
      code: "order_rejected",
      message: expect.stringMatching(
        new RegExp(`^TWS refused the ${leg} of .*so the entry was cancelled; nothing was filled\\.$`),
      ),
      detail: { tws: { code: 110 } },
    });
    expect(await openOrders()).toEqual([]);
    // nothing is held back at TWS either, to be let loose by a later leg
    fixture.simulator.world.ledger.cancel(1, 1);
    expect(await openOrders()).toEqual([]);
  });

  test("whose take profit is refused when the entry has filled keeps its stop, and says what is missing", async () => {
    const price = Math.ceil(ask());
    const input = { entryPrice: price + 2, takeProfitPrice: price + 3_000.001, stopLossPrice: 5 };
    await expect(bracket(input)).rejects.toMatchObject({
      code: "order_rejected",
      message: expect.stringMatching(
        /but 10 of the entry .* had filled, and that position has only the stop loss/,
      ),
    });
    expect(await openOrders()).toMatchObject([{ orderType: "STP", auxPrice: 5 }]);
  });

  test("that TWS refuses when the entry has filled counts for the day, and is asked about before it is doubled", async () => {
    const price = Math.ceil(ask());
    const input = { entryPrice: price + 2, takeProfitPrice: price + 3_000.001, stopLossPrice: 5 };
    const limited = fixture.agentWith({ onlyAccount: "DU1234567", dayValue: 15 * price });
    const placed = (more: Input = {}) => bracket({ ...input, ...more }, callBy(), limited);
    await expect(placed()).rejects.toMatchObject({ code: "order_rejected" });
    await expect(placed()).rejects.toMatchObject({ code: "duplicate_order" });
    await expect(placed({ idempotencyKey: "another" })).rejects.toMatchObject({
      detail: { limit: { name: "LIMIT_DAY_VALUE" } },
    });
    expect(await fixture.received(placeOrder)).toHaveLength(3);
  });

  test.for([
    [{ stopLossPrice: 11 }, "stopLossPrice"],
    [{ takeProfitPrice: 9 }, "takeProfitPrice"],
    [{ action: "SELL" }, "takeProfitPrice"],
    [{ account: "DU999" }, "account"],
  ] as const)("that makes no sense names the argument and is not sent: %j", async ([input, name]) => {
    await expect(bracket(input)).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringMatching(new RegExp(`^${name}:`)),
    });
    expect(await fixture.received(placeOrder)).toEqual([]);
  });

  test("is sent once for one key, also by an agent that started anew", async () => {
    const input = { idempotencyKey: "b-2" };
    const [first, second] = await Promise.all([bracket(input), bracket(input)]);
    await fixture.session.close();
    const later = startAgent({ port: fixture.simulator.port, limits: { onlyAccount: "DU1234567" } });
    await later.session.whenConnected(5_000);
    const asked = {
      symbol: "AAPL",
      action: "BUY",
      quantity: 10,
      entryPrice: 10,
      takeProfitPrice: 9_000,
      stopLossPrice: 5,
    };
    const third = await later.handlers.ibkr_place_bracket_order(
      tools.ibkr_place_bracket_order.input.parse({ ...asked, ...input }),
      callBy(),
    );
    await later.handlers.ibkr_get_current_time({}, callBy());
    await later.close();

    expect([second.parentOrderId, third.parentOrderId]).toEqual([first.parentOrderId, first.parentOrderId]);
    expect(fixture.simulator.received().filter(({ id }) => id === placeOrder)).toHaveLength(3);
  });

  test("and a single order cannot share a key", async () => {
    await bracket({ idempotencyKey: "k" });
    await expect(placeOne({ ...far, idempotencyKey: "k" })).rejects.toMatchObject({
      message: expect.stringMatching(/^idempotencyKey:/),
    });
  });

  test("is refused by limits before anything is sent", async () => {
    const handlers = fixture.agentWith({ trading: "off", onlyAccount: "DU1234567" });
    const input = tools.ibkr_place_bracket_order.input.parse({
      symbol: "AAPL",
      action: "BUY",
      quantity: 1,
      entryPrice: 10,
      takeProfitPrice: 20,
      stopLossPrice: 5,
    });
    await expect(handlers.ibkr_place_bracket_order(input, callBy())).rejects.toMatchObject({
      code: "trading_refused",
    });
    expect(await fixture.received(placeOrder)).toEqual([]);
  });
});

describe("a basket", () => {
  test("with a bad row places the others in their order, and each has its outcome", async () => {
    const result = await basket([
      { symbol: "AAPL", ...far },
      { symbol: "NOSUCH", ...far },
      { symbol: "MSFT", ...far, limitPrice: 1.001 },
      { symbol: "MSFT", ...far, orderType: "STP" },
      { symbol: "MSFT", ...far },
    ]);
    expect(result).toMatchObject({
      count: 5,
      accepted: 2,
      refused: 3,
      unknown: 0,
      ocaGroup: null,
      mode: "paper",
    });
    expect(result.orders).toMatchObject([
      { row: 0, symbol: "AAPL", status: "Submitted" },
      { row: 1, symbol: "NOSUCH", error: { code: "unknown_contract" } },
      { row: 2, symbol: "MSFT", error: { code: "order_rejected", tws: { code: 110 } } },
      {
        row: 3,
        symbol: "MSFT",
        error: { code: "invalid_input", message: expect.stringMatching(/^limitPrice:/) },
      },
      { row: 4, symbol: "MSFT", status: "Submitted" },
    ]);
    const sent = (await fixture.received(placeOrder)).map(({ fields }) => fields[3]);
    expect(sent).toEqual(["AAPL", "MSFT", "MSFT"]);
  });

  test("with oneCancelsOther cancels the rest when one fills", async () => {
    const result = await basket(
      [
        { symbol: "AAPL", ...far },
        { symbol: "MSFT", ...far },
      ],
      { oneCancelsOther: true },
    );
    const [first, second] = result.orders;
    if (first === undefined || !("orderId" in first) || second === undefined || !("orderId" in second))
      throw new Error("a row was refused");
    expect(new Set((await openOrders()).map(({ ocaGroup }) => ocaGroup))).toEqual(new Set([result.ocaGroup]));

    await fixture.handlers.ibkr_modify_order({ orderId: first.orderId, limitPrice: 9_000 }, callBy());

    const other = { orderId: second.orderId, until: "ended", timeoutSeconds: 5 } as const;
    expect(await fixture.handlers.ibkr_wait_for_order(other, callBy())).toMatchObject({
      status: "Cancelled",
    });
  });

  test("is sent once for one key, and another basket with that key not at all", async () => {
    const rows = [
      { symbol: "AAPL", ...far },
      { symbol: "MSFT", ...far },
    ];
    const [first, again] = await Promise.all([
      basket(rows, { idempotencyKey: "many" }),
      basket(rows, { idempotencyKey: "many" }),
    ]);
    expect(again.orders).toEqual(first.orders);
    expect(await fixture.received(placeOrder)).toHaveLength(2);

    await expect(
      basket([...rows, { symbol: "AAPL", ...far }], { idempotencyKey: "many" }),
    ).rejects.toMatchObject({ code: "invalid_input", message: expect.stringMatching(/^idempotencyKey:/) });
    await expect(placeOne({ ...far, idempotencyKey: "many" })).rejects.toMatchObject({
      code: "invalid_input",
    });
    expect(await fixture.received(placeOrder)).toHaveLength(2);
  });

  test("is refused whole by limits", async () => {
    await expect(
      basket(
        [{ symbol: "AAPL", ...far }],
        {},
        fixture.agentWith({ trading: "off", onlyAccount: "DU1234567" }),
      ),
    ).rejects.toMatchObject({
      code: "trading_refused",
    });
    await expect(basket([{ symbol: "AAPL", ...far }], { account: "DU7654321" })).rejects.toMatchObject({
      code: "trading_refused",
    });
    expect(await fixture.received(placeOrder)).toEqual([]);
  });
});

describe("cancelling everything", () => {
  const cancelAll = async (
    account = "",
    context = callBy(),
    { handlers }: Pick<HandlersFixture, "handlers"> = fixture,
  ) => tools.ibkr_cancel_all_orders.output.parse(await handlers.ibkr_cancel_all_orders({ account }, context));
  const accounts = ["DU1234567", "DU7654321"];

  test("ends the orders of all accounts, those of other clients too, and answers what each came to", async () => {
    const open = fixture.agentWith({ onlyAccount: null });
    const theirs = tools.ibkr_place_order.input.parse({ symbol: "AAPL", ...far, account: "DU7654321" });
    await open.ibkr_place_order(theirs, callBy());
    const other = startAgent({
      port: fixture.simulator.port,
      clientId: 7,
      limits: { onlyAccount: "DU1234567" },
    });
    await other.session.whenConnected(5_000);
    const input = tools.ibkr_place_order.input.parse({ symbol: "MSFT", ...far });
    await other.handlers.ibkr_place_order(input, callBy());
    await placeOne(far);
    await bracket();

    const result = await cancelAll("", callBy(), { handlers: open });
    await other.close();

    expect(result).toMatchObject({ count: 6, cancelled: 6, stillOpen: 0, accounts, elsewhere: 0 });
    expect(new Set(result.orders.map(({ symbol }) => symbol))).toEqual(new Set(["AAPL", "MSFT"]));
    expect(await openOrders()).toEqual([]);
    expect(await fixture.received(globalCancel)).toHaveLength(1);
  });

  test("on a host bound to one account covers that one, and says what it left alone elsewhere", async () => {
    const open = fixture.agentWith({ onlyAccount: null });
    for (const account of accounts)
      await open.ibkr_place_order(
        tools.ibkr_place_order.input.parse({ symbol: "MSFT", ...far, account }),
        callBy(),
      );

    expect(await cancelAll()).toMatchObject({
      count: 1,
      cancelled: 1,
      accounts: ["DU1234567"],
      elsewhere: 1,
      orders: [{ account: "DU1234567" }],
    });
    expect(await openOrders()).toMatchObject([{ account: "DU7654321" }]);
    expect(await fixture.received(globalCancel)).toEqual([]);
    // who names another account means it
    expect(await cancelAll("DU7654321")).toMatchObject({
      cancelled: 1,
      accounts: ["DU7654321"],
      elsewhere: 0,
    });
    expect(await openOrders()).toEqual([]);
  });

  test("leaves it to TWS's own order where it has one account only", async () => {
    const alone = await startHandlersFixture({ limits: { onlyAccount: "DU1234567" } });
    const input = tools.ibkr_place_order.input.parse({ symbol: "MSFT", ...far });
    await alone.handlers.ibkr_place_order(input, callBy());

    const result = await cancelAll("", callBy(), alone);
    const sent = await alone.received(globalCancel);
    await alone.close();

    expect(result).toMatchObject({ cancelled: 1, accounts: ["DU1234567"], elsewhere: 0 });
    expect(sent).toHaveLength(1);
  });

  test("stays within the accounts of the grant, or the one named", async () => {
    const theirs = fixture.agentWith({ onlyAccount: "DU7654321" });
    const input = tools.ibkr_place_order.input.parse({ symbol: "MSFT", ...far });
    await theirs.ibkr_place_order(input, callBy());
    await placeOne(far);

    expect(await cancelAll("DU1234567")).toMatchObject({ count: 1, cancelled: 1, elsewhere: 1 });
    expect(await openOrders()).toMatchObject([{ account: "DU7654321" }]);
    const narrow = callBy({ ...trader, accounts: ["DU1234567"] });
    // what it may not see is not counted either
    for (const handlers of [fixture.handlers, fixture.agentWith({ onlyAccount: null })])
      expect(await cancelAll("", narrow, { handlers })).toMatchObject({
        count: 0,
        orders: [],
        accounts: ["DU1234567"],
        elsewhere: 0,
      });
    await expect(cancelAll("DU7654321", narrow)).rejects.toMatchObject({ code: "forbidden" });
    expect(await openOrders()).toHaveLength(1);
    expect(await fixture.received(globalCancel)).toEqual([]);
  });

  test("is allowed when trading is off, and fails plainly when TWS is away", async () => {
    await placeOne(far);
    const off = fixture.agentWith({ trading: "off", onlyAccount: "DU1234567" });
    expect(await off.ibkr_cancel_all_orders({ account: "" }, callBy())).toMatchObject({ cancelled: 1 });
    fixture.session.stop();
    await expect(cancelAll()).rejects.toMatchObject({ code: "tws_offline" });
  });
});
