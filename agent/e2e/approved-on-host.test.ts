import { expect, test } from "vitest";
import { startApprovalSystem, waitingFor } from "./rigs/approval-system.ts";
import { plainCaller } from "./clients/clients.ts";

test("in local mode, where nobody signs in, an order is approved or declined by tws-edge on the TWS host", async () => {
  const system = await startApprovalSystem();
  const call = plainCaller(system.local.mcpUrl);
  const order = { symbol: "AAPL", action: "BUY", quantity: 1 };
  const waiting = await waitingFor(call, "ibkr_place_order", order);
  expect(waiting.nextStep).toContain(`npm run -s tws-edge -- approve ${waiting.approvalId}`);
  expect(waiting).not.toHaveProperty("url");
  expect((await system.host("approvals")).said).toContain("BUY 1 AAPL");
  expect(system.placed()).toBe(0);
  expect(await system.host("approve", waiting.approvalId)).toMatchObject({ code: 0 });
  const keyed = { ...order, idempotencyKey: waiting.key };
  const { orderId } = await call("ibkr_place_order", keyed);
  expect(await call("ibkr_wait_for_order", { orderId, until: "filled" })).toMatchObject({ status: "Filled" });
  expect(await call("ibkr_place_order", keyed)).toMatchObject({ orderId });
  const other = await waitingFor(call, "ibkr_place_order", { ...order, quantity: 2 });
  expect(await system.host("decline", other.approvalId)).toMatchObject({ code: 0 });
  expect(await call("ibkr_place_order", { ...order, quantity: 2, idempotencyKey: other.key })).toMatchObject({
    error: { code: "trading_refused" },
  });
  expect(system.placed()).toBe(1);
  await system.close();
});

test("the simulator's journal, new at each start, is a new trail and no broken one", async () => {
  let system = await startApprovalSystem({ APPROVAL: "never" });
  const order = { symbol: "AAPL", action: "BUY", quantity: 1 };
  const place = () => plainCaller(system.local.mcpUrl)("ibkr_place_order", order);
  const status = () => plainCaller(system.local.mcpUrl)("ibkr_get_status");
  await place();
  // the copy follows within a second
  await expect.poll(status).toMatchObject({ trading: { audit: "ok" } });
  system = await system.restarted();
  expect(await place()).toHaveProperty("orderId");
  expect(await status()).toMatchObject({ trading: { audit: "ok" } });
  await system.close();
});
