/** What a bond pays: half its coupon twice a year, counted back from maturity, and 100 at the end. Rates are in percent. */
export interface CashFlows {
  readonly coupon: number;
  /** yyyymmdd, a day that every sixth month has. */
  readonly maturity: string;
}

const dayMs = 86_400_000;
const halfYearMs = 182.625 * dayMs;

/** The coupons still to come, and how much of the running period is left. */
interface Schedule {
  readonly coupons: number;
  /** Of half a year, above 0 and at most 1. */
  readonly untilNext: number;
}

/** Null from maturity on. */
function scheduleAt(maturity: string, at: number): Schedule | null {
  const year = Number(maturity.slice(0, 4));
  const month = Number(maturity.slice(4, 6)) - 1;
  const day = Number(maturity.slice(6, 8));
  const couponAt = (back: number) => Date.UTC(year, month - 6 * back, day);
  if (at >= couponAt(0)) return null;
  let coupons = Math.max(1, Math.floor((couponAt(0) - at) / halfYearMs));
  while (couponAt(coupons) > at) coupons += 1;
  while (couponAt(coupons - 1) <= at) coupons -= 1;
  const [before, next] = [couponAt(coupons), couponAt(coupons - 1)];
  return { coupons, untilNext: (next - at) / (next - before) };
}

function priceOf({ coupons, untilNext }: Schedule, coupon: number, yieldPercent: number): number {
  const half = coupon / 2;
  const discount = 1 / (1 + yieldPercent / 200);
  const annuity = discount === 1 ? coupons : (1 - discount ** coupons) / (1 - discount);
  const dirty = discount ** untilNext * (half * annuity + 100 * discount ** (coupons - 1));
  return dirty - half * (1 - untilNext);
}

/** The clean price, in percent of par, at a yield to maturity compounded twice a year; null from maturity on. */
export function priceAtYield(
  { coupon, maturity }: CashFlows,
  yieldPercent: number,
  at: number,
): number | null {
  const schedule = scheduleAt(maturity, at);
  return schedule === null ? null : priceOf(schedule, coupon, yieldPercent);
}

const step = 1e-4;
const mostSteps = 30;

/** The yield to maturity at a clean price, in percent to three places; null from maturity on, and for no price. */
export function yieldAtPrice({ coupon, maturity }: CashFlows, price: number, at: number): number | null {
  const schedule = scheduleAt(maturity, at);
  if (schedule === null || price <= 0) return null;
  // Newton's way: the price falls ever more slowly as the yield rises, so it does not run away
  let found = coupon;
  for (let left = mostSteps; left > 0; left -= 1) {
    const value = priceOf(schedule, coupon, found);
    const slope = (priceOf(schedule, coupon, found + step) - value) / step;
    const next = Math.max(-90, found - (value - price) / slope);
    const isClose = Math.abs(next - found) < 1e-7;
    found = next;
    if (isClose) break;
  }
  return Math.round(found * 1000) / 1000;
}

/** By how many percent the price falls when the yield rises by one point. */
export function durationAt(flows: CashFlows, yieldPercent: number, at: number): number {
  const price = priceAtYield(flows, yieldPercent, at);
  const above = priceAtYield(flows, yieldPercent + 0.01, at);
  return price === null || above === null ? 0 : ((price - above) / price) * 10_000;
}
