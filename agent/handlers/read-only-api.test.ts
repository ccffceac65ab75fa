import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { TwsError } from "../../shared/errors.ts";
import { tools } from "../../shared/tools/index.ts";
import { callBy, startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

let fixture: HandlersFixture;
beforeEach(async () => {
  fixture = await startHandlersFixture({ simulator: { readOnly: true } });
});
afterEach(() => fixture.close());

const order = { symbol: "AAPL", action: "BUY", quantity: 1, orderType: "LMT", limitPrice: 100 } as const;

/** The error of a call, and how long it took. */
async function refusal(call: () => Promise<unknown>) {
  const startedAt = performance.now();
  const error = await call().catch((thrown: unknown) => thrown);
  if (!(error instanceof TwsError)) throw new Error("It was not refused.", { cause: error });
  const { code, nextStep, retryable, message } = error.toBody();
  return { code, nextStep, retryable, message, ms: performance.now() - startedAt };
}

describe("with a TWS whose API is read-only", () => {
  test("the session says so, and that is over with the setting", async () => {
    await vi.waitFor(() => expect(fixture.session.status().tws.isReadOnlyApi).toBe(true));

    fixture.simulator.faults.readOnly(false);
    await expect(fixture.handlers.ibkr_get_open_orders({}, callBy())).resolves.toMatchObject({ count: 0 });
    expect(fixture.session.status().tws.isReadOnlyApi).toBe(false);
    const input = tools.ibkr_place_order.input.parse(order);
    await expect(fixture.handlers.ibkr_place_order(input, callBy())).resolves.toMatchObject({ orderId: 1 });
  });

  test.each([
    ["open orders", () => fixture.handlers.ibkr_get_open_orders({}, callBy())],
    ["all orders", () => fixture.handlers.ibkr_get_all_orders({ account: "" }, callBy())],
    ["completed orders", () => fixture.handlers.ibkr_get_completed_orders({ account: "" }, callBy())],
    ["an order's status", () => fixture.handlers.ibkr_get_order_status({ orderId: 7 }, callBy())],
    [
      "a new order",
      () => fixture.handlers.ibkr_place_order(tools.ibkr_place_order.input.parse(order), callBy()),
    ],
    [
      "a preview",
      () => fixture.handlers.ibkr_preview_order(tools.ibkr_preview_order.input.parse(order), callBy()),
    ],
    ["a cancellation", () => fixture.handlers.ibkr_cancel_order({ orderId: 7 }, callBy())],
  ])("%s are refused at once, with the setting to change", async (_, call) => {
    const { code, nextStep, retryable, message, ms } = await refusal(call);
    expect({ code, retryable, message }).toMatchObject({ code: "read_only_api", retryable: false });
    expect(nextStep).toContain("Read-Only API");
    // an unanswered list takes 10 s
    expect(ms).toBeLessThan(5_000);
  });

  test("whatever only reads works", async () => {
    const { handlers } = fixture;
    const quotes = tools.ibkr_get_quotes.input.parse({ symbols: ["AAPL"] });
    const plan = tools.ibkr_plan_rebalance.input.parse({ targets: [{ symbol: "AAPL", percent: 5 }] });
    expect(await handlers.ibkr_get_positions({ account: "" }, callBy())).toMatchObject({ count: 3 });
    expect(await handlers.ibkr_get_quotes(quotes, callBy())).toMatchObject({ quotes: [{ error: null }] });
    expect(await handlers.ibkr_get_pnl({ account: "" }, callBy())).toMatchObject({ mode: "paper" });
    const executions = tools.ibkr_get_executions.input.parse({});
    expect(await handlers.ibkr_get_executions(executions, callBy())).toMatchObject({ count: 0 });
    const { orders, assumptions } = await handlers.ibkr_plan_rebalance(plan, callBy());
    expect(orders).toHaveLength(1);
    expect(assumptions.join()).toContain("working orders are not known");
  });
});
