import type { BondTerms } from "../market/bond-listings.ts";
import type { Instrument, Issuer, OptionChain } from "../model/instruments.ts";
import type { Bar, SessionDay } from "../model/market.ts";
import type { DepthVenue } from "../market/depth-venues.ts";
import type { SmartComponent } from "../market/smart-components.ts";
import { escapeUnicode, type Field, type Message, unsetInt } from "./wire.ts";
import { inZone } from "../time/zone-time.ts";

/** "20261123:0930-20261123:1600;20261124:CLOSED" in the instrument's zone. */
export function hoursText(days: readonly SessionDay[], zone: string): string {
  const clock = (at: number): string => {
    const { date, time } = inZone(at, zone);
    return `${date}:${time.slice(0, 2)}${time.slice(3, 5)}`;
  };
  return days
    .map(({ date, open, close }) =>
      open === null || close === null ? `${date}:CLOSED` : `${clock(open)}-${clock(close)}`,
    )
    .join(";");
}

export interface TradingHours {
  readonly trading: string;
  readonly liquid: string;
}

/** What has contract details; whole news feeds have them too, and nothing else of an instrument. */
export type Listed = Omit<Instrument, "secType"> & { readonly secType: string };

/** contractData (10) for server versions 151 to 193. */
export function contractData(
  serverVersion: number,
  reqId: number,
  instrument: Listed,
  hours: TradingHours,
): Message {
  const message: Field[] = serverVersion < 164 ? [10, 8, reqId] : [10, reqId];
  message.push(instrument.symbol, instrument.secType);
  message.push(instrument.lastTradeDate === "" ? instrument.expiration : instrument.lastTradeDate);
  if (serverVersion >= 182) message.push(instrument.expiration);
  message.push(instrument.strike ?? 0, instrument.right, instrument.exchange, instrument.currency);
  message.push(instrument.localSymbol, instrument.tradingClass, instrument.tradingClass);
  message.push(instrument.conId, instrument.minTick);
  if (serverVersion < 164) message.push(instrument.aggGroup === 1 ? 100 : 1);
  message.push(instrument.multiplier, instrument.orderTypes.join(","), instrument.validExchanges.join(","));
  message.push(instrument.priceMagnifier, instrument.underlyingConId);
  message.push(serverVersion >= 153 ? escapeUnicode(instrument.longName) : instrument.longName);
  message.push(instrument.primaryExchange, instrument.contractMonth);
  message.push(instrument.industry, instrument.category, instrument.subcategory, instrument.timeZoneId);
  message.push(hours.trading, hours.liquid, "", 0);
  if (instrument.isin === "") message.push(0);
  else message.push(1, "ISIN", instrument.isin);
  message.push(instrument.aggGroup, instrument.underlyingSymbol, instrument.underlyingSecType);
  message.push(instrument.marketRuleIds.join(","), instrument.expiration);
  if (serverVersion >= 152) message.push(instrument.stockType);
  if (serverVersion === 163) message.push(instrument.minSize);
  if (serverVersion >= 164) message.push(instrument.minSize, instrument.minSize, suggestedStep(instrument));
  if (serverVersion >= 186) message.push(0);
  return message;
}

function suggestedStep(instrument: Listed): number {
  return instrument.secType === "STK" ? 100 : Math.max(1, instrument.minSize);
}

/** bondContractData (18) for server versions 151 to 193. */
export function bondContractData(
  serverVersion: number,
  reqId: number,
  instrument: Instrument,
  terms: BondTerms,
  hours: TradingHours,
): Message {
  const name = serverVersion >= 153 ? escapeUnicode(instrument.longName) : instrument.longName;
  const licensed = (value: Field): Field => (terms.isLicensed ? value : "");
  const message: Field[] = serverVersion < 164 ? [18, 6, reqId] : [18, reqId];
  message.push(licensed(instrument.symbol), instrument.secType);
  message.push(terms.isLicensed ? terms.cusip : instrument.localSymbol);
  message.push(licensed(terms.coupon), licensed(terms.maturity), licensed(terms.issued));
  message.push(licensed(terms.ratings), licensed(terms.bondType), licensed("FIXED"));
  // convertible, callable, putable
  message.push(0, terms.isLicensed && terms.call !== null ? 1 : 0, 0);
  message.push(terms.description, instrument.exchange, licensed(instrument.currency));
  message.push(licensed(instrument.symbol), instrument.tradingClass, instrument.conId, instrument.minTick);
  if (serverVersion < 164) message.push(1);
  message.push(instrument.orderTypes.join(","), instrument.validExchanges.join(","));
  const call = terms.isLicensed ? terms.call : null;
  message.push(call?.date ?? "", call === null ? "" : "CALL", 0, call?.note ?? "", licensed(name));
  if (serverVersion >= 188) message.push(instrument.timeZoneId, hours.trading, hours.liquid);
  message.push("", "");
  message.push(2, "CUSIP", terms.cusip, "ISIN", terms.isin);
  message.push(instrument.aggGroup, instrument.marketRuleIds.join(","));
  if (serverVersion >= 164) message.push(instrument.minSize, 1, 1);
  return message;
}

