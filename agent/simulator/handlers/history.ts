import { yieldBars } from "../market/bonds.ts";
import type { Client } from "../wire/client.ts";
import { historyQuery, noData } from "./history-query.ts";
import * as messages from "../wire/messages-contract.ts";
import type { Instrument } from "../model/instruments.ts";
import type { Bar, BarQuery } from "../model/market.ts";
import type { World } from "../model/world.ts";
import { historyRefusal } from "../faults/permissions.ts";
import type { Permissions } from "../faults/permissions.ts";
import type { HeadTimestampRequest, HistoricalDataRequest } from "../wire/requests.ts";
import { createHistoryPace } from "./history-pace.ts";
import { resolveOne } from "./resolve-contract.ts";
import { usualText } from "../wire/tws-texts.ts";
import { inZone, stamp, utcStamp } from "../time/zone-time.ts";

const updateMs = 5000;
const dayMs = 86_400_000;
const epochSeconds = 2;
const paced = "Historical Market Data Service error message:Historical data request pacing violation";

/** Answers history requests, and keeps those up to date that ask for it. */
export interface HistoryHandlers {
  request(client: Client, request: HistoricalDataRequest): void;
  cancel(client: Client, reqId: number): void;
  headTimestamp(client: Client, request: HeadTimestampRequest): void;
  /** Sends updates to the requests whose turn it is. */
  tick(): void;
  /** Ends every request that is kept up to date with an error. */
  end(code: number, text: string | null): void;
  forget(client?: Client): void;
}

interface Growing {
  readonly client: Client;
  readonly reqId: number;
  readonly query: BarQuery;
  /** Yields of a bond instead of its prices. */
  readonly inYields: boolean;
  readonly formatDate: number;
  lastBarAt: number;
  dueAt: number;
}

function shown(client: Client, query: BarQuery, formatDate: number, bar: Bar): messages.ShownBar {
  const { instrument } = query;
  const zone = instrument.timeZoneId;
  const isUsStock = instrument.secType === "STK" && instrument.currency === "USD";
  const lot = client.serverVersion < 175 && isUsStock ? 100 : 1;
  const volume = bar.volume < 0 ? bar.volume : Math.floor(bar.volume / lot);
  return { bar, volume, date: dateOf(bar.at, query, formatDate, zone, client.serverVersion) };
}

function dateOf(
  at: number,
  query: BarQuery,
  formatDate: number,
  zone: string,
  serverVersion: number,
): string {
  // bars of a day and longer are dates in either format.
  if (query.calendar !== null) return inZone(at, zone).date;
  return formatDate === epochSeconds ? String(Math.floor(at / 1000)) : stamp(at, zone, serverVersion);
}

