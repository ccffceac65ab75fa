import type { BarQuery } from "../model/market.ts";
import type { HistoricalDataRequest } from "../wire/requests.ts";

/** Bars longer than this TWS delays instead of refusing, when too many are asked for. */
const strictUpToMs = 30_000;
const sameMs = 15_000;
const burstLimit = { ms: 2_000, most: 5 } as const;
const windowLimit = { ms: 600_000, most: 60 } as const;

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
      if (query.barSizeMs > strictUpToMs) return true;
      const { instrument, source, useRth } = query;
      const series = `${instrument.conId} ${source}`;
      const request = [series, endDateTime, duration, barSize, useRth].join("|");
      asked = asked.filter((one) => at - one.at < windowLimit.ms);
      const cost = source === "BID_ASK" ? 2 : 1;
      const isRepeated = asked.some((one) => one.request === request && at - one.at < sameMs);
      const burst = asked.filter((one) => one.series === series && at - one.at < burstLimit.ms);
      const spent = asked.reduce((sum, one) => sum + one.cost, 0);
      if (isRepeated || burst.length >= burstLimit.most || spent + cost > windowLimit.most) return false;
      asked.push({ at, cost, request, series });
      return true;
    },
  };
}
