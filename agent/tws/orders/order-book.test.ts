import { describe, expect, test } from "vitest";
import { connectBook, context, far, here, spec, startBook } from "../test-support/order-book.fixture.ts";
import { refusal, scriptedWorld } from "../test-support/scripted-ledger.fixture.ts";

/** How many placeOrder messages TWS has had; its answer to the list comes after all that was sent before. */
async function placements({ simulator, book }: Awaited<ReturnType<typeof startBook>>): Promise<number> {
  await book.openOrders(context);
  return simulator.received().filter(({ id }) => id === 3).length;
}
const unknown = expect.objectContaining({ code: "outcome_unknown" });

describe("when the connection ends between the order and its acknowledgement", () => {
  test("the outcome is unknown, and the order is never sent again", async () => {
    const fixture = await startBook(scriptedWorld({ onPlace: () => simulator.faults.dropConnections() }));
    const { simulator, session, book } = fixture;

    await expect(book.place(spec, here)).rejects.toMatchObject({
      code: "outcome_unknown",
      message: expect.stringMatching(/^The connection to TWS ended.* order 1 \(orderRef ag1:one\)/),
    });

    await session.whenConnected(5_000);
    expect(await book.openOrders(context)).toEqual([]);
    expect(await book.byRef("ag1:one", here)).toBeNull();
    expect(await placements(fixture)).toBe(1);
  });

  test("an order that TWS did take is found by its reference after the reconnection", async () => {
    const fixture = await startBook(
      scriptedWorld({
        onPlace: (_request, _tell, proceed) => {
          simulator.faults.dropConnections();
          proceed();
        },
      }),
    );
    const { simulator, session, book } = fixture;
    await expect(book.place(far, here)).rejects.toEqual(unknown);

    await session.whenConnected(5_000);

    expect(await book.byRef("ag1:one", here)).toMatchObject({ orderId: 1, status: "Submitted" });
    expect(await placements(fixture)).toBe(1);
  });

  test("its id is not given to another order", async () => {
    let isFirst = true;
    const { simulator, session, book } = await startBook(
      scriptedWorld({
        onPlace: (_request, _tell, proceed) => {
          if (isFirst) simulator.faults.dropConnections();
          else proceed();
          isFirst = false;
        },
      }),
    );
    await expect(book.place(far, here)).rejects.toEqual(unknown);
    await session.whenConnected(5_000);

    expect((await book.place({ ...far, orderRef: "ag1:two" }, here)).orderId).toBe(2);
  });
});

test("an order that works is answered when TWS has answered what was asked behind it, and waits for no clock", async () => {
  const { book } = await startBook(undefined, { settleMs: 600_000 });
  expect(await book.place(far, here)).toMatchObject({ status: "Submitted", filled: 0 });
});

describe("an order that TWS does not acknowledge", () => {
  test("is outcome_unknown after TWS's lists do not show it", async () => {
    const fixture = await startBook(scriptedWorld({ onPlace: () => {} }));

    await expect(fixture.book.place(spec, here)).rejects.toEqual(unknown);

    expect(await placements(fixture)).toBe(1);
  });

  test("is found in TWS's list if it is there", async () => {
    const held: (() => void)[] = [];
    const { book } = await startBook(
      scriptedWorld({
        onPlace: (_request, _tell, proceed) => held.push(proceed),
        // the list does not show it yet, and TWS takes it before the list is at its end
        openOrders: () => {
          for (const proceed of held.splice(0)) proceed();
          return [];
        },
      }),
    );

    expect(await book.place(far, here)).toMatchObject({ orderId: 1, status: "Submitted" });
  });

  test("is outcome_unknown at once when the caller leaves", async () => {
    const leaving = new AbortController();
    const { book } = await startBook(scriptedWorld({ onPlace: () => leaving.abort() }));

    await expect(book.place(spec, leaving.signal)).rejects.toEqual(unknown);
  });
});

test("an order whose call has ended by its turn is not sent", async () => {
  const fixture = await startBook();

  await expect(fixture.book.place(spec, AbortSignal.abort())).rejects.toEqual(
    expect.objectContaining({ code: "cancelled" }),
  );

  expect(await placements(fixture)).toBe(0);
});

