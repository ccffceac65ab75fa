import {
  dateText,
  dayOfParts,
  isTradingDay,
  localDay,
  nthWeekday,
  partsOf,
  tradingDayOnOrBefore,
  zonedAt,
} from "../time/calendar.ts";
import type { Hours } from "./hours.ts";
import { cmeHours, grainHours, nymexHours } from "./hours.ts";
import type { Listing, Motion } from "./instruments.ts";
import { blankFields, marketTerm, orderTypes } from "./instruments.ts";

interface Product {
  readonly symbol: string;
  readonly name: string;
  readonly exchange: string;
  readonly multiplier: number;
  /** 100 where prices are in cents. */
  readonly priceMagnifier: number;
  readonly tick: number;
  readonly rule: number;
  readonly hours: Hours;
  /** Months between contracts: quarterly or monthly. */
  readonly every: 1 | 3;
  readonly listed: number;
  readonly expiry: (year: number, month: number) => number;
  /** The minute of the last trading day when trading ends. */
  readonly expiryMinute: number;
  readonly underlying: { readonly conId: number; readonly symbol: string; readonly secType: "IND" } | null;
  readonly motion: Motion;
  /** Growth of the price per year to expiry, as interest or storage. */
  readonly carry: number;
  readonly dailyVolume: number;
  readonly displayed: number;
  readonly category: string;
}

export const monthLetters = "FGHJKMNQUVXZ";
const yearMs = 365.25 * 86_400_000;

/** The third Friday, or the working day before when that is a holiday. */
function thirdFriday(year: number, month: number): number {
  return tradingDayOnOrBefore(nthWeekday(year, month, 5, 3));
}

/** Crude oil stops three working days before the 25th of the month before delivery. */
function crudeExpiry(year: number, month: number): number {
  let day = dayOfParts(year, month - 1, 25);
  // when the 25th is no working day, one counts from the last one before it
  while (!isTradingDay(day, "exchange")) day -= 1;
  for (let left = 3; left > 0; left -= 1) day = tradingDayOnOrBefore(day - 1);
  return day;
}

/** Corn stops the working day before the 15th of the month of delivery. */
const grainExpiry = (year: number, month: number): number =>
  tradingDayOnOrBefore(dayOfParts(year, month, 15) - 1);

const products: readonly Product[] = [
  {
    symbol: "ES",
    name: "E-mini S&P 500",
    exchange: "CME",
    multiplier: 50,
    priceMagnifier: 1,
    tick: 0.25,
    rule: 67,
    hours: cmeHours,
    every: 3,
    listed: 5,
    expiry: thirdFriday,
    expiryMinute: 8 * 60 + 30,
    underlying: { conId: 416904, symbol: "SPX", secType: "IND" },
    motion: { base: 6712, drift: 0.06, terms: [marketTerm(1)] },
    carry: 0.03,
    dailyVolume: 1_500_000,
    displayed: 60,
    category: "Indices",
  },
  {
    symbol: "NQ",
    name: "E-mini NASDAQ 100",
    exchange: "CME",
    multiplier: 20,
    priceMagnifier: 1,
    tick: 0.25,
    rule: 67,
    hours: cmeHours,
    every: 3,
    listed: 5,
    expiry: thirdFriday,
    expiryMinute: 8 * 60 + 30,
    underlying: { conId: 416843, symbol: "NDX", secType: "IND" },
    motion: { base: 24_760, drift: 0.06, terms: [marketTerm(1.2), { stream: "NDX", weight: 0.09 }] },
    carry: 0.03,
    dailyVolume: 600_000,
    displayed: 12,
    category: "Indices",
  },
  {
    symbol: "CL",
    name: "Light Sweet Crude Oil",
    exchange: "NYMEX",
    multiplier: 1000,
    priceMagnifier: 1,
    tick: 0.01,
    rule: 28,
    hours: nymexHours,
    every: 1,
    listed: 6,
    expiry: crudeExpiry,
    expiryMinute: 14 * 60 + 30,
    underlying: null,
    motion: { base: 62.4, drift: 0, terms: [{ stream: "crude", weight: 0.33 }] },
    carry: -0.02,
    dailyVolume: 320_000,
    displayed: 20,
    category: "Energy",
  },
  {
    symbol: "ZC",
    name: "Corn Futures",
    exchange: "CBOT",
    multiplier: 5000,
    priceMagnifier: 100,
    tick: 0.25,
    rule: 155,
    hours: grainHours,
    every: 3,
    listed: 5,
    expiry: grainExpiry,
    expiryMinute: 12 * 60 + 30,
    underlying: null,
    motion: { base: 438, drift: 0, terms: [{ stream: "corn", weight: 0.26 }] },
    carry: 0.04,
    dailyVolume: 180_000,
    displayed: 90,
    category: "Agriculture",
  },
];

