import { EventName } from "@stoqey/ib";
import type { Contract } from "../../../shared/contract.ts";
import { TwsError } from "../../../shared/errors.ts";
import type { Bar, BarKind, barSizes } from "../../../shared/tools/history.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { forgetContract } from "../contracts/contracts.ts";
import { endsNow, hasPrices, kindToTws } from "./bar-kinds.ts";
import { createHistoryKind } from "./history-budget.ts";
import type { Dated } from "./history-budget.ts";
import { readTime } from "../session/time-zone.ts";
import { barSizeToTws, contractToTws } from "../contracts/translate.ts";
import { countOf, figureOf, quotedPriceOf } from "../session/figures.ts";

export interface BarsRequest {
  readonly contract: Contract;
  /** As TWS has it: "3600 S", "5 D", "1 Y". */
  readonly duration: string;
  readonly barSize: (typeof barSizes)[number];
  readonly whatToShow: BarKind;
  readonly useRTH: boolean;
  /** ISO 8601; absent is now. */
  readonly endAt?: string | undefined;
}

/** Epoch seconds, which no zone or summer time can make ambiguous; days stay yyyymmdd. */
const epochDates = 2;

const askBars = createHistoryKind<Bar[]>();

/**
 * Bars, oldest first, within TWS's limits on history: the same question within 15 s is answered from the last time.
 * Throws no_data, no_market_data, pacing, unknown_contract, invalid_input or timeout.
 */
export async function datedBars(
  session: TwsSession,
  request: BarsRequest,
  context: RequestContext,
): Promise<Dated<Bar[]>> {
  const { contract, duration, barSize, whatToShow, useRTH, endAt } = request;
  if (endAt !== undefined && endsNow(contract, whatToShow)) {
    const what = contract.secType === "CONTFUT" ? "A continuous future" : whatToShow;
    throw new TwsError("invalid_input", `endDateTime: ${what} always ends now: leave endDateTime out.`);
  }
  const { conId, exchange, symbol } = contract;
  const keyOf = (end: string | null | undefined): string =>
    JSON.stringify([conId, exchange, duration, barSize, whatToShow, useRTH, end]);
  const question = {
    what: `historical data of ${symbol}`,
    series: `${conId} ${exchange} ${whatToShow}`,
    key: keyOf(endAt),
    laterKey(bars: readonly Bar[]) {
      const last = bars.at(-1)?.time;
      return endAt === undefined && last !== undefined ? keyOf(endOfBars(last, barSize)) : null;
    },
    cost: whatToShow.endsWith("BID_ASK") ? 2 : 1,
  } as const;
  return askBars(session, question, context, (inner) => requestBars(session, request, inner));
}

const barSeconds = { sec: 1, min: 60, hour: 3_600 } as const;

/** When bars are over of which the last begins at `last`: asked for up to then, TWS gives the same ones. */
export function endOfBars(last: string, barSize: BarsRequest["barSize"]): string {
  if (!last.includes("T")) return `${last}T23:59:59.000Z`;
  const [count, name = ""] = barSize.split(" ");
  const unit = name.replace(/s$/, "");
  const seconds = unit === "sec" || unit === "min" || unit === "hour" ? barSeconds[unit] : 0;
  return new Date(Date.parse(last) + Number(count) * seconds * 1000).toISOString();
}

/** As datedBars, without when they were answered. */
export async function historicalBars(
  session: TwsSession,
  request: BarsRequest,
  context: RequestContext,
): Promise<Bar[]> {
  return (await datedBars(session, request, context)).value;
}

function requestBars(session: TwsSession, request: BarsRequest, context: RequestContext): Promise<Bar[]> {
  const { contract, duration, barSize, whatToShow, useRTH, endAt } = request;
  const bars: Bar[] = [];
  const { secType } = contract;
  // a bar of quotes has no size that would tell a price of -1 from the mark
  const priceOf = (value: number | undefined): number | null =>
    hasPrices(whatToShow) ? quotedPriceOf(value, { secType, size: 1 }) : figureOf(value);
  return session.request<Bar[]>(
    {
      lane: "data",
      what: `historical data of ${contract.symbol}`,
      start: (ib, reqId) =>
        ib.reqHistoricalData(
          reqId,
          contractToTws(contract),
          endAt === undefined ? "" : utcForTws(endAt),
          duration,
          barSizeToTws(barSize),
          kindToTws(whatToShow),
          useRTH,
          epochDates,
          false,
        ),
      cancel: (ib, reqId) => ib.cancelHistoricalData(reqId),
      on: {
        [EventName.historicalData]: (control, _id, time, open, high, low, close, volume, count, wap) => {
          // the library marks the end by a bar of its own making
          if (time.startsWith("finished")) {
            control.resolve(bars);
            return;
          }
          bars.push({
            time: barTime(time, session.zone()),
            open: priceOf(open),
            high: priceOf(high),
            low: priceOf(low),
            close: priceOf(close),
            volume: countOf(volume),
            // the mark is -1, and so may be the average of a spread that was traded
            wap: (countOf(volume) ?? 0) > 0 ? figureOf(wap) : null,
            count: countOf(count),
          });
        },
      },
      notice: ({ code }) => {
        if (code === 200) forgetContract(session, contract.conId);
        return false;
      },
    },
    context,
  );
}

/** Throws for a time that cannot be read: without its bar the answer would be shorter than the truth. */
export function barTime(text: string, zone: string | null): string {
  const at = readTime(text, zone);
  if (at === null) throw new Error("TWS gave a bar at a time that cannot be read");
  return at;
}

/** "20261123-14:30:00", which TWS reads as UTC whatever its own zone. */
export function utcForTws(iso: string): string {
  const [date = "", time = ""] = new Date(iso).toISOString().split("T");
  return `${date.replaceAll("-", "")}-${time.slice(0, 8)}`;
}
