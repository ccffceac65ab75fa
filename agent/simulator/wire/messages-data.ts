import type { Bar } from "../model/market.ts";
import type { Message } from "./wire.ts";

/** Server messages about ticks, books, real-time bars, histograms and companies. */

export interface TradeTick {
  /** Unix milliseconds; the wire has whole seconds. */
  readonly at: number;
  readonly price: number;
  readonly size: number;
  readonly exchange: string;
  /** Such as " TI" for an odd lot. */
  readonly conditions: string;
  readonly isUnreported: boolean;
}

export interface QuoteTick {
  readonly at: number;
  readonly bid: number;
  readonly ask: number;
  readonly bidSize: number;
  readonly askSize: number;
}

const seconds = (at: number): number => Math.floor(at / 1000);
/** The mask of past-limit and unreported. */
const maskOf = ({ isUnreported }: TradeTick): number => (isUnreported ? 2 : 0);
const middle = ({ bid, ask }: QuoteTick): number => (bid + ask) / 2;

export function historicalTicks(reqId: number, ticks: readonly QuoteTick[]): Message {
  return [96, reqId, ticks.length, ...ticks.flatMap((tick) => [seconds(tick.at), 0, middle(tick), 0]), true];
}

export function historicalTicksBidAsk(reqId: number, ticks: readonly QuoteTick[]): Message {
  const rows = ticks.flatMap(({ at, bid, ask, bidSize, askSize }) => [
    seconds(at),
    0,
    bid,
    ask,
    bidSize,
    askSize,
  ]);
  return [97, reqId, ticks.length, ...rows, true];
}

export function historicalTicksLast(reqId: number, ticks: readonly TradeTick[]): Message {
  const rows = ticks.flatMap((tick) => [
    seconds(tick.at),
    maskOf(tick),
    tick.price,
    tick.size,
    tick.exchange,
    tick.conditions,
  ]);
  return [98, reqId, ticks.length, ...rows, true];
}

/** `type` is 1 for Last and 2 for AllLast. */
export function tickByTickLast(reqId: number, type: 1 | 2, tick: TradeTick): Message {
  return [
    99,
    reqId,
    type,
    seconds(tick.at),
    tick.price,
    tick.size,
    maskOf(tick),
    tick.exchange,
    tick.conditions,
  ];
}

export function tickByTickBidAsk(reqId: number, tick: QuoteTick): Message {
  return [99, reqId, 3, seconds(tick.at), tick.bid, tick.ask, tick.bidSize, tick.askSize, 0];
}

export function tickByTickMidPoint(reqId: number, tick: QuoteTick): Message {
  return [99, reqId, 4, seconds(tick.at), middle(tick)];
}

export function realTimeBar(reqId: number, bar: Bar): Message {
  const { at, open, high, low, close, volume, wap, count } = bar;
  return [50, 3, reqId, seconds(at), open, high, low, close, volume, wap, count];
}

export interface DepthRow {
  /** 0 is the best price of its side. */
  readonly position: number;
  /** 0 inserts, 1 updates, 2 deletes. */
  readonly operation: 0 | 1 | 2;
  /** 0 ask, 1 bid. */
  readonly side: 0 | 1;
  readonly price: number;
  readonly size: number;
  /** The venue, in a book of several. */
  readonly maker: string;
}

export function marketDepth(reqId: number, row: DepthRow): Message {
  return [12, 1, reqId, row.position, row.operation, row.side, row.price, row.size];
}

export function marketDepthL2(reqId: number, row: DepthRow): Message {
  return [13, 1, reqId, row.position, row.maker, row.operation, row.side, row.price, row.size, true];
}

export function histogram(
  reqId: number,
  rows: readonly { readonly price: number; readonly size: number }[],
): Message {
  return [89, reqId, rows.length, ...rows.flatMap(({ price, size }) => [price, size])];
}

export const fundamentals = (reqId: number, xml: string): Message => [51, 1, reqId, xml];
