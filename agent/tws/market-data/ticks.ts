import { MarketDataType, IBApiTickType as TickType } from "@stoqey/ib";
import type { Quote } from "../../../shared/events.ts";
import type { DataType } from "../../../shared/status.ts";
import { readTime } from "../session/time-zone.ts";
import { countOf, figureOf, quotedPriceOf } from "../session/figures.ts";

type NumberField = {
  readonly [K in keyof Quote]-?: Exclude<Quote[K], undefined> extends number | null ? K : never;
}[keyof Quote];

/** What a quote gains by one message of TWS; null when the message says nothing that a quote holds. */
export type QuoteChange = Partial<Quote> | null;

const priceFields: ReadonlyMap<number, NumberField> = new Map([
  [TickType.BID, "bid"],
  [TickType.ASK, "ask"],
  [TickType.LAST, "last"],
  [TickType.HIGH, "high"],
  [TickType.LOW, "low"],
  [TickType.CLOSE, "close"],
  [TickType.OPEN, "open"],
  [TickType.DELAYED_BID, "bid"],
  [TickType.DELAYED_ASK, "ask"],
  [TickType.DELAYED_LAST, "last"],
  [TickType.DELAYED_HIGH, "high"],
  [TickType.DELAYED_LOW, "low"],
  [TickType.DELAYED_CLOSE, "close"],
  [TickType.DELAYED_OPEN, "open"],
  [TickType.BID_YIELD, "bidYield"],
  [TickType.ASK_YIELD, "askYield"],
  [TickType.LAST_YIELD, "lastYield"],
  [TickType.DELAYED_YIELD_BID, "bidYield"],
  [TickType.DELAYED_YIELD_ASK, "askYield"],
]);

const sizeFields: ReadonlyMap<number, NumberField> = new Map([
  [TickType.BID_SIZE, "bidSize"],
  [TickType.ASK_SIZE, "askSize"],
  [TickType.LAST_SIZE, "lastSize"],
  [TickType.VOLUME, "volume"],
  [TickType.DELAYED_BID_SIZE, "bidSize"],
  [TickType.DELAYED_ASK_SIZE, "askSize"],
  [TickType.DELAYED_LAST_SIZE, "lastSize"],
  [TickType.DELAYED_VOLUME, "volume"],
]);

/**
 * 0 is "none" except for a bid or ask, where something worthless may be bid for with 0. The size that came with the
 * price tells a price of -1 from TWS's mark.
 */
export function priceChange(
  tick: number,
  value: number | undefined,
  said: { readonly secType: string; readonly size?: number | null | undefined },
): QuoteChange {
  const field = priceFields.get(tick);
  if (field === undefined) return null;
  // yields fall below 0 as futures do
  const price = quotedPriceOf(value, field.endsWith("Yield") ? { secType: "FUT" } : said);
  const isNone = price === 0 && field !== "bid" && field !== "ask";
  return { [field]: isNone ? null : price };
}

/** When bid or ask were sent, where this is a change of theirs. */
export const sentWith = (changes: Partial<Quote>, at: string): Partial<Quote> =>
  ["bid", "ask", "bidSize", "askSize"].some((field) => Object.hasOwn(changes, field)) ? { bidAskAt: at } : {};

const tradeTimeTicks: ReadonlySet<number> = new Set([
  TickType.LAST_TIMESTAMP,
  TickType.DELAYED_LAST_TIMESTAMP,
]);

/** Seconds since 1970, as text; 0 is "none". */
export function tradeTimeChange(tick: number, text: string | undefined): QuoteChange {
  return tradeTimeTicks.has(tick) ? { lastAt: readTime(text, "UTC") } : null;
}

const openInterestTicks: ReadonlyMap<number, string> = new Map([
  [TickType.OPTION_CALL_OPEN_INTEREST, "C"],
  [TickType.OPTION_PUT_OPEN_INTEREST, "P"],
  [TickType.FUTURES_OPEN_INTEREST, ""],
]);

/** TWS sends both sides' of an option; the other side's is none of this contract's. */
export function openInterestChange(
  tick: number,
  value: number | undefined,
  right: string | null,
): QuoteChange {
  const side = openInterestTicks.get(tick);
  if (side === undefined || (side !== "" && side !== right)) return null;
  return { openInterest: countOf(value) };
}

