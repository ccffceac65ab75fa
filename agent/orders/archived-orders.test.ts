import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { archiveSome } from "../journal/archiving.ts";
import { market, type OrdersFixture, startOrders, untilAnswer } from "./orders.fixture.ts";

/** Everything that has ended is archived, however young it is. */
function archive({ host }: OrdersFixture): void {
  const { file } = host().agent().orders.journal;
  const now = Date.now();
  while (archiveSome({ file, before: now + 60_000, now }).archive !== null);
}

function removeArchives({ host }: OrdersFixture): void {
  const folder = dirname(host().agent().orders.journal.file.path);
  for (const name of readdirSync(folder)) if (name.includes(".archive-")) rmSync(join(folder, name));
}

test("a key whose order is archived is answered from the archive, and without the archive places nothing", async () => {
  const orders = await startOrders();
  const { call, placed, status, stateOf } = orders;
  const placeMarket = (input: object) => call("ibkr_place_order", input);
  await orders.fillBefore();
  archive(orders);
  expect(stateOf("before")).toBeNull();
  const count = placed();
  const again = { ...market, idempotencyKey: "before" };
  expect(await placeMarket(again)).toMatchObject({ output: { status: "Filled", filled: 3 } });
  expect(await placeMarket({ ...again, quantity: 4 })).toMatchObject({ error: { code: "invalid_input" } });
  expect(await status({ idempotencyKey: "before" })).toMatchObject({
    output: { status: "Filled", intent: { state: "done", note: expect.stringContaining("archive") } },
  });
  removeArchives(orders);
  const refused = { error: { code: "invalid_input", message: expect.stringContaining("cannot be read") } };
  expect(await placeMarket(again)).toMatchObject(refused);
  expect(await status({ idempotencyKey: "before" })).toMatchObject(refused);
  expect(placed()).toBe(count);
});

test("a basket whose key is archived is answered row by row, and what was not placed then is not placed now", async () => {
  const orders = await startOrders();
  const { call, placed, host } = orders;
  const basket = {
    orders: [market, { ...market, symbol: "NOSUCH", conId: undefined, secType: "STK" }],
    idempotencyKey: "b",
  };
  await call("ibkr_place_orders", basket);
  await untilAnswer(
    () => host().agent().orders.journal.unfinished().length,
    (open) => open === 0,
  );
  archive(orders);
  const count = placed();
  expect(count).toBe(1);
  expect(await call("ibkr_place_orders", basket)).toMatchObject({
    error: { code: "invalid_input", message: expect.stringContaining("archived") },
  });
  const whole = { orders: [market, market], idempotencyKey: "w" };
  const first = await call("ibkr_place_orders", whole);
  await untilAnswer(
    () => host().agent().orders.journal.unfinished().length,
    (open) => open === 0,
  );
  archive(orders);
  expect(await call("ibkr_place_orders", whole)).toMatchObject({ output: { accepted: 2 } });
  expect(first).toMatchObject({ output: { accepted: 2 } });
  expect(placed()).toBe(count + 2);
});
