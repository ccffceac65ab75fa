/** What an order may cost at most, as a plan reckons it: more than IBKR's usual schedules, so that cash is not overspent. */

interface Schedule {
  readonly perShare: number;
  readonly least: number;
  /** Share of the value: percentage schedules, and stamp duty where there is any. */
  readonly share: number;
}

const perShare = (amount: number): Schedule => ({ perShare: amount, least: 1, share: 0.0001 });
const ofValue = (least: number, share = 0.0015): Schedule => ({ perShare: 0, least, share });

const schedules: ReadonlyMap<string, Schedule> = new Map([
  ["USD", perShare(0.005)],
  ["CAD", perShare(0.01)],
  ["EUR", ofValue(4, 0.005)],
  ["GBP", ofValue(6, 0.0075)],
  ["CHF", ofValue(10)],
  ["AUD", ofValue(6)],
  ["HKD", ofValue(20, 0.0025)],
  ["SGD", ofValue(3)],
  ["JPY", ofValue(100)],
  ["SEK", ofValue(60)],
  ["NOK", ofValue(60)],
  ["DKK", ofValue(60)],
]);

const elsewhere = ofValue(100, 0.0075);

/** In the currency of the instrument; `value` is that of the whole order. */
export function commissionAtMost(currency: string, quantity: number, value: number): number {
  const { perShare: each, least, share } = schedules.get(currency) ?? elsewhere;
  return Math.max(least, each * quantity) + share * value;
}
