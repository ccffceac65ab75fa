import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { startHandlersFixture, trader } from "../handlers/handlers.fixture.ts";
import type { HandlersFixture } from "../handlers/handlers.fixture.ts";
import { type Ask, errorOf, outputOf, plainAsk } from "./rigs/dispatch-client.ts";

let fixture: HandlersFixture;
let ask: Ask;
beforeEach(async () => {
  fixture = await startHandlersFixture();
  ask = plainAsk(fixture.handlers);
});
afterEach(async () => fixture.close());

const Page = z.object({
  orders: z.array(z.object({ orderId: z.int() })),
  total: z.int(),
  next_cursor: z.string().optional(),
});

const page = async (input: Readonly<Record<string, unknown>>) =>
  Page.parse(outputOf(await ask("ibkr_get_open_orders", { limit: 10, ...input })));

async function place(count: number): Promise<void> {
  const { ledger, universe } = fixture.simulator.world;
  const instrument = universe.byConId(265598);
  if (instrument === undefined) throw new Error("no AAPL");
  for (let left = count; left > 0; left -= 1) {
    fixture.simulator.world.ledger.place({
      clientId: 1,
      orderId: ledger.nextValidId(1),
      instrument,
      routing: "SMART",
      action: "BUY",
      quantity: 1,
      orderType: "LMT",
      limitPrice: 1,
      auxPrice: null,
      tif: "DAY",
      outsideRth: false,
      account: "DU1234567",
      transmit: true,
      parentId: 0,
      ocaGroup: "",
      ocaType: 0,
      orderRef: "",
      whatIf: false,
      echo: {},
    });
  }
  await fixture.received(0);
}

test("pages of a list that changes meanwhile are of one list: no row twice, and none missed", async () => {
  await place(35);
  const first = await page({});
  for (const orderId of [1, 2, 3, 15]) fixture.simulator.world.ledger.cancel(1, orderId);
  await place(4);

  const ids = first.orders.map(({ orderId }) => orderId);
  for (let next = first.next_cursor; next !== undefined;) {
    const { orders, total, next_cursor } = await page({ cursor: next });
    expect(total).toBe(35);
    ids.push(...orders.map(({ orderId }) => orderId));
    next = next_cursor;
  }

  expect(ids).toEqual(Array.from({ length: 35 }, (_, index) => 35 - index));
  // a new list is that of now
  expect((await page({})).total).toBe(35);
  expect((await page({})).orders.map(({ orderId }) => orderId)).not.toContain(1);
});

test("a page can be asked for again, in another form and of another length", async () => {
  await place(35);
  const { next_cursor: cursor } = await page({});
  const again = await page({ cursor, limit: 3 });
  expect(again.orders.map(({ orderId }) => orderId)).toEqual([25, 24, 23]);
  expect((await page({ cursor })).orders[0]).toMatchObject({ orderId: 25 });
});

test("a cursor is good for its own question and caller alone", async () => {
  await place(35);
  const { next_cursor: cursor } = await page({});
  const wrong = { code: "invalid_input", message: expect.stringMatching(/^cursor /) };
  expect(errorOf(await ask("ibkr_get_completed_orders", { cursor }))).toMatchObject(wrong);
  expect(errorOf(await ask("ibkr_get_positions", { cursor }))).toMatchObject(wrong);
  const stranger = plainAsk(fixture.handlers, undefined, { ...trader, grantId: "grant-2" });
  expect(errorOf(await stranger("ibkr_get_open_orders", { cursor }))).toMatchObject(wrong);
  expect(errorOf(await ask("ibkr_get_open_orders", { cursor: "at:10" }))).toMatchObject(wrong);
  // as after a restart of the agent
  const restarted = plainAsk(fixture.handlers);
  expect(errorOf(await restarted("ibkr_get_open_orders", { cursor }))).toMatchObject({
    ...wrong,
    nextStep: "Leave cursor out to start from the first page.",
  });
});

test("a caller that leaves many lists unread has the latest kept", async () => {
  await place(12);
  const cursors: (string | undefined)[] = [];
  for (let count = 0; count < 9; count += 1) cursors.push((await page({})).next_cursor);
  expect(errorOf(await ask("ibkr_get_open_orders", { cursor: cursors[0] }))).toMatchObject({
    code: "invalid_input",
  });
  expect((await page({ cursor: cursors[1] })).orders).toHaveLength(2);
  expect((await page({ cursor: cursors[8] })).orders).toHaveLength(2);
});
