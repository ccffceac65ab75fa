import { expect, test } from "vitest";
import { normalCdf, optionPrice, optionValue } from "./black-scholes.ts";

const hull = { spot: 42, strike: 40, years: 0.5, rate: 0.1, carry: 0.1, volatility: 0.2 };

test("prices the textbook's call and put", () => {
  expect(optionPrice({ ...hull, right: "C" })).toBeCloseTo(4.759422, 6);
  expect(optionPrice({ ...hull, right: "P" })).toBeCloseTo(0.808599, 6);
});

test.each([
  [0, 0.5],
  [1, 0.841344746068543],
  [-1.96, 0.024997895148220435],
  [-5, 2.866515718791939e-7],
  [-8, 6.220960574271785e-16],
])("knows the normal distribution at %s", (x, expected) => {
  expect(normalCdf(x) / expected).toBeCloseTo(1, 6);
});

test("keeps put-call parity for every strike and expiry", () => {
  for (const strike of [10, 80, 100, 125, 400]) {
    for (const years of [0, 0.003, 0.25, 2]) {
      const terms = { spot: 100, strike, years, rate: 0.04, carry: 0.04, volatility: 0.3 };
      const call = optionPrice({ ...terms, right: "C" });
      const put = optionPrice({ ...terms, right: "P" });
      expect(call - put).toBeCloseTo(100 - strike * Math.exp(-0.04 * years), 9);
    }
  }
});

test.each(["C", "P"] as const)("gives greeks of a %s that are the slopes of its price", (right) => {
  const terms = { ...hull, right };
  const { delta, gamma, vega, theta } = optionValue(terms);
  const slope = (change: (h: number) => Partial<typeof terms>, h: number) =>
    (optionPrice({ ...terms, ...change(h) }) - optionPrice({ ...terms, ...change(-h) })) / (2 * h);
  const up = optionValue({ ...terms, spot: 42.01 }).delta;
  const down = optionValue({ ...terms, spot: 41.99 }).delta;
  expect(delta).toBeCloseTo(
    slope((h) => ({ spot: 42 + h }), 0.001),
    6,
  );
  expect(gamma).toBeCloseTo((up - down) / 0.02, 5);
  expect(vega).toBeCloseTo(slope((h) => ({ volatility: 0.2 + h }), 0.0001) / 100, 6);
  expect(theta).toBeCloseTo(-slope((h) => ({ years: 0.5 + h }), 0.0001) / 365, 6);
});

test("is worth its intrinsic value at expiry", () => {
  const terms = { spot: 105, strike: 100, years: 0, rate: 0.04, carry: 0.04, volatility: 0.3 };
  expect(optionValue({ ...terms, right: "C" })).toMatchObject({ price: 5, delta: 1, gamma: 0 });
  expect(optionValue({ ...terms, right: "P" })).toMatchObject({ price: 0, delta: 0 });
});
