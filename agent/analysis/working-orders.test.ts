import { describe, expect, test } from "vitest";
import type { Order } from "../../shared/order.ts";
import { claimsOf } from "./working-orders.ts";

const order = (change: Partial<Order> & { readonly contract?: Partial<Order["contract"]> }): Order => ({
  orderId: 1,
  permId: 1,
  clientId: 1,
  account: "DU1234567",
  mode: "paper",
  action: "BUY",
  quantity: 10,
  orderType: "LMT",
  limitPrice: null,
  auxPrice: null,
  trailStopPrice: null,
  limitOffset: null,
  tif: "DAY",
  goodTillDate: null,
  outsideRth: false,
  orderRef: null,
  parentId: null,
  ocaGroup: null,
  status: "Submitted",
  filled: 0,
  remaining: 10,
  avgFillPrice: null,
  whyHeld: null,
  warnings: [],
  ...change,
  contract: { conId: 1, symbol: "A", secType: "STK", currency: "USD", ...change.contract },
});

/** One dollar is 1, one euro 1.1; nobody knows the krona. Without a limit the worst is 50, but of B it is not known. */
const claims = (...orders: readonly Order[]) =>
  claimsOf(orders, {
    instrumentOf: async ({ contract: { symbol = "", secType = "", multiplier = null } }) =>
      symbol === "LOST"
        ? null
        : { contract: { symbol, secType, multiplier }, priceMagnifier: symbol === "PENCE" ? 100 : 1 },
    rateOf: (currency) => ({ USD: 1, EUR: 1.1 })[currency] ?? null,
    worstOf: ({ limitPrice, contract: { symbol } }) =>
      Promise.resolve(limitPrice ?? (symbol === "B" ? null : 50)),
  });

describe("a working purchase takes", () => {
  test.each([
    ["its limit for what is left of it", { limitPrice: 12.5, remaining: 4, filled: 6 }, 50_00],
    ["the worst price where it has no limit", { orderType: "MOC" }, 500_00],
    ["what its currency is worth", { limitPrice: 10, contract: { currency: "EUR" } }, 110_00],
    ["whole cents, rounded up", { limitPrice: 1.111, remaining: 3 }, 334],
    [
      "the multiplier of an option",
      { limitPrice: 0.05, remaining: 2, contract: { secType: "OPT", multiplier: 100 } },
      10_00,
    ],
    ["a hundredth of a price in pence", { limitPrice: 250, contract: { symbol: "PENCE" } }, 25_00],
    [
      "nothing of all currencies together, for one of them",
      { limitPrice: 1.08, remaining: 20_000, contract: { secType: "CASH", symbol: "EUR" } },
      0,
    ],
  ] as const)("%s", async (_, change, cents) => {
    expect(await claims(order(change))).toMatchObject({ orders: 1, cashCents: cents, unknown: [] });
  });

  test.each([
    ["has neither price nor quote", { orderType: "MKT", contract: { symbol: "B" } }, /no limit.*no price/],
    ["is in a currency without a rate", { limitPrice: 9, contract: { currency: "SEK" } }, /no rate for SEK/],
    ["is of a future", { limitPrice: 9, contract: { secType: "FUT", multiplier: 50 } }, /FUT/],
    ["is of a bond", { limitPrice: 99, contract: { secType: "BOND" } }, /BOND/],
    ["is of what TWS does not know", { limitPrice: 9, contract: { symbol: "LOST" } }, /what unit/],
    [
      "is of an option without a multiplier",
      { limitPrice: 9, contract: { secType: "OPT" } },
      /no multiplier/,
    ],
  ] as const)("something that nobody can say when it %s", async (_, change, reason) => {
    const known = order({ orderId: 2, limitPrice: 5 });
    expect(await claims(order(change), known)).toMatchObject({
      orders: 2,
      cashCents: 50_00,
      unknown: [{ order: { orderId: 1 }, reason: expect.stringMatching(reason) }],
    });
  });
});

test("each order counts, also where one cancels another, and what is left of sales is offered", async () => {
  const sell = { action: "SELL", limitPrice: 99 } as const;
  const found = await claims(
    order({ limitPrice: 10, ocaGroup: "one" }),
    order({ limitPrice: 20, ocaGroup: "one" }),
    order({ ...sell, remaining: 7, ocaGroup: "two", contract: { conId: 2, symbol: "C" } }),
    order({ ...sell, remaining: 10, ocaGroup: "two", contract: { conId: 2, symbol: "C" } }),
    order({ ...sell, remaining: 0, contract: { conId: 3, symbol: "D" } }),
  );
  expect(found).toMatchObject({ orders: 4, cashCents: 300_00 });
  expect([...found.ordered]).toEqual([1]);
  expect([...found.offered]).toEqual([[2, { symbol: "C", quantity: 17 }]]);
});
