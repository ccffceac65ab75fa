const windowMs = 1000;
const maxStrikes = 3;

export type Pace = "fine" | "exceeded" | "expelled";

export interface Pacing {
  /** Counts one message that came in at `at` (milliseconds of any steady clock). */
  count(at: number): Pace;
  strikes(): number;
}

/** TWS complains about more than so many messages in a second, and hangs up at the third complaint. */
export function pacing(maxPerSecond: number): Pacing {
  let recent: number[] = [];
  let strikes = 0;
  return {
    strikes: () => strikes,
    count(at) {
      const oldest = recent[0];
      if (oldest !== undefined && at - oldest >= windowMs) {
        recent = recent.filter((time) => at - time < windowMs);
      }
      recent.push(at);
      if (recent.length <= maxPerSecond) return "fine";
      recent = [];
      strikes++;
      return strikes >= maxStrikes ? "expelled" : "exceeded";
    },
  };
}
