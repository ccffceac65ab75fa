import { afterEach, beforeEach, expect, test } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import type { Order } from "../../shared/order.ts";
import { silentLog } from "../process/log.fixture.ts";
import { createWorld } from "../simulator/world.ts";
import { watchOrders } from "../tws/orders/order-watch.ts";
import { callBy, startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

let fixture: HandlersFixture;
beforeEach(async () => {
  fixture = await startHandlersFixture();
});
afterEach(async () => fixture.close());

const account = "DU1234567";
const idempotencyKey = "the-one";
const rest = { symbol: "AAPL", action: "BUY", quantity: 7, orderType: "LMT", limitPrice: 1, idempotencyKey };
type Input = Record<string, unknown>;

const place = (input: Input = {}) =>
  fixture.handlers.ibkr_place_order(tools.ibkr_place_order.input.parse({ ...rest, ...input }), callBy());

interface Told {
  readonly by: string;
  readonly status: string;
  readonly filled: number;
  readonly isFinal?: boolean | undefined;
  readonly whyHeld: string | null;
}

const told = (by: string, { status, filled, isFinal, whyHeld }: Omit<Told, "by">): Told => ({
  by,
  status,
  filled,
  isFinal,
  whyHeld,
});

/** The order as a stream of its account tells it first. */
async function streamed(permId: number | null): Promise<readonly Told[]> {
  const { promise, resolve } = Promise.withResolvers<readonly Order[]>();
  const { session, orderBook } = fixture;
  const stop = watchOrders({ session, orderBook, account, log: silentLog }, (event) => {
    if (event.kind === "orders") resolve(event.data.orders);
  });
  const orders = await promise;
  stop();
  const row = orders.find((order) => order.permId === permId);
  return row === undefined ? [] : [told("stream", row)];
}

/** One order as each tool tells it, and whether it is listed as working and as completed. */
async function everyTool(orderId: number) {
  const { handlers } = fixture;
  const status = await handlers.ibkr_get_order_status({ orderId }, callBy());
  const permId = status.order?.permId ?? null;
  const isIt = (row: { permId: number | null }) => row.permId === permId;
  const byPermId = await handlers.ibkr_get_order_status({ permId: permId ?? 0 }, callBy());
  const byKey = await handlers.ibkr_get_order_status({ idempotencyKey }, callBy());
  const wait = tools.ibkr_wait_for_order.input.parse({ orderId, timeoutSeconds: 0.1 });
  const waited = await handlers.ibkr_wait_for_order(wait, callBy());
  const { orders: open } = await handlers.ibkr_get_open_orders({}, callBy());
  const { orders: completed } = await handlers.ibkr_get_completed_orders({ account: "" }, callBy());
  const all = await handlers.ibkr_get_all_orders({ account: "" }, callBy());
  const ended = [...completed, ...all.orders.slice(all.openCount)].filter(isIt);
  const working = [...open, ...all.orders.slice(0, all.openCount)].filter(isIt);
  const { executions } = await handlers.ibkr_get_executions({ account: "" }, callBy());
  return {
    reached: waited.reached,
    warnings: status.warnings,
    told: [
      told("status by orderId", status),
      told("status, the whole order", status.order ?? status),
      told("status by permId", byPermId),
      told("status by key", byKey),
      told("wait", waited),
      ...open.filter(isIt).map((row) => told("open orders", row)),
      ...(await streamed(permId)),
    ],
    working: working.map((row) => row.status),
    ended: ended.map((row) => `${row.status} ${row.filled}`),
    executed: executions
      .filter(({ execution }) => isIt(execution))
      .reduce((sum, { execution }) => sum + execution.shares, 0),
  };
}

interface Scene {
  readonly play: () => Promise<number>;
  readonly status: string;
  readonly filled: number;
  readonly isFinal: boolean;
  readonly whyHeld?: string;
}

const withoutStatuses = () => fixture.simulator.faults.orders({ withoutStatuses: true });

const scenes: Readonly<Record<string, Scene>> = {
  works: {
    play: async () => (await place()).orderId,
    status: "Submitted",
    filled: 0,
    isFinal: false,
  },
  "is filled, and TWS leaves the statuses out": {
    async play() {
      withoutStatuses();
      return (await place({ orderType: "MKT", limitPrice: undefined })).orderId;
    },
    status: "Filled",
    filled: 7,
    isFinal: true,
  },
  "is filled, and its news come twice and in reverse": {
    async play() {
      fixture.simulator.faults.orders({ duplicate: true, reorder: true });
      return (await place({ orderType: "MKT", limitPrice: undefined })).orderId;
    },
    status: "Filled",
    filled: 7,
    isFinal: true,
  },
  "is cancelled in TWS, which leaves the statuses out": {
    async play() {
      withoutStatuses();
      const { orderId } = await place();
      fixture.simulator.world.ledger.cancel(1, orderId);
      return orderId;
    },
    status: "Cancelled",
    filled: 0,
    isFinal: true,
  },
  "is refused late, without a status": {
    async play() {
      const { orderId } = await place();
      fixture.simulator.faults.refuseLate(orderId, "The account has no more room.");
      return orderId;
    },
    status: "Inactive",
    filled: 0,
    isFinal: true,
  },
  "waits for shares to borrow": {
    async play() {
      const { orderId } = await place();
      fixture.simulator.faults.park(orderId, "locate");
      return orderId;
    },
    status: "Inactive",
    filled: 0,
    isFinal: false,
    whyHeld: "locate",
  },
  "is Inactive for no reason that TWS gives, and on its list": {
    async play() {
      const { orderId } = await place();
      fixture.simulator.faults.park(orderId, "");
      return orderId;
    },
    status: "Inactive",
    filled: 0,
    isFinal: false,
  },
};

test.for(Object.entries(scenes))("every tool tells the same of an order that %s", async ([, scene]) => {
  const orderId = await scene.play();
  await fixture.received(0);

  const answer = await everyTool(orderId);

  const { status, filled, isFinal, whyHeld } = scene;
  for (const row of answer.told) {
    expect(row).toMatchObject({ status, filled, isFinal, ...(whyHeld !== undefined && { whyHeld }) });
  }
  expect(answer.told.map(({ by }) => by).includes("open orders")).toBe(!isFinal);
  expect(answer.told.map(({ by }) => by)).toContain("stream");
  expect(answer.working).toEqual(isFinal ? [] : [status, status]);
  expect(answer.ended).toEqual(isFinal ? [`${status} ${filled}`, `${status} ${filled}`] : []);
  expect(answer.executed).toBe(filled);
  expect(answer.reached).toBe(isFinal);
  expect(answer.warnings.join(" ")).not.toMatch(/neither as working/);
});

test("what was said of an order while TWS listed it nowhere goes when it is filled", async () => {
  const world = createWorld({ seed: 1, now: Date.now });
  let isHidden = false;
  const { ledger } = world;
  const openOrders = () => (isHidden ? [] : ledger.openOrders());
  await fixture.close();
  fixture = await startHandlersFixture({
    simulator: { world: { ...world, ledger: { ...ledger, openOrders } } },
  });
  const { orderId } = await place();
  isHidden = true;
  expect((await fixture.handlers.ibkr_get_open_orders({}, callBy())).orders).toEqual([]);
  const hidden = await everyTool(orderId);
  expect(hidden.told.map(({ status }) => status)).toContain("Unknown");
  expect(hidden.warnings.join(" ")).toMatch(/neither as working/);
  isHidden = false;

  await fixture.handlers.ibkr_modify_order({ orderId, limitPrice: 9_000 }, callBy()).catch(() => undefined);
  const wait = tools.ibkr_wait_for_order.input.parse({ orderId, until: "filled", timeoutSeconds: 5 });
  await fixture.handlers.ibkr_wait_for_order(wait, callBy());

  const answer = await everyTool(orderId);
  expect(answer.told.map(({ status }) => status)).toEqual(answer.told.map(() => "Filled"));
  expect(answer.warnings).toEqual([]);
});
