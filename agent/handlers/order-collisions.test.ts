import { afterEach, beforeEach, expect, test } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import { callBy, startAgent, startHandlersFixture, trader } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

const cancelOrder = 4;
const far = { symbol: "AAPL", action: "BUY", quantity: 10, orderType: "LMT", limitPrice: 1 };

let fixture: HandlersFixture;
beforeEach(async () => {
  fixture = await startHandlersFixture({ simulator: { accounts: ["DU1234567", "DU7654321"] } });
});
afterEach(async () => fixture.close());

type Handlers = Pick<HandlersFixture["handlers"], "ibkr_place_order">;
const place = ({ ibkr_place_order }: Handlers, account: string) =>
  ibkr_place_order(tools.ibkr_place_order.input.parse({ ...far, account }), callBy());

test("cancelling what a grant covers never hits our own order under the id of another client's", async () => {
  const other = startAgent({ port: fixture.simulator.port, clientId: 7 });
  await other.session.whenConnected(5_000);
  // it waits until the lists have been read, so that neither client knows the other's ids
  await other.handlers.ibkr_get_completed_orders({ account: "" }, callBy());
  await place(fixture.handlers, "DU7654321");
  const theirs = await place(other.handlers, "DU1234567");
  await other.close();
  expect(theirs.orderId).toBe(1);

  const narrow = callBy({ ...trader, accounts: ["DU1234567"] });
  const result = await fixture.handlers.ibkr_cancel_all_orders({ account: "" }, narrow);

  expect(await fixture.received(cancelOrder)).toEqual([]);
  expect(result).toMatchObject({ count: 1, cancelled: 0, stillOpen: 1 });
  expect(result.orders[0]?.warnings[0]).toMatch(/another API client/);
  expect(fixture.simulator.world.ledger.openOrders()).toHaveLength(2);
});
