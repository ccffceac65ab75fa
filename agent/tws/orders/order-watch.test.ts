import { expect, test, vi } from "vitest";
import { spec, startBook } from "../test-support/order-book.fixture.ts";
import { watchOrders } from "./order-watch.ts";
import type { OrdersEvent } from "./order-watch.ts";
import { silentLog } from "../../process/log.fixture.ts";

const never = new AbortController().signal;
const context = { timeoutMs: 2_000, signal: never };
const resting = { ...spec, orderType: "LMT", limitPrice: 1 } as const;

async function follow(account = spec.account) {
  const { simulator, session, book } = await startBook();
  const events: OrdersEvent[] = [];
  const stop = watchOrders({ session, orderBook: book, account, log: silentLog }, (event) => {
    events.push(event);
  });
  const latest = () => events.flatMap((event) => (event.kind === "orders" ? event.data : [])).at(-1);
  const statuses = () => latest()?.orders.map(({ orderId, status }) => `${orderId} ${status}`);
  const states = () => events.flatMap((event) => (event.kind === "state" ? event.state : []));
  return { simulator, session, book, events, stop, latest, statuses, states };
}

test("tells the orders of the account, and again when one changes", async () => {
  const { book, latest, statuses, stop } = await follow();
  await vi.waitFor(() =>
    expect(latest()).toMatchObject({ account: spec.account, orders: [], ordersTotal: 0 }),
  );
  const { orderId } = await book.place(resting, never);
  await vi.waitFor(() => expect(statuses()).toEqual([`${orderId} Submitted`]));
  await book.cancel(orderId, context);
  await vi.waitFor(() => expect(statuses()).toEqual([`${orderId} Cancelled`]));
  stop();
});

test("tells nothing of another account", async () => {
  const { book, events, stop, latest } = await follow("DU9");
  await vi.waitFor(() => expect(latest()).toBeDefined());
  await book.place(resting, never);
  const second = watchedOnce();
  await second;
  expect(events).toHaveLength(1);
  stop();

  /** Resolves once a watcher of the account has been told of the order. */
  async function watchedOnce() {
    await vi.waitFor(async () => expect(await book.ofAccount(spec.account, never)).toHaveLength(1));
  }
});

test("says nothing twice, and nothing after it was stopped", async () => {
  const { book, events, statuses, stop } = await follow();
  const { orderId } = await book.place(resting, never);
  await vi.waitFor(() => expect(statuses()).toEqual([`${orderId} Submitted`]));
  const count = events.length;
  await book.openOrders(context);
  stop();
  await book.cancel(orderId, context);
  expect(events).toHaveLength(count);
});

test("is stale without a session, and reads the orders again in the next one", async () => {
  const { simulator, book, states, stop, statuses } = await follow();
  const { orderId } = await book.place(resting, never);
  await vi.waitFor(() => expect(statuses()).toEqual([`${orderId} Submitted`]));
  simulator.faults.dropConnections();
  await vi.waitFor(() => expect(states()).toEqual(["stale", "gap", "live"]), 10_000);
  expect(statuses()).toEqual([`${orderId} Submitted`]);
  stop();
});

test("is not live while TWS does not list the orders, and is once it does", async () => {
  const { simulator, states, stop, events } = await follow();
  await vi.waitFor(() => expect(events.length).toBeGreaterThan(0));
  simulator.faults.orders({ withoutEnds: [53] });
  simulator.faults.dropConnections();
  await vi.waitFor(() => expect(states()).toEqual(["stale", "gap", "stale"]), 20_000);
  expect(events.at(-1)).toMatchObject({ reason: "silent" });
  simulator.faults.orders({});
  await vi.waitFor(() => expect(states().at(-1)).toBe("live"), 20_000);
  stop();
});
