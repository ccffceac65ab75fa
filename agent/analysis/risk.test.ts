import { describe, expect, test } from "vitest";
import { assess } from "./portfolio-risk.ts";
import type { Candidate } from "./portfolio-risk.ts";
import {
  commonDays,
  concentrationOf,
  correlationMatrix,
  gainsOf,
  returnsOn,
  runsOf,
  sensitivity,
  valueAtRisk,
} from "./risk.ts";
import type { Closes } from "./risk.ts";

// expected values by numpy 2.4 and scipy 1.17 from the same series, equity 100,000
const a = [0.012, -0.034, 0.005, 0.021, -0.011, 0, 0.043, -0.027, 0.008, -0.015];
const b = [0.008, -0.025, 0.002, 0.013, -0.009, 0.001, 0.03, -0.02, 0.004, -0.012];
const c = [-0.002, 0.004, 0.01, -0.013, 0.02, -0.006, 0.001, 0.003, -0.017, 0.009];
const exposures = [
  { marketValue: 60_000, returns: a },
  { marketValue: -20_000, returns: c },
];
const gains = gainsOf(exposures);
const close = (value: number) => expect.closeTo(value, 6);

describe("the risk of a portfolio", () => {
  test("rests on what its holdings would have gained each day", () => {
    expect(gains).toEqual([760, -2120, 100, 1520, -1060, 120, 2560, -1680, 820, -1080].map(close));
    expect(runsOf(gains, 3)).toEqual([-1260, -500, 560, 580, 1620, 1000, 1700, -1940].map(close));
  });

  test("has numpy's value at risk, for a day and for several", () => {
    expect(valueAtRisk(gains, 0.9, 1)).toEqual({
      historical: close(1724),
      expectedShortfall: close(2120),
      parametric: close(1898.198562591698),
    });
    expect(valueAtRisk(gains, 0.9, 4).parametric).toBeCloseTo(3796.397125183396, 6);
    // of the runs of three days, sorted: −1940 −1260 …; at 0.7 of the way from the first
    expect(valueAtRisk(gains, 0.9, 3).historical).toBeCloseTo(1464, 6);
  });

  test("is no negative loss where nothing was ever lost", () => {
    expect(valueAtRisk([1, 2, 3, 4], 0.95, 1)).toMatchObject({ historical: 0, expectedShortfall: 0 });
  });

  test("has numpy's beta, share explained and volatility", () => {
    const returns = gains.map((gain) => gain / 100_000);
    expect(sensitivity(returns, b)).toEqual({
      beta: close(0.8979479479479479),
      rSquared: close(0.9790963594012904),
      volatility: close(0.23512879874655931),
    });
  });

  test("is concentrated by the squares of gross shares, short ones included", () => {
    // shares 0.6, 0.3, 0.1: 0.36 + 0.09 + 0.01
    expect(concentrationOf([600, -300, 100])).toEqual({
      hhi: close(0.46),
      effectiveHoldings: close(1 / 0.46),
      shares: [0.6, 0.3, 0.1],
    });
    expect(concentrationOf([])).toMatchObject({ hhi: null, effectiveHoldings: null });
  });

  test("has a symmetric matrix of correlations with ones on its diagonal", () => {
    const matrix = correlationMatrix([a, c, a.map(() => 0)]);
    expect(matrix[0]).toEqual([1, close(-0.40018086465391123), null]);
    expect(matrix.map((row, index) => row[index])).toEqual([1, 1, 1]);
    expect(matrix[1]?.[0]).toBe(matrix[0]?.[1]);
  });
});

describe("series of closes", () => {
  test("are joined by the days that all have, and the newest are taken", () => {
    const long = { days: ["1", "2", "3", "4", "5"], prices: [10, 11, 12, 13, 14] };
    const gappy = { days: ["2", "3", "5"], prices: [100, 110, 99] };
    expect(commonDays([long, gappy], 10)).toEqual(["2", "3", "5"]);
    expect(commonDays([long, gappy], 1)).toEqual(["3", "5"]);
    expect(returnsOn(["2", "3", "5"], gappy)).toEqual([close(0.1), close(-0.1)]);
    expect(returnsOn(["2", "5"], long)).toEqual([close(14 / 11 - 1)]);
  });
});

