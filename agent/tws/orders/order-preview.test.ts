import { expect, test } from "vitest";
import { connectBook, context, far, here, startBook } from "../test-support/order-book.fixture.ts";
import { scriptedWorld, shown } from "../test-support/scripted-ledger.fixture.ts";

test("a preview after a restart goes under no id of an order that TWS holds", async () => {
  const fixture = await startBook();
  const { orderId } = await fixture.book.place(far, here);
  await fixture.session.close();
  // TWS's own next id may fall behind
  fixture.simulator.faults.rollbackNextValidId(1);
  const { book } = await connectBook(fixture.simulator);

  await book.preview({ ...far, orderRef: "" }, context);

  const ids = fixture.simulator.received().flatMap(({ id, fields }) => (id === 3 ? fields[1] : []));
  expect(ids).toHaveLength(2);
  expect(ids.at(-1)).not.toBe(String(orderId));
});

test("an order of the same number is not taken for the answer to a preview", async () => {
  const fixture = await startBook(
    scriptedWorld({
      onPlace: (request, tell) =>
        tell({ type: "order", order: shown({ ...request, whatIf: false }, "Submitted") }),
    }),
  );
  const preview = fixture.book.preview({ ...far, orderRef: "" }, { ...context, timeoutMs: 300 });
  await expect(preview).rejects.toMatchObject({ code: "timeout" });
});
