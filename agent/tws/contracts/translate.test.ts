import { OptionType, SecType } from "@stoqey/ib";
import { expect, test } from "vitest";
import { barSizes } from "../../../shared/tools/history.ts";
import {
  barSizeToTws,
  contractToTws,
  detailsFrom,
  matchFrom,
  partialContract,
  selectorToTws,
} from "./translate.ts";
import { figureOf } from "../session/figures.ts";

test.each([
  [undefined, null],
  [Number.NaN, null],
  [Number.MAX_VALUE, null],
  [-Number.MAX_VALUE, null],
  [2_147_483_647, null],
  [0, 0],
  [-1.5, -1.5],
])("takes %s for %s", (value, expected) => {
  expect(figureOf(value)).toBe(expected);
});

test("makes absent of what TWS leaves empty or zero", () => {
  expect(
    partialContract({
      conId: 0,
      symbol: "AAPL",
      secType: SecType.STK,
      lastTradeDateOrContractMonth: "",
      strike: 0,
      multiplier: 0,
      primaryExch: "",
      currency: "USD",
      localSymbol: "AAPL",
      tradingClass: "NMS",
    }),
  ).toEqual({
    symbol: "AAPL",
    secType: "STK",
    exchange: "",
    primaryExchange: null,
    currency: "USD",
    localSymbol: "AAPL",
    tradingClass: "NMS",
    expiration: null,
    strike: null,
    right: null,
    multiplier: null,
  });
});

test("keeps the date of an expiry that comes with its hour and zone", () => {
  const details = detailsFrom({
    contract: {
      conId: 7,
      symbol: "SPX",
      secType: SecType.OPT,
      lastTradeDateOrContractMonth: "20261218 09:30:00 US/Central",
      right: OptionType.Put,
      strike: 6500,
      multiplier: 100,
    },
    validExchanges: "SMART,CBOE",
    marketRuleIds: "26,110",
    orderTypes: "LMT,MKT,",
    minTick: 0.05,
    underConId: 416904,
  });
  expect(details).toMatchObject({
    contract: { conId: 7, expiration: "20261218", right: "P", strike: 6500, multiplier: 100 },
    validExchanges: ["SMART", "CBOE"],
    marketRuleIds: [26, 110],
    orderTypes: ["LMT", "MKT"],
    minTick: 0.05,
    underlyingConId: 416904,
    longName: null,
  });
});

test("knows no details and no search result without a conId", () => {
  expect(detailsFrom({ contract: { symbol: "X" } })).toBeNull();
  expect(matchFrom({ contract: { symbol: "X" } })).toBeNull();
});

test("asks only for what a selector gives", () => {
  expect(selectorToTws({ symbol: "AAPL" })).toEqual({ symbol: "AAPL" });
  expect(
    selectorToTws({
      symbol: "SPX",
      secType: "OPT",
      exchange: "SMART",
      currency: "USD",
      primaryExchange: "CBOE",
      expiration: "20261218",
      strike: 6500,
      right: "C",
      multiplier: 100,
      tradingClass: "SPXW",
    }),
  ).toEqual({
    symbol: "SPX",
    secType: SecType.OPT,
    exchange: "SMART",
    currency: "USD",
    primaryExch: "CBOE",
    lastTradeDateOrContractMonth: "20261218",
    strike: 6500,
    right: OptionType.Call,
    multiplier: 100,
    tradingClass: "SPXW",
  });
});

test("names a resolved contract by its id and routes it by its exchange", () => {
  const spy = {
    conId: 756733,
    symbol: "SPY",
    secType: "STK",
    exchange: "SMART",
    primaryExchange: "ARCA",
    currency: "USD",
    localSymbol: "SPY",
    tradingClass: "SPY",
    expiration: null,
    strike: null,
    right: null,
    multiplier: null,
  };
  expect(contractToTws(spy)).toEqual({
    conId: 756733,
    symbol: "SPY",
    secType: SecType.STK,
    exchange: "SMART",
    currency: "USD",
  });
  expect(contractToTws({ ...spy, secType: "NEWKIND" })).not.toHaveProperty("secType");
});

test.each(barSizes)("finds TWS's own word for bars of %s", (barSize) => {
  expect(barSizeToTws(barSize)).toBe(barSize);
});
