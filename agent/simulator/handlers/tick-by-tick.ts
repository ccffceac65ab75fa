import type { Client } from "../wire/client.ts";
import { queryName } from "./history-query.ts";
import * as messages from "../wire/messages-data.ts";
import type { Instrument } from "../model/instruments.ts";
import type { World } from "../model/world.ts";
import { pastQuotes, pastTrades, quoteAt, tradeAt } from "./past-ticks.ts";
import type { TickQuery } from "./past-ticks.ts";
import { historyRefusal } from "../faults/permissions.ts";
import type { Permissions } from "../faults/permissions.ts";
import type { HistoricalTicksRequest, TickByTickRequest } from "../wire/requests-data.ts";
import { resolveOne } from "./resolve-contract.ts";
import { usualText } from "../wire/tws-texts.ts";
import type { Message } from "../wire/wire.ts";
import { parseStamp } from "../time/zone-time.ts";

const secondMs = 1000;
const mostTicks = 1000;
/** A twentieth of the market data lines, and that is what TWS allows. */
const mostStreams = 5;

type TickType = "Last" | "AllLast" | "BidAsk" | "MidPoint";
const tickTypes: ReadonlyMap<string, TickType> = new Map([
  ["Last", "Last"],
  ["AllLast", "AllLast"],
  ["BidAsk", "BidAsk"],
  ["MidPoint", "MidPoint"],
]);

interface Stream {
  readonly client: Client;
  readonly reqId: number;
  readonly instrument: Instrument;
  readonly type: TickType;
  sentAt: number;
}

/** Ticks of the past, and each as it comes. */
export interface TickHandlers {
  past(client: Client, request: HistoricalTicksRequest): void;
  subscribe(client: Client, request: TickByTickRequest): void;
  cancel(client: Client, reqId: number): void;
  tick(): void;
  /** Ends every stream with an error. */
  end(code: number, text: string | null): void;
  forget(client?: Client): void;
}

export function createTickHandlers(world: World, permissions: () => Permissions): TickHandlers {
  const { market, universe } = world;
  let streams: Stream[] = [];

  function answer(client: Client, reqId: number, kind: "TRADES" | "BID_ASK" | "MIDPOINT", query: TickQuery) {
    const now = world.now();
    if (kind === "TRADES") {
      client.send(messages.historicalTicksLast(reqId, pastTrades(market, query, now)));
      return;
    }
    const quotes = pastQuotes(market, query, now);
    client.send(
      kind === "BID_ASK"
        ? messages.historicalTicksBidAsk(reqId, quotes)
        : messages.historicalTicks(reqId, quotes),
    );
  }

  function ticksOf(stream: Stream, at: number): Message | null {
    const { reqId, instrument, type } = stream;
    if (type === "Last" || type === "AllLast") {
      const trade = tradeAt(market, instrument, at);
      if (trade === null || (type === "Last" && trade.isUnreported)) return null;
      return messages.tickByTickLast(reqId, type === "Last" ? 1 : 2, trade);
    }
    const quote = quoteAt(market, instrument, at);
    if (quote === null) return null;
    return type === "BidAsk"
      ? messages.tickByTickBidAsk(reqId, quote)
      : messages.tickByTickMidPoint(reqId, quote);
  }

  const invalid = (cause: string): string => `Error validating request.-'cA' : cause - ${cause}`;

  return {
    past(client, request) {
      const { reqId, whatToShow, count, useRth } = request;
      const instrument = resolveOne(universe, client, reqId, request.contract);
      if (instrument === null) return;
      if ((request.start === "") === (request.end === "")) {
        client.error(reqId, 321, invalid("Please specify either start or end date-time, not both"));
        return;
      }
      if (count < 1 || count > mostTicks) {
        client.error(reqId, 321, invalid(`Number of ticks must be between 1 and ${mostTicks}`));
        return;
      }
      if (whatToShow !== "TRADES" && whatToShow !== "BID_ASK" && whatToShow !== "MIDPOINT") {
        client.error(reqId, 321, invalid(`Historical ticks request for '${whatToShow}' is not supported`));
        return;
      }
      const from = request.start === "" ? null : parseStamp(request.start, instrument.timeZoneId);
      const to = request.end === "" ? null : parseStamp(request.end, instrument.timeZoneId);
      if (from === null && to === null) {
        client.error(reqId, 10314, "End Date/Time: The date, time, or time-zone entered is invalid.");
        return;
      }
      const refusal = historyRefusal(permissions(), `${instrument.exchange} ${instrument.secType}`);
      if (refusal !== null) {
        client.error(reqId, refusal.code, refusal.text);
        return;
      }
      const hasSuch = whatToShow === "TRADES" ? instrument.secType !== "CASH" : instrument.secType !== "IND";
      if (!hasSuch) {
        const name = queryName(instrument, whatToShow);
        client.error(reqId, 10187, `Failed to request historical ticks:HMDS query returned no data: ${name}`);
        return;
      }
      answer(client, reqId, whatToShow, { instrument, from, to, count, useRth });
    },

    subscribe(client, { reqId, contract, tickType, count }) {
      const type = tickTypes.get(tickType);
      if (type === undefined) {
        client.error(reqId, 321, invalid("Invalid tick type"));
        return;
      }
      const instrument = resolveOne(universe, client, reqId, contract);
      if (instrument === null) return;
      const trades = type === "Last" || type === "AllLast";
      const hasSuch = trades ? instrument.secType !== "CASH" : instrument.secType !== "IND";
      if (!permissions().ticks || !hasSuch) {
        const venue = `${instrument.exchange} ${instrument.secType}`;
        client.error(
          reqId,
          10189,
          `Failed to request tick-by-tick data:No market data permissions for ${venue}`,
        );
        return;
      }
      if (streams.length >= mostStreams) {
        client.error(reqId, 10190, "Max number of tick-by-tick requests has been reached.");
        return;
      }
      const now = world.now();
      if (count > 0) {
        const query = {
          instrument,
          from: null,
          to: now,
          count: Math.min(count, mostTicks),
          useRth: false,
        };
        answer(client, reqId, trades ? "TRADES" : type === "BidAsk" ? "BID_ASK" : "MIDPOINT", query);
      }
      streams.push({ client, reqId, instrument, type, sentAt: Math.floor(now / secondMs) * secondMs });
    },

    cancel(client, reqId) {
      const kept = streams.filter((stream) => stream.client !== client || stream.reqId !== reqId);
      if (kept.length === streams.length) {
        client.error(reqId, 300, `Can't find EId with tickerId:${reqId}`);
      }
      streams = kept;
    },

    tick() {
      const now = world.now();
      for (const stream of streams) {
        // a client that does not read misses ticks, as it would at a real TWS that cuts it off
        const from = Math.max(stream.sentAt, now - 5 * secondMs);
        for (let at = from + secondMs; at <= now; at += secondMs) {
          const message = ticksOf(stream, at);
          if (message !== null) stream.client.sendTick(message);
          stream.sentAt = at;
        }
      }
    },

    end(code, text) {
      for (const { client, reqId } of streams) client.error(reqId, code, text ?? usualText(code, reqId));
      streams = [];
    },

    forget(client) {
      streams = client === undefined ? [] : streams.filter((stream) => stream.client !== client);
    },
  };
}
