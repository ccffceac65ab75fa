import { integerOr } from "./requests-contract.ts";
import type { FieldReader } from "./wire.ts";

/** What a client can ask about news, scans of the market and the calendar of events. */
export type InformationRequest =
  | { readonly type: "newsProviders" }
  | HistoricalNewsRequest
  | {
      readonly type: "newsArticle";
      readonly reqId: number;
      readonly provider: string;
      readonly articleId: string;
    }
  | { readonly type: "newsBulletins"; readonly all: boolean }
  | { readonly type: "cancelNewsBulletins" }
  | { readonly type: "scannerParameters" }
  | ScanRequest
  | { readonly type: "cancelScan"; readonly reqId: number }
  | { readonly type: "eventTypes"; readonly reqId: number }
  | { readonly type: "cancelEventTypes"; readonly reqId: number }
  | EventsRequest
  | { readonly type: "cancelEvents"; readonly reqId: number };

export interface HistoricalNewsRequest {
  readonly type: "historicalNews";
  readonly reqId: number;
  readonly conId: number;
  readonly providers: readonly string[];
  readonly start: string;
  readonly end: string;
  readonly count: number;
}

export interface ScanRequest {
  readonly type: "scan";
  readonly reqId: number;
  readonly rows: number;
  readonly instrument: string;
  readonly location: string;
  readonly scanCode: string;
  /** Null is "any". */
  readonly abovePrice: number | null;
  readonly belowPrice: number | null;
  readonly aboveVolume: number | null;
  /** In millions. */
  readonly marketCapAbove: number | null;
  readonly marketCapBelow: number | null;
  readonly stockType: string;
}

export interface EventsRequest {
  readonly type: "events";
  readonly reqId: number;
  readonly conId: number | null;
  /** JSON, or empty. */
  readonly filter: string;
  /** yyyymmdd, or empty. */
  readonly start: string;
  readonly end: string;
  readonly count: number;
}

type Decoder = (fields: FieldReader, serverVersion: number) => InformationRequest;

const filters = 171;
const filterDates = 173;
const mostRows = 50;
const mostEvents = 100;

const historicalNews: Decoder = (fields) => ({
  type: "historicalNews",
  reqId: fields.id(),
  conId: integerOr(0, fields.int()),
  providers: fields
    .text()
    .split("+")
    .filter((code) => code !== ""),
  start: fields.text(),
  end: fields.text(),
  count: integerOr(10, fields.int()),
});

const scan: Decoder = (fields) => {
  const reqId = fields.id();
  const rows = integerOr(mostRows, fields.int());
  const instrument = fields.text();
  const location = fields.text();
  const scanCode = fields.text();
  const abovePrice = fields.number();
  const belowPrice = fields.number();
  const aboveVolume = fields.number();
  const marketCapAbove = fields.number();
  const marketCapBelow = fields.number();
  // ratings, maturities and coupons of bonds, options' volume, and settings of single scans
  fields.skip(11);
  const stockType = fields.text();
  return {
    type: "scan",
    reqId,
    rows: rows < 1 || rows > mostRows ? mostRows : rows,
    instrument,
    location,
    scanCode,
    abovePrice,
    belowPrice,
    aboveVolume,
    marketCapAbove,
    marketCapBelow,
    stockType,
  };
};

const events: Decoder = (fields, serverVersion) => {
  const reqId = fields.id();
  const conId = fields.int();
  const filter = serverVersion >= filters ? fields.text() : "";
  // filling from watchlist, portfolio and competitors: nothing here has those
  if (serverVersion >= filters) fields.skip(3);
  const hasDates = serverVersion >= filterDates;
  const start = hasDates ? fields.text() : "";
  const end = hasDates ? fields.text() : "";
  const count = hasDates ? integerOr(mostEvents, fields.int()) : mostEvents;
  return { type: "events", reqId, conId: conId === 0 ? null : conId, filter, start, end, count };
};

function afterVersion(decode: Decoder): Decoder {
  return (fields, serverVersion) => {
    fields.text();
    return decode(fields, serverVersion);
  };
}

export const informationDecoders: readonly (readonly [number, Decoder])[] = [
  [12, afterVersion((fields) => ({ type: "newsBulletins", all: fields.flag() }))],
  [13, () => ({ type: "cancelNewsBulletins" })],
  [22, scan],
  [23, afterVersion((fields) => ({ type: "cancelScan", reqId: fields.id() }))],
  [24, () => ({ type: "scannerParameters" })],
  [
    84,
    (fields) => ({
      type: "newsArticle",
      reqId: fields.id(),
      provider: fields.text(),
      articleId: fields.text(),
    }),
  ],
  [85, () => ({ type: "newsProviders" })],
  [86, historicalNews],
  [100, (fields) => ({ type: "eventTypes", reqId: fields.id() })],
  [101, (fields) => ({ type: "cancelEventTypes", reqId: fields.id() })],
  [102, events],
  [103, (fields) => ({ type: "cancelEvents", reqId: fields.id() })],
];
