interface BackoffOptions {
  readonly firstMs: number;
  readonly capMs: number;
  /** A connection must have lasted this long before the next failure starts again at firstMs. */
  readonly stableAfterMs: number;
  /** In [0, 1). */
  readonly random: () => number;
}

export interface Backoff {
  /** The wait before the next attempt. `uptimeMs` is how long the last connection lasted; 0 if it never came up. */
  next(uptimeMs: number): number;
}

/** Exponential back-off with jitter: each wait is between half of the step and the whole of it. */
export function createBackoff({ firstMs, capMs, stableAfterMs, random }: BackoffOptions): Backoff {
  let attempts = 0;
  return {
    next(uptimeMs) {
      if (uptimeMs >= stableAfterMs) attempts = 0;
      const step = Math.min(capMs, firstMs * 2 ** attempts);
      attempts += 1;
      return Math.round(step / 2 + (random() * step) / 2);
    },
  };
}