/** The generic ticks to ask for, by which TWS tells what it does not by itself. */
export function genericTicksOf(secType: string): string {
  switch (secType) {
    case "OPT":
    case "FOP":
      return "101";
    case "FUT":
      return "588";
    default:
      return "";
  }
}

/** A size of 0 is "none"; a volume of 0 is a volume. */
export function sizeChange(tick: number, value: number | undefined): QuoteChange {
  const field = sizeFields.get(tick);
  if (field === undefined) return null;
  const size = countOf(value);
  const isNone = size === 0 && field !== "volume";
  return { [field]: isNone ? null : size };
}

const haltedTicks: ReadonlySet<number> = new Set([TickType.HALTED, TickType.DELAYED_HALTED]);

export function genericChange(tick: number, value: number | undefined): QuoteChange {
  if (!haltedTicks.has(tick)) return null;
  // -1 unknown, 0 trading, 1 and 2 halted by regulation or volatility
  const reason = countOf(value);
  return { halted: reason === null ? null : reason > 0 };
}

const modelTicks: ReadonlySet<number> = new Set([TickType.MODEL_OPTION, TickType.DELAYED_MODEL_OPTION]);
const greekTicks: ReadonlySet<number> = new Set([
  ...modelTicks,
  TickType.BID_OPTION,
  TickType.ASK_OPTION,
  TickType.LAST_OPTION,
  TickType.DELAYED_BID_OPTION,
  TickType.DELAYED_ASK_OPTION,
  TickType.DELAYED_LAST_OPTION,
]);

type Greek = "impliedVolatility" | "delta" | "gamma" | "vega" | "theta";

/** Greeks of TWS's model; those of bid, ask or last only fill in where the model has said nothing yet. */
export function greeksChange(
  quote: Quote,
  tick: number,
  said: Readonly<Partial<Record<Greek, number | undefined>>>,
): QuoteChange {
  if (!greekTicks.has(tick)) return null;
  const isModel = modelTicks.has(tick);
  const change = (greek: Greek): QuoteChange => {
    const value = greek === "impliedVolatility" ? countOf(said[greek]) : figureOf(said[greek]);
    return value !== null && (isModel || quote[greek] === null) ? { [greek]: value } : null;
  };
  return {
    ...change("impliedVolatility"),
    ...change("delta"),
    ...change("gamma"),
    ...change("vega"),
    ...change("theta"),
  };
}

const dataTypes: ReadonlyMap<number, DataType> = new Map([
  [MarketDataType.REALTIME, "live"],
  [MarketDataType.FROZEN, "frozen"],
  [MarketDataType.DELAYED, "delayed"],
  [MarketDataType.DELAYED_FROZEN, "delayed-frozen"],
]);

export function dataTypeChange(type: number): QuoteChange {
  const dataType = dataTypes.get(type);
  return dataType === undefined ? null : { dataType };
}

/**
 * The size in a raw tickPrice message: `1, version, id, tick, price, size, …`. The library makes a size event of the
 * ask's and the last's, but not of the live bid's, whose tick id 0 it takes for "none"; and none of them comes with its
 * price.
 */
export function sizeBeside(
  tokens: readonly string[],
): { readonly id: number; readonly tick: number; readonly size: number } | null {
  const [message, , id, tick, , size] = tokens;
  if (message !== "1" || size === undefined || size === "") return null;
  return { id: Number(id), tick: Number(tick), size: Number(size) };
}

/** Whether nothing more is to be expected of a snapshot; currencies have no last, indices no bid and ask. */
export function isComplete(quote: Quote, secType: string): boolean {
  const { bid, ask, last, close } = quote;
  switch (secType) {
    case "CASH":
    case "CFD":
    case "CMDTY":
      return bid !== null && ask !== null;
    case "IND":
      return last !== null && close !== null;
    // greeks come a moment after the prices
    case "OPT":
    case "FOP":
      return bid !== null && ask !== null && last !== null && close !== null && quote.delta !== null;
    // so do the yields of a bond
    case "BOND":
      return bid !== null && ask !== null && last !== null && close !== null && quote.askYield !== undefined;
    default:
      return bid !== null && ask !== null && last !== null && close !== null;
  }
}

/** How many of its values a quote has. */
export function filledFields(quote: Quote): number {
  return Object.values(quote).filter((value) => value !== null).length;
}
