import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ToolName } from "../../shared/tools/index.ts";
import { errorOf, outputOf, plainAsk } from "../e2e/rigs/dispatch-client.ts";
import { startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

const [ibm2029, apple, treasury2027] = [366_014_801, 127_128_131, 740_325_117];
const placeOrder = 3;

let fixture: HandlersFixture;
/** A Friday at 11:00 in New York. */
beforeEach(async () => {
  const offset = Date.parse("2026-11-20T16:00:00Z") - Date.now();
  fixture = await startHandlersFixture({ simulator: { now: () => Date.now() + offset } });
});
afterEach(async () => fixture.close());

type Input = Readonly<Record<string, unknown>>;
const ask = async (tool: ToolName, input: Input = {}) =>
  outputOf(await plainAsk(fixture.handlers)(tool, input));
const refusal = async (tool: ToolName, input: Input) =>
  errorOf(await plainAsk(fixture.handlers)(tool, input));

const askOf = (conId: number): number => {
  const { world } = fixture.simulator;
  const instrument = world.universe.byConId(conId);
  if (instrument === undefined) throw new Error(`no ${conId}`);
  return world.market.quote(instrument, world.now()).ask ?? NaN;
};

const purchase = { symbol: "459200KA8", secType: "BOND", action: "BUY", quantity: 20 };
const resting = { ...purchase, orderType: "LMT", limitPrice: 80.125 };

describe("an order for a bond", () => {
  test("is previewed at ten times its price for each 1,000 of face value", async () => {
    const told = await ask("ibkr_preview_order", purchase);
    const worth = 20 * 10 * askOf(ibm2029);
    expect(told).toMatchObject({
      contract: { conId: ibm2029, secType: "BOND" },
      initMargin: { change: expect.closeTo(worth * 0.12, -2) },
      equityWithLoan: { change: expect.closeTo(-30, -2) },
      commission: 12.5,
    });
  });

  test("is filled, executed and held at what it cost", async () => {
    const placed = await ask("ibkr_place_order", purchase);
    expect(placed).toMatchObject({ status: "Filled", filled: 20, symbol: "IBM" });
    const fill = Number(placed["avgFillPrice"]);
    expect(fill).toBeCloseTo(askOf(ibm2029), 0);
    // its id names it: the symbol is also that of a stock
    const [sent] = await fixture.received(placeOrder);
    expect(sent?.fields.slice(2, 4)).toEqual([String(ibm2029), ""]);

    const { executions } = await ask("ibkr_get_executions", { secType: "BOND" });
    expect(executions).toMatchObject([
      {
        contract: { conId: ibm2029, symbol: "IBM", localSymbol: "IBCID366014801" },
        execution: { shares: 20, price: fill },
        commissionReport: { commission: 12.5, currency: "USD" },
      },
    ]);
    const { positions } = await ask("ibkr_get_positions");
    expect(positions).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          contract: expect.objectContaining({ conId: ibm2029, secType: "BOND" }),
          position: 20,
          avgCost: expect.closeTo(10 * fill + 12.5 / 20, 4),
          marketValue: expect.closeTo(200 * fill, -3),
        }),
      ]),
    );
    expect(await ask("ibkr_get_pnl_single", { account: "DU1234567", conId: ibm2029 })).toMatchObject({
      position: 20,
      value: expect.closeTo(200 * fill, -3),
    });
    const { orders } = await ask("ibkr_get_completed_orders");
    expect(orders).toMatchObject([{ contract: { conId: ibm2029, secType: "BOND" } }]);
  });

  test("rests, is changed and cancelled", async () => {
    const { orderId } = await ask("ibkr_place_order", resting);
    expect(await ask("ibkr_get_open_orders")).toMatchObject({
      orders: [{ orderId, contract: { conId: ibm2029, secType: "BOND" }, limitPrice: 80.125 }],
    });
    expect(await ask("ibkr_modify_order", { orderId, limitPrice: 81.0001, quantity: 30 })).toMatchObject({
      status: "Submitted",
      remaining: 30,
    });
    expect(await ask("ibkr_cancel_order", { orderId })).toMatchObject({ status: "Cancelled" });
  });

  test.for([
    [{ symbol: "IBM", secType: "BOND" }, "ambiguous_contract"],
    [{ conId: ibm2029, symbol: "AAPL" }, "invalid_input"],
    [{ conId: ibm2029, symbol: "IBM", secType: "STK" }, "invalid_input"],
    [{ conId: ibm2029, orderType: "STP", auxPrice: 90 }, "order_rejected"],
    [{ conId: apple, quantity: 1 }, "order_rejected"],
  ] as const)("for %j is refused: %s", async ([change, code]) => {
    const { symbol: _symbol, secType: _secType, ...terms } = purchase;
    const error = await refusal("ibkr_place_order", { ...terms, ...change });
    expect(error.code).toBe(code);
  });

  test.for([
    { conId: ibm2029, symbol: "IBM", currency: "USD", secType: "BOND" },
    { conId: ibm2029, symbol: "459200ka8", expiration: "202905" },
    { conId: ibm2029, localSymbol: "IBCID366014801" },
    { conId: apple, symbol: "US037833AL42", currency: "USD" },
  ])("may say more than the id of it: %j", async (selector) => {
    const { symbol: _symbol, secType: _secType, ...terms } = resting;
    expect(await ask("ibkr_place_order", { ...terms, ...selector })).toMatchObject({ status: "Submitted" });
  });

  test("cannot have a stop loss, and then none of its legs is left", async () => {
    const bracket = { entryPrice: 80, takeProfitPrice: 99, stopLossPrice: 70 };
    const { orderType: _type, limitPrice: _limit, ...rest } = resting;
    expect(await refusal("ibkr_place_bracket_order", { ...rest, ...bracket })).toMatchObject({
      code: "order_rejected",
      tws: { code: 387 },
    });
    expect(await ask("ibkr_get_open_orders")).toMatchObject({ orders: [] });
  });

  test("goes among others in a basket", async () => {
    const stock = { symbol: "IBM", action: "BUY", quantity: 1, orderType: "LMT", limitPrice: 1 };
    const { orders } = await ask("ibkr_place_orders", {
      orders: [resting, stock, { ...resting, symbol: "91282CLX7" }],
    });
    expect(orders).toMatchObject([
      { symbol: "IBM", status: "Submitted" },
      { symbol: "IBM", status: "Submitted" },
      { symbol: "US-T", status: "Submitted" },
    ]);
    const open = await ask("ibkr_get_open_orders");
    expect(open["orders"]).toMatchObject([
      { contract: { conId: treasury2027 } },
      { contract: { secType: "STK" } },
      { contract: { conId: ibm2029 } },
    ]);
  });
});

