import { SecType } from "@stoqey/ib";
import { expect, test } from "vitest";
import { readDescription } from "./bond-facts.ts";
import { contractToTws, detailsFrom, matchFrom, partialContract, selectorToTws } from "./translate.ts";

test.for([
  ["AAPL 3.85 05/04/43", 3.85, "20430504"],
  ["US-T 1 5/8 11/10/26", 1.625, "20261110"],
  ["UKT 0 1/8 01/31/28", 0.125, "20280131"],
  ["C 6 12/31/99", 6, "20991231"],
  ["DUE LATE 5 01/15/15", null, "21150115"],
  ["DUE 5 01/15/16", 5, "20160115"],
  ["XYZ FLOAT 03/01/30", null, "20300301"],
  ["XYZ 03/01/30 PERP", null, "20300301"],
  ["A loan", null, null],
  ["", null, null],
] as const)("reads coupon and maturity from %j", ([text, coupon, maturity]) => {
  expect(readDescription(text, 2026)).toEqual({ coupon, maturity });
});

const bond = { conId: 127_128_131, secType: SecType.BOND, exchange: "SMART", tradingClass: "AAPL" };

test("a bond that TWS tells little of has what its description and ids say, and nothing that they do not", () => {
  const details = detailsFrom({
    contract: { ...bond, symbol: "", currency: "" },
    cusip: "IBCID127128131",
    coupon: 0,
    maturity: "",
    callable: false,
    descAppend: "AAPL 3.85 05/04/43",
    secIdList: [
      { tag: "CUSIP", value: "037833AL4" },
      { tag: "ISIN", value: "US037833AL42" },
    ],
  });
  expect(details).toMatchObject({
    contract: { symbol: "AAPL", localSymbol: "IBCID127128131", expiration: "20430504", currency: "" },
    bond: { coupon: 3.85, maturity: "20430504", cusip: "037833AL4", isin: "US037833AL42", callable: null },
  });
});

test("what TWS does tell of a bond goes before its description", () => {
  const details = detailsFrom({
    contract: { ...bond, symbol: "AAPL", currency: "USD" },
    cusip: "037833AL4",
    coupon: 3.9,
    // the hour and zone may follow
    maturity: "20430505 16:00 US/Eastern",
    callable: false,
    descAppend: "AAPL 3.85 05/04/43",
  });
  expect(details?.contract.expiration).toBe("20430505");
  expect(details?.bond).toMatchObject({
    coupon: 3.9,
    maturity: "20430505",
    cusip: "037833AL4",
    callable: false,
    isin: null,
  });
});

test("a position in a bond or a bill is named though TWS leaves its symbol out", () => {
  for (const secType of [SecType.BOND, SecType.BILL])
    expect(partialContract({ conId: 7, secType, symbol: "" })).toMatchObject({
      symbol: "IBCID7",
      localSymbol: "IBCID7",
    });
  expect(partialContract({ conId: 7, secType: SecType.STK, symbol: "" })).toMatchObject({
    symbol: "",
    localSymbol: null,
  });
});

test("a bond is asked for by its id alone, which no symbol of an issuer contradicts", () => {
  const details = detailsFrom({ contract: { ...bond, symbol: "AAPL", currency: "USD" } });
  expect(details && contractToTws(details.contract)).toEqual({
    conId: bond.conId,
    secType: "BOND",
    exchange: "SMART",
  });
});

test("the bonds of an issuer are asked for by its id, and their maturity is no matter of TWS", () => {
  const match = matchFrom({
    contract: { conId: -1, secType: SecType.BOND, description: "Apple Inc", issuerId: "e1432232" },
  });
  expect(match).toEqual({ symbol: "e1432232", secType: "BOND", name: "Apple Inc", derivativeSecTypes: [] });
  const named = { symbol: "E1432232", secType: "BOND", exchange: "SMART", currency: "USD" } as const;
  expect(selectorToTws(named)).toEqual({ issuerId: "e1432232" });
  expect(selectorToTws({ ...named, symbol: "AAPL", expiration: "204305" })).toEqual({
    ...named,
    symbol: "AAPL",
  });
  expect(selectorToTws({ symbol: "E1", secType: "STK" })).toMatchObject({ symbol: "E1" });
});
