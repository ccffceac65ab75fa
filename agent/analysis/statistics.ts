/** The few statistics that the risk figures stand on; every one throws RangeError on too few values. */

function need(values: readonly number[], least: number): void {
  if (values.length < least) throw new RangeError(`needs ${least} values, has ${values.length}`);
}

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

export function mean(values: readonly number[]): number {
  need(values, 1);
  return sum(values) / values.length;
}

/** Of two series of equal length, with n − 1 in the denominator. */
export function covariance(a: readonly number[], b: readonly number[]): number {
  need(a, 2);
  if (a.length !== b.length) throw new RangeError(`series of ${a.length} and ${b.length} values`);
  const [meanA, meanB] = [mean(a), mean(b)];
  return sum(a.map((value, index) => (value - meanA) * ((b[index] ?? NaN) - meanB))) / (a.length - 1);
}

/** Sample standard deviation. */
export const deviation = (values: readonly number[]): number => Math.sqrt(covariance(values, values));

/** Pearson's; null where one series does not move. */
export function correlation(a: readonly number[], b: readonly number[]): number | null {
  const scale = deviation(a) * deviation(b);
  if (scale === 0) return null;
  return Math.min(1, Math.max(-1, covariance(a, b) / scale));
}

/** The slope of `a` on `b`; null where `b` does not move. */
export function slope(a: readonly number[], b: readonly number[]): number | null {
  const variance = covariance(b, b);
  return variance === 0 ? null : covariance(a, b) / variance;
}

/** The value below which the share `p` of the values lies, by linear interpolation between the two nearest. */
export function quantile(values: readonly number[], p: number): number {
  need(values, 1);
  const sorted = values.toSorted((a, b) => a - b);
  const at = p * (sorted.length - 1);
  const low = Math.floor(at);
  const [below = NaN, above = below] = sorted.slice(low, low + 2);
  return below + (at - low) * (above - below);
}

/**
 * The standard normal deviate below which the probability `p` lies, 0 < p < 1. By Wichura's algorithm AS 241 (PPND16),
 * which is exact to about 16 digits.
 */
export function normalQuantile(p: number): number {
  if (!(p > 0 && p < 1)) throw new RangeError(`${p} is no probability between 0 and 1`);
  const centred = p - 0.5;
  if (Math.abs(centred) <= 0.425) {
    const r = 0.180_625 - centred * centred;
    return (centred * polynomial(near.over, r)) / polynomial(near.under, r);
  }
  const r = Math.sqrt(-Math.log(centred < 0 ? p : 1 - p));
  const { over, under, shift } = r <= 5 ? far : farthest;
  return Math.sign(centred) * (polynomial(over, r - shift) / polynomial(under, r - shift));
}

const polynomial = (coefficients: readonly number[], x: number): number =>
  coefficients.reduceRight((value, coefficient) => value * x + coefficient, 0);

const near = {
  over: [
    3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987,
    67265.7709270087, 33430.57558358813, 2509.0809287301227,
  ],
  under: [
    1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271,
    28729.085735721943, 5226.495278852854,
  ],
} as const;

const far = {
  shift: 1.6,
  over: [
    1.4234371107496837, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684,
    0.2417807251774506, 0.022723844989269184, 0.0007745450142783414,
  ],
  under: [
    1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457,
    0.0005475938084995345, 1.0507500716444169e-9,
  ],
} as const;

const farthest = {
  shift: 5,
  over: [
    6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124,
    0.0012426609473880784, 2.711555568743488e-5, 2.0103343992922881e-7,
  ],
  under: [
    1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133,
    1.846318317510055e-5, 1.421511758316446e-7, 2.0442631033899397e-15,
  ],
} as const;