describe("a bond that is held", () => {
  beforeEach(async () => {
    await ask("ibkr_place_order", purchase);
  });

  test("counts in the risk of the account by its own history", async () => {
    const told = await ask("ibkr_assess_risk", { windowDays: 120 });
    const worth = 200 * askOf(ibm2029);
    expect(told["holdings"]).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          symbol: "IBM 3 1/2 05/15/29",
          conId: ibm2029,
          secType: "BOND",
          marketValue: expect.closeTo(worth, -3),
        }),
      ]),
    );
    // its trades are too few for a series of days
    const asked = (await fixture.received(20)).map(({ fields }) => fields.join("|"));
    expect(asked.filter((text) => text.includes(`|${ibm2029}|`))).toEqual([
      expect.stringContaining("|MIDPOINT|"),
    ]);
    expect(told).toMatchObject({
      excluded: [],
      concentration: {
        top: expect.arrayContaining([expect.objectContaining({ symbol: "IBM 3 1/2 05/15/29" })]),
      },
      assumptions: expect.arrayContaining([expect.stringContaining("Bonds gain by their mid prices alone")]),
    });
  });

  test("is left alone by a rebalance, at its whole worth", async () => {
    const plan = (targets: readonly Input[]) => ask("ibkr_plan_rebalance", { targets, cashBufferPercent: 0 });
    const { leftAlone, netLiquidation } = await plan([{ symbol: "KO", percent: 5 }]);
    const share = (100 * 200 * askOf(ibm2029)) / Number(netLiquidation);
    expect(share).toBeGreaterThan(1);
    const row = { conId: ibm2029, secType: "BOND", currentPercent: expect.closeTo(share, 1) };
    expect(leftAlone).toContainEqual(expect.objectContaining(row));
    expect(await plan([{ conId: ibm2029, percent: 5 }])).toMatchObject({
      orders: [],
      leftAlone: [{ ...row, reason: expect.stringContaining("only stocks and funds") }, {}, {}, {}],
    });
  });
});
