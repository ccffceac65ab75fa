import {
  dateText,
  dayNumber,
  dayOfParts,
  nthWeekday,
  partsOf,
  tradingDayOnOrBefore,
} from "../time/calendar.ts";
import { monthLetters } from "./futures.ts";
import { cmeHours, nymexHours } from "./hours.ts";
import type { Instrument } from "../model/instruments.ts";
import type { Expiry, OptionClass } from "./option-series.ts";
import { weekOf } from "./option-series.ts";

const strikesEachSide = 20;
const weeklyStrikesEachSide = 15;
/** Options on the far futures are not listed yet. */
const listedDays = 240;
const weeklyListedDays = 75;

/**
 * "ESZ6 C6700": the class, the month's letter, the last digit of the year, the right and the strike, which crude oil
 * writes in cents.
 */
function cmeSymbol(tradingClass: string, strikeUnit: number): OptionClass["localSymbol"] {
  return ({ expiry: { contractMonth }, strike, right }) => {
    const letter = monthLetters.charAt(Number(contractMonth.slice(4)) - 1);
    return `${tradingClass}${letter}${contractMonth.charAt(3)} ${right}${Math.round(strike / strikeUnit)}`;
  };
}

const isFutureOf =
  (symbol: string): OptionClass["isOn"] =>
  (underlying) =>
    underlying.secType === "FUT" && underlying.symbol === symbol;

const lastDayOf = ({ expiration }: Instrument): number => dayNumber(expiration ?? "");

/** One expiration for each future, named by its delivery month. */
function monthly(dayFor: (underlying: Instrument) => number): OptionClass["expiries"] {
  return (underlying, today) => {
    const day = dayFor(underlying);
    if (day < today || day > today + listedDays) return [];
    const contractMonth = underlying.contractMonth ?? "";
    return [{ week: weekOf(day), day, contractMonth, strikesEachSide: strikesEachSide }];
  };
}

/** Options on crude oil stop three working days before their future does. */
function threeDaysBefore(underlying: Instrument): number {
  let day = lastDayOf(underlying);
  for (let left = 3; left > 0; left -= 1) day = tradingDayOnOrBefore(day - 1);
  return day;
}

/**
 * Afternoon options of one Friday of each month. They deliver the quarter's future, which stops in the morning of its
 * last day: the options of that very day are on the next one.
 */
function fridays(nth: number): OptionClass["expiries"] {
  return (underlying, today) => {
    const last = lastDayOf(underlying);
    const { year, month } = partsOf(last);
    const from = Math.max(today, tradingDayOnOrBefore(nthWeekday(...monthBefore(year, month, 3), 5, 3)));
    return [3, 2, 1, 0]
      .map((back): Expiry => {
        const friday = nthWeekday(...monthBefore(year, month, back), 5, nth);
        const day = tradingDayOnOrBefore(friday);
        const contractMonth = dateText(friday).slice(0, 6);
        return { week: weekOf(friday), day, contractMonth, strikesEachSide: weeklyStrikesEachSide };
      })
      .filter(({ day }) => day >= from && day < last && day <= today + weeklyListedDays);
  };
}

function monthBefore(year: number, month: number, back: number): [year: number, month: number] {
  const parts = partsOf(dayOfParts(year, month - back, 1));
  return [parts.year, parts.month];
}

const eMini = {
  secType: "FOP",
  symbol: "ES",
  multiplier: 50,
  strikeStep: 25,
  rule: 111,
  hours: cmeHours,
  exchanges: ["CME"],
  isOn: isFutureOf("ES"),
} as const;

function weeklyClass(id: number, nth: number): OptionClass {
  const tradingClass = `EW${nth}`;
  return {
    ...eMini,
    id,
    tradingClass,
    expiryMinute: 15 * 60,
    expiries: fridays(nth),
    localSymbol: cmeSymbol(tradingClass, 1),
  };
}

/** Options on the futures of the S&P 500 and of crude oil. */
export const futureOptionClasses: readonly OptionClass[] = [
  {
    ...eMini,
    id: 8,
    tradingClass: "ES",
    expiryMinute: 8 * 60 + 30,
    expiries: monthly(lastDayOf),
    localSymbol: cmeSymbol("ES", 1),
  },
  {
    id: 9,
    secType: "FOP",
    symbol: "CL",
    tradingClass: "LO",
    multiplier: 1000,
    strikeStep: 0.5,
    rule: 28,
    hours: nymexHours,
    expiryMinute: 14 * 60 + 30,
    exchanges: ["NYMEX"],
    isOn: isFutureOf("CL"),
    expiries: monthly(threeDaysBefore),
    localSymbol: cmeSymbol("LO", 0.01),
  },
  weeklyClass(10, 1),
  weeklyClass(11, 2),
  weeklyClass(12, 3),
  weeklyClass(13, 4),
];
