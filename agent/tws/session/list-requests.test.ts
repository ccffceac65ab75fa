import { EventName } from "@stoqey/ib";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { startSimulator } from "../../simulator/server.ts";
import type { Simulator } from "../../simulator/server.ts";
import { accountDownload, positions } from "../account/account.ts";
import type { RequestContext, TwsSession } from "./api.ts";
import { createListKind } from "./list-requests.ts";

import { startScriptedTws, welcome } from "../test-support/scripted-tws.fixture.ts";
import { createTestBook, far } from "../test-support/order-book.fixture.ts";
import { dial, within } from "../test-support/session.fixture.ts";
import { silentLog } from "../../process/log.fixture.ts";

const account = "DU1234567";
let sim: Simulator;
let session: TwsSession;
let book: ReturnType<typeof createTestBook>;
beforeEach(async () => {
  sim = await startSimulator({ port: 0, accounts: [account] });
  ({ session } = dial(sim.port));
  book = createTestBook(session, silentLog);
  await session.whenConnected(2_000);
});
afterEach(async () => {
  book.close();
  await session.close();
  await sim.close();
});

type Reads = readonly [string, number, (context: RequestContext) => Promise<number>];
const reads: readonly Reads[] = [
  ["positions", 61, async (context) => (await positions(session, context)).length],
  ["open orders", 16, async (context) => (await book.openOrders(context)).length],
  ["completed orders", 99, async (context) => (await book.completedOrders(context)).length],
  ["an account", 6, async (context) => (await accountDownload(session, account, context)).values.length],
];
/** One that works and one that has ended. */
async function placeOrders(): Promise<void> {
  const here = new AbortController().signal;
  const two = [far, { ...far, orderRef: "ag1:two" }];
  const [, { orderId } = { orderId: 0 }] = await Promise.all(two.map((spec) => book.place(spec, here)));
  await book.cancel(orderId, within(2_000));
}
const sent = (id: number): number => sim.received().filter((message) => message.id === id).length;

describe("the late end of a request that was given up does not end the next one", () => {
  test.for(reads)("of %s", async ([, id, read]) => {
    await placeOrders();
    const whole = await read(within(2_000));
    expect(whole).toBeGreaterThan(0);
    sim.faults.listEnds({ lateMs: 250 });
    await expect(read(within(100))).rejects.toMatchObject({ code: "timeout" });
    const caller = new AbortController();
    const before = sent(id);
    const left = read(within(5_000, caller.signal));
    await vi.waitFor(() => expect(sent(id)).toBeGreaterThan(before));
    caller.abort();
    await expect(left).rejects.toMatchObject({ code: "cancelled" });
    expect(await read(within(5_000))).toBe(whole);
    expect(await read(within(5_000))).toBe(whole);
  });
});

describe("an end that never comes does not keep the next lists from ending", () => {
  test.for(reads)("of %s", async ([, , read]) => {
    await placeOrders();
    const whole = await read(within(2_000));
    sim.faults.listEnds({ isLost: true });
    await expect(read(within(100))).rejects.toMatchObject({ code: "timeout" });
    await expect(read(within(100))).rejects.toMatchObject({ code: "timeout" });
    sim.faults.listEnds({});
    expect(await read(within(5_000))).toBe(whole);
    expect(await read(within(5_000))).toBe(whole);
  });
});

describe("a list without ids", () => {
  /** A TWS that says what the test wants to each request for positions. */
  async function scripted(times: { readonly againMs: number; readonly lostMs: number }) {
    const requests: (() => void)[] = [];
    const tws = await startScriptedTws({
      onMessage: ([message], client) => {
        if (message === "71") welcome(client);
        if (message === "61") requests.push(() => client.send(62, 1));
        // what a test says by sending a message of its own
        if (message === "17") client.send(15, 1, account);
      },
    });
    const own = dial(tws.port);
    await own.session.whenConnected(2_000);
    const ask = createListKind(own.session, EventName.positionEnd, null, times);
    let rows = 0;
    const read = (context: RequestContext) =>
      ask<number>(
        {
          lane: "account",
          what: "positions",
          start: (ib) => ib.reqPositions(),
          on: {},
          forget: () => (rows += 1),
          whole: (control) => control.resolve(requests.length),
        },
        context,
      );
    const until = (count: number) => vi.waitFor(() => expect(requests).toHaveLength(count));
    return {
      read,
      until,
      requests,
      forgotten: () => rows,
      close: async () => {
        await own.session.close();
        await tws.close();
      },
    };
  }

  test("takes no end for its own that an earlier request is owed, and asks again when none follows", async () => {
    const { read, requests, until, forgotten, close } = await scripted({ againMs: 30, lostMs: 60_000 });
    await expect(read(within(30))).rejects.toMatchObject({ code: "timeout" });
    const second = read(within(5_000));
    await until(2);
    requests[1]?.();
    // the end was passed over, so the list is asked for once more
    await until(3);
    expect(forgotten()).toBe(1);
    requests[2]?.();
    expect(await second).toBe(3);
    await close();
  });

  test("holds an end for lost after a while", async () => {
    const { read, requests, until, forgotten, close } = await scripted({ againMs: 60_000, lostMs: 60 });
    await expect(read(within(80))).rejects.toMatchObject({ code: "timeout" });
    const second = read(within(5_000));
    await until(2);
    requests[1]?.();
    expect(await second).toBe(2);
    expect(forgotten()).toBe(0);
    await close();
  });
});

test("a new connection owes nothing", async () => {
  const whole = (await positions(session, within(2_000))).length;
  sim.faults.listEnds({ isLost: true });
  await expect(positions(session, within(100))).rejects.toMatchObject({ code: "timeout" });
  sim.faults.listEnds({});
  const { connection } = session;
  sim.faults.dropConnections();
  await vi.waitFor(() => expect(session.connection).toBe(connection + 1));
  await session.whenConnected(2_000);
  const before = sent(61);
  expect(await positions(session, within(2_000))).toHaveLength(whole);
  expect(sent(61) - before).toBe(1);
});
