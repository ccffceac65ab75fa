import { expect, test } from "vitest";
import { type Contract, ContractSelector, readingsOf, resourceIdOf, withDefaults } from "./contract.ts";

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

test.for([
  [
    { symbol: "RY", exchange: "TSE" },
    { symbol: "RY", secType: "STK", exchange: "TSE", currency: "CAD" },
  ],
  [
    { symbol: "RY", primaryExchange: "TSE" },
    { symbol: "RY", secType: "STK", exchange: "SMART", currency: "CAD", primaryExchange: "TSE" },
  ],
  [
    { symbol: "D05", exchange: "SGX" },
    { symbol: "D05", secType: "STK", exchange: "SGX" },
  ],
  [{ symbol: "BTC-USD" }, { symbol: "BTC", secType: "CRYPTO", exchange: "PAXOS", currency: "USD" }],
  [{ symbol: "EURUSD" }, { symbol: "EUR", secType: "CASH", exchange: "IDEALPRO", currency: "USD" }],
  [
    { symbol: "US0378331005" },
    { secIdType: "ISIN", secId: "US0378331005", secType: "STK", exchange: "SMART", currency: "USD" },
  ],
  // listed in two countries, so the caller must tell
  [
    { symbol: "CA82509L1076" },
    { secIdType: "ISIN", secId: "CA82509L1076", secType: "STK", exchange: "SMART" },
  ],
] as const)("%j is asked of TWS as %j, by the venue or the kind of name", ([given, asked]) => {
  expect(withDefaults(ContractSelector.parse(given))).toEqual(asked);
});

test("what a name can mean besides is asked for afterwards", () => {
  const meant = (given: ContractSelector) =>
    readingsOf(given).map(({ symbol, secId, secType, exchange }) => [symbol ?? secId, secType, exchange]);
  expect(meant({ symbol: "BRK.B" })).toEqual([
    ["BRK.B", "STK", "SMART"],
    ["BRK B", "STK", "SMART"],
  ]);
  expect(meant({ symbol: "DE0001102580" })).toEqual([
    ["DE0001102580", "STK", "SMART"],
    ["DE0001102580", "BOND", "SMART"],
  ]);
  expect(meant({ symbol: "ETH.USD" })).toEqual([
    ["ETH", "CRYPTO", "PAXOS"],
    ["ETH", "CRYPTO", "ZEROHASH"],
  ]);
  expect(meant({ symbol: "AAPL" })).toHaveLength(1);
  expect(readingsOf({ conId: 7, exchange: "SMART" })).toEqual([
    { conId: 7, exchange: "SMART" },
    { conId: 7 },
  ]);
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
