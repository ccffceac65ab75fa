import {
  dateText,
  dayNumber,
  dayOfParts,
  localDay,
  nthWeekday,
  partsOf,
  tradingDayOnOrBefore,
  zonedAt,
} from "./calendar.ts";
import type { Hours } from "./hours.ts";
import { INDEX_OPTION_HOURS, OPTION_HOURS } from "./hours.ts";
import type { Listing } from "./instruments.ts";
import { EMPTY, ORDER_TYPES } from "./instruments.ts";
import type { Instrument, Right } from "./model.ts";

export interface OptionClass {
  /** Position in the contract id; never reused. */
  readonly id: number;
  readonly underlyingConId: number;
  readonly symbol: string;
  readonly tradingClass: string;
  readonly strikeStep: number;
  readonly monthly: number;
  readonly weekly: number;
  readonly rule: number;
  readonly hours: Hours;
  /** Minute of the last trading day when the option stops. */
  readonly expiryMinute: number;
  readonly exchanges: readonly string[];
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

const STOCK_EXCHANGES = ["SMART", "AMEX", "BOX", "CBOE", "CBOE2", "ISE", "NASDAQOM", "PHLX", "PSE"];
const INDEX_EXCHANGES = ["SMART", "CBOE"];
const FIRST_FRIDAY = dayNumber("20200103");
const STRIKES_EACH_SIDE = 20;
/** Weekly expiries list fewer strikes, so strikes times expirations is not what exists. */
const WEEKLY_STRIKES_EACH_SIDE = 15;
const ID_BASE = 1_000_000_000;
const WEEKS = 2048;
const STEPS = 16_384;

function stockClass(id: number, underlyingConId: number, symbol: string, strikeStep: number): OptionClass {
  return {
    id,
    underlyingConId,
    symbol,
    tradingClass: symbol,
    strikeStep,
    monthly: 4,
    weekly: 5,
    rule: 110,
    hours: OPTION_HOURS,
    expiryMinute: 16 * 60,
    exchanges: STOCK_EXCHANGES,
  };
}

const INDEX_CLASS = {
  underlyingConId: 416904,
  symbol: "SPX",
  rule: 109,
  hours: INDEX_OPTION_HOURS,
  exchanges: INDEX_EXCHANGES,
};

export const OPTION_CLASSES: readonly OptionClass[] = [
  stockClass(0, 265598, "AAPL", 5),
  stockClass(1, 756733, "SPY", 5),
  stockClass(2, 76792991, "TSLA", 10),
  stockClass(3, 272093, "MSFT", 10),
  {
    ...INDEX_CLASS,
    id: 4,
    tradingClass: "SPX",
    strikeStep: 50,
    monthly: 6,
    weekly: 0,
    expiryMinute: 8 * 60 + 30,
  },
  {
    ...INDEX_CLASS,
    id: 5,
    tradingClass: "SPXW",
    strikeStep: 25,
    monthly: 2,
    weekly: 6,
    expiryMinute: 15 * 60,
  },
  stockClass(6, 4815747, "NVDA", 5),
  stockClass(7, 320227571, "QQQ", 5),
];

/** The nominal Friday of each expiration after a day, oldest first. */
export function expirationFridays(series: OptionClass, today: number): number[] {
  const fridays = new Set<number>();
  const first = FIRST_FRIDAY + 7 * Math.ceil((today - FIRST_FRIDAY) / 7);
  for (let week = 0; week < series.weekly; week += 1) fridays.add(first + 7 * week);
  const { year, month } = partsOf(today);
  let monthly = 0;
  for (let ahead = 0; monthly < series.monthly; ahead += 1) {
    const { year: y, month: m } = partsOf(dayOfParts(year, month + ahead, 1));
    const friday = nthWeekday(y, m, 5, 3);
    if (friday < first) continue;
    fridays.add(friday);
    monthly += 1;
  }
  return [...fridays].sort((a, b) => a - b);
}

export function isMonthly(friday: number): boolean {
  const { year, month } = partsOf(friday);
  return nthWeekday(year, month, 5, 3) === friday;
}

/** Strikes listed for an expiration, ascending, around a price. */
export function strikesAround(series: OptionClass, price: number, friday: number): number[] {
  const middle = Math.round(price / series.strikeStep);
  const reach = isMonthly(friday) ? STRIKES_EACH_SIDE : WEEKLY_STRIKES_EACH_SIDE;
  const first = Math.max(1, middle - reach);
  return Array.from(
    { length: middle + reach - first + 1 },
    (_, index) => (first + index) * series.strikeStep,
  );
}

export function optionConId(series: OptionClass, friday: number, strike: number, right: Right): number {
  const week = (friday - FIRST_FRIDAY) / 7;
  const step = Math.round(strike / series.strikeStep);
  return ID_BASE + ((series.id * WEEKS + week) * STEPS + step) * 2 + (right === "C" ? 0 : 1);
}

/** The parts of an option's contract id, undefined when it is none. */
export function decodeOptionConId(
  conId: number,
): { series: OptionClass; friday: number; strike: number; right: Right } | undefined {
  const code = conId - ID_BASE;
  if (!Number.isInteger(code) || code < 0) return undefined;
  const steps = Math.floor(code / 2);
  const weeks = Math.floor(steps / STEPS);
  const series = OPTION_CLASSES.find(({ id }) => id === Math.floor(weeks / WEEKS));
  if (series === undefined) return undefined;
  return {
    series,
    friday: FIRST_FRIDAY + 7 * (weeks % WEEKS),
    strike: (steps % STEPS) * series.strikeStep,
    right: code % 2 === 0 ? "C" : "P",
  };
}

export function expirationOf(friday: number): string {
  return dateText(tradingDayOnOrBefore(friday));
}

export function optionListing(
  series: OptionClass,
  underlying: Listing,
  friday: number,
  strike: number,
  right: Right,
): OptionListing {
  const expiration = expirationOf(friday);
  const thousandths = String(Math.round(strike * 1000)).padStart(8, "0");
  const zone = series.hours.zone;
  const minute = series.expiryMinute;
  const time = `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}:00`;
  return {
    instrument: {
      ...EMPTY,
      conId: optionConId(series, friday, strike, right),
      symbol: series.symbol,
      secType: "OPT",
      exchange: "SMART",
      currency: "USD",
      localSymbol: `${series.tradingClass.padEnd(6)}${expiration.slice(2)}${right}${thousandths}`,
      tradingClass: series.tradingClass,
      multiplier: 100,
      expiration,
      strike,
      right,
      contractMonth: expiration.slice(0, 6),
      longName: underlying.instrument.longName,
      minTick: series.rule === 109 ? 0.05 : 0.01,
      validExchanges: series.exchanges,
      marketRuleIds: series.exchanges.map(() => series.rule),
      orderTypes: ORDER_TYPES.derivative,
      industry: underlying.instrument.industry,
      category: underlying.instrument.category,
      subcategory: underlying.instrument.subcategory,
      timeZoneId: zone,
      underlyingConId: series.underlyingConId,
      underlyingSymbol: series.symbol,
      underlyingSecType: underlying.instrument.secType,
      aggGroup: 2,
      lastTradeDate: `${expiration} ${time} ${zone}`,
    },
    series,
    hours: series.hours,
    underlying,
    strike,
    right,
    expiryAt: zonedAt(zone, dayNumber(expiration), minute),
  };
}

export function optionsToday(now: number): number {
  return localDay(OPTION_HOURS.zone, now);
}
