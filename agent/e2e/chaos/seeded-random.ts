import { unit } from "../../simulator/market/noise.ts";

/** Choices that a seed makes, always the same in the same order. */
export function createSeededRandom(seed: number) {
  let drawn = 0;
  const next = () => unit(seed, (drawn += 1));
  return {
    /** From 0 up to, and without, `below`. */
    integer: (below: number): number => Math.floor(next() * below),
    happens: (probability: number): boolean => next() < probability,
    /** Null for an empty list. */
    oneOf<T>(list: readonly T[]): T | null {
      return list[Math.floor(next() * list.length)] ?? null;
    },
  };
}
export type SeededRandom = ReturnType<typeof createSeededRandom>;
