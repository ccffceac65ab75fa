import { describe, expect, test } from "vitest";
import { correlation, covariance, deviation, mean, normalQuantile, quantile, slope } from "./statistics.ts";

// expected values by numpy 2.4 (ddof=1, linear quantiles) and scipy 1.17 (norm.ppf) from the same series
const a = [0.012, -0.034, 0.005, 0.021, -0.011, 0, 0.043, -0.027, 0.008, -0.015];
const b = [0.008, -0.025, 0.002, 0.013, -0.009, 0.001, 0.03, -0.02, 0.004, -0.012];
const c = [-0.002, 0.004, 0.01, -0.013, 0.02, -0.006, 0.001, 0.003, -0.017, 0.009];

describe("statistics of a sample", () => {
  test("are those that numpy gives", () => {
    expect(mean(a)).toBeCloseTo(0.0002, 15);
    expect(deviation(a)).toBeCloseTo(0.022982118652939244, 15);
    expect(covariance(a, b)).toBeCloseTo(0.00037462222222222225, 15);
    expect(correlation(a, b)).toBeCloseTo(0.9987030195749905, 13);
    expect(correlation(a, c)).toBeCloseTo(-0.40018086465391123, 13);
    expect(slope(a, b)).toBeCloseTo(1.4062395729062394, 13);
  });

  test.each([
    [0.05, -0.03085],
    [0.1, -0.0277],
    [0.25, -0.014],
    [0.01, -0.03337],
    [0, -0.034],
    [1, 0.043],
  ])("have the quantile %f at %f", (p, expected) => {
    expect(quantile(a, p)).toBeCloseTo(expected, 15);
  });

  test("say null where a series does not move, and refuse what is too short or uneven", () => {
    const still = a.map(() => 0);
    expect([correlation(a, still), slope(a, still)]).toEqual([null, null]);
    expect(() => deviation([1])).toThrow(RangeError);
    expect(() => mean([])).toThrow(RangeError);
    expect(() => covariance(a, [1, 2])).toThrow(RangeError);
  });
});

describe("the normal quantile", () => {
  test.each([
    [0.5, 0],
    [0.8, 0.8416212335729143],
    [0.9, 1.2815515655446004],
    [0.95, 1.6448536269514722],
    [0.975, 1.959963984540054],
    [0.99, 2.3263478740408408],
    [0.995, 2.5758293035489004],
    [0.05, -1.6448536269514729],
    [1e-8, -5.612001244174789],
    [1e-20, -9.262340089798409],
  ])("of %f is scipy's %f", (p, expected) => {
    expect(normalQuantile(p)).toBeCloseTo(expected, 13);
  });

  test("exists between 0 and 1 only", () => {
    for (const p of [0, 1, NaN]) expect(() => normalQuantile(p)).toThrow(RangeError);
  });
});
