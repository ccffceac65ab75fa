import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { tools } from "../../shared/tools/index.ts";
import { type CallTool, connectLegacy, connectModern, eventually, plainCaller } from "./clients/clients.ts";
import { startSystem, type System } from "./rigs/system.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => system.close());

const eras = {
  "the v2 client on 2026-07-28": async () => {
    const { client, call } = await connectModern(system.mcpUrl);
    const listTools = async () => (await client.listTools()).tools.map((tool) => tool.name);
    return { call, listTools, close: () => client.close() };
  },
  "the v1 client on 2025-11-25": async () => {
    const { client, call } = await connectLegacy(system.mcpUrl);
    const listTools = async () => (await client.listTools()).tools.map((tool) => tool.name);
    return { call, listTools, close: () => client.close() };
  },
} as const;

const Money = z.object({
  summary: z.object({ TotalCashValue: z.object({ value: z.number(), currency: z.string() }) }),
});
const cash = async (call: CallTool) => {
  const result = await call("ibkr_get_account_summary", { tags: "TotalCashValue" });
  return Money.parse(result).summary.TotalCashValue.value;
};

const Positions = z.object({
  positions: z.array(z.object({ position: z.number(), contract: z.object({ symbol: z.string() }) })),
});
const held = async (call: CallTool, symbol: string) => {
  const { positions } = Positions.parse(await call("ibkr_get_positions"));
  return positions.find((one) => one.contract.symbol === symbol)?.position ?? 0;
};

const Executions = z.object({
  executions: z.array(
    z.object({
      execution: z.object({ orderId: z.int(), shares: z.number(), price: z.number(), side: z.string() }),
      commissionReport: z.object({ commission: z.number(), currency: z.string() }),
    }),
  ),
});
const Placed = z.object({
  orderId: z.int().positive(),
  status: z.string(),
  filled: z.number(),
  mode: z.string(),
});

const cents = (amount: number) => Math.round(amount * 100);

describe.for(Object.entries(eras))("with %s", ([, connect]) => {
  test("every tool is listed in its fixed order", async () => {
    const { listTools, close } = await connect();
    expect(await listTools()).toEqual(Object.keys(tools));
    await close();
  });

  test("ten shares bought at market are filled, with execution, commission, position and cash to the cent", async () => {
    const { call, close } = await connect();
    const before = { cash: await cash(call), held: await held(call, "AAPL") };
    const placed = Placed.parse(
      await call("ibkr_place_order", {
        symbol: "AAPL",
        action: "buy",
        quantity: "10",
        orderType: "MKT",
        idempotencyKey: crypto.randomUUID(),
      }),
    );
    expect(placed.mode).toBe("paper");
    const { orderId } = placed;
    const done = await eventually(
      () => call("ibkr_get_order_status", { orderId }),
      (order) => order["status"] === "Filled",
    );
    expect(done).toMatchObject({ orderId, filled: 10, remaining: 0 });

    const fills = Executions.parse(await call("ibkr_get_executions", { symbol: "AAPL" })).executions.filter(
      ({ execution }) => execution.orderId === orderId,
    );
    expect(fills.reduce((sum, { execution }) => sum + execution.shares, 0)).toBe(10);
    expect(fills.every(({ execution }) => execution.side === "BOT")).toBe(true);
    const paid = fills.reduce(
      (sum, { execution, commissionReport }) =>
        sum + execution.shares * execution.price + commissionReport.commission,
      0,
    );
    const isCredited = (amount: number) => cents(amount) === cents(before.cash - paid);
    expect(await eventually(() => cash(call), isCredited)).toBeLessThan(before.cash);
    expect(await held(call, "AAPL")).toBe(before.held + 10);
    await close();
  });

  test("a resting limit order is modified, then cancelled, and nothing is filled", async () => {
    const { call, close } = await connect();
    const { orderId, status } = Placed.parse(
      await call("ibkr_place_order", {
        symbol: "MSFT",
        action: "BUY",
        quantity: 5,
        orderType: "LMT",
        limitPrice: 1,
      }),
    );
    expect(["PreSubmitted", "Submitted"]).toContain(status);
    await call("ibkr_modify_order", { orderId, limitPrice: 2, quantity: 7 });
    expect(await call("ibkr_get_order_status", { orderId })).toMatchObject({
      order: { limitPrice: 2, quantity: 7, filled: 0 },
    });
    const { orders } = z
      .object({ orders: z.array(z.object({ orderId: z.int() })) })
      .parse(await call("ibkr_get_open_orders"));
    expect(orders.map((order) => order.orderId)).toContain(orderId);
    expect(await call("ibkr_cancel_order", { orderId })).toMatchObject({
      orderId,
      status: "Cancelled",
      filled: 0,
    });
    await close();
  });
});

test("the last historical bar ends between the day's bid and ask that the quote shows", async () => {
  const call = plainCaller(system.mcpUrl);
  const Quotes = z.object({
    quotes: z.array(z.object({ quote: z.object({ low: z.number(), high: z.number(), last: z.number() }) })),
  });
  const Bars = z.object({ bars: z.array(z.object({ close: z.number() })).min(1) });
  const before = Quotes.parse(await call("ibkr_get_quotes", { symbols: "AAPL" })).quotes[0]?.quote.last;
  const { bars } = Bars.parse(
    await call("ibkr_get_historical_data", {
      symbol: "AAPL",
      durationStr: "600 S",
      barSizeSetting: "1 min",
      useRTH: false,
    }),
  );
  const after = Quotes.parse(await call("ibkr_get_quotes", { symbols: "AAPL" })).quotes[0]?.quote.last;
  const close = bars.at(-1)?.close ?? NaN;
  if (before === undefined || after === undefined) throw new Error("no quote");
  // between the two quotes the market moves by less than a tenth of a percent
  expect(Math.abs(close - before) / before).toBeLessThan(0.001);
  expect(Math.abs(close - after) / after).toBeLessThan(0.001);
});

test("a repeated order with the same idempotency key is one order at TWS", async () => {
  const call = plainCaller(system.mcpUrl);
  const order = {
    symbol: "IBM",
    action: "BUY",
    quantity: 1,
    orderType: "LMT",
    limitPrice: 1,
    idempotencyKey: "journey-1",
  };
  const [first, second] = await Promise.all([
    call("ibkr_place_order", order),
    call("ibkr_place_order", order),
  ]);
  expect(second["orderId"]).toBe(first["orderId"]);
  const working = system.simulator.world.ledger
    .openOrders()
    .filter(({ request }) => request.instrument.symbol === "IBM");
  expect(working).toHaveLength(1);
  expect(await call("ibkr_place_order", { ...order, quantity: 2 })).toMatchObject({
    error: { code: "invalid_input", retryable: false },
  });
  await call("ibkr_cancel_order", { orderId: first["orderId"] });
});

test("what cannot be traded is refused with TWS's own words beside ours", async () => {
  const call = plainCaller(system.mcpUrl);
  expect(await call("ibkr_place_order", { symbol: "NOSUCHX", action: "BUY", quantity: 1 })).toMatchObject({
    error: { code: "unknown_contract" },
  });
  expect(
    await call("ibkr_place_order", {
      symbol: "AAPL",
      action: "BUY",
      quantity: 1,
      orderType: "LMT",
      limitPrice: 1.001,
    }),
  ).toMatchObject({ error: { code: "order_rejected", tws: { code: 110 } } });
  expect(await call("ibkr_cancel_order", { orderId: 987_654 })).toMatchObject({
    error: { code: "order_not_found" },
  });
});
