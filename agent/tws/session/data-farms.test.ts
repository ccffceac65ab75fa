import { expect, test } from "vitest";
import type { Contract } from "../../../shared/contract.ts";
import { farmOf, mayServe } from "./data-farms.ts";

test.each([
  [2103, "Market data farm connection is broken:usfarm", "market data", "broken", "usfarm"],
  [2104, "Market data farm connection is OK:usfarm.nj", "market data", "ok", "usfarm.nj"],
  [2105, "HMDS data farm connection is broken:ushmds", "historical data", "broken", "ushmds"],
  [2106, "HMDS data farm connection is OK:ushmds", "historical data", "ok", "ushmds"],
  [
    2107,
    "HMDS data farm connection is inactive but should be available upon demand.ushmds",
    "historical data",
    "inactive",
    "ushmds",
  ],
  [
    2108,
    "Market data farm connection is inactive but should be available upon demand.hfarm",
    "market data",
    "inactive",
    "hfarm",
  ],
  [2119, "Market data farm is connecting:usfarm", "market data", "connecting", "usfarm"],
  [2157, "Sec-def data farm connection is broken:secdefnj", "security definitions", "broken", "secdefnj"],
  [2158, "Sec-def data farm connection is OK:secdefnj", "security definitions", "ok", "secdefnj"],
])("reads notice %i %j", (code, text, kind, state, name) => {
  expect(farmOf(code, text)).toEqual({ kind, state, name });
});

test("reads no farm in other notices", () => {
  expect(farmOf(1100, "Connectivity between IBKR and Trader Workstation has been lost.")).toBeNull();
});

const contract = (secType: string, currency: string): Contract => ({
  conId: 1,
  symbol: "X",
  secType,
  exchange: "SMART",
  primaryExchange: null,
  currency,
  localSymbol: null,
  tradingClass: null,
  expiration: null,
  strike: null,
  right: null,
  multiplier: null,
});

test.each([
  ["usfarm", "STK", "USD", true],
  ["usfarm.nj", "OPT", "USD", true],
  ["usfarm", "STK", "EUR", false],
  ["usfarm", "CASH", "USD", false],
  ["cashfarm", "CASH", "USD", true],
  ["cashfarm", "STK", "USD", false],
  ["usfuture", "FUT", "USD", true],
  ["usfuture", "STK", "USD", false],
  ["usopt", "OPT", "USD", true],
  ["usopt", "STK", "USD", false],
  ["eufarm", "STK", "EUR", true],
  ["eufarm", "STK", "USD", false],
])("takes %s to serve a %s in %s: %s", (farm, secType, currency, expected) => {
  expect(mayServe(farm, contract(secType, currency))).toBe(expected);
});
