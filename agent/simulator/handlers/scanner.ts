import type { Client } from "../wire/client.ts";
import * as messages from "../wire/messages-information.ts";
import type { Instrument } from "../model/instruments.ts";
import type { World } from "../model/world.ts";
import type { ScanRequest } from "../wire/requests-information.ts";
import { createMeasures, marketCap } from "../market/scanner-measures.ts";
import { scanCodes, scannerXml } from "./scanner-xml.ts";

const repeatMs = 30_000;
const mostScans = 10;
const service = "Historical Market Data Service";

/** Says what can be scanned, and ranks the simulated market. */
export interface ScannerHandlers {
  parameters(client: Client): void;
  subscribe(client: Client, request: ScanRequest): void;
  cancel(client: Client, reqId: number): void;
  /** Sends the scans whose turn it is again. */
  tick(): void;
  forget(client?: Client): void;
}

interface Scan {
  readonly client: Client;
  readonly request: ScanRequest;
  dueAt: number;
}

const listedIn: Readonly<Record<string, readonly string[]>> = {
  "STK.US": ["NASDAQ", "NYSE", "ARCA", "AMEX"],
  "STK.US.MAJOR": ["NASDAQ", "NYSE", "ARCA", "AMEX"],
  "ETF.EQ.US.MAJOR": ["NASDAQ", "NYSE", "ARCA", "AMEX"],
  "STK.NA": ["TSE"],
  "STK.NA.CANADA": ["TSE"],
  "STK.NA.TSE": ["TSE"],
  "FUT.US": ["CME", "CBOT", "NYMEX", "COMEX"],
  "IND.US": ["CBOE", "NASDAQ", "NYSE"],
};

const kindOf: Readonly<Record<string, Instrument["secType"]>> = {
  STK: "STK",
  "ETF.EQ.US": "STK",
  "STOCK.NA": "STK",
  "FUT.US": "FUT",
  "IND.US": "IND",
};

/** Where something is listed, and whether the location takes it in: "STK.NASDAQ" names its exchange itself. */
function isWithin(instrument: Instrument, location: string): boolean {
  const venue = instrument.primaryExchange === "" ? instrument.exchange : instrument.primaryExchange;
  const venues = listedIn[location] ?? [location.split(".").at(-1) ?? ""];
  return venues.includes(venue);
}

function isOfType(instrument: Instrument, { instrument: kind, stockType }: ScanRequest): boolean {
  const isFund = instrument.stockType === "ETF";
  if (kind.startsWith("ETF") && !isFund) return false;
  switch (stockType.toUpperCase()) {
    case "":
    case "ALL":
      return true;
    case "ETF":
      return isFund;
    case "CORP":
    case "STOCK":
      return instrument.stockType === "COMMON";
    default:
      return false;
  }
}

export function createScannerHandlers(world: World, xmlBytes: number): ScannerHandlers {
  const { universe, market, now } = world;
  const measures = createMeasures(world);
  const scans = new Map<Client, Map<number, Scan>>();
  let xml: string | null = null;

  function passes(instrument: Instrument, request: ScanRequest): boolean {
    const { abovePrice, belowPrice, aboveVolume, marketCapAbove, marketCapBelow } = request;
    const quote = market.quote(instrument, now());
    const price = quote.last ?? quote.close;
    const cap = marketCap(instrument, price);
    return (
      price >= (abovePrice ?? 0) &&
      price <= (belowPrice ?? Infinity) &&
      (quote.volume ?? 0) >= (aboveVolume ?? 0) &&
      (marketCapAbove === null || (cap !== null && cap >= marketCapAbove)) &&
      (marketCapBelow === null || (cap !== null && cap <= marketCapBelow))
    );
  }

  function ranked(request: ScanRequest): Instrument[] {
    const measure = measures(request.scanCode);
    const kind = kindOf[request.instrument];
    if (measure === null || kind === undefined) return [];
    return universe.listed
      .filter((one) => one.secType === kind && isWithin(one, request.location) && isOfType(one, request))
      .filter((one) => passes(one, request))
      .flatMap((instrument) => {
        const value = measure(instrument, now());
        return value === null ? [] : [{ instrument, value }];
      })
      .sort((a, b) => b.value - a.value || a.instrument.conId - b.instrument.conId)
      .slice(0, request.rows)
      .map(({ instrument }) => instrument);
  }

  function answer({ client, request }: Scan): void {
    const found = ranked(request);
    const { reqId } = request;
    if (found.length === 0) client.error(reqId, 165, `${service} query message:no items retrieved`);
    client.send(messages.scannerData(reqId, found));
  }

  return {
    parameters(client) {
      xml ??= scannerXml(xmlBytes);
      client.send(messages.scannerParameters(xml));
    },

    subscribe(client, request) {
      const { reqId, scanCode, location } = request;
      const own = scans.get(client) ?? new Map<number, Scan>();
      if (own.has(reqId)) {
        client.error(reqId, 322, "Error processing request.-'bM' : cause - Duplicate ticker id");
        return;
      }
      if (!scanCodes.has(scanCode)) {
        client.error(reqId, 162, `${service} error message:Scanner type with code ${scanCode} is disabled`);
        return;
      }
      if (location === "" || request.instrument === "") {
        client.error(
          reqId,
          321,
          "Error validating request.-'bM' : cause - Please enter instrument and location",
        );
        return;
      }
      const active = [...scans.values()].reduce((sum, each) => sum + each.size, 0);
      if (active >= mostScans) {
        const text = `Only ${mostScans} simultaneous API scanner subscriptions allowed.`;
        client.error(reqId, 162, `${service} error message:${text}`);
        return;
      }
      const scan = { client, request, dueAt: performance.now() + repeatMs };
      scans.set(client, own.set(reqId, scan));
      const isOpen = universe.listed.some((one) => one.secType === "STK" && market.isOpen(one, now(), true));
      if (!isOpen && scanCode.startsWith("HOT_BY"))
        client.error(reqId, 492, "Scanner data precision is low outside of trading hours");
      answer(scan);
    },

    cancel(client, reqId) {
      if (scans.get(client)?.delete(reqId) === true) {
        client.error(reqId, 162, `${service} error message:API scanner subscription cancelled: ${reqId}`);
      } else client.error(reqId, 300, `Can't find EId with tickerId:${reqId}`);
    },

    tick() {
      const at = performance.now();
      for (const own of scans.values())
        for (const scan of own.values()) {
          if (at < scan.dueAt) continue;
          scan.dueAt = at + repeatMs;
          answer(scan);
        }
    },

    forget(client) {
      if (client === undefined) scans.clear();
      else scans.delete(client);
    },
  };
}
