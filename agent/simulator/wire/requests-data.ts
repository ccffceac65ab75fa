import type { ContractQuery } from "../model/instruments.ts";
import { integerOr, readContract } from "./requests-contract.ts";
import type { FieldReader } from "./wire.ts";

/** What a client can ask about books, ticks, bars and companies, beside quotes and history. */
export type DataRequest =
  | HistogramRequest
  | HistoricalTicksRequest
  | TickByTickRequest
  | MarketDepthRequest
  | RealTimeBarsRequest
  | FundamentalsRequest
  | {
      readonly type: "cancelTickByTick" | "cancelMarketDepth" | "cancelRealTimeBars";
      readonly reqId: number;
    };

export interface HistogramRequest {
  readonly type: "histogram";
  readonly reqId: number;
  readonly contract: ContractQuery;
  readonly useRth: boolean;
  /** "3 days" */
  readonly period: string;
}

export interface HistoricalTicksRequest {
  readonly type: "historicalTicks";
  readonly reqId: number;
  readonly contract: ContractQuery;
  readonly start: string;
  readonly end: string;
  readonly count: number;
  readonly whatToShow: string;
  readonly useRth: boolean;
}

export interface TickByTickRequest {
  readonly type: "tickByTick";
  readonly reqId: number;
  readonly contract: ContractQuery;
  readonly tickType: string;
  /** How many past ticks to send first. */
  readonly count: number;
}

export interface MarketDepthRequest {
  readonly type: "marketDepth";
  readonly reqId: number;
  readonly contract: ContractQuery;
  readonly rows: number;
  readonly isSmart: boolean;
}

export interface RealTimeBarsRequest {
  readonly type: "realTimeBars";
  readonly reqId: number;
  readonly contract: ContractQuery;
  readonly whatToShow: string;
  readonly useRth: boolean;
}

export interface FundamentalsRequest {
  readonly type: "fundamentals";
  readonly reqId: number;
  readonly contract: ContractQuery;
  readonly reportType: string;
}

const full = { primaryExchange: true, includeExpired: false } as const;
const expiredToo = { primaryExchange: true, includeExpired: true } as const;

function histogram(fields: FieldReader): DataRequest {
  return {
    type: "histogram",
    reqId: fields.id(),
    contract: readContract(fields, expiredToo),
    useRth: fields.flag(),
    period: fields.text(),
  };
}

function historicalTicks(fields: FieldReader): DataRequest {
  return {
    type: "historicalTicks",
    reqId: fields.id(),
    contract: readContract(fields, expiredToo),
    start: fields.text(),
    end: fields.text(),
    count: integerOr(0, fields.int()),
    whatToShow: fields.text().toUpperCase(),
    useRth: fields.flag(),
  };
}

function tickByTick(fields: FieldReader): DataRequest {
  return {
    type: "tickByTick",
    reqId: fields.id(),
    contract: readContract(fields, full),
    tickType: fields.text(),
    count: integerOr(0, fields.int()),
  };
}

function marketDepth(fields: FieldReader): DataRequest {
  fields.text();
  return {
    type: "marketDepth",
    reqId: fields.id(),
    contract: readContract(fields, full),
    rows: integerOr(0, fields.int()),
    isSmart: fields.flag(),
  };
}

function realTimeBars(fields: FieldReader): DataRequest {
  fields.text();
  const reqId = fields.id();
  const contract = readContract(fields, full);
  // the length of a bar, which is 5 seconds whatever it says
  fields.text();
  return {
    type: "realTimeBars",
    reqId,
    contract,
    whatToShow: fields.text().toUpperCase(),
    useRth: fields.flag(),
  };
}

/** Companies are named by seven fields only. */
function fundamentals(fields: FieldReader): DataRequest {
  fields.text();
  const reqId = fields.id();
  const [conId, symbol, secType] = [fields.text(), fields.text(), fields.text()];
  const [exchange, primaryExchange, currency, localSymbol] = [
    fields.text(),
    fields.text(),
    fields.text(),
    fields.text(),
  ];
  const given = (text: string): string | null => (text === "" ? null : text);
  const contract: ContractQuery = {
    conId: Number(conId) > 0 ? Number(conId) : null,
    symbol: given(symbol),
    secType: given(secType),
    expiration: null,
    strike: null,
    right: null,
    multiplier: null,
    exchange: given(exchange),
    primaryExchange: given(primaryExchange),
    currency: given(currency),
    localSymbol: given(localSymbol),
    tradingClass: null,
    includeExpired: false,
  };
  return { type: "fundamentals", reqId, contract, reportType: fields.text() };
}

const cancel =
  (type: "cancelTickByTick" | "cancelMarketDepth" | "cancelRealTimeBars", isVersioned: boolean) =>
  (fields: FieldReader): DataRequest => {
    if (isVersioned) fields.text();
    return { type, reqId: fields.id() };
  };

/** By message id. */
export const dataDecoders: ReadonlyMap<number, (fields: FieldReader) => DataRequest> = new Map([
  [10, marketDepth],
  [11, cancel("cancelMarketDepth", true)],
  [50, realTimeBars],
  [51, cancel("cancelRealTimeBars", true)],
  [52, fundamentals],
  [88, histogram],
  [96, historicalTicks],
  [97, tickByTick],
  [98, cancel("cancelTickByTick", false)],
]);
