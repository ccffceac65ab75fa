import { expect, test } from "vitest";
import type { OrderRequest } from "../../simulator/model/ledger.ts";
import { context, far, here, startBook } from "../test-support/order-book.fixture.ts";
import { scriptedWorld, shown } from "../test-support/scripted-ledger.fixture.ts";

test("an order from the window of TWS has no id to cancel it by, and says so where one account is meant", async () => {
  const requests: OrderRequest[] = [];
  const { book, simulator } = await startBook(
    scriptedWorld({
      onPlace(request, _tell, proceed) {
        requests.push(request);
        proceed();
      },
      openOrders: () =>
        requests.map((request) => ({
          ...shown({ ...request, clientId: 0, orderId: 0, orderRef: "" }, "Submitted"),
          permId: 77,
        })),
    }),
  );
  await book.place(far, here);

  const { orders, others } = await book.cancelAll((account) => account === far.account, context);

  expect(others).toEqual([]);
  expect(orders).toMatchObject([
    { orderId: 1, status: "Cancelled" },
    { orderId: 0, status: "Submitted", warnings: [expect.stringMatching(/window of TWS.*cancelled there/)] },
  ]);
  const cancelled = simulator.received().filter(({ id }) => id === 4);
  expect(cancelled.map(({ fields }) => Number(fields[1]))).toEqual([1]);
});

test("an order that TWS has parked is cancelled too where one account is meant, since it may wake", async () => {
  const parked: OrderRequest[] = [];
  const { book, simulator } = await startBook(
    scriptedWorld({
      onPlace(request, tell) {
        parked.push(request);
        tell({ type: "order", order: shown(request, "Inactive") });
      },
      onCancel(orderId, tell) {
        const request = parked.pop();
        if (request?.orderId === orderId) tell({ type: "order", order: shown(request, "Cancelled") });
      },
      openOrders: () => parked.map((request) => shown(request, "Inactive")),
    }),
  );
  await book.place(far, here);

  const { orders } = await book.cancelAll((account) => account === far.account, context);

  expect(orders).toMatchObject([{ orderId: 1, status: "Cancelled" }]);
  expect(simulator.received().filter(({ id }) => id === 4)).toHaveLength(1);
});
