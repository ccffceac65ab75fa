import type { Motion } from "./instruments.ts";
import type { Stream } from "./noise.ts";
import { createStream, hashText } from "./noise.ts";

const yearMs = 365.25 * 86_400_000;

/** The unrounded price of a motion at an instant; always positive. */
export type Path = (at: number) => number;

/** Paths of one seed. Instruments that name the same walk share it, which is what correlates them. */
export function createPaths(seed: number, referenceAt: number): (motion: Motion) => Path {
  const streams = new Map<string, Stream>();
  const streamOf = (name: string) => {
    let stream = streams.get(name);
    if (stream === undefined) streams.set(name, (stream = createStream(hashText(seed, name))));
    return stream;
  };
  return ({ base, drift, terms }) => {
    const walks = terms.map(({ stream, weight }) => ({ stream: streamOf(stream), weight }));
    let middle = -Math.log(base);
    for (const { stream, weight } of walks) middle += weight * stream.at(referenceAt);
    return (at) => {
      let logarithm = (drift * (at - referenceAt)) / yearMs - middle;
      for (const walk of walks) logarithm += walk.weight * walk.stream.at(at);
      return Math.exp(logarithm);
    };
  };
}

/** Volatility per year of a motion. */
export function volatilityOf(motion: Motion): number {
  return Math.sqrt(motion.terms.reduce((sum, { weight }) => sum + weight ** 2, 0));
}
