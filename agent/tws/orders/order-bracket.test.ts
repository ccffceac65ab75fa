import { describe, expect, test } from "vitest";
import type { Order, OrderRequest } from "../../simulator/model/ledger.ts";
import { far, here, startBook } from "../test-support/order-book.fixture.ts";
import { refusal, scriptedWorld, shown } from "../test-support/scripted-ledger.fixture.ts";

const exit = { ...far, action: "SELL" } as const;
const spec = {
  entry: { ...far, orderRef: "ag1:b:P" },
  takeProfit: { ...exit, limitPrice: 9_000, orderRef: "ag1:b:T" },
  stopLoss: { ...exit, orderType: "STP", limitPrice: null, auxPrice: 0.5, orderRef: "ag1:b:S" },
} as const;

test("a bracket whose entry TWS parks as Inactive is cancelled there, and is not called over before TWS says so", async () => {
  const fixture = await startBook(
    scriptedWorld({
      onPlace(request, tell) {
        const status = request.parentId === 0 ? "Inactive" : "PreSubmitted";
        tell({ type: "order", order: shown(request, status) });
      },
      onCancel: (orderId, tell) => void [orderId, tell],
    }),
  );
  await expect(fixture.book.placeBracket(spec, here)).rejects.toMatchObject({
    code: "outcome_unknown",
    message: expect.stringContaining("not known whether the entry is cancelled"),
  });

  expect(fixture.simulator.received().filter(({ id }) => id === 4)).toHaveLength(1);
});

test("a bracket whose entry TWS refuses is rejected, though another client's order works under the same id", async () => {
  const fixture = await startBook(
    scriptedWorld({
      onPlace(request, tell, proceed) {
        if (request.clientId === 9) return proceed();
        if (request.parentId === 0) {
          fixture.simulator.world.ledger.place({ ...request, clientId: 9, orderRef: "", transmit: true });
          tell(refusal(request, 103, "Duplicate order id"));
        } else tell(refusal(request, 10_006, "Missing parent order"));
      },
    }),
  );
  await expect(fixture.book.placeBracket(spec, here)).rejects.toMatchObject({
    code: "order_rejected",
    message: expect.stringContaining("code 103"),
  });
  expect(fixture.simulator.world.ledger.openOrders()).toMatchObject([{ request: { clientId: 9 } }]);
});

describe("a bracket whose entry fills at once, of whose exits TWS says nothing", () => {
  /** `lists` say in their order what TWS lists of the exits; null is a list that never ends, and the last is repeated. */
  async function filledAtOnce(
    lists: readonly ((exits: readonly Order[]) => readonly Order[] | null)[],
    onExit: (request: OrderRequest, tell: Parameters<typeof refuse>[1]) => void = () => {},
  ) {
    const exits: Order[] = [];
    let entry: Order | null = null;
    let asked = 0;
    const fixture = await startBook(
      scriptedWorld({
        onPlace(request, tell) {
          if (request.parentId === 0) {
            entry = shown(request, "Filled", { filled: 10, remaining: 0, avgFillPrice: 1 });
            return;
          }
          exits.push(shown(request, "Submitted"));
          onExit(request, tell);
          if (exits.length === 2 && entry !== null) tell({ type: "order", order: entry });
        },
        openOrders() {
          if (entry === null) return [];
          const rows = (lists[asked] ?? lists.at(-1))?.(exits) ?? null;
          asked += 1;
          fixture.simulator.faults.orders({ withoutEnds: rows === null ? [53] : [] });
          return rows ?? [];
        },
      }),
    );
    return fixture;
  }
  const refuse = (request: OrderRequest, tell: (event: ReturnType<typeof refusal>) => void) => {
    if (request.orderType === "LMT") tell(refusal(request, 110, "The price does not conform"));
  };

  test("is not said to have none while TWS lists nothing: what is not known is named", async () => {
    const { book } = await filledAtOnce([() => null]);

    await expect(book.placeBracket(spec, here)).rejects.toMatchObject({
      code: "outcome_unknown",
      message:
        "TWS has not shown all of the bracket of orders 1, 2 and 3; 10 of the entry (order 1) had filled, and it is not known whether TWS has the take profit (order 2) and the stop loss (order 3).",
      detail: { nextStep: expect.stringMatching(/ibkr_get_open_orders.*place it, or close the position/) },
    });
  });

  test("is placed when a second look shows them", async () => {
    const { book } = await filledAtOnce([() => null, (exits) => exits]);

    expect(await book.placeBracket(spec, here)).toMatchObject({
      entry: { status: "Filled", filled: 10 },
      takeProfit: { status: "Submitted" },
      stopLoss: { status: "Submitted" },
    });
  });

  test("has none when TWS lists its orders without them", async () => {
    const { book } = await filledAtOnce([() => []]);

    await expect(book.placeBracket(spec, here)).rejects.toMatchObject({
      code: "order_rejected",
      message: expect.stringMatching(
        /10 of the entry \(order 1\) had filled, and that position has no exit\.$/,
      ),
    });
  });

  test("has its stop loss, which TWS lists only, when TWS refuses the take profit", async () => {
    const { book } = await filledAtOnce([(exits) => exits.slice(1)], refuse);

    await expect(book.placeBracket(spec, here)).rejects.toMatchObject({
      code: "order_rejected",
      message: expect.stringMatching(/^TWS refused the take profit .* has only the stop loss \(order 3\)\.$/),
      detail: { tws: { code: 110 } },
    });
  });

  test("has perhaps its stop loss, when TWS refuses the take profit and lists nothing", async () => {
    const { book } = await filledAtOnce([() => null], refuse);

    await expect(book.placeBracket(spec, here)).rejects.toMatchObject({
      code: "outcome_unknown",
      message: expect.stringMatching(/not known whether TWS has the stop loss \(order 3\)\.$/),
    });
  });
});
