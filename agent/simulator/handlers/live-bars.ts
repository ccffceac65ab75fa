import type { Client } from "../wire/client.ts";
import * as messages from "../wire/messages-data.ts";
import type { Instrument } from "../model/instruments.ts";
import type { BarSource } from "../model/market.ts";
import type { World } from "../model/world.ts";
import { quoteService } from "../faults/permissions.ts";
import type { Permissions } from "../faults/permissions.ts";
import type { RealTimeBarsRequest } from "../wire/requests-data.ts";
import { resolveOne } from "./resolve-contract.ts";
import { usualText } from "../wire/tws-texts.ts";

const barMs = 5000;
const sources: ReadonlyMap<string, BarSource> = new Map([
  ["TRADES", "TRADES"],
  ["MIDPOINT", "MIDPOINT"],
  ["BID", "BID"],
  ["ASK", "ASK"],
]);

interface Stream {
  readonly client: Client;
  readonly reqId: number;
  readonly instrument: Instrument;
  readonly source: BarSource;
  readonly useRth: boolean;
  /** Start of the last bar that was sent. */
  sentAt: number;
}

/** Bars of five seconds, each as soon as it is complete. */
export interface LiveBars {
  subscribe(client: Client, request: RealTimeBarsRequest): void;
  cancel(client: Client, reqId: number): void;
  tick(): void;
  /** Ends every stream with an error. */
  end(code: number, text: string | null): void;
  forget(client?: Client): void;
}

export function createLiveBars(world: World, permissions: () => Permissions): LiveBars {
  const { market, universe } = world;
  let streams: Stream[] = [];
  const lastComplete = (): number => Math.floor(world.now() / barMs) * barMs - barMs;

  return {
    subscribe(client, { reqId, contract, whatToShow, useRth }) {
      const instrument = resolveOne(universe, client, reqId, contract);
      if (instrument === null) return;
      const source = sources.get(whatToShow);
      if (source === undefined || (source === "TRADES" && instrument.secType === "CASH")) {
        const cause = `Real time bars of '${whatToShow}' are not supported`;
        client.error(reqId, 321, `Error validating request.-'bZ' : cause - ${cause}`);
        return;
      }
      // bars of delayed data are not made
      const service = quoteService(permissions(), 1, "");
      if (service.type !== "served") {
        const { code, text } = service.type === "refused" ? service.refusal : service.remark;
        client.error(reqId, code, text);
        return;
      }
      streams.push({ client, reqId, instrument, source, useRth, sentAt: lastComplete() });
    },

    cancel(client, reqId) {
      const kept = streams.filter((stream) => stream.client !== client || stream.reqId !== reqId);
      if (kept.length === streams.length) {
        client.error(reqId, 300, `Can't find EId with tickerId:${reqId}`);
      }
      streams = kept;
    },

    tick() {
      const at = lastComplete();
      for (const stream of streams) {
        if (at <= stream.sentAt) continue;
        stream.sentAt = at;
        const { instrument, source, useRth } = stream;
        if (useRth && !market.isOpen(instrument, at, true)) continue;
        const bar = market
          .bars({
            instrument,
            source,
            useRth: false,
            endAt: at + barMs,
            duration: { count: barMs / 1000, unit: "S" },
            barSizeMs: barMs,
            calendar: null,
          })
          .find((one) => one.at === at);
        if (bar !== undefined) stream.client.sendTick(messages.realTimeBar(stream.reqId, bar));
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