/** Delivery months around a day: those still trading, and two that are over, oldest first. */
function months(product: Product, today: number): { year: number; month: number }[] {
  const { year } = partsOf(today);
  const series = [];
  for (let month = -11; month <= 36; month += product.every) {
    const delivery = partsOf(dayOfParts(year, product.every === 3 ? month + 2 : month, 1));
    series.push({ year: delivery.year, month: delivery.month });
  }
  const first = series.findIndex(({ year, month }) => product.expiry(year, month) >= today);
  return series.slice(Math.max(0, first - 2), first + product.listed);
}

function contract(product: Product, id: number, year: number, month: number): Listing {
  const expiry = product.expiry(year, month);
  const { underlying, hours, motion } = product;
  const expiryAt = zonedAt(hours.zone, expiry, product.expiryMinute);
  const time = `${String(Math.floor(product.expiryMinute / 60)).padStart(2, "0")}:30:00`;
  const contractMonth = `${year}${String(month).padStart(2, "0")}`;
  return {
    instrument: {
      ...blankFields,
      conId: 500_000_000 + id * 1_000_000 + year * 12 + month,
      symbol: product.symbol,
      secType: "FUT",
      exchange: product.exchange,
      currency: "USD",
      localSymbol: `${product.symbol}${monthLetters.charAt(month - 1)}${year % 10}`,
      tradingClass: product.symbol,
      multiplier: product.multiplier,
      priceMagnifier: product.priceMagnifier,
      expiration: dateText(expiry),
      contractMonth,
      longName: product.name,
      minTick: product.tick,
      validExchanges: [product.exchange],
      marketRuleIds: [product.rule],
      orderTypes: orderTypes.derivative,
      industry: product.category,
      timeZoneId: hours.zone,
      underlyingConId: underlying?.conId ?? 0,
      underlyingSymbol: underlying?.symbol ?? product.symbol,
      underlyingSecType: underlying?.secType ?? "",
      aggGroup: 2_147_483_647,
      lastTradeDate: `${dateText(expiry)} ${time} ${hours.zone}`,
    },
    // the carry shrinks to nothing at expiry: it is one more drift, with the base raised to match
    motion: {
      ...motion,
      base: motion.base * Math.exp((product.carry * (expiryAt - referenceAt)) / yearMs),
      drift: motion.drift - product.carry,
    },
    hours,
    tick: product.tick,
    spreadTicks: 1,
    dailyVolume: product.dailyVolume,
    displayed: product.displayed,
    lot: 1,
    headAt: expiryAt - 2 * yearMs,
  };
}

/** The day on which every price equals its base. */
export const referenceAt = Date.UTC(2026, 10, 20, 21);

/** Every futures contract trading at an instant, and the two that expired before it of each product. */
export function futuresAt(now: number): Listing[] {
  return products.flatMap((product, id) =>
    months(product, localDay(product.hours.zone, now)).map(({ year, month }) =>
      contract(product, id, year, month),
    ),
  );
}
