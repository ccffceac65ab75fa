import { expect, onTestFinished, test } from "vitest";
import { TwsError } from "../../shared/errors.ts";
import { tools } from "../../shared/tools/index.ts";
import { callBy, startHandlersFixture } from "../handlers/handlers.fixture.ts";
import { far } from "./orders.fixture.ts";

/** An agent whose owner approves every order, and one at the same TWS and journal whose owner approves none. */
async function startApproving() {
  const fixture = await startHandlersFixture({ limits: { approval: "always" } });
  onTestFinished(() => fixture.close());
  const { approvals } = fixture.orders;
  const errorOf = (attempt: Promise<unknown>) =>
    attempt.then(
      () => null,
      (error: unknown) => (error instanceof TwsError ? error : Promise.reject(error)),
    );
  return {
    ...fixture,
    free: fixture.agentWith({ approval: "never" }),
    errorOf,
    /** What the owner is shown of a call that asks for approval, and the way to give it. */
    async asked(attempt: Promise<unknown>) {
      const { code, detail } = (await errorOf(attempt)) ?? {};
      expect(code).toBe("approval_required");
      const [waiting] = approvals.pending();
      const approvalId = waiting?.approvalId ?? "";
      expect(detail?.approval?.approvalId).toBe(approvalId);
      return {
        orders: waiting?.orders ?? [],
        approve: () => approvals.decide(approvalId, null, "approve", "host"),
      };
    },
  };
}

/** The owner is waited for a moment only. */
const context = () => callBy(undefined, { twsTimeoutMs: 1_000 });
const placing = (input: object) => tools.ibkr_place_order.input.parse({ ...far, ...input });

test("the approval of a change places no new order on the same terms, and changes no other order", async () => {
  const fixture = await startApproving();
  const { handlers, free } = fixture;
  const [one, other] = [
    await free.ibkr_place_order(placing({ idempotencyKey: "one" }), context()),
    await free.ibkr_place_order(placing({ idempotencyKey: "other" }), context()),
  ];
  const changed = (orderId: number) => handlers.ibkr_modify_order({ orderId, limitPrice: 2 }, context());
  const change = await fixture.asked(changed(one.orderId));
  change.approve();
  expect(
    (await fixture.errorOf(handlers.ibkr_place_order(placing({ limitPrice: 2 }), context())))?.code,
  ).toBe("approval_required");
  expect((await fixture.errorOf(changed(other.orderId)))?.code).toBe("approval_required");
  expect(await fixture.received(3)).toHaveLength(2);
  await handlers.ibkr_modify_order({ orderId: one.orderId, limitPrice: 2 }, context());
  expect(await fixture.received(3)).toHaveLength(3);
});

test("the approval of a bracket places no basket of the same three orders", async () => {
  const fixture = await startApproving();
  const { handlers } = fixture;
  const { conId } = far;
  const bracket = await fixture.asked(
    handlers.ibkr_place_bracket_order(
      tools.ibkr_place_bracket_order.input.parse({
        conId,
        action: "BUY",
        quantity: 10,
        entryPrice: 2,
        takeProfitPrice: 3,
        stopLossPrice: 1,
      }),
      context(),
    ),
  );
  bracket.approve();
  const leg = { conId, quantity: 10 };
  const basket = tools.ibkr_place_orders.input.parse({
    orders: [
      { ...leg, action: "BUY", orderType: "LMT", limitPrice: 2 },
      { ...leg, action: "SELL", orderType: "LMT", limitPrice: 3, tif: "GTC" },
      { ...leg, action: "SELL", orderType: "STP", auxPrice: 1, tif: "GTC" },
    ],
  });
  expect((await fixture.errorOf(handlers.ibkr_place_orders(basket, context())))?.code).toBe(
    "approval_required",
  );
  expect(await fixture.received(3)).toHaveLength(0);
  expect(bracket.orders.slice(1)).toEqual([expect.stringContaining("exit"), expect.stringContaining("exit")]);
});
