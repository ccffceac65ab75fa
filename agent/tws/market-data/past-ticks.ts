import { EventName, WhatToShow } from "@stoqey/ib";
import type { IBApi } from "@stoqey/ib";
import type { Contract } from "../../../shared/contract.ts";
import type { Tick } from "../../../shared/tools/history.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { utcForTws } from "./history.ts";
import { createHistoryKind } from "./history-budget.ts";
import type { Dated } from "./history-budget.ts";
import { readTime } from "../session/time-zone.ts";
import { contractToTws, textOrNull } from "../contracts/translate.ts";
import { countOf, quotedPriceOf } from "../session/figures.ts";

export interface TicksRequest {
  readonly contract: Contract;
  readonly whatToShow: "TRADES" | "BID_ASK" | "MIDPOINT";
  readonly count: number;
  readonly useRTH: boolean;
  /** ISO 8601: ticks from then on. Without it they end at `endAt`. */
  readonly startAt?: string | undefined;
  /** ISO 8601; absent is now. */
  readonly endAt?: string | undefined;
}

/** A tick with what decides whether it counts as "Last". */
export interface PastTick {
  readonly tick: Tick;
  readonly isUnreported: boolean;
}

const askTicks = createHistoryKind<PastTick[]>();

/**
 * Ticks, oldest first: about `count` of them, since TWS gives the whole of the last second. Throws no_market_data,
 * no_data, pacing, unknown_contract or timeout.
 */
export function pastTicks(
  session: TwsSession,
  request: TicksRequest,
  context: RequestContext,
): Promise<Dated<PastTick[]>> {
  const { contract, whatToShow, count, useRTH, startAt, endAt } = request;
  const { conId, exchange, symbol } = contract;
  const question = {
    what: `ticks of ${symbol}`,
    series: `${conId} ${exchange} ${whatToShow}`,
    key: JSON.stringify([conId, exchange, whatToShow, count, useRTH, startAt, endAt]),
    cost: whatToShow === "BID_ASK" ? 2 : 1,
  } as const;
  return askTicks(session, question, context, (inner) => requestTicks(session, request, inner));
}

function requestTicks(
  session: TwsSession,
  request: TicksRequest,
  context: RequestContext,
): Promise<PastTick[]> {
  const { contract, whatToShow, count, useRTH, startAt } = request;
  const { secType } = contract;
  const start = startAt === undefined ? "" : utcForTws(startAt);
  const end =
    startAt === undefined ? utcForTws(request.endAt ?? new Date(Date.now() + 1_000).toISOString()) : "";
  const ticks: PastTick[] = [];
  const startIt = (ib: IBApi, reqId: number): unknown =>
    ib.reqHistoricalTicks(
      reqId,
      contractToTws(contract),
      start,
      end,
      count,
      WhatToShow[whatToShow],
      useRTH,
      false,
    );
  return session.request<PastTick[]>(
    {
      lane: "data",
      what: `ticks of ${contract.symbol}`,
      start: startIt,
      on: {
        [EventName.historicalTicks]: (control, _id, rows, isDone) => {
          ticks.push(
            ...rows.map(({ time, price }) =>
              reported({ time: timeOf(time), price: quotedPriceOf(price, { secType, size: 1 }) }),
            ),
          );
          if (isDone) control.resolve(ticks);
        },
        [EventName.historicalTicksBidAsk]: (control, _id, rows, isDone) => {
          ticks.push(
            ...rows.map((row) =>
              reported({
                time: timeOf(row.time),
                bid: quotedPriceOf(row.priceBid, { secType, size: row.sizeBid }),
                ask: quotedPriceOf(row.priceAsk, { secType, size: row.sizeAsk }),
                bidSize: countOf(row.sizeBid),
                askSize: countOf(row.sizeAsk),
              }),
            ),
          );
          if (isDone) control.resolve(ticks);
        },
        [EventName.historicalTicksLast]: (control, _id, rows, isDone) => {
          ticks.push(
            ...rows.map((row) => ({
              tick: {
                time: timeOf(row.time),
                price: quotedPriceOf(row.price, { secType, size: row.size }),
                size: countOf(row.size),
                exchange: textOrNull(row.exchange),
                conditions: textOrNull(row.specialConditions?.trim()),
              },
              isUnreported: row.tickAttribLast?.unreported === true,
            })),
          );
          if (isDone) control.resolve(ticks);
        },
      },
    },
    context,
  );
}

const reported = (tick: Tick): PastTick => ({ tick, isUnreported: false });

/** TWS has whole seconds. */
const timeOf = (seconds: number | undefined): string | null => readTime(seconds, "UTC");