test("no order is sent while TWS does not list what it holds", async () => {
  let hangs = false;
  const fixture = await startBook(
    scriptedWorld({
      executions: () => {
        if (hangs) simulator.faults.mute(true);
        return [];
      },
    }),
  );
  const { simulator, session, book } = fixture;
  await book.whenRead(here);
  const ended = new Promise<void>((resolve) => session.onDisconnected(resolve));
  hangs = true;
  simulator.faults.dropConnections();
  await ended;
  await session.whenConnected(5_000);

  await expect(book.place(far, here)).rejects.toEqual(expect.objectContaining({ code: "timeout" }));
  expect(simulator.received().filter(({ id }) => id === 3)).toEqual([]);

  hangs = false;
  simulator.faults.mute(false);
  expect(await book.place(far, here)).toMatchObject({ status: "Submitted" });
  expect(await placements(fixture)).toBe(1);
});

describe("while TWS is away", () => {
  test("an order fails at once and is not kept for later", async () => {
    const fixture = await startBook();
    const { simulator, session, book } = fixture;
    const ended = new Promise<void>((resolve) => session.onDisconnected(resolve));
    await simulator.faults.refuse(true);
    simulator.faults.dropConnections();
    await ended;

    await expect(book.place(spec, here)).rejects.toEqual(expect.objectContaining({ code: "tws_offline" }));

    await simulator.faults.refuse(false);
    await session.whenConnected(5_000);
    expect(await book.openOrders(context)).toEqual([]);
    expect(await placements(fixture)).toBe(0);
  });

  test("without IBKR no order is sent, and a cancellation is", async () => {
    const fixture = await startBook();
    const { simulator, session, book } = fixture;
    const { orderId } = await book.place(far, here);
    const down = new Promise<void>((resolve) => {
      session.onStatus(({ tws }) => tws.state === "upstream_down" && resolve());
    });
    simulator.faults.announce(1100);
    await down;

    await expect(book.place(spec, here)).rejects.toEqual(
      expect.objectContaining({ code: "tws_upstream_down" }),
    );
    expect(await book.cancel(orderId, context)).toMatchObject({ status: "Cancelled" });
    expect(await placements(fixture)).toBe(1);
  });

  test("what became of an order is learned after the reconnection", async () => {
    const { simulator, session, book } = await startBook();
    const cancelled = await book.place(far, here);
    const working = await book.place({ ...far, orderRef: "ag1:two" }, here);
    const ended = new Promise<void>((resolve) => session.onDisconnected(resolve));
    simulator.faults.dropConnections();
    await ended;
    simulator.world.ledger.cancel(1, cancelled.orderId);
    await session.whenConnected(5_000);

    expect(await book.get(cancelled.orderId, context)).toMatchObject({ status: "Cancelled" });
    expect(await book.get(working.orderId, context)).toMatchObject({ status: "Submitted" });
  });
});

describe("an order in TWS's list of those that ended, which has no order ids", () => {
  test("is known by its permId, even without a reference", async () => {
    const { simulator, session, book } = await startBook();
    const first = await book.place({ ...far, orderRef: "" }, here);
    const second = await book.place({ ...far, orderRef: "" }, here);
    const ended = new Promise<void>((resolve) => session.onDisconnected(resolve));
    simulator.faults.dropConnections();
    await ended;
    simulator.world.ledger.cancel(1, first.orderId);
    await session.whenConnected(5_000);

    expect(await book.get(first.orderId, context)).toMatchObject({ status: "Cancelled" });
    expect(await book.get(second.orderId, context)).toMatchObject({ status: "Submitted" });
    expect(await book.completedOrders(context)).toMatchObject([
      { orderId: first.orderId, permId: first.permId, orderRef: null, status: "Cancelled" },
    ]);
    expect(first.permId).not.toBe(second.permId);
  });

  test.for(["by the process that sent it", "by a later one"])(
    "has filled what the list says while its executions are not listed, %s",
    async (whose) => {
      const { simulator, session, book } = await startBook();
      const { ledger } = simulator.world;
      simulator.faults.orders({ drop: "after-reading" });
      await book.place(spec, here).catch(() => undefined);
      // the one list is still empty when the other is not any more
      Object.assign(ledger, { executions: () => [] });
      await session.whenConnected(5_000);
      const reader = whose === "by a later one" ? null : book;
      if (reader === null) await session.close();
      const asked = reader ?? (await connectBook(simulator)).book;
      await asked.readAll(context);
      expect(asked.shown(spec.orderRef)).toMatchObject({ status: "Filled", filled: 10, remaining: 0 });
    },
  );

  test("is not the order of ours that has the id it had at another client", async () => {
    const { simulator, book } = await startBook();
    await book.place(far, here);
    const { ledger } = simulator.world;
    // of another client, under the same order id
    for (const { request } of ledger.openOrders()) ledger.place({ ...request, clientId: 9, orderRef: "" });
    ledger.cancel(9, 1);

    expect(await book.completedOrders(context)).toMatchObject([{ orderId: null, status: "Cancelled" }]);
    expect(await book.get(1, context)).toMatchObject({ status: "Submitted", clientId: 1 });
  });
});

