import { describe, expect, test } from "vitest";
import { currencyOfVenue, otherSpellings, pairIn, securityIdIn } from "./instrument-names.ts";

test.for([
  ["EUR.USD", { kind: "CASH", base: "EUR", quote: "USD" }],
  ["eur/usd", { kind: "CASH", base: "EUR", quote: "USD" }],
  ["USD-JPY", { kind: "CASH", base: "USD", quote: "JPY" }],
  ["GBPUSD", { kind: "CASH", base: "GBP", quote: "USD" }],
  ["BTC.USD", { kind: "CRYPTO", base: "BTC", quote: "USD" }],
  ["BTC-USD", { kind: "CRYPTO", base: "BTC", quote: "USD" }],
  ["ETHUSD", { kind: "CRYPTO", base: "ETH", quote: "USD" }],
  ["XAU/USD", { kind: "CMDTY", base: "XAU", quote: "USD" }],
  ["BAC.PRL", null],
  ["BRK.B", null],
  ["AAPL", null],
  ["BTC", null],
] as const)("%s is read as the pair %j", ([symbol, pair]) => {
  expect(pairIn(symbol)).toEqual(pair);
});

test.for([
  ["BRK.B", ["BRK B"]],
  ["BRK/B", ["BRK B", "BRK.B"]],
  ["BRK-B", ["BRK B", "BRK.B"]],
  ["brkb", ["BRK B"]],
  ["BRK B", ["BRK.B"]],
  ["BAC-PL", ["BAC PL", "BAC PRL", "BAC.PL"]],
  ["BAC/PRL", ["BAC PRL", "BAC.PRL"]],
  ["REI-UN", ["REI UN", "REI.UN"]],
  ["AAPL", []],
  ["SPY", []],
  ["ES", []],
] as const)("%s may be written %j at TWS", ([symbol, spellings]) => {
  expect(otherSpellings(symbol)).toEqual(spellings);
});

describe("an id of a security", () => {
  test.for([
    ["US0378331005", { type: "ISIN", id: "US0378331005", looksLike: "share" }],
    ["us037833al42", { type: "ISIN", id: "US037833AL42", looksLike: "bond" }],
    ["037833100", { type: "CUSIP", id: "037833100", looksLike: "share" }],
    ["91282CLX7", { type: "CUSIP", id: "91282CLX7", looksLike: "bond" }],
    ["DE0007164600", { type: "ISIN", id: "DE0007164600", looksLike: "either" }],
  ] as const)("%s is told by its check digit", ([text, id]) => {
    expect(securityIdIn(text)).toEqual(id);
  });

  test.for(["US0378331006", "037833101", "AAPL", "IBCID12712813", "GOOGLGOOG", "123456789012"])(
    "%s is none",
    (text) => {
      expect(securityIdIn(text)).toBeNull();
    },
  );
});

test("a venue has its own currency, and one that trades in several has none", () => {
  expect(["TSE", "lse", "IBIS", "TSEJ", "ARCA", "SGX", "NOWHERE"].map(currencyOfVenue)).toEqual([
    "CAD",
    "GBP",
    "EUR",
    "JPY",
    "USD",
    null,
    null,
  ]);
});
