/** How often something may be done: `burst` times at once, and after that `perSecond`. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

interface Bucket {
  left: number;
  /** Unix milliseconds. */
  at: number;
}

/** Token buckets, one for each of many who share nothing but the rate. In memory only. */
export interface TokenBuckets {
  /** Uses one of them. Returns 0, or how many milliseconds it takes until there is one again, and uses none then. */
  take(who: string, now: number): number;
  /** How much is left; 1 is all of it. */
  share(who: string, now: number): number;
  /** How long until there is one, in milliseconds, without using it. */
  waitMs(who: string, now: number): number;
}

/** `most` bounds how many are remembered: who has been quiet for longest is forgotten first, and has all of it again. */
export function createTokenBuckets({ burst, perSecond }: Rate, most: number): TokenBuckets {
  // in the order of their last use
  const known = new Map<string, Bucket>();

  const leftOf = (who: string, now: number): number => {
    const before = known.get(who);
    if (before === undefined) return burst;
    return Math.min(burst, before.left + (Math.max(0, now - before.at) * perSecond) / 1000);
  };

  const waitFor = (left: number): number =>
    left >= 1 ? 0 : Math.ceil(((1 - left) * 1000) / perSecond - 1e-6);

  return {
    take(who, now) {
      const left = leftOf(who, now);
      known.delete(who);
      const [quietest] = known.keys();
      if (known.size >= most && quietest !== undefined) known.delete(quietest);
      const waitMs = waitFor(left);
      known.set(who, { left: waitMs === 0 ? left - 1 : left, at: now });
      return waitMs;
    },
    share: (who, now) => leftOf(who, now) / burst,
    waitMs: (who, now) => waitFor(leftOf(who, now)),
  };
}
