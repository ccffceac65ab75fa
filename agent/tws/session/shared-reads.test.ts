import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { startSimulator } from "../../simulator/server.ts";
import type { Simulator } from "../../simulator/server.ts";
import { accountDownload, accountSummary, currentTime, positions } from "../account/account.ts";
import type { RequestContext, TwsSession } from "./api.ts";

import { accountPnl, positionPnl } from "../account/pnl.ts";
import { createRead } from "./shared-reads.ts";
import { createTestBook, spec } from "../test-support/order-book.fixture.ts";
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
  await book.whenRead(new AbortController().signal);
});
afterEach(async () => {
  book.close();
  await session.close();
  await sim.close();
});

const sent = (id: number): number => sim.received().filter((message) => message.id === id).length;

describe("three hundred callers at once", () => {
  test.for<readonly [string, number, (context: RequestContext) => Promise<unknown>]>([
    ["positions", 61, (context) => positions(session, context)],
    ["an account summary", 62, (context) => accountSummary(session, "NetLiquidation", context)],
    // one message begins an account's figures and one ends them
    ["an account's figures", 6, (context) => accountDownload(session, account, context)],
    ["open orders", 16, (context) => book.openOrders(context)],
    ["completed orders", 99, (context) => book.completedOrders(context)],
    ["executions", 7, (context) => book.executions(context)],
    ["the profit of an account", 92, (context) => accountPnl(session, account, context)],
    ["the profit of a holding", 94, (context) => positionPnl(session, account, 265_598, context)],
    ["the time", 49, (context) => currentTime(session, context)],
  ])("for %s are all answered, by a handful of requests", async ([, id, ask]) => {
    const before = sent(id);
    const calls = Array.from({ length: 150 }, () => ask(within(3_000)));
    await vi.waitFor(() => expect(sent(id)).toBeGreaterThan(before));
    calls.push(...Array.from({ length: 150 }, () => ask(within(3_000))));
    const [first, ...others] = await Promise.all(calls);
    expect(first).toBeDefined();
    expect(others).toHaveLength(299);
    expect(sent(id) - before).toBeLessThanOrEqual(5);
  });
});

test("a read that was written before a fill does not answer one that was asked for after it", async () => {
  sim.faults.listEnds({ lateMs: 300 });
  const held = async (): Promise<number> => {
    const rows = await positions(session, within(5_000));
    return rows.find(({ contract }) => contract.conId === spec.contract.conId)?.position ?? 0;
  };
  const before = held();
  await vi.waitFor(() => expect(sent(61)).toBe(1));
  const order = await book.place(spec, new AbortController().signal);
  expect(order.status).toBe("Filled");
  const after = held();
  expect(await after).toBe((await before) + spec.quantity);
});

describe("callers of one request", () => {
  /** A request that is written and answered when the test says so. */
  function scripted() {
    const asked: {
      readonly write: () => void;
      readonly answer: (value: string) => void;
      readonly signal: AbortSignal;
    }[] = [];
    const read = createRead<string>(session);
    const call = (context: RequestContext) =>
      read({ key: "k", what: "words" }, context, ({ written, signal }) => {
        const { promise, resolve, reject } = Promise.withResolvers<string>();
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        asked.push({ write: written, answer: resolve, signal });
        return promise;
      });
    const nth = async (index: number) => {
      await vi.waitFor(() => expect(asked.length).toBeGreaterThan(index));
      const found = asked[index];
      if (found === undefined) throw new Error("not asked");
      return found;
    };
    return { asked, call, nth };
  }

  test("share it until it is written, and the next one after that", async () => {
    const { asked, call, nth } = scripted();
    const early = [call(within(5_000)), call(within(5_000))];
    const first = await nth(0);
    early.push(call(within(5_000)));
    first.write();
    const late = [call(within(5_000)), call(within(5_000))];
    first.answer("one");
    expect(await Promise.all(early)).toEqual(["one", "one", "one"]);
    const second = await nth(1);
    second.write();
    second.answer("two");
    expect(await Promise.all(late)).toEqual(["two", "two"]);
    expect(asked).toHaveLength(2);
  });

  test("leave without ending it for the others; the last one ends it", async () => {
    const { call, nth } = scripted();
    const [one, two] = [new AbortController(), new AbortController()];
    const calls = [call(within(5_000, one.signal)), call(within(5_000, two.signal))];
    const { write, signal } = await nth(0);
    write();
    one.abort();
    await expect(calls[0]).rejects.toMatchObject({ code: "cancelled" });
    expect(signal.aborted).toBe(false);
    two.abort();
    await expect(calls[1]).rejects.toMatchObject({ code: "cancelled" });
    expect(signal.aborted).toBe(true);
    const next = call(within(5_000));
    const again = await nth(1);
    again.answer("next");
    expect(await next).toBe("next");
  });

  test("wait each for as long as it may, also for a request that cannot be written yet", async () => {
    const { call, nth } = scripted();
    const patient = call(within(5_000));
    const { write, answer } = await nth(0);
    write();
    await expect(call(within(20))).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringContaining("busy"),
    });
    answer("at last");
    expect(await patient).toBe("at last");
  });

  test("hear that TWS has lost IBKR when that is why nothing came", async () => {
    const { call, nth } = scripted();
    const waiting = call(within(200));
    const { write } = await nth(0);
    write();
    sim.faults.announce(1100);
    await expect(waiting).rejects.toMatchObject({ code: "tws_upstream_down" });
  });

  test("get the failure all, and the next one asks anew", async () => {
    const read = createRead<string>(session);
    const call = (ask: () => Promise<string>) => read({ key: "k", what: "words" }, within(5_000), ask);
    const failing = () => Promise.reject(new Error("refused"));
    const results = await Promise.allSettled([call(failing), call(failing)]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await call(() => Promise.resolve("fine"))).toBe("fine");
  });
});
