/** Money as whole millionths, so that sums are exact; people are shown cents. */
export type Micros = number;

const million = 1_000_000;

export function micros(amount: number): Micros {
  return Math.round(amount * million);
}

/** The nearest cent, as an amount. */
export function toCents(value: Micros): number {
  // a negative zero would print as "-0.00"
  return Math.round(value / 10_000) / 100 + 0;
}

/** The nearest whole cent, still in millionths. */
export function wholeCents(value: Micros): Micros {
  return Math.round(value / 10_000) * 10_000;
}

export function toAmount(value: Micros): number {
  return value / million + 0;
}

/** Adds amounts of whole cents without the dust of binary fractions. */
export function sumCents(amounts: Iterable<number>): number {
  let cents = 0;
  for (const amount of amounts) cents += Math.round(amount * 100);
  return cents / 100 + 0;
}
