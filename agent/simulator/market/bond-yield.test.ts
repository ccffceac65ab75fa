import { expect, test } from "vitest";
import { durationAt, priceAtYield, yieldAtPrice } from "./bond-yield.ts";

const couponDay = Date.UTC(2024, 10, 15);
const tenYears = { coupon: 4, maturity: "20341115" };

test("a bond that yields its coupon costs its face on a coupon day, and less the more it yields", () => {
  expect(priceAtYield(tenYears, 4, couponDay)).toBeCloseTo(100, 8);
  // the textbook's price of ten years of 4 % at 5 %
  expect(priceAtYield(tenYears, 5, couponDay)).toBeCloseTo(92.2054, 4);
  expect(priceAtYield(tenYears, 0, couponDay)).toBeCloseTo(140, 8);
});

test.for([
  [0.5, "20270215"],
  [4.125, "20271115"],
  [4.25, "20341115"],
  [9, "20550215"],
] as const)(
  "the yield of %d %% until %s is found again from its price, at any time of the period",
  ([coupon, maturity]) => {
    for (const at of [Date.UTC(2026, 10, 15), Date.UTC(2026, 10, 24, 17), Date.UTC(2027, 1, 14, 23)]) {
      for (const yieldPercent of [0.25, 4, 12.5]) {
        const price = priceAtYield({ coupon, maturity }, yieldPercent, at) ?? 0;
        expect(yieldAtPrice({ coupon, maturity }, price, at)).toBeCloseTo(yieldPercent, 3);
      }
    }
  },
);

test("accrued interest is no part of the price: it does not jump when a coupon is paid", () => {
  const before = priceAtYield(tenYears, 4, Date.UTC(2025, 4, 15) - 60_000);
  const after = priceAtYield(tenYears, 4, Date.UTC(2025, 4, 15));
  expect(Math.abs((before ?? 0) - (after ?? 0))).toBeLessThan(0.001);
});

test("a longer bond falls further, by about its duration for each point", () => {
  expect(durationAt(tenYears, 4, couponDay)).toBeCloseTo(8.17, 1);
  expect(durationAt({ ...tenYears, maturity: "20541115" }, 4, couponDay)).toBeGreaterThan(17);
});

test("nothing is yielded from maturity on, nor by no price", () => {
  expect(yieldAtPrice(tenYears, 100, Date.UTC(2034, 10, 15))).toBeNull();
  expect(priceAtYield(tenYears, 4, Date.UTC(2035, 0, 1))).toBeNull();
  expect(yieldAtPrice(tenYears, 0, couponDay)).toBeNull();
});
