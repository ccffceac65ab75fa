/** Progress of probing for one intent whose outcome is unknown. */
interface Probe {
  /** Complete probes that did not show it, since the last disconnect. */
  misses: number;
  missedAt: number;
  /** The position before today's fills at the last miss; null when it was not read. */
  positionBefore: number | null;
  /** All probes for it. */
  probeCount: number;
  timer: NodeJS.Timeout | null;
}

/** Longest wait between two probes: they become rarer, and never end. */
const longestWaitMs = 5 * 60_000;
/** Probes at the usual interval, before each wait is twice the last. */
const mostUsualProbes = 6;

/** Timers of the intents whose orders TWS has not shown: `run` is called when a probe is due. */
export function createProbeSchedule(probeIntervalMs: number, run: (intentId: string) => void) {
  const probes = new Map<string, Probe>();

  function of(intentId: string): Probe {
    const known = probes.get(intentId);
    if (known !== undefined) return known;
    const probe: Probe = { misses: 0, missedAt: 0, positionBefore: null, probeCount: 0, timer: null };
    probes.set(intentId, probe);
    return probe;
  }

  return {
    has: (intentId: string): boolean => probes.has(intentId),

    misses: (intentId: string): number => probes.get(intentId)?.misses ?? 0,

    /**
     * A complete probe, begun at `at` by the clock of the process, has not shown it. Probes in quick succession count as
     * one. Returns how many count, and whether the position before the fills is as it was at the last.
     */
    recordMiss(intentId: string, at: number, positionBefore: number | null) {
      const probe = of(intentId);
      const positionsAgree =
        positionBefore === null ? null : probe.misses === 0 || positionBefore === probe.positionBefore;
      // fills and positions that do not go together are still on their way
      if (positionsAgree === false) probe.misses = 0;
      if (probe.misses === 0 || at - probe.missedAt >= probeIntervalMs) {
        probe.misses += 1;
        probe.missedAt = at;
        probe.positionBefore = positionBefore;
      }
      return { misses: probe.misses, positionsAgree };
    },

    /** Called after a disconnect: the misses of earlier probes prove nothing any more. */
    forgetMisses(): void {
      for (const probe of probes.values()) probe.misses = 0;
    },

    probeAgain(intentId: string): void {
      const probe = of(intentId);
      if (probe.timer !== null) return;
      probe.probeCount += 1;
      const waitMs = Math.min(
        longestWaitMs,
        probeIntervalMs * 2 ** Math.max(0, probe.probeCount - mostUsualProbes),
      );
      probe.timer = setTimeout(() => {
        probe.timer = null;
        run(intentId);
      }, waitMs);
    },

    end(intentId: string): void {
      const timer = probes.get(intentId)?.timer ?? null;
      if (timer !== null) clearTimeout(timer);
      probes.delete(intentId);
    },

    close(): void {
      for (const intentId of probes.keys()) this.end(intentId);
    },
  };
}
