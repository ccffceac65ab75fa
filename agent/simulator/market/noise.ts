/** Randomness as pure functions: what a stream is at an instant needs no history, so any instant costs the same. */

const yearMs = 365.25 * 86_400_000;
/** Shortest octave, and how much longer each next one is. The longest is about a year. */
const firstPeriodMs = 3_000;
const periodRatio = 6;
const octaves = 10;
/** Measured: with this factor a stream's daily changes have the variance of one year's unit of volatility. */
const calibration = 0.728;

function mix(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x7feb352d);
  h ^= h >>> 15;
  h = Math.imul(h, 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** An unsigned 32-bit hash of three integers. */
export function hash(seed: number, a: number, b = 0): number {
  return mix(mix(mix(seed + 0x9e3779b9) ^ Math.imul(a, 0x9e3779b1)) + Math.imul(b, 0x85ebca6b));
}

/** A number in [0, 1) for three integers. */
export function unit(seed: number, a: number, b = 0): number {
  return hash(seed, a, b) / 4_294_967_296;
}

export function hashText(seed: number, text: string): number {
  let h = seed;
  for (let index = 0; index < text.length; index += 1) h = hash(h, text.charCodeAt(index), index);
  return h;
}

/** A random walk: the standard deviation of its change over one year is about one. */
export interface Stream {
  at(time: number): number;
}

/**
 * Octaves of value noise whose variance grows with their period, as a Brownian motion's would. Being a finite sum it
 * stays near its middle over decades. The lattice of each octave is kept between calls, so neighbours in time are cheap.
 */
export function createStream(seed: number): Stream {
  const inverse = new Float64Array(octaves);
  const phase = new Float64Array(octaves);
  const amplitude = new Float64Array(octaves);
  const cell = new Float64Array(octaves).fill(Number.NaN);
  const left = new Float64Array(octaves);
  const right = new Float64Array(octaves);
  const salts = new Int32Array(octaves);
  for (let k = 0; k < octaves; k += 1) {
    const period = firstPeriodMs * periodRatio ** k;
    inverse[k] = 1 / period;
    phase[k] = unit(seed, k, 1);
    // a uniform number in [-1, 1) has a third of unit variance
    amplitude[k] = calibration * Math.sqrt((3 * period) / yearMs);
    salts[k] = hash(seed, k, 2);
  }
  const value = (octave: number, index: number) =>
    mix(mix(Math.imul(index, 0x9e3779b1)) ^ (salts[octave] ?? 0)) / 2_147_483_648 - 1;

  return {
    at(time) {
      let sum = 0;
      for (let k = 0; k < octaves; k += 1) {
        const x = time * (inverse[k] ?? 0) + (phase[k] ?? 0);
        const index = Math.floor(x);
        if (index !== cell[k]) {
          cell[k] = index;
          left[k] = value(k, index);
          right[k] = value(k, index + 1);
        }
        const f = x - index;
        const from = left[k] ?? 0;
        sum += (amplitude[k] ?? 0) * (from + ((right[k] ?? 0) - from) * f * f * (3 - 2 * f));
      }
      return sum;
    },
  };
}
