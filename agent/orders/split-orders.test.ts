import { expect, onTestFinished, test } from "vitest";
import { TwsError } from "../../shared/errors.ts";
import { tools } from "../../shared/tools/index.ts";
import { callBy, startHandlersFixture, trader } from "../handlers/handlers.fixture.ts";

const bounds = { approval: "never", approvalAbove: 1_000 } as const;
const order = { conId: 265_598, action: "BUY", orderType: "LMT", limitPrice: 1 } as const;

/** An agent whose owner approves what is above 1,000, and what orders through it come to. */
async function startSplitting(limits: { readonly approvalWindowMs?: number } = {}) {
  const fixture = await startHandlersFixture({ limits: { ...bounds, ...limits } });
  onTestFinished(() => fixture.close());
  const context = (grantId = trader.grantId) => callBy({ ...trader, grantId }, { twsTimeoutMs: 500 });
  const outcome = async (attempt: Promise<unknown>): Promise<string> => {
    try {
      await attempt;
      return "placed";
    } catch (error) {
      if (error instanceof TwsError) return error.code;
      throw error;
    }
  };
  const input = (quantity: number, key?: string) =>
    tools.ibkr_place_order.input.parse({
      ...order,
      quantity,
      ...(key !== undefined && { idempotencyKey: key }),
    });
  return {
    fixture,
    context,
    outcome,
    place: (quantity: number, { grantId, key, handlers = fixture.handlers }: Partial<Placing> = {}) =>
      outcome(handlers.ibkr_place_order(input(quantity, key), context(grantId))),
    basket: (...quantities: readonly number[]) => {
      const orders = quantities.map((quantity) => ({ ...order, quantity }));
      return outcome(
        fixture.handlers.ibkr_place_orders(tools.ibkr_place_orders.input.parse({ orders }), context()),
      );
    },
  };
}
interface Placing {
  readonly grantId: string;
  readonly key: string;
  readonly handlers: Awaited<ReturnType<typeof startHandlersFixture>>["handlers"];
}

test("orders of one grant that together are above the limit need approval, also for another agent at the journal", async () => {
  const { fixture, place } = await startSplitting();
  expect(await place(600)).toBe("placed");
  expect(await place(400)).toBe("placed");
  expect(await place(1)).toBe("approval_required");
  expect(await place(2, { grantId: "grant-2" })).toBe("placed");
  // what was counted is in the journal
  expect(await place(3, { handlers: fixture.agentWith(bounds) })).toBe("approval_required");
});

test("the rows of a basket count together, and with what was placed before", async () => {
  const { place, basket } = await startSplitting();
  expect(await place(300)).toBe("placed");
  expect(await basket(290, 410)).toBe("placed");
  expect(await basket(1, 2)).toBe("approval_required");
});

test("of orders that race for the last of it, none is placed without approval beyond it", async () => {
  const { fixture, place } = await startSplitting();
  const outcomes = await Promise.all([201, 202, 203, 204, 205, 206, 207].map((quantity) => place(quantity)));
  expect(outcomes.filter((one) => one === "placed")).toHaveLength(4);
  expect(await fixture.received(3)).toHaveLength(4);
});

test("what the owner has approved does not count, and the owner sees value and market", async () => {
  const { fixture, place } = await startSplitting();
  expect(await place(5_000, { key: "large" })).toBe("approval_required");
  const { approvals } = fixture.orders;
  const [waiting] = approvals.pending();
  expect(waiting).toMatchObject({
    value: "about 5,000.00 USD",
    quotes: [
      { bid: expect.any(Number), ask: expect.any(Number), last: expect.any(Number), at: expect.any(String) },
    ],
  });
  approvals.decide(waiting?.approvalId ?? "", null, "approve", "host");
  expect(await place(5_000, { key: "large" })).toBe("placed");
  expect(await place(1_000)).toBe("placed");
});

test("an order that waits for approval has its price and value also where no limit needs them", async () => {
  const fixture = await startHandlersFixture({ limits: { approval: "always" } });
  onTestFinished(() => fixture.close());
  const input = tools.ibkr_place_order.input.parse({
    ...order,
    orderType: "MKT",
    limitPrice: undefined,
    quantity: 10,
  });
  const place = (context = callBy(undefined, { twsTimeoutMs: 500 })) =>
    fixture.handlers.ibkr_place_order(input, context);
  await expect(place()).rejects.toMatchObject({ code: "approval_required" });
  expect(fixture.orders.approvals.pending()).toMatchObject([
    { value: expect.stringMatching(/^about [\d,.]+ USD$/), quotes: [{ ask: expect.any(Number) }] },
  ]);
});
