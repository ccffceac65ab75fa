import type { Right } from "../model/instruments.ts";

export interface OptionTerms {
  readonly right: Right;
  readonly spot: number;
  readonly strike: number;
  /** Years to expiry; at 0 the option is worth its intrinsic value. */
  readonly years: number;
  /** Per year, continuously compounded. */
  readonly rate: number;
  /** What holding the underlying costs per year: the rate for what is paid in full, 0 for a future (Black-76). */
  readonly carry: number;
  readonly volatility: number;
}

export interface OptionValue {
  readonly price: number;
  readonly delta: number;
  readonly gamma: number;
  /** Change for one percentage point of volatility, as TWS shows it. */
  readonly vega: number;
  /** Change in one calendar day. */
  readonly theta: number;
}

const sqrt2Pi = Math.sqrt(2 * Math.PI);

function density(x: number): number {
  return Math.exp((-x * x) / 2) / sqrt2Pi;
}

/** The normal distribution function to about 1e-15, after Graeme West's rendering of Hart's algorithm. */
export function normalCdf(x: number): number {
  const z = Math.abs(x);
  if (z > 37) return x > 0 ? 1 : 0;
  const e = Math.exp((-z * z) / 2);
  let tail;
  if (z < 7.071_067_811_865_47) {
    let top = 0.0352624965998911 * z + 0.700383064443688;
    for (const c of [
      6.37396220353165, 33.912866078383, 112.079291497871, 221.213596169931, 220.206867912376,
    ]) {
      top = top * z + c;
    }
    let bottom = 0.0883883476483184 * z + 1.75566716318264;
    for (const c of [
      16.064177579207, 86.7807322029461, 296.564248779674, 637.333633378831, 793.826512519948,
    ]) {
      bottom = bottom * z + c;
    }
    tail = (e * top) / (bottom * z + 440.413735824752);
  } else {
    tail = e / (z + 1 / (z + 2 / (z + 3 / (z + 4 / (z + 0.65))))) / sqrt2Pi;
  }
  return x > 0 ? 1 - tail : tail;
}

/** Price of a European option on what pays no dividends. */
export function optionPrice({ right, spot, strike, years, rate, carry, volatility }: OptionTerms): number {
  const sign = right === "C" ? 1 : -1;
  const left = Math.max(0, years);
  const carried = spot * Math.exp((carry - rate) * left);
  const discounted = strike * Math.exp(-rate * left);
  if (left === 0 || volatility <= 0) return Math.max(0, sign * (carried - discounted));
  const width = volatility * Math.sqrt(left);
  const d1 = (Math.log(spot / strike) + (carry + volatility ** 2 / 2) * left) / width;
  return sign * (carried * normalCdf(sign * d1) - discounted * normalCdf(sign * (d1 - width)));
}

/** Price and greeks of a European option on what pays no dividends. */
export function optionValue(terms: OptionTerms): OptionValue {
  const { right, spot, strike, years, rate, carry, volatility } = terms;
  const price = optionPrice(terms);
  const sign = right === "C" ? 1 : -1;
  if (years <= 0 || volatility <= 0) {
    return { price, delta: sign * (spot - strike) > 0 ? sign : 0, gamma: 0, vega: 0, theta: 0 };
  }
  const root = Math.sqrt(years);
  const d1 = (Math.log(spot / strike) + (carry + volatility ** 2 / 2) * years) / (volatility * root);
  const d2 = d1 - volatility * root;
  const growth = Math.exp((carry - rate) * years);
  const bought = (carry - rate) * spot * growth * normalCdf(sign * d1);
  const paid = rate * strike * Math.exp(-rate * years) * normalCdf(sign * d2);
  const decay = (spot * growth * density(d1) * volatility) / (2 * root);
  return {
    price,
    delta: sign * growth * normalCdf(sign * d1),
    gamma: (growth * density(d1)) / (spot * volatility * root),
    vega: (spot * growth * density(d1) * root) / 100,
    theta: (-decay - sign * (bought + paid)) / 365,
  };
}

const highestVolatility = 20;

/** The volatility at which an option has a price; null when no volatility up to 2000 % gives it. */
export function volatilityAt(terms: Omit<OptionTerms, "volatility">, price: number): number | null {
  const priceAt = (volatility: number) => optionPrice({ ...terms, volatility });
  if (price <= priceAt(0) || price >= priceAt(highestVolatility)) return null;
  let low = 0;
  let high = highestVolatility;
  // each step halves the error, so it ends at the last bit of a double
  for (let step = 0; step < 60; step += 1) {
    const middle = (low + high) / 2;
    if (priceAt(middle) < price) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
