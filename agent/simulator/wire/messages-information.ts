import type { Instrument } from "../model/instruments.ts";
import type { NewsItem } from "../market/news-archive.ts";
import type { Message } from "./wire.ts";

export function newsProviders(providers: readonly (readonly [code: string, name: string])[]): Message {
  return [85, providers.length, ...providers.flat()];
}

/** "2026-11-20 15:30:00.0" in UTC */
const newsTime = (at: number): string => `${new Date(at).toISOString().slice(0, 19).replace("T", " ")}.0`;

/** TWS puts the language and the like ahead of a headline of the past, and behind a live one. */
export function historicalNews(reqId: number, item: NewsItem): Message {
  return [86, reqId, newsTime(item.at), item.provider, item.articleId, `{A:800015:L:en}${item.headline}`];
}

export const historicalNewsEnd = (reqId: number, hasMore: boolean): Message => [87, reqId, hasMore];

export function tickNews(reqId: number, item: NewsItem): Message {
  const extra = `A:800015:L:en:K:n/a:C:${item.confidence.toFixed(2)}`;
  return [84, reqId, item.at, item.provider, item.articleId, item.headline, extra];
}

/** Type 0 is text or HTML, 1 a PDF in base64. */
export const newsArticle = (reqId: number, type: 0 | 1, text: string): Message => [83, reqId, type, text];

/** Type 1 is general, 2 an exchange that is down, 3 one that is up again. */
export function newsBulletin(msgId: number, type: 1 | 2 | 3, text: string, origin: string): Message {
  return [14, 1, msgId, type, text, origin];
}

export const scannerParameters = (xml: string): Message => [19, 1, xml];

export function scannerData(reqId: number, found: readonly Instrument[]): Message {
  const rows = found.flatMap((instrument, rank) => [
    rank,
    instrument.conId,
    instrument.symbol,
    instrument.secType,
    instrument.expiration,
    instrument.strike ?? 0,
    instrument.right,
    instrument.exchange,
    instrument.currency,
    instrument.localSymbol,
    instrument.tradingClass,
    instrument.tradingClass,
    "",
    "",
    "",
    "",
  ]);
  return [20, 3, reqId, found.length, ...rows];
}

export const wshMetaData = (reqId: number, json: string): Message => [104, reqId, json];
export const wshEventData = (reqId: number, json: string): Message => [105, reqId, json];
