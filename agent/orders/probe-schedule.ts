/** What this process knows of a wish that it does not know the end of. */
interface Search {
  /** Complete looks that did not show it, since nothing was lost. */
  misses: number;
  missedAt: number;
  /** How often it was looked for in all. */
  looks: number;
  timer: NodeJS.Timeout | null;
}

/** It is looked for less and less often, but never given up. */
const longestWaitMs = 5 * 60_000;
/** Looks at the usual distance, before they become rare. */
const mostUsualLooks = 6;

/** The wishes that are looked for, each by a timer of its own. */
export function createSearches(lookAgainMs: number, look: (intentId: string) => void) {
  const searches = new Map<string, Search>();

  function of(intentId: string): Search {
    const known = searches.get(intentId);
    if (known !== undefined) return known;
    const search: Search = { misses: 0, missedAt: 0, looks: 0, timer: null };
    searches.set(intentId, search);
    return search;
  }

  return {
    has: (intentId: string): boolean => searches.has(intentId),

    misses: (intentId: string): number => searches.get(intentId)?.misses ?? 0,

    /**
     * A complete look, begun at `at` by the clock of the process, has not shown it. Looks in quick succession count as
     * one. Returns how many count.
     */
    missed(intentId: string, at: number): number {
      const search = of(intentId);
      if (search.misses === 0 || at - search.missedAt >= lookAgainMs) {
        search.misses += 1;
        search.missedAt = at;
      }
      return search.misses;
    },

    /** Something was lost: what earlier looks did not show says nothing any more. */
    forgetMisses(): void {
      for (const search of searches.values()) search.misses = 0;
    },

    again(intentId: string): void {
      const search = of(intentId);
      if (search.timer !== null) return;
      search.looks += 1;
      const waitMs = Math.min(longestWaitMs, lookAgainMs * Math.max(1, search.looks - mostUsualLooks));
      search.timer = setTimeout(() => {
        search.timer = null;
        look(intentId);
      }, waitMs);
    },

    end(intentId: string): void {
      const timer = searches.get(intentId)?.timer ?? null;
      if (timer !== null) clearTimeout(timer);
      searches.delete(intentId);
    },

    close(): void {
      for (const intentId of searches.keys()) this.end(intentId);
    },
  };
}
