import { afterAll, beforeAll, expect, test } from "vitest";
import type { Contract } from "../../shared/contract.ts";
import type { Limits } from "./limits.ts";
import type { ProposedOrder } from "./proposed-order.ts";
import { brokenBy, proposed, request, specOf, startLimitsFixture, workingOrder } from "./limits.fixture.ts";
import type { LimitsFixture } from "./limits.fixture.ts";

let fixture: LimitsFixture;
let apple: Contract;
let euro: Contract;
beforeAll(async () => {
  fixture = await startLimitsFixture();
  apple = await fixture.contract({ symbol: "AAPL" });
  euro = await fixture.contract({ symbol: "EUR.USD" });
});
afterAll(async () => fixture.close());

/** An order of 10 at 100 that works, changed. */
const changed = (change: Parameters<typeof specOf>[1], shown: Parameters<typeof workingOrder>[1] = {}) =>
  proposed(apple, change, { changes: workingOrder(specOf(apple), shown) });

interface Edge {
  readonly limit: string;
  readonly kind: "place" | "modify" | "basket";
  readonly limits: Partial<Limits>;
  /** Orders that are just within, exactly at and just beyond the limit. */
  readonly below: () => readonly ProposedOrder[];
  readonly at: () => readonly ProposedOrder[];
  readonly above: () => readonly ProposedOrder[];
}

const middle = () => {
  const { ask, bid } = fixture.quote(apple.conId);
  return (ask + bid) / 2;
};
const edges: readonly Edge[] = [
  {
    limit: "LIMIT_ORDER_QUANTITY",
    kind: "place",
    limits: { orderQuantity: 10 },
    below: () => [proposed(apple, { quantity: 9.99 })],
    at: () => [proposed(apple, { quantity: 10 })],
    above: () => [proposed(apple, { quantity: 10.01 })],
  },
  {
    limit: "LIMIT_ORDER_QUANTITY",
    kind: "modify",
    limits: { orderQuantity: 12 },
    below: () => [changed({ quantity: 11 })],
    at: () => [changed({ quantity: 12 })],
    above: () => [changed({ quantity: 13 })],
  },
  {
    limit: "LIMIT_ORDER_QUANTITY",
    kind: "basket",
    limits: { orderQuantity: 20 },
    below: () => [proposed(apple, { quantity: 9 }), proposed(apple, { quantity: 10 }), proposed(euro)],
    at: () => [proposed(apple), proposed(apple), proposed(apple, { action: "SELL" })],
    above: () => [proposed(apple), proposed(apple, { quantity: 11 })],
  },
  {
    limit: "LIMIT_ORDER_VALUE",
    kind: "place",
    limits: { orderValue: 1_000 },
    below: () => [proposed(apple, { limitPrice: 99.99 })],
    at: () => [proposed(apple)],
    above: () => [proposed(apple, { limitPrice: 100.01 })],
  },
  {
    limit: "LIMIT_ORDER_VALUE",
    kind: "modify",
    limits: { orderValue: 1_200 },
    below: () => [changed({ quantity: 11 })],
    at: () => [changed({ limitPrice: 120 })],
    above: () => [changed({ quantity: 12, limitPrice: 100.01 })],
  },
  {
    limit: "LIMIT_ORDER_VALUE",
    kind: "basket",
    limits: { orderValue: 2_000 },
    below: () => [proposed(apple), proposed(apple, { limitPrice: 99.99 })],
    at: () => [proposed(apple), proposed(apple)],
    above: () => [proposed(apple), proposed(apple, { limitPrice: 100.01 })],
  },
  {
    limit: "LIMIT_DAY_VALUE",
    kind: "place",
    limits: { dayValue: 1_000 },
    below: () => [proposed(apple, { limitPrice: 99.99 })],
    at: () => [proposed(apple)],
    above: () => [proposed(apple, { limitPrice: 100.01 })],
  },
  {
    limit: "LIMIT_DAY_VALUE",
    kind: "modify",
    // only what is added counts for the day
    limits: { dayValue: 200 },
    below: () => [changed({ limitPrice: 119.99 })],
    at: () => [changed({ quantity: 12 })],
    above: () => [changed({ limitPrice: 120.01 })],
  },
  {
    limit: "LIMIT_DAY_VALUE",
    kind: "basket",
    limits: { dayValue: 2_000 },
    below: () => [proposed(apple), proposed(apple, { limitPrice: 99.99 })],
    at: () => [proposed(apple), proposed(apple)],
    above: () => [proposed(apple), proposed(apple, { limitPrice: 100.01 })],
  },
  {
    limit: "LIMIT_PRICE_DISTANCE",
    kind: "place",
    limits: { priceDistancePercent: 5 },
    below: () => [proposed(apple, { limitPrice: middle() * 0.95003 })],
    at: () => [proposed(apple, { limitPrice: middle() * 1.05 })],
    above: () => [proposed(apple, { limitPrice: middle() * 0.94997 })],
  },
  {
    limit: "LIMIT_PRICE_DISTANCE",
    kind: "modify",
    limits: { priceDistancePercent: 5 },
    below: () => [changed({ limitPrice: middle() * 1.0499 })],
    at: () => [changed({ limitPrice: middle() * 0.95 })],
    above: () => [changed({ limitPrice: middle() * 1.0501 })],
  },
  {
    limit: "LIMIT_PRICE_DISTANCE",
    kind: "basket",
    limits: { priceDistancePercent: 5 },
    below: () => [
      proposed(apple, { limitPrice: middle() }),
      proposed(apple, { limitPrice: middle() * 0.96 }),
    ],
    at: () => [proposed(apple, { limitPrice: middle() }), proposed(apple, { limitPrice: middle() * 0.95 })],
    above: () => [
      proposed(apple, { limitPrice: middle() }),
      proposed(apple, { limitPrice: middle() * 0.94 }),
    ],
  },
  {
    limit: "LIMIT_ORDERS_PER_MINUTE",
    kind: "basket",
    limits: { ordersPerMinute: 3 },
    below: () => [proposed(apple), proposed(apple)],
    at: () => [proposed(apple), proposed(apple), proposed(apple)],
    above: () => [proposed(apple), proposed(apple), proposed(apple), proposed(apple)],
  },
  {
    limit: "LIMIT_ORDERS_PER_MINUTE",
    kind: "modify",
    limits: { ordersPerMinute: 2 },
    below: () => [changed({ quantity: 9 })],
    at: () => [changed({ quantity: 9 }), changed({ quantity: 8 })],
    above: () => [changed({ quantity: 9 }), changed({ quantity: 8 }), changed({ quantity: 7 })],
  },
  {
    limit: "LIMIT_OPEN_ORDERS",
    kind: "basket",
    limits: { openOrders: 2 },
    below: () => [proposed(apple)],
    at: () => [proposed(apple), proposed(apple)],
    above: () => [proposed(apple), proposed(apple), proposed(apple)],
  },
];

/** What breaks when the orders are assessed and then take their place beside those of before. */
const outcomeOf = (limits: Partial<Limits>, orders: readonly ProposedOrder[]) =>
  brokenBy(async () => {
    const { guard, reserve } = fixture.withLimits(limits);
    reserve(await guard.assess(orders, request()));
  });

test.each(edges)("$limit lets a $kind pass below and at it, and not above", async (edge) => {
  const { limit, limits, below, at, above } = edge;
  expect(await outcomeOf(limits, below())).toBe("within");
  expect(await outcomeOf(limits, at())).toBe("within");
  expect(await outcomeOf(limits, above())).toBe(limit);
});