export const contractDataEnd = (reqId: number): Message => [52, 1, reqId];

/** One found instrument of symbolSamples (79), with the kinds of derivatives on it. */
export interface SymbolSample {
  readonly instrument: Instrument;
  readonly derivatives: readonly string[];
}

export function symbolSamples(
  serverVersion: number,
  reqId: number,
  samples: readonly SymbolSample[],
  issuers: readonly Issuer[],
): Message {
  // before 176 nothing in a row could name an issuer
  const owing = serverVersion >= 176 ? issuers : [];
  const message: Field[] = [79, reqId, samples.length + owing.length];
  for (const { instrument, derivatives } of samples) {
    message.push(instrument.conId, instrument.symbol, instrument.secType);
    message.push(instrument.primaryExchange === "" ? instrument.exchange : instrument.primaryExchange);
    message.push(instrument.currency, derivatives.length, ...derivatives);
    if (serverVersion >= 176) message.push(escapeUnicode(instrument.longName), "");
  }
  for (const issuer of owing) message.push(...issuerSample(issuer));
  return message;
}

/** An issuer as symbolSamples (79) lists it among instruments: without a contract id or a symbol. */
function issuerSample({ id, name }: Issuer): Message {
  return [-1, "", "BOND", "", "", 0, escapeUnicode(name), id];
}

export function marketRule(
  ruleId: number,
  increments: readonly { readonly lowEdge: number; readonly increment: number }[],
): Message {
  return [93, ruleId, increments.length, ...increments.flatMap((row) => [row.lowEdge, row.increment])];
}

export function optionChain(reqId: number, chain: OptionChain): Message {
  return [
    75,
    reqId,
    chain.exchange,
    chain.underlyingConId,
    chain.tradingClass,
    chain.multiplier,
    chain.expirations.length,
    ...chain.expirations,
    chain.strikes.length,
    ...chain.strikes,
  ];
}

export const optionChainEnd = (reqId: number): Message => [76, reqId];

export function smartComponents(reqId: number, components: readonly SmartComponent[]): Message {
  return [
    82,
    reqId,
    components.length,
    ...components.flatMap(({ bit, exchange, letter }) => [bit, exchange, letter]),
  ];
}

/** TWS names a listing venue and a group of ticks where it sums up several venues; here it does not. */
export function depthExchanges(venues: readonly DepthVenue[]): Message {
  const rows = venues.map(({ exchange, secType, service }) => [exchange, secType, "", service, unsetInt]);
  return [80, venues.length, ...rows.flat()];
}

/** A bar as a history message shows it: the date already written out, the volume in the version's unit. */
export interface ShownBar {
  readonly bar: Bar;
  readonly date: string;
  readonly volume: number;
}

export function historicalData(
  reqId: number,
  start: string,
  end: string,
  bars: readonly ShownBar[],
): Message {
  const message: Field[] = [17, reqId, start, end, bars.length];
  for (const { bar, date, volume } of bars) {
    message.push(date, bar.open, bar.high, bar.low, bar.close, volume, bar.wap, bar.count);
  }
  return message;
}

/** The order of the prices differs from historicalData. */
export function historicalDataUpdate(reqId: number, { bar, date, volume }: ShownBar): Message {
  return [90, reqId, bar.count, date, bar.open, bar.close, bar.high, bar.low, bar.wap, volume];
}

export interface ShownSession {
  readonly start: string;
  readonly end: string;
  readonly date: string;
}

export function historicalSchedule(reqId: number, zone: string, sessions: readonly ShownSession[]): Message {
  return [
    106,
    reqId,
    sessions[0]?.start ?? "",
    sessions.at(-1)?.end ?? "",
    zone,
    sessions.length,
    ...sessions.flatMap((session) => [session.start, session.end, session.date]),
  ];
}

export const headTimestamp = (reqId: number, at: string): Message => [88, reqId, at];
