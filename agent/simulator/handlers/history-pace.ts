import type { BarQuery } from "../model/market.ts";
import type { HistoricalDataRequest } from "../wire/requests.ts";

/** Bars longer than this TWS delays instead of refusing, when too many are asked for. */
const STRICT_UP_TO_MS = 30_000;
const SAME_MS = 15_000;
const BURST = { ms: 2_000, most: 5 } as const;
const WINDOW = { ms: 600_000, most: 60 } as const;

interface Asked {
  readonly at: number;
  readonly cost: number;
  readonly request: string;
  readonly series: string;
}

/** TWS's limits on requests for short bars, over all clients. */
export interface HistoryPace {
  /** Counts a request at an instant of a steady clock; false when it is a pacing violation. */
  allows(query: BarQuery, request: HistoricalDataRequest, at: number): boolean;
}

export function createHistoryPace(): HistoryPace {
  let asked: Asked[] = [];
  return {
    allows(query, { endDateTime, duration, barSize }, at) {
      if (query.barSizeMs > STRICT_UP_TO_MS) return true;
      const { instrument, source, useRth } = query;
      const series = `${instrument.conId} ${source}`;
      const request = [series, endDateTime, duration, barSize, useRth].join("|");
      asked = asked.filter((one) => at - one.at < WINDOW.ms);
      const cost = source === "BID_ASK" ? 2 : 1;
      const isRepeated = asked.some((one) => one.request === request && at - one.at < SAME_MS);
      const burst = asked.filter((one) => one.series === series && at - one.at < BURST.ms);
      const spent = asked.reduce((sum, one) => sum + one.cost, 0);
      if (isRepeated || burst.length >= BURST.most || spent + cost > WINDOW.most) return false;
      asked.push({ at, cost, request, series });
      return true;
    },
  };
}
