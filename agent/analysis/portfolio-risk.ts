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
import type { Closes, Exposure, Sensitivity } from "./risk.ts";
import { sum } from "./statistics.ts";

interface Named {
  readonly symbol: string;
  readonly conId: number | null;
  readonly secType: string;
}

export interface Candidate extends Named {
  readonly kind: "candidate";
  /** In the account's currency, negative when short. */
  readonly marketValue: number;
  readonly closes: Closes;
}

export interface Excluded extends Named {
  readonly kind: "excluded";
  readonly marketValue: number | null;
  readonly reason: string;
}

interface Assessment {
  readonly candidates: readonly Candidate[];
  readonly benchmark: Closes | null;
  readonly netLiquidation: number;
  /** Of every holding that has a value, largest first. */
  readonly values: readonly { readonly symbol: string; readonly value: number }[];
  readonly windowDays: number;
  readonly confidence: number;
  readonly horizonDays: number;
}

/** Fewer daily returns say too little. */
export const leastDays = 30;
/** A holding with less of the window than this would shorten it for all. */
const leastShare = 0.6;
const mostCorrelated = 10;

type Measured = Candidate & Exposure & Sensitivity;

const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits)) + 0;
const roundedOrNull = (value: number | null, digits: number): number | null =>
  value === null ? null : rounded(value, digits);

/** Every figure of a portfolio whose holdings have their closes; percents are of net liquidation. */
export function assess(assessment: Assessment) {
  const { candidates, benchmark, netLiquidation, windowDays, confidence, horizonDays } = assessment;
  const { included, excluded } = longEnough(candidates, benchmark, windowDays);
  const series = included.map(({ closes }) => closes);
  const days = commonDays(benchmark === null ? series : [benchmark, ...series], windowDays);
  const marketReturns = benchmark === null ? null : returnsOn(days, benchmark);
  const isEnough = included.length > 0 && days.length > leastDays && netLiquidation > 0;
  const measured = isEnough ? included.map((one) => measure(one, days, marketReturns)) : [];
  const tooFew = isEnough
    ? []
    : included.map((one): Excluded => leftOut(one, "too few days in common with the others"));
  const gains = gainsOf(measured);
  const percent = (amount: number): number => rounded((amount / netLiquidation) * 100, 3);
  const risk = isEnough ? valueAtRisk(gains, confidence, horizonDays) : null;
  const whole = isEnough
    ? sensitivity(
        gains.map((gain) => gain / netLiquidation),
        marketReturns ?? gains.map(() => 0),
      )
    : null;
  return {
    window: {
      observations: gains.length,
      from: isEnough ? (days[0] ?? null) : null,
      to: isEnough ? (days.at(-1) ?? null) : null,
    },
    valueAtRisk:
      risk === null
        ? null
        : {
            confidence,
            horizonDays,
            historical: rounded(risk.historical),
            historicalPercent: percent(risk.historical),
            expectedShortfall: rounded(risk.expectedShortfall),
            parametric: rounded(risk.parametric),
            parametricPercent: percent(risk.parametric),
          },
    volatilityPercent: whole === null ? null : rounded(whole.volatility * 100, 3),
    beta: roundedOrNull(whole?.beta ?? null, 4),
    rSquared: roundedOrNull(whole?.rSquared ?? null, 4),
    holdings: measured.map(({ symbol, conId, secType, marketValue, beta, volatility }) => ({
      symbol,
      conId,
      secType,
      marketValue: rounded(marketValue),
      percent: percent(marketValue),
      beta: roundedOrNull(beta, 4),
      volatilityPercent: rounded(volatility * 100, 3),
    })),
    concentration: concentration(assessment),
    correlation: {
      symbols: measured.slice(0, mostCorrelated).map(({ symbol }) => symbol),
      matrix: correlationMatrix(measured.slice(0, mostCorrelated).map(({ returns }) => returns)).map((row) =>
        row.map((value) => roundedOrNull(value, 3)),
      ),
    },
    stress: scenarios(measured, gains, days).map(({ scenario, gain }) => ({
      scenario,
      gain: rounded(gain),
      percent: percent(gain),
    })),
    excluded: [...excluded, ...tooFew],
  };
}

function longEnough(candidates: readonly Candidate[], benchmark: Closes | null, windowDays: number) {
  const longest = candidates
    .map(({ closes }) => closes)
    .reduce<Closes | null>(
      (best, one) => (best === null || one.days.length > best.days.length ? one : best),
      null,
    );
  const calendar = (benchmark ?? longest)?.days.slice(-(windowDays + 1)) ?? [];
  const included: Candidate[] = [];
  const excluded: Excluded[] = [];
  for (const one of candidates) {
    const own = new Set(one.closes.days);
    const shared = calendar.filter((day) => own.has(day)).length;
    if (shared > 0 && shared >= calendar.length * leastShare) included.push(one);
    else excluded.push(leftOut(one, `it has only ${shared} of ${calendar.length} days`));
  }
  return { included, excluded };
}

const leftOut = ({ symbol, conId, secType, marketValue }: Candidate, reason: string): Excluded => ({
  kind: "excluded",
  symbol,
  conId,
  secType,
  marketValue,
  reason,
});

function measure(one: Candidate, days: readonly string[], marketReturns: readonly number[] | null): Measured {
  const returns = returnsOn(days, one.closes);
  return { ...one, returns, ...sensitivity(returns, marketReturns ?? returns.map(() => 0)) };
}

function concentration({ values }: Assessment) {
  const { hhi, effectiveHoldings, shares } = concentrationOf(values.map(({ value }) => value));
  return {
    hhi: roundedOrNull(hhi, 4),
    effectiveHoldings: roundedOrNull(effectiveHoldings, 2),
    top: values
      .slice(0, mostCorrelated)
      .map(({ symbol }, index) => ({ symbol, percentOfGross: rounded((shares[index] ?? 0) * 100) })),
  };
}

function scenarios(measured: readonly Measured[], gains: readonly number[], days: readonly string[]) {
  const [largest] = measured;
  if (largest === undefined) return [];
  const betas = measured.map(({ marketValue, beta }) => (beta === null ? null : marketValue * beta));
  const exposure = betas.some((one) => one === null) ? null : sum(betas.map((one) => one ?? 0));
  const shocks = [-0.1, -0.2, 0.1].flatMap((shock) =>
    exposure === null
      ? []
      : [
          {
            scenario: `benchmark ${shock > 0 ? "+" : "−"}${Math.abs(shock * 100)} %`,
            gain: exposure * shock,
          },
        ],
  );
  const fall = largest.marketValue < 0 ? 0.25 : -0.25;
  return [
    ...shocks,
    worst(gains, days, 1),
    worst(gains, days, 5),
    {
      scenario: `${largest.symbol} alone ${fall > 0 ? "+" : "−"}25 %`,
      gain: largest.marketValue * fall,
    },
  ];
}

/** The run of days in the window that cost most; the return of day t ends on days[t + 1]. */
function worst(gains: readonly number[], days: readonly string[], length: number) {
  const runs = runsOf(gains, length);
  const start = runs.indexOf(Math.min(...runs));
  const last = days[start + length] ?? "";
  const scenario =
    length === 1 ? `worst day of the window, ${last}` : `worst ${length} days of the window, to ${last}`;
  return { scenario, gain: runs[start] ?? 0 };
}