describe("an order of another client under an id of ours", () => {
  const shared = { orderId: 7, clientId: 9, orderRef: "" };

  test("is not cancelled for one of ours that TWS does not show", async () => {
    const fixture = await startBook();
    const { simulator, book } = fixture;
    const { ledger } = simulator.world;
    await book.place(far, here);
    for (const { request } of ledger.openOrders()) ledger.place({ ...request, ...shared });
    await expect(book.cancelUnseen(7, { ...far, orderRef: "ag1:held back" }, here)).rejects.toMatchObject({
      code: "order_not_changeable",
      message: expect.stringMatching(/would cancel the order of API client 9 .* nothing was sent/),
    });
    expect(ledger.openOrders()).toHaveLength(2);
  });

  test("is not cancelled for one of ours that TWS has refused", async () => {
    const { simulator, book } = await startBook();
    const { ledger } = simulator.world;
    const { orderId } = await book.place(far, here);
    simulator.faults.refuseLate(orderId, "it is not allowed any more");
    for (const { request } of ledger.completedOrders())
      ledger.place({ ...request, ...shared, orderId, orderRef: "" });
    await book.openOrders(context);
    await book.cancel(orderId, context).catch(() => undefined);
    expect(ledger.openOrders()).toMatchObject([{ request: { clientId: 9 } }]);
  });
});

describe("order ids", () => {
  test("never go back, though TWS's own do after a restart", async () => {
    const { simulator, session, book } = await startBook();
    const first = await book.place(far, here);
    simulator.faults.rollbackNextValidId(1);
    const ended = new Promise<void>((resolve) => session.onDisconnected(resolve));
    simulator.faults.restart();
    await ended;
    await session.whenConnected(5_000);

    const second = await book.place({ ...far, orderRef: "ag1:two" }, here);

    expect(second.orderId).toBe(first.orderId + 1);
    expect(await book.openOrders(context)).toHaveLength(2);
  });

  test("are above those of the orders that a restarted agent finds", async () => {
    const { simulator, session, book } = await startBook();
    const first = await book.place(far, here);
    book.close();
    await session.close();
    simulator.faults.rollbackNextValidId(1);
    const restarted = await connectBook(simulator);

    const second = await restarted.book.place({ ...far, orderRef: "ag1:two" }, here);

    expect(second.orderId).toBe(first.orderId + 1);
  });

  test("catch up when TWS says that one is taken", async () => {
    let next = 1;
    const { book } = await startBook(
      scriptedWorld({
        nextValidId: () => next,
        onPlace(request, tell, proceed) {
          next = 50;
          if (request.orderId < next) tell(refusal(request, 103, "Duplicate order id"));
          else proceed();
        },
      }),
    );

    await expect(book.place(far, here)).rejects.toMatchObject({
      code: "order_rejected",
      detail: { tws: { code: 103 } },
    });
    expect((await book.place(far, here)).orderId).toBeGreaterThanOrEqual(50);
  });
});

test("an order that TWS has not shown is cancelled although TWS lists nothing", async () => {
  const { book, simulator } = await startBook(scriptedWorld({ onPlace: () => {}, onCancel: () => {} }));
  const cancels = () => simulator.received().filter(({ id }) => id === 4).length;
  await expect(book.place(far, here)).rejects.toEqual(unknown);
  simulator.faults.orders({ withoutEnds: [53] });
  // as the handler looks whose it is, then cancels it, within the time of one call
  const request = { timeoutMs: 15_000, signal: AbortSignal.timeout(4_000) };
  expect(await book.get(1, request)).toMatchObject({ status: "Unknown" });
  await book.cancel(1, request).catch(() => {});
  expect(cancels()).toBe(1);
});
