import { expect, test } from "vitest";
import { usualBounds } from "./limits.ts";
import { sharedFindings } from "./shared-limits.ts";

/** Limits that were lowered below what was used already. */
const lowered = { ...usualBounds, dayValue: 500, openOrders: 1 };
const used = { value: 900, ordersInMinute: 0 };
const broken = (asked: { readonly orders: number; readonly messages: number; readonly value: number }) =>
  sharedFindings(lowered, { ...asked, currency: "USD" }, used, () => 3)
    .filter(({ ok }) => !ok)
    .map(({ name }) => name);

test("what adds nothing is taken, though the limits are lower than what is used already", () => {
  expect(broken({ orders: 0, messages: 1, value: 0 })).toEqual([]);
  expect(broken({ orders: 0, messages: 1, value: 0.01 })).toEqual(["LIMIT_DAY_VALUE"]);
  expect(broken({ orders: 1, messages: 1, value: 0 })).toEqual(["LIMIT_OPEN_ORDERS"]);
});

test("more than a whole minute's worth is never worth waiting for", () => {
  const minute = (messages: number) =>
    sharedFindings(
      { ...usualBounds, ordersPerMinute: 5 },
      { orders: 0, messages, value: 0, currency: null },
      used,
      () => 0,
    )[0];
  expect(minute(5)).toMatchObject({ ok: true, retryAfterMs: 60_000 });
  expect(minute(6)).not.toHaveProperty("retryAfterMs");
});

test("orders that nobody has valued are no orders of nothing", () => {
  const asked = { orders: 1, messages: 1, value: null, currency: null };
  expect(() => sharedFindings(lowered, asked, used, () => 0)).toThrow("not valued");
});