describe("an assessment", () => {
  const days = Array.from({ length: 61 }, (_, day) => `2026-01-${String(day).padStart(2, "0")}`);
  const closesFrom = (returnOn: (day: number) => number, from = 0): Closes => {
    let price = 100;
    const prices = days.map((_, day) => (price *= day === 0 ? 1 : 1 + returnOn(day)));
    return { days: days.slice(from), prices: prices.slice(from) };
  };
  const wave = (day: number) => 0.01 * Math.sin(day);
  const holding = (symbol: string, marketValue: number, closes: Closes): Candidate => ({
    kind: "candidate",
    symbol,
    conId: 1,
    secType: "STK",
    marketValue,
    closes,
  });
  const base = { netLiquidation: 100_000, windowDays: 60, confidence: 0.95, horizonDays: 1 };

  test("of twice the benchmark has a beta of two and the loss that follows from it", () => {
    const result = assess({
      ...base,
      candidates: [
        holding(
          "TWO",
          100_000,
          closesFrom((day) => 2 * wave(day)),
        ),
      ],
      benchmark: closesFrom(wave),
      values: [{ symbol: "TWO", value: 100_000 }],
    });
    expect(result).toMatchObject({
      beta: 2,
      rSquared: 1,
      window: { observations: 60, from: days[0], to: days[60] },
      concentration: { hhi: 1, effectiveHoldings: 1, top: [{ symbol: "TWO", percentOfGross: 100 }] },
      excluded: [],
    });
    expect(result.stress).toContainEqual({ scenario: "benchmark −10 %", gain: -20_000, percent: -20 });
    expect(result.stress).toContainEqual({ scenario: "TWO alone −25 %", gain: -25_000, percent: -25 });
    // the sine is lowest at day 11: sin 11 = −0.99999021
    expect(result.stress).toContainEqual({
      scenario: `worst day of the window, ${days[11] ?? ""}`,
      gain: -1999.98,
      percent: -2,
    });
  });

  test("leaves out what has too short a past, and says so", () => {
    const result = assess({
      ...base,
      candidates: [holding("OLD", 50_000, closesFrom(wave)), holding("NEW", 9000, closesFrom(wave, 50))],
      benchmark: closesFrom(wave),
      values: [],
    });
    expect(result.excluded).toMatchObject([
      { symbol: "NEW", marketValue: 9000, reason: "it has only 11 of 61 days" },
    ]);
    expect(result.window.observations).toBe(60);
    expect(result.beta).toBe(0.5);
  });

  test("without a benchmark has every figure but those to it", () => {
    const result = assess({
      ...base,
      candidates: [holding("OLD", 50_000, closesFrom(wave))],
      benchmark: null,
      values: [],
    });
    expect(result).toMatchObject({ beta: null, rSquared: null, holdings: [{ beta: null }] });
    expect(result.valueAtRisk?.historical).toBeGreaterThan(0);
    expect(result.stress.map(({ scenario }) => scenario).join()).not.toContain("benchmark");
  });

  test("of nothing, and of too few days, is null and not zero", () => {
    const nothing = assess({ ...base, candidates: [], benchmark: closesFrom(wave), values: [] });
    expect(nothing).toMatchObject({ valueAtRisk: null, beta: null, stress: [], excluded: [] });
    const short = closesFrom(wave, 40);
    const few = assess({
      ...base,
      candidates: [holding("X", 1000, short)],
      benchmark: short,
      values: [{ symbol: "X", value: 1000 }],
    });
    expect(few).toMatchObject({
      valueAtRisk: null,
      volatilityPercent: null,
      window: { observations: 0 },
      excluded: [{ symbol: "X" }],
      concentration: { hhi: 1 },
    });
  });
});
