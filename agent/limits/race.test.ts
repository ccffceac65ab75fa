import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Contract } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import { usageOf } from "../journal/usage.ts";
import {
  account,
  brokenBy,
  proposed,
  request,
  specOf,
  startLimitsFixture,
  workingOrder,
} from "./limits.fixture.ts";
import type { LimitsFixture, LimitedOrders } from "./limits.fixture.ts";

let fixture: LimitsFixture;
let apple: Contract;
beforeAll(async () => {
  fixture = await startLimitsFixture();
  apple = await fixture.contract({ symbol: "AAPL" });
});
afterAll(async () => fixture.close());

const spentOf = ({ guard, journal }: LimitedOrders): number =>
  journal.file.read((db) => usageOf(db, account, guard.dayBegan(), Date.now())).value;

test("of many orders that race for the last of a day, only as many get it as it lasts for", async () => {
  const limited = fixture.withLimits({ dayValue: 3_500, ordersPerMinute: 1_000 });
  const outcomes = await Promise.all(
    Array.from({ length: 60 }, () =>
      brokenBy(async () => limited.reserve(await limited.guard.assess([proposed(apple)], request()))),
    ),
  );
  expect(outcomes.filter((outcome) => outcome === "within")).toHaveLength(3);
  expect(outcomes.filter((outcome) => outcome === "LIMIT_DAY_VALUE")).toHaveLength(57);
  expect(spentOf(limited)).toBe(3_000);
});

test("of many orders that race for the last place among the working ones, one gets it", async () => {
  const limited = fixture.withLimits({ openOrders: 1 });
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, () =>
      brokenBy(async () => limited.reserve(await limited.guard.assess([proposed(apple)], request()))),
    ),
  );
  expect(outcomes.filter((outcome) => outcome === "within")).toHaveLength(1);
});

test("of many orders that race for the last of a minute, only as many get it as it has room for", async () => {
  const limited = fixture.withLimits({ ordersPerMinute: 7 });
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, () =>
      brokenBy(async () => limited.reserve(await limited.guard.assess([proposed(apple)], request()))),
    ),
  );
  expect(outcomes.filter((outcome) => outcome === "within")).toHaveLength(7);
});

const failure = new TwsError("order_rejected", "Only a test.");

/** What may happen to an intent after it has been reserved; what it was worth stays spent, unless TWS does not have it. */
const fates = {
  reserved: () => {},
  sending: ({ journal }: LimitedOrders, id: string) => journal.sending(id),
  unknown: ({ journal }: LimitedOrders, id: string) => journal.markUnknown(id, failure),
  done: ({ journal }: LimitedOrders, id: string) => journal.acknowledge(id, [], true),
  rejected: ({ journal }: LimitedOrders, id: string) => journal.reject(id, failure),
  absent: ({ journal }: LimitedOrders, id: string) => journal.markAbsent(id, failure),
} as const;
const fateNames = ["reserved", "sending", "unknown", "done", "rejected", "absent"] as const;

test("no sequence of orders, changes and baskets spends more than the day has", async () => {
  const cents = fc.integer({ min: 1, max: 90_000 }).map((amount) => amount / 100);
  const order = fc.record({
    prices: fc.array(cents, { minLength: 1, maxLength: 4 }),
    quantity: fc.integer({ min: 1, max: 30 }),
    isChange: fc.boolean(),
    fate: fc.constantFrom(...fateNames),
  });
  await fc.assert(
    fc.asyncProperty(cents, fc.array(order, { maxLength: 25 }), async (budget, proposals) => {
      const dayValue = budget * 10;
      const limited = fixture.withLimits({ dayValue, ordersPerMinute: 10_000 });
      let spent = 0;
      await Promise.all(
        proposals.map(async ({ prices, quantity, isChange, fate }) => {
          const orders = prices.map((limitPrice) => {
            const changes = isChange ? workingOrder(specOf(apple, { limitPrice: 1 })) : null;
            return proposed(apple, { limitPrice, quantity }, { changes });
          });
          const assessment = await limited.guard.assess(orders, request());
          const before = spentOf(limited);
          const outcome = await brokenBy(() => {
            const id = limited.reserve(assessment);
            fates[fate](limited, id);
          });
          const value = assessment.value ?? NaN;
          // one that adds nothing has headroom always, and nothing else is refused that has headroom
          const hasRoom = value === 0 || Math.round((before + value) * 100) <= Math.round(dayValue * 100);
          expect(outcome).toBe(hasRoom ? "within" : "LIMIT_DAY_VALUE");
          const isKept = hasRoom && fate !== "rejected" && fate !== "absent";
          spent += isKept ? value : 0;
          expect(spentOf(limited)).toBeLessThanOrEqual(dayValue + 1e-6);
        }),
      );
      expect(spentOf(limited)).toBeCloseTo(spent, 2);
    }),
    { numRuns: 50 },
  );
});
