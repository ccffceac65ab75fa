import { expect, test } from "vitest";
import { far, here, startBook } from "./order-testbed.ts";
import { scriptedWorld, shown } from "./scripted-ledger.ts";

test("a bracket whose entry TWS parks as Inactive is cancelled there, and is not called over before TWS says so", async () => {
  const bed = await startBook(
    scriptedWorld({
      onPlace(request, tell) {
        const status = request.parentId === 0 ? "Inactive" : "PreSubmitted";
        tell({ type: "order", order: shown(request, status) });
      },
      onCancel: (orderId, tell) => void [orderId, tell],
    }),
  );
  const exit = { ...far, action: "SELL" } as const;
  const spec = {
    entry: { ...far, orderRef: "ag1:b:P" },
    takeProfit: { ...exit, limitPrice: 9_000, orderRef: "ag1:b:T" },
    stopLoss: { ...exit, orderType: "STP", limitPrice: null, auxPrice: 0.5, orderRef: "ag1:b:S" },
  } as const;

  await expect(bed.book.placeBracket(spec, here)).rejects.toMatchObject({
    code: "outcome_unknown",
    message: expect.stringContaining("not known whether the entry is cancelled"),
  });

  expect(bed.simulator.received().filter(({ id }) => id === 4)).toHaveLength(1);
});
