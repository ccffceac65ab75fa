import { dateText, dayOfParts, nthWeekday, partsOf, tradingDayOnOrBefore } from "../time/calendar.ts";
import { futureOptionClasses } from "./future-option-classes.ts";
import { indexOptionHours, optionHours } from "./hours.ts";
import type { Expiry, OptionClass } from "./option-series.ts";
import { fridayFrom, weekOf } from "./option-series.ts";

interface Calendar {
  /** How many monthly expirations are listed, on third Fridays. */
  readonly monthly: number;
  readonly weekly: number;
}

const stockExchanges = ["SMART", "AMEX", "BOX", "CBOE", "CBOE2", "ISE", "NASDAQOM", "PHLX", "PSE"];
const monthlyStrikesEachSide = 20;
/** Weekly expiries list fewer strikes, so strikes times expirations is not what exists. */
const weeklyStrikesEachSide = 15;

/** Expirations are on Fridays, or on the working day before a Friday that is none. */
function expiries({ monthly, weekly }: Calendar, today: number): Expiry[] {
  const first = fridayFrom(today);
  const fridays = new Set(Array.from({ length: weekly }, (_, week) => first + 7 * week));
  const { year, month } = partsOf(today);
  const thirds: number[] = [];
  for (let ahead = 0; thirds.length < monthly; ahead += 1) {
    const friday = thirdFriday(dayOfParts(year, month + ahead, 1));
    if (friday >= first) thirds.push(friday);
  }
  for (const friday of thirds) fridays.add(friday);
  return [...fridays].sort((a, b) => a - b).map(expiry);
}

function expiry(friday: number): Expiry {
  const day = tradingDayOnOrBefore(friday);
  return {
    week: weekOf(friday),
    day,
    contractMonth: dateText(day).slice(0, 6),
    strikesEachSide: thirdFriday(friday) === friday ? monthlyStrikesEachSide : weeklyStrikesEachSide,
  };
}

/** Of the month that a day is in. */
function thirdFriday(day: number): number {
  const { year, month } = partsOf(day);
  return nthWeekday(year, month, 5, 3);
}

/** The name that every option of US exchanges has: "AAPL  261218C00280000". */
function occSymbol(tradingClass: string): OptionClass["localSymbol"] {
  return ({ expiry: { day }, strike, right }) => {
    const thousandths = String(Math.round(strike * 1000)).padStart(8, "0");
    return `${tradingClass.padEnd(6)}${dateText(day).slice(2)}${right}${thousandths}`;
  };
}

type Terms = Pick<
  OptionClass,
  "id" | "symbol" | "tradingClass" | "strikeStep" | "rule" | "hours" | "expiryMinute" | "exchanges"
> &
  Calendar & { readonly underlyingConId: number };

function listedClass({ monthly, weekly, underlyingConId, ...terms }: Terms): OptionClass {
  return {
    ...terms,
    secType: "OPT",
    multiplier: 100,
    isOn: ({ conId }) => conId === underlyingConId,
    expiries: (_underlying, today) => expiries({ monthly, weekly }, today),
    localSymbol: occSymbol(terms.tradingClass),
  };
}

function stockClass(id: number, underlyingConId: number, symbol: string, strikeStep: number): OptionClass {
  return listedClass({
    id,
    underlyingConId,
    symbol,
    tradingClass: symbol,
    strikeStep,
    monthly: 4,
    weekly: 5,
    rule: 110,
    hours: optionHours,
    expiryMinute: 16 * 60,
    exchanges: stockExchanges,
  });
}

const indexClass = {
  underlyingConId: 416904,
  symbol: "SPX",
  rule: 109,
  hours: indexOptionHours,
  exchanges: ["SMART", "CBOE"],
};

export const optionClasses: readonly OptionClass[] = [
  stockClass(0, 265598, "AAPL", 5),
  stockClass(1, 756733, "SPY", 5),
  stockClass(2, 76792991, "TSLA", 10),
  stockClass(3, 272093, "MSFT", 10),
  listedClass({
    ...indexClass,
    id: 4,
    tradingClass: "SPX",
    strikeStep: 50,
    monthly: 6,
    weekly: 0,
    expiryMinute: 8 * 60 + 30,
  }),
  listedClass({
    ...indexClass,
    id: 5,
    tradingClass: "SPXW",
    strikeStep: 25,
    monthly: 2,
    weekly: 6,
    expiryMinute: 15 * 60,
  }),
  stockClass(6, 4815747, "NVDA", 5),
  stockClass(7, 320227571, "QQQ", 5),
  ...futureOptionClasses,
];
