import { expect, test } from "vitest";
import { type Contract, ContractSelector, resourceIdOf, withDefaults } from "./contract.ts";

test.for([
  [{ symbol: "AAPL" }, { symbol: "AAPL", secType: "STK", exchange: "SMART", currency: "USD" }],
  [{ symbol: "EUR.USD" }, { symbol: "EUR", secType: "CASH", exchange: "IDEALPRO", currency: "USD" }],
  [
    { symbol: "EUR", secType: "CASH", exchange: "SMART", currency: "JPY" },
    { symbol: "EUR", secType: "CASH", exchange: "IDEALPRO", currency: "JPY" },
  ],
  [
    { symbol: "SPX", secType: "IND", exchange: "SMART" },
    { symbol: "SPX", secType: "IND", currency: "USD" },
  ],
  [
    { symbol: "ES", secType: "FUT", expiration: "202612" },
    { symbol: "ES", secType: "FUT", expiration: "202612", currency: "USD" },
  ],
  [
    { symbol: "IBM", secType: "BOND" },
    { symbol: "IBM", secType: "BOND", exchange: "SMART", currency: "USD" },
  ],
  [{ symbol: "91282CLX7" }, { symbol: "91282CLX7", secType: "BOND", exchange: "SMART", currency: "USD" }],
  [
    { symbol: "us037833al42" },
    { symbol: "us037833al42", secType: "BOND", exchange: "SMART", currency: "USD" },
  ],
  [
    { symbol: "IBCID127128131", currency: "EUR" },
    { symbol: "IBCID127128131", secType: "BOND", exchange: "SMART", currency: "EUR" },
  ],
] as const)("%j is asked of TWS as %j", ([given, asked]) => {
  expect(withDefaults(ContractSelector.parse(given))).toEqual(asked);
});

test("a conId is authoritative: no routing default is added to it", () => {
  expect(withDefaults({ conId: 265_598 })).toEqual({ conId: 265_598 });
});

const contract: Contract = {
  conId: 1,
  symbol: "BRK B",
  secType: "STK",
  exchange: "SMART",
  primaryExchange: "NYSE",
  currency: "USD",
  localSymbol: "BRK B",
  tradingClass: "BRK B",
  expiration: null,
  strike: null,
  right: null,
  multiplier: null,
};

test.for([
  ["a stock", contract, "BRK B"],
  ["a pair", { ...contract, secType: "CASH", symbol: "EUR" }, "EUR.USD"],
  ["a future", { ...contract, secType: "FUT", localSymbol: "ESZ6", expiration: "20261218" }, "ESZ6"],
  [
    "a bond, whose symbol is its issuer's",
    { ...contract, secType: "BOND", symbol: "IBM", localSymbol: null, expiration: null },
    "IBCID1",
  ],
  [
    "an option",
    { ...contract, secType: "OPT", localSymbol: "AAPL  261218C00200000", expiration: "20261218" },
    "AAPL261218C00200000",
  ],
] as const)("the resource id of %s is what people call it", ([, given, id]) => {
  expect(resourceIdOf(given)).toBe(id);
});
