import { EventName } from "@stoqey/ib";
import { describe, expect, test } from "vitest";
import type { Order, OrderRequest } from "../../simulator/model/ledger.ts";
import { context, far, here, spec, startBook } from "../test-support/order-book.fixture.ts";
import { fill, refusal, scriptedWorld, shown } from "../test-support/scripted-ledger.fixture.ts";

describe("what TWS says about an order", () => {
  test("a refusal before a late openOrder leaves the order alive, with a warning", async () => {
    const { book } = await startBook(
      scriptedWorld({
        onPlace(request, tell, proceed) {
          tell(refusal(request, 201, "Order rejected - reason: not really"));
          setTimeout(proceed, 100);
        },
      }),
    );

    expect(await book.place(far, here)).toMatchObject({
      status: "Submitted",
      warnings: ["Order rejected - reason: not really"],
    });
  });

  test.for(["the status first", "the reason first"])(
    "Inactive with a reason is a rejection, however far apart they come: %s",
    async (which) => {
      const { book } = await startBook(
        scriptedWorld({
          onPlace(request, tell) {
            const events = [
              { type: "order", order: shown(request, "Inactive") } as const,
              refusal(request, 201, "Order rejected - reason: no margin"),
            ];
            const [first, second] = which === "the status first" ? events : events.toReversed();
            if (first !== undefined) tell(first);
            setTimeout(() => second !== undefined && tell(second), 600);
          },
        }),
      );

      await expect(book.place(far, here)).rejects.toMatchObject({
        code: "order_rejected",
        detail: { tws: { code: 201, text: "Order rejected - reason: no margin" } },
      });
      expect(await book.openOrders(context)).toEqual([]);
    },
  );

  test("Inactive without a reason is the order's state", async () => {
    const { book } = await startBook(
      scriptedWorld({
        onPlace: (request, tell) => tell({ type: "order", order: shown(request, "Inactive") }),
      }),
    );

    expect(await book.place({ ...far, tif: "FOK" }, here)).toMatchObject({ status: "Inactive", filled: 0 });
  });

  test.for([
    [399, "Order Message:\nBUY 10 AAPL\nWarning: Your order will not be placed until 09:30"],
    [404, "Order held while securities are located."],
    [2109, "Order Event Warning: Attribute 'Outside Regular Trading Hours' is ignored"],
    [10_349, "Order TIF was set to DAY based on order preset."],
  ] as const)("the warning %i is kept and ends nothing", async ([code, text]) => {
    const { book } = await startBook(
      scriptedWorld({
        onPlace(request, tell) {
          tell(refusal(request, code, text));
          tell({ type: "order", order: shown(request, "PreSubmitted") });
        },
      }),
    );

    expect(await book.place(far, here)).toMatchObject({ status: "PreSubmitted", warnings: [text] });
  });

  test("a warning before the new terms does not refuse a change", async () => {
    const { book } = await startBook(
      scriptedWorld({
        onPlace(request, tell) {
          tell(refusal(request, 10_349, "Order TIF was set to DAY based on order preset."));
          setTimeout(() => tell({ type: "order", order: shown(request, "Submitted") }), 100);
        },
      }),
    );
    const { orderId } = await book.place(far, here);

    expect(await book.modify(orderId, { limitPrice: 2 }, context)).toMatchObject({ limitPrice: 2 });
  });

  test("an order that TWS no longer knows cannot be cancelled", async () => {
    const { book } = await startBook(
      scriptedWorld({
        onPlace: (request, tell) => tell({ type: "order", order: shown(request, "Submitted") }),
        onCancel: (orderId, tell) =>
          tell({ type: "error", clientId: 1, orderId, code: 10_147, text: "OrderId 1 is not found." }),
      }),
    );
    const { orderId } = await book.place(far, here);

    await expect(book.cancel(orderId, context)).rejects.toEqual(
      expect.objectContaining({ code: "order_not_found" }),
    );
    expect(await book.get(orderId, context)).toMatchObject({ status: "Unknown" });
  });

  test("an Inactive order that TWS keeps is cancelled there", async () => {
    const requests: OrderRequest[] = [];
    const { book } = await startBook(
      scriptedWorld({
        onPlace(request, tell) {
          requests.push(request);
          tell({ type: "order", order: shown(request, "Inactive") });
        },
        onCancel(_orderId, tell) {
          for (const request of requests) tell({ type: "status", order: shown(request, "Cancelled") });
        },
      }),
    );
    const { orderId } = await book.place(far, here);

    expect(await book.cancel(orderId, context)).toMatchObject({ status: "Cancelled" });
  });

  test("an Inactive order that TWS does not keep stays Inactive", async () => {
    const text = "OrderId 1 that needs to be cancelled is not found.";
    const { book } = await startBook(
      scriptedWorld({
        onPlace: (request, tell) => tell({ type: "order", order: shown(request, "Inactive") }),
        onCancel: (orderId, tell) => tell({ type: "error", clientId: 1, orderId, code: 10_147, text }),
      }),
    );
    const { orderId } = await book.place(far, here);

    expect(await book.cancel(orderId, context)).toMatchObject({ status: "Inactive" });
  });

  test("a fill that TWS tells after refusing the cancellation is the answer", async () => {
    const requests: OrderRequest[] = [];
    const { book } = await startBook(
      scriptedWorld({
        onPlace(request, tell) {
          requests.push(request);
          tell({ type: "order", order: shown(request, "Submitted") });
        },
        onCancel(orderId, tell) {
          tell({
            type: "error",
            clientId: 1,
            orderId,
            code: 10_148,
            text: "cannot be cancelled, state: Filled.",
          });
          const [request] = requests;
          setTimeout(() => {
            if (request !== undefined)
              tell({ type: "status", order: shown(request, "Filled", { filled: 10, remaining: 0 }) });
          }, 200);
        },
      }),
    );
    const { orderId } = await book.place(far, here);

    expect(await book.cancel(orderId, context)).toMatchObject({ status: "Filled", filled: 10 });
  });

  test("a cancelled order does not come back by a status that is repeated", async () => {
    const { book } = await startBook(
      scriptedWorld({
        onPlace(request, tell) {
          for (const status of ["Submitted", "Cancelled", "Submitted", "PendingCancel"] as const) {
            tell({ type: "order", order: shown(request, status) });
          }
        },
      }),
    );

    expect(await book.place(far, here)).toMatchObject({ status: "Cancelled" });
  });

  test("a fill beats a cancellation, whatever is repeated after it", async () => {
    const requests: OrderRequest[] = [];
    const { book } = await startBook(
      scriptedWorld({
        onPlace(request, tell) {
          requests.push(request);
          tell({ type: "order", order: shown(request, "Submitted") });
        },
        onCancel(_orderId, tell) {
          const [request] = requests;
          if (request === undefined) return;
          const filled = shown(request, "Filled", { filled: 10, remaining: 0, avgFillPrice: 5 });
          tell({ type: "status", order: shown(request, "PendingCancel") });
          tell({ type: "status", order: filled });
          tell({ type: "status", order: filled });
          tell({ type: "status", order: shown(request, "Cancelled") });
        },
      }),
    );
    const { orderId } = await book.place(far, here);

    expect(await book.cancel(orderId, context)).toMatchObject({
      status: "Filled",
      filled: 10,
      remaining: 0,
      avgFillPrice: 5,
    });
  });

  test("a fill that comes after PendingCancel, and after our answer, is the order's end", async () => {
    const tells: (() => void)[] = [];
    const open: Order[] = [];
    const { book, session } = await startBook(
      scriptedWorld({
        onPlace(request, tell) {
          tell({ type: "order", order: shown(request, "Submitted") });
          open.push(shown(request, "PendingCancel"));
          tells.push(
            () => tell({ type: "status", order: shown(request, "PendingCancel") }),
            () => tell({ type: "status", order: shown(request, "Filled", { filled: 10, remaining: 0 }) }),
          );
        },
        onCancel: () => tells[0]?.(),
        openOrders: () => open,
      }),
    );
    const { orderId } = await book.place(far, here);
    const filled = new Promise<void>((resolve) => {
      session.on(EventName.orderStatus, (_id, status) => void (status === "Filled" && resolve()));
    });

    const cancelled = await book.cancel(orderId, context);
    tells[1]?.();
    await filled;

    expect(cancelled).toMatchObject({
      filled: 0,
      status: expect.stringMatching(/^(PendingCancel|Unknown)$/),
    });
    expect(await book.get(orderId, context)).toMatchObject({ status: "Filled", filled: 10, remaining: 0 });
  });

  test("202 confirms a cancellation, also without a status, and a fill beats it still", async () => {
    const tells: (() => void)[] = [];
    const { book, session } = await startBook(
      scriptedWorld({
        onPlace(request, tell) {
          tell({ type: "order", order: shown(request, "Submitted") });
          tells.push(
            () => tell(refusal(request, 202, "Order Canceled - reason:")),
            () => tell({ type: "status", order: shown(request, "Filled", { filled: 10, remaining: 0 }) }),
          );
        },
        onCancel: () => tells[0]?.(),
      }),
    );
    const { orderId } = await book.place(far, here);

    expect(await book.cancel(orderId, context)).toMatchObject({ status: "Cancelled", warnings: [] });

    const filled = new Promise<void>((resolve) => {
      session.on(EventName.orderStatus, (_id, status) => void (status === "Filled" && resolve()));
    });
    tells[1]?.();
    await filled;
    expect(await book.get(orderId, context)).toMatchObject({ status: "Filled", filled: 10 });
  });

  test("202 refuses no order: one that TWS ends by itself is answered as cancelled, with TWS's reason", async () => {
    const text = "Order Canceled - reason:The order could not be filled at once.";
    const { book } = await startBook(
      scriptedWorld({
        onPlace(request, tell) {
          tell({ type: "order", order: shown(request, "Submitted") });
          tell(refusal(request, 202, text));
          tell({ type: "order", order: shown(request, "Cancelled") });
        },
      }),
    );

    expect(await book.place({ ...far, tif: "IOC" }, here)).toMatchObject({
      status: "Cancelled",
      filled: 0,
      warnings: [text],
    });
  });

  test("a fill counts once, however often and in whatever order it is told", async () => {
    const { book } = await startBook(
      scriptedWorld({
        onPlace(request, tell) {
          const order = shown(request, "Filled", { filled: 10, remaining: 0, avgFillPrice: 5 });
          tell({ type: "status", order });
          tell({ type: "order", order });
          tell({ type: "commission", execution: fill(order, 10, 5) });
          tell({ type: "execution", execution: fill(order, 10, 5) });
          tell({ type: "execution", execution: fill(order, 10, 5) });
          tell({ type: "status", order });
        },
      }),
    );

    expect(await book.place(spec, here)).toMatchObject({ status: "Filled", filled: 10, avgFillPrice: 5 });
  });

  test("a correction takes the place of the fill it corrects", async () => {
    const executions: ReturnType<typeof fill>[] = [];
    const { book } = await startBook(
      scriptedWorld({
        onPlace(request, tell) {
          const order = shown(request, "Filled", { filled: 10, remaining: 0, avgFillPrice: 5 });
          executions.push(fill(order, 10, 4, 2), fill(order, 10, 5, 1));
          tell({ type: "order", order });
          for (const execution of executions) tell({ type: "execution", execution });
        },
        executions: () => executions,
      }),
    );

    expect(await book.place(spec, here)).toMatchObject({ filled: 10, avgFillPrice: 4 });
    const listed = await book.executions(context);
    expect(listed.map(({ execution }) => [execution.execId, execution.price])).toEqual([
      ["0000e0d5.6a3f2b1c.01.02", 4],
    ]);
    expect(listed[0]?.commissionReport).toEqual({ commission: 1, currency: "USD", realizedPnl: null });
  });
});
