import { DurationUnit, EventName, WhatToShow } from "@stoqey/ib";
import type { IBApi } from "@stoqey/ib";
import type { Contract } from "../../../shared/contract.ts";
import type { BarKind, historyTools } from "../../../shared/tools/history.ts";
import type { OutputOf } from "../../../shared/tools/define.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { utcForTws } from "./history.ts";
import { kindToTws } from "./bar-kinds.ts";
import { createHistoryKind } from "./history-budget.ts";
import type { Dated, HistoryQuestion } from "./history-budget.ts";
import { barSizeToTws, contractToTws } from "../contracts/translate.ts";
import { figureOf } from "../session/figures.ts";
import { readTime } from "../session/time-zone.ts";

export type HistogramRow = OutputOf<(typeof historyTools)["ibkr_get_histogram_data"]>["histogram"][number];
type SessionRow = OutputOf<(typeof historyTools)["ibkr_get_trading_schedule"]>["sessions"][number];

interface Schedule {
  readonly timeZone: string;
  readonly sessions: SessionRow[];
}

function questionOf(what: string, contract: Contract, kind: string, ...rest: unknown[]): HistoryQuestion {
  const { conId, exchange, symbol } = contract;
  return {
    what: `${what} of ${symbol}`,
    series: `${conId} ${exchange} ${kind}`,
    key: JSON.stringify([conId, exchange, kind, ...rest]),
    cost: kind.endsWith("BID_ASK") ? 2 : 1,
  };
}

/** A time as ISO 8601, or null, and as TWS wrote it. */
interface ToldTime {
  readonly at: string | null;
  readonly text: string;
}

const askHead = createHistoryKind<ToldTime>();

/** The earliest instant of which there is data. Throws no_data, no_market_data, pacing, timeout. */
export function headTimestamp(
  session: TwsSession,
  { contract, whatToShow, useRTH }: { contract: Contract; whatToShow: BarKind; useRTH: boolean },
  context: RequestContext,
): Promise<Dated<ToldTime>> {
  const question = questionOf("the first data", contract, whatToShow, useRTH, "head");
  return askHead(session, question, context, (inner) =>
    session.request<ToldTime>(
      {
        lane: "data",
        what: question.what,
        start: (ib, reqId) =>
          ib.reqHeadTimestamp(reqId, contractToTws(contract), kindToTws(whatToShow), useRTH, 1),
        // TWS counts the request as open until it is cancelled
        cancel: (ib, reqId) => ib.cancelHeadTimestamp(reqId),
        cancelAfter: true,
        on: {
          // "19801212-14:30:00" in UTC, and so is one without a zone
          [EventName.headTimestamp]: (control, _id, text) =>
            control.resolve({ at: readTime(text, "UTC"), text }),
        },
      },
      inner,
    ),
  );
}

const units = {
  day: DurationUnit.DAY,
  week: DurationUnit.WEEK,
  month: DurationUnit.MONTH,
  year: DurationUnit.YEAR,
} as const;
export type HistogramUnit = keyof typeof units;
export const isHistogramUnit = (text: string): text is HistogramUnit => Object.hasOwn(units, text);

const askHistogram = createHistoryKind<HistogramRow[]>();

/** How much was traded at each price over a period, lowest price first. Throws as headTimestamp. */
export function histogram(
  session: TwsSession,
  request: { contract: Contract; count: number; unit: HistogramUnit; useRTH: boolean },
  context: RequestContext,
): Promise<Dated<HistogramRow[]>> {
  const { contract, count, unit, useRTH } = request;
  const question = questionOf("the histogram", contract, "TRADES", count, unit, useRTH, "histogram");
  return askHistogram(session, question, context, (inner) =>
    session.request<HistogramRow[]>(
      {
        lane: "data",
        what: question.what,
        start: (ib, reqId) => ib.reqHistogramData(reqId, contractToTws(contract), useRTH, count, units[unit]),
        cancel: (ib, reqId) => ib.cancelHistogramData(reqId),
        on: {
          [EventName.histogramData]: (control, _id, entries) => {
            const rows = entries.flatMap((entry) => {
              const price = figureOf(entry.price);
              const size = figureOf(entry.size);
              return price === null || size === null ? [] : [{ price, size }];
            });
            control.resolve(rows.sort((a, b) => a.price - b.price));
          },
        },
      },
      inner,
    ),
  );
}

const askSchedule = createHistoryKind<Schedule>();

/** Sessions of past days up to today or `endAt`, oldest first. Throws as headTimestamp. */
export function tradingSchedule(
  session: TwsSession,
  request: { contract: Contract; duration: string; useRTH: boolean; endAt?: string | undefined },
  context: RequestContext,
): Promise<Dated<Schedule>> {
  const { contract, duration, useRTH, endAt } = request;
  const question = questionOf("the trading schedule", contract, "SCHEDULE", duration, useRTH, endAt);
  const start = (ib: IBApi, reqId: number): unknown =>
    ib.reqHistoricalData(
      reqId,
      contractToTws(contract),
      endAt === undefined ? "" : utcForTws(endAt),
      duration,
      barSizeToTws("1 day"),
      WhatToShow.SCHEDULE,
      useRTH,
      1,
      false,
    );
  return askSchedule(session, question, context, (inner) =>
    session.request<Schedule>(
      {
        lane: "data",
        what: question.what,
        start,
        cancel: (ib, reqId) => ib.cancelHistoricalData(reqId),
        on: {
          [EventName.historicalSchedule]: (control, _id, _start, _end, timeZone, sessions) =>
            control.resolve({
              timeZone,
              sessions: sessions.map(({ refDate, startDateTime, endDateTime }) => ({
                date: readTime(refDate, timeZone) ?? refDate,
                opensAt: instantOf(startDateTime, timeZone),
                closesAt: instantOf(endDateTime, timeZone),
              })),
            }),
        },
      },
      inner,
    ),
  );
}

/** TWS writes these with a dash and means the clock of the venue. */
const instantOf = (text: string, zone: string): string | null =>
  readTime(text.replace(/^(\d{8})-/, "$1 "), zone);
