import { correlation, deviation, mean, normalQuantile, quantile, slope, sum } from "./statistics.ts";

/** One holding with its daily returns, over the same days as every other and as the benchmark. */
export interface Exposure {
  /** In the account's currency, negative when short. */
  readonly marketValue: number;
  readonly returns: readonly number[];
}

export interface Closes {
  /** Of the day, in rising order; the keys that series are joined by. */
  readonly days: readonly string[];
  readonly prices: readonly number[];
}

const tradingDaysAYear = 252;

/** The latest `most` + 1 days that every series has, oldest first. */
export function commonDays(series: readonly Closes[], most: number): string[] {
  const [first, ...others] = series;
  if (first === undefined) return [];
  const sets = others.map(({ days }) => new Set(days));
  return first.days.filter((day) => sets.every((set) => set.has(day))).slice(-(most + 1));
}

/** Simple returns from each of the days to the next. */
export function returnsOn(days: readonly string[], { days: own, prices }: Closes): number[] {
  const byDay = new Map(own.map((day, index) => [day, prices[index] ?? NaN]));
  const chosen = days.map((day) => byDay.get(day) ?? NaN);
  return chosen.slice(1).map((price, index) => price / (chosen[index] ?? NaN) - 1);
}

/** What today's holdings would have gained on each day of the window, in the account's currency. */
export function gainsOf(exposures: readonly Exposure[]): number[] {
  const days = exposures[0]?.returns.length ?? 0;
  return Array.from({ length: days }, (_, day) =>
    sum(exposures.map(({ marketValue, returns }) => marketValue * (returns[day] ?? NaN))),
  );
}

/** Sums over every run of `length` days. */
export const runsOf = (gains: readonly number[], length: number): number[] =>
  gains.slice(length - 1).map((_, start) => sum(gains.slice(start, start + length)));

export interface ValueAtRisk {
  /** Losses in the account's currency, never below 0. */
  readonly historical: number;
  readonly expectedShortfall: number;
  readonly parametric: number;
}

/** Loss that is not exceeded with the given confidence over so many trading days. */
export function valueAtRisk(gains: readonly number[], confidence: number, horizonDays: number): ValueAtRisk {
  const runs = runsOf(gains, horizonDays);
  const worst = quantile(runs, 1 - confidence);
  const tail = runs.filter((gain) => gain <= worst);
  return {
    historical: Math.max(0, -worst),
    expectedShortfall: Math.max(0, -mean(tail)),
    parametric: normalQuantile(confidence) * deviation(gains) * Math.sqrt(horizonDays),
  };
}

export interface Sensitivity {
  readonly beta: number | null;
  readonly rSquared: number | null;
  /** Of a year. */
  readonly volatility: number;
}

/** How returns move with the benchmark's. */
export function sensitivity(returns: readonly number[], benchmark: readonly number[]): Sensitivity {
  const r = correlation(returns, benchmark);
  return {
    beta: slope(returns, benchmark),
    rSquared: r === null ? null : r * r,
    volatility: deviation(returns) * Math.sqrt(tradingDaysAYear),
  };
}

export interface Concentration {
  /** Sum of squared shares of the gross value: 1 when all is in one holding. */
  readonly hhi: number | null;
  /** As many equal holdings would be as concentrated. */
  readonly effectiveHoldings: number | null;
  /** Shares of the gross value, in the order given. */
  readonly shares: readonly number[];
}

export function concentrationOf(marketValues: readonly number[]): Concentration {
  const gross = sum(marketValues.map(Math.abs));
  if (gross === 0) return { hhi: null, effectiveHoldings: null, shares: marketValues.map(() => 0) };
  const shares = marketValues.map((value) => Math.abs(value) / gross);
  const hhi = sum(shares.map((share) => share * share));
  return { hhi, effectiveHoldings: 1 / hhi, shares };
}

/** Pearson's correlation of each with each; null where one does not move. */
export const correlationMatrix = (series: readonly (readonly number[])[]): (number | null)[][] =>
  series.map((a, row) => series.map((b, column) => (row === column ? 1 : correlation(a, b))));