export function createHistoryHandlers(world: World, permissions: () => Permissions): HistoryHandlers {
  const { market, universe } = world;
  const growing = new Map<Client, Map<number, Growing>>();
  const pace = createHistoryPace();

  /** True when the client has been told that it may not have this. */
  function refuse(
    client: Client,
    reqId: number,
    { exchange, primaryExchange, secType }: Instrument,
  ): boolean {
    const venue = primaryExchange === "" ? exchange : primaryExchange;
    const refusal = historyRefusal(permissions(), `${venue} ${secType}`);
    if (refusal !== null) client.error(reqId, refusal.code, refusal.text);
    return refusal !== null;
  }

  function sendSchedule(
    client: Client,
    reqId: number,
    instrument: Instrument,
    endAt: number,
    days: number,
    useRth: boolean,
  ): void {
    const zone = instrument.timeZoneId;
    const text = (at: number): string => {
      const { date, time } = inZone(at, zone);
      return `${date}-${time}`;
    };
    const sessions = market
      .sessions(instrument, endAt - (days - 1) * dayMs, days, useRth)
      .flatMap(({ date, open, close }) =>
        open === null || close === null ? [] : [{ start: text(open), end: text(close), date }],
      );
    client.send(messages.historicalSchedule(reqId, zone, sessions));
  }

  function barsFor(query: BarQuery, inYields: boolean): Bar[] {
    const bars = market.bars(query);
    return inYields ? (yieldBars(query.instrument, bars) ?? []) : bars;
  }

  function sendBars(
    client: Client,
    request: HistoricalDataRequest,
    { query, inYields }: Pick<Growing, "query" | "inYields">,
  ): void {
    const { reqId, formatDate } = request;
    const { instrument } = query;
    const hasTrades = instrument.secType !== "CASH";
    const asksTrades = query.source === "TRADES" || query.source === "ADJUSTED_LAST";
    const bars = asksTrades && !hasTrades ? [] : barsFor(query, inYields);
    const [first] = bars;
    const last = bars.at(-1);
    if (first === undefined || last === undefined) {
      client.error(reqId, 162, noData(instrument, request.whatToShow));
      return;
    }
    const zone = instrument.timeZoneId;
    const start = stamp(first.at, zone, client.serverVersion);
    const end = stamp(query.endAt, zone, client.serverVersion);
    const rows = bars.map((bar) => shown(client, query, formatDate, bar));
    client.send(messages.historicalData(reqId, start, end, rows));
    if (!request.keepUpToDate) return;
    const own = growing.get(client) ?? new Map<number, Growing>();
    const dueAt = performance.now() + updateMs;
    const entry = { client, reqId, query, inYields, formatDate, lastBarAt: last.at, dueAt };
    growing.set(client, own.set(reqId, entry));
  }

  function update(entry: Growing, now: number): void {
    entry.dueAt = now + updateMs;
    const { client, query, formatDate, inYields } = entry;
    const fresh = barsFor({ ...query, endAt: world.now(), duration: shortly(query) }, inYields).filter(
      (bar) => bar.at >= entry.lastBarAt,
    );
    for (const bar of fresh) {
      const row = shown(client, query, formatDate, bar);
      if (!client.sendTick(messages.historicalDataUpdate(entry.reqId, row))) return;
      entry.lastBarAt = bar.at;
    }
  }

  return {
    request(client, request) {
      const { reqId } = request;
      if (growing.get(client)?.has(reqId) === true) {
        client.error(reqId, 322, "Error processing request.-'bQ' : cause - Duplicate ticker id");
        return;
      }
      const instrument = resolveOne(universe, client, reqId, request.contract, true);
      if (instrument === null) return;
      const asked = historyQuery(request, instrument, client.serverVersion, world.now());
      if (asked.type === "invalid") client.error(reqId, asked.code, asked.text);
      else if (refuse(client, reqId, instrument)) return;
      else if (asked.type === "bars") {
        if (pace.allows(asked.query, request, performance.now())) sendBars(client, request, asked);
        else client.error(reqId, 162, paced);
      } else if (client.serverVersion >= 165)
        sendSchedule(client, reqId, instrument, asked.endAt, asked.days, request.useRth);
      else client.error(reqId, 162, noData(instrument, request.whatToShow));
    },

    cancel(client, reqId) {
      const own = growing.get(client);
      if (own?.delete(reqId) !== true) {
        client.error(reqId, 366, `No historical data query found for ticker id:${reqId}`);
        return;
      }
      const text = `Historical Market Data Service error message:API historical data query cancelled: ${reqId}`;
      client.error(reqId, 162, text);
    },

    headTimestamp(client, request) {
      const instrument = resolveOne(universe, client, request.reqId, request.contract, true);
      if (instrument === null) return;
      const isCurrency = instrument.secType === "CASH" || instrument.secType === "CRYPTO";
      if (isCurrency && request.whatToShow === "TRADES") {
        client.error(request.reqId, 162, noData(instrument, request.whatToShow));
        return;
      }
      if (refuse(client, request.reqId, instrument)) return;
      const at = market.headAt(instrument);
      const text = request.formatDate === epochSeconds ? String(Math.floor(at / 1000)) : utcStamp(at);
      client.send(messages.headTimestamp(request.reqId, text));
    },

    tick() {
      const now = performance.now();
      for (const own of growing.values()) {
        for (const entry of own.values()) if (now >= entry.dueAt) update(entry, now);
      }
    },

    end(code, text) {
      for (const own of growing.values())
        for (const { client, reqId } of own.values())
          client.error(reqId, code, text ?? usualText(code, reqId));
      growing.clear();
    },

    forget(client) {
      if (client === undefined) growing.clear();
      else growing.delete(client);
    },
  };
}

/** Long enough to hold the unfinished bar and the one before it. */
function shortly(query: BarQuery): BarQuery["duration"] {
  if (query.calendar === "month") return { count: 2, unit: "M" };
  if (query.calendar === "week") return { count: 2, unit: "W" };
  if (query.calendar === "day") return { count: 2, unit: "D" };
  return { count: Math.ceil((2 * query.barSizeMs) / 1000), unit: "S" };
}
