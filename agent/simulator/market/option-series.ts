import { dateText, dayNumber, localDay, zonedAt } from "../time/calendar.ts";
import type { Hours } from "./hours.ts";
import { optionHours } from "./hours.ts";
import type { Listing } from "./instruments.ts";
import { blankFields, orderTypes } from "./instruments.ts";
import { incrementAt } from "./market-rules.ts";
import type { Instrument, Right } from "../model/instruments.ts";

/** Options of one trading class: on one stock or index, or on every future of a product. */
export interface OptionClass {
  /** Position in the contract id; never reused, and below 17, where ids would leave 31 bits. */
  readonly id: number;
  readonly secType: "OPT" | "FOP";
  readonly symbol: string;
  readonly tradingClass: string;
  readonly multiplier: number;
  readonly strikeStep: number;
  readonly rule: number;
  readonly hours: Hours;
  /** Minute of the last trading day when the option stops. */
  readonly expiryMinute: number;
  /** The usual one first. */
  readonly exchanges: readonly string[];
  /** Whether options of the class may be exercised into it. */
  isOn(underlying: Instrument): boolean;
  /** What expires from a day on, oldest first. */
  expiries(underlying: Instrument, today: number): readonly Expiry[];
  localSymbol(option: { readonly expiry: Expiry; readonly strike: number; readonly right: Right }): string;
}

/** One expiration of a class. */
export interface Expiry {
  /** Position in the contract id: weeks since the first Friday of 2020, each used at most once by a class. */
  readonly week: number;
  /** The last trading day. */
  readonly day: number;
  /** yyyymm */
  readonly contractMonth: string;
  readonly strikesEachSide: number;
}

export interface OptionListing {
  readonly instrument: Instrument;
  readonly series: OptionClass;
  readonly hours: Hours;
  readonly underlying: Listing;
  readonly strike: number;
  readonly right: Right;
  readonly expiryAt: number;
}

const firstFriday = dayNumber("20200103");
const idBase = 1_000_000_000;
const weekSlots = 2048;
const stepSlots = 16_384;

/** The last Friday on or before a day, counted from the first of 2020. */
export const weekOf = (day: number): number => Math.floor((day - firstFriday) / 7);

/** The first Friday on or after a day. */
export const fridayFrom = (day: number): number => firstFriday + 7 * Math.ceil((day - firstFriday) / 7);

/** Strikes listed for an expiration, ascending, around a price. */
export function strikesAround(series: OptionClass, price: number, { strikesEachSide }: Expiry): number[] {
  const middle = Math.round(price / series.strikeStep);
  const first = Math.max(1, middle - strikesEachSide);
  return Array.from(
    { length: middle + strikesEachSide - first + 1 },
    (_, index) => (first + index) * series.strikeStep,
  );
}

export function optionConId(series: OptionClass, { week }: Expiry, strike: number, right: Right): number {
  const step = Math.round(strike / series.strikeStep);
  return idBase + ((series.id * weekSlots + week) * stepSlots + step) * 2 + (right === "C" ? 0 : 1);
}

/** The parts of an option's contract id, undefined when it is none. The strike is in steps of its class. */
export function decodeOptionConId(
  conId: number,
): { classId: number; week: number; step: number; right: Right } | undefined {
  const code = conId - idBase;
  if (!Number.isInteger(code) || code < 0) return undefined;
  const steps = Math.floor(code / 2);
  const weeks = Math.floor(steps / stepSlots);
  return {
    classId: Math.floor(weeks / weekSlots),
    week: weeks % weekSlots,
    step: steps % stepSlots,
    right: code % 2 === 0 ? "C" : "P",
  };
}

export function optionListing(
  series: OptionClass,
  underlying: Listing,
  expiry: Expiry,
  strike: number,
  right: Right,
): OptionListing {
  const expiration = dateText(expiry.day);
  const zone = series.hours.zone;
  const minute = series.expiryMinute;
  const time = `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}:00`;
  const on = underlying.instrument;
  return {
    instrument: {
      ...blankFields,
      conId: optionConId(series, expiry, strike, right),
      symbol: series.symbol,
      secType: series.secType,
      exchange: series.exchanges[0] ?? "",
      currency: on.currency,
      localSymbol: series.localSymbol({ expiry, strike, right }),
      tradingClass: series.tradingClass,
      multiplier: series.multiplier,
      expiration,
      strike,
      right,
      contractMonth: expiry.contractMonth,
      longName: on.longName,
      minTick: incrementAt(series.rule, 0),
      validExchanges: series.exchanges,
      marketRuleIds: series.exchanges.map(() => series.rule),
      orderTypes: orderTypes.derivative,
      industry: on.industry,
      category: on.category,
      subcategory: on.subcategory,
      timeZoneId: zone,
      underlyingConId: on.conId,
      // of a future it is the contract's name, ESZ6: ES alone is all of them
      underlyingSymbol: on.localSymbol,
      underlyingSecType: on.secType,
      aggGroup: series.secType === "FOP" ? on.aggGroup : 2,
      lastTradeDate: `${expiration} ${time} ${zone}`,
    },
    series,
    hours: series.hours,
    underlying,
    strike,
    right,
    expiryAt: zonedAt(zone, expiry.day, minute),
  };
}

export function optionsToday(now: number): number {
  return localDay(optionHours.zone, now);
}
