import type { Client } from "../wire/client.ts";
import { createDepthFeed } from "./depth.ts";
import { reportOf } from "./fundamentals.ts";
import { noData } from "./history-query.ts";
import { createLiveBars } from "./live-bars.ts";
import * as messages from "../wire/messages-data.ts";
import type { World } from "../model/world.ts";
import { historyRefusal } from "../faults/permissions.ts";
import type { Permissions } from "../faults/permissions.ts";
import type { DataRequest, FundamentalsRequest, HistogramRequest } from "../wire/requests-data.ts";
import { resolveOne } from "./resolve-contract.ts";
import { createTickHandlers } from "./tick-by-tick.ts";

const minuteMs = 60_000;
const units: ReadonlyMap<string, "S" | "D" | "W" | "M" | "Y"> = new Map([
  ["second", "S"],
  ["day", "D"],
  ["week", "W"],
  ["month", "M"],
  ["year", "Y"],
]);

/** Books, ticks, bars as they come, histograms and companies. */
export interface DataHandlers {
  handle(client: Client, request: DataRequest): void;
  resetDepth(): void;
  endStreams(kind: "marketDepth" | "tickByTick" | "realTimeBars", code: number, text: string | null): void;
  tick(): void;
  forget(client?: Client): void;
}

export function createDataHandlers(world: World, permissions: () => Permissions): DataHandlers {
  const { market, universe } = world;
  const ticks = createTickHandlers(world, permissions);
  const depth = createDepthFeed(world, permissions);
  const bars = createLiveBars(world, permissions);

  /** How much was traded at each price, from bars that are short beside the period. */
  function histogram(client: Client, { reqId, contract, useRth, period }: HistogramRequest): void {
    const instrument = resolveOne(universe, client, reqId, contract);
    if (instrument === null) return;
    const match = /^(\d{1,4}) (second|day|week|month|year)s?$/.exec(period.trim());
    const unit = units.get(match?.[2] ?? "");
    if (unit === undefined) {
      client.error(reqId, 321, "Error validating request.-'b7' : cause - Invalid time period");
      return;
    }
    const refusal = historyRefusal(permissions(), `${instrument.exchange} ${instrument.secType}`);
    if (refusal !== null) {
      client.error(reqId, refusal.code, refusal.text);
      return;
    }
    const found = market.bars({
      instrument,
      source: "TRADES",
      useRth,
      endAt: world.now(),
      duration: { count: Number(match?.[1]), unit },
      barSizeMs: unit === "M" || unit === "Y" ? 60 * minuteMs : 5 * minuteMs,
      calendar: null,
    });
    const sizes = new Map<number, number>();
    for (const { close, volume } of found) {
      sizes.set(close, (sizes.get(close) ?? 0) + Math.max(0, volume));
    }
    const rows = [...sizes].map(([price, size]) => ({ price, size })).sort((a, b) => a.price - b.price);
    if (rows.length === 0) client.error(reqId, 162, noData(instrument, "TRADES"));
    else client.send(messages.histogram(reqId, rows));
  }

  function fundamentals(client: Client, { reqId, contract, reportType }: FundamentalsRequest): void {
    const instrument = resolveOne(universe, client, reqId, contract);
    if (instrument === null) return;
    if (!permissions().fundamentals) {
      client.error(reqId, 10358, "Fundamentals data is not allowed");
      return;
    }
    const xml = instrument.stockType === "COMMON" ? reportOf(instrument, reportType, world.now()) : null;
    if (xml !== null) client.send(messages.fundamentals(reqId, xml));
    else {
      const text = "We are sorry, but fundamentals data for the security specified is not available.";
      client.error(reqId, 430, `${text}failed to fetch`);
    }
  }

  return {
    handle(client, request) {
      switch (request.type) {
        case "histogram":
          return histogram(client, request);
        case "historicalTicks":
          return ticks.past(client, request);
        case "tickByTick":
          return ticks.subscribe(client, request);
        case "cancelTickByTick":
          return ticks.cancel(client, request.reqId);
        case "marketDepth":
          return depth.subscribe(client, request);
        case "cancelMarketDepth":
          return depth.cancel(client, request.reqId);
        case "realTimeBars":
          return bars.subscribe(client, request);
        case "cancelRealTimeBars":
          return bars.cancel(client, request.reqId);
        case "fundamentals":
          return fundamentals(client, request);
        default:
          return request satisfies never;
      }
    },
    resetDepth: () => depth.reset(),
    endStreams(kind, code, text) {
      const streams = { marketDepth: depth, tickByTick: ticks, realTimeBars: bars };
      streams[kind].end(code, text);
    },
    tick() {
      ticks.tick();
      depth.tick();
      bars.tick();
    },
    forget(client) {
      ticks.forget(client);
      depth.forget(client);
      bars.forget(client);
    },
  };
}
