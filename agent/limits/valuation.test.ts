import { describe, expect, test } from "vitest";
import type { Contract } from "../../shared/contract.ts";
import { emptyQuote } from "../../shared/events.ts";
import type { OrderSpec } from "../tws/orders/order-wire.ts";
import { checked, specOf, workingOrder } from "./limits.fixture.ts";
import { valueOrder, whyNotChecked } from "./valuation.ts";
import type { Basis } from "./valuation.ts";

const contractOf = (change: Partial<Contract> = {}): Contract => ({
  conId: 1,
  symbol: "ASML",
  secType: "STK",
  exchange: "SMART",
  primaryExchange: null,
  currency: "USD",
  localSymbol: null,
  tradingClass: null,
  expiration: null,
  strike: null,
  right: null,
  multiplier: null,
  ...change,
});

const rates = new Map([
  ["USD", 1],
  ["EUR", 1.16],
  ["JPY", 0.0065],
]);

const basisOf = (contract: Contract, prices: Partial<typeof emptyQuote> = { bid: 199, ask: 200 }): Basis => ({
  contract,
  priceMagnifier: contract.symbol === "PENCE" ? 100 : 1,
  money: { currency: "USD", rateOf: async (currency) => rates.get(currency) ?? null },
  quote: async () => ({ ...emptyQuote, ...prices }),
});

/** What a new order for ten comes to in dollars. */
const valueOf = async (
  change: Partial<Contract>,
  terms: Partial<OrderSpec> = {},
  prices?: Basis["quote"],
) => {
  const contract = contractOf(change);
  const basis = basisOf(contract);
  const { added } = await valueOrder(checked(contract, terms), {
    ...basis,
    ...(prices && { quote: prices }),
  });
  return added;
};

describe("an order for ten at a limit of 100 comes to", () => {
  test.each([
    ["1,000 in dollars", { currency: "USD" }, 1_000],
    ["1,160 in euros", { currency: "EUR" }, 1_160],
    ["6.50 in yen", { currency: "JPY" }, 6.5],
    ["11.60 where its price is in cents of a euro", { currency: "EUR", symbol: "PENCE" }, 11.6],
    ["its notional for futures in cents", { secType: "FUT", multiplier: 5_000, symbol: "PENCE" }, 50_000],
    ["its premium for options", { secType: "OPT", multiplier: 100 }, 100_000],
    ["its premium in euros", { secType: "OPT", multiplier: 100, currency: "EUR" }, 116_000],
    ["its premium for options on futures", { secType: "FOP", multiplier: 50 }, 50_000],
    ["its notional for futures", { secType: "FUT", multiplier: 50 }, 50_000],
    ["percents of 1,000 for bonds", { secType: "BOND" }, 10_000],
    ["percents of 1,000 for bills", { secType: "BILL" }, 10_000],
    ["its price for pairs that cost more than their quantity", { secType: "CASH", symbol: "EUR" }, 1_000],
    ["its quantity for pairs of other currencies", { secType: "CASH", symbol: "EUR", currency: "CHF" }, 11.6],
    ["its price where no rate is known", { secType: "CASH", symbol: "GBP", currency: "USD" }, 1_000],
  ] as const)("%s", async (_words, change, expected) => {
    expect(await valueOf(change)).toBe(expected);
  });
});

describe("with the market at 199 to 200, an order for ten comes to", () => {
  const none = { limitPrice: null, auxPrice: null };
  test.each([
    ["BUY", "MKT", none, 2_000],
    ["SELL", "MKT", none, 2_000],
    ["BUY", "MOC", none, 2_000],
    ["BUY", "LMT", { limitPrice: 150 }, 1_500],
    ["BUY", "LMT", { limitPrice: 250 }, 2_500],
    // a sale at 1 trades at the market
    ["SELL", "LMT", { limitPrice: 1 }, 2_000],
    ["SELL", "LMT", { limitPrice: 250 }, 2_500],
    ["BUY", "STP", { ...none, auxPrice: 210 }, 2_100],
    ["BUY", "STP", { ...none, auxPrice: 150 }, 2_000],
    ["SELL", "STP", { ...none, auxPrice: 150 }, 2_000],
    ["BUY", "MIT", { ...none, auxPrice: 150 }, 2_000],
    ["SELL", "MIT", { ...none, auxPrice: 230 }, 2_300],
    ["BUY", "STP LMT", { auxPrice: 210, limitPrice: 212 }, 2_120],
    ["BUY", "LIT", { auxPrice: 180, limitPrice: 181 }, 1_810],
    ["BUY", "LOC", { limitPrice: 190 }, 1_900],
    ["BUY", "REL", { auxPrice: 0.01, limitPrice: 205 }, 2_050],
    ["BUY", "REL", { auxPrice: 0.01, limitPrice: null }, 2_000.1],
    ["BUY", "TRAIL", { ...none, auxPrice: 5 }, 2_050],
    ["BUY", "TRAIL", { ...none, auxPrice: 5, trailStopPrice: 230 }, 2_300],
    ["SELL", "TRAIL", { ...none, auxPrice: 5 }, 2_000],
    ["BUY", "TRAIL LIMIT", { ...none, auxPrice: 5, trailStopPrice: 210, limitOffset: 2 }, 2_120],
    ["SELL", "TRAIL LIMIT", { ...none, auxPrice: 5, trailStopPrice: 190, limitOffset: 2 }, 2_000],
  ] as const)("%s %s with %j: %d", async (action, orderType, prices, expected) => {
    expect(await valueOf({}, { action, orderType, ...prices })).toBe(expected);
  });
});

test("a purchase with a cap asks the market for nothing", async () => {
  const never = () => Promise.reject(new Error("The market was asked."));
  expect(await valueOf({}, {}, never)).toBe(1_000);
  await expect(valueOf({}, { action: "SELL" }, never)).rejects.toThrow("asked");
});

test.each([
  ["a rate", { currency: "CHF" }, {}, "TWS gives no rate from CHF to USD"],
  ["a price", { symbol: "GME" }, { orderType: "MKT", limitPrice: null }, "TWS has no price of GME"],
  ["a multiplier", { secType: "FUT", symbol: "ES" }, {}, "TWS gives no multiplier of ES"],
  ["a known kind", { secType: "BAG" }, {}, "the value of BAG does not follow from its price"],
] as const)("without %s it cannot be told, and says so", async (_what, change, terms, expected) => {
  const quote = async () => emptyQuote;
  const error = await valueOf(change, terms, quote).catch((thrown: unknown) => thrown);
  expect(whyNotChecked(error)).toBe(expected);
});

test.each([
  [{ bid: 10, ask: 11 }, 110],
  [{ bid: 10, last: 12, close: 9 }, 120],
  [{ bid: 10, close: 9 }, 100],
  [{ close: 9 }, 90],
  [{ ask: 0, bid: -1, close: 9 }, 90],
] as const)("the market at %j makes ten worth %d", async (prices, expected) => {
  const quote = async () => ({ ...emptyQuote, ...prices });
  expect(await valueOf({}, { orderType: "MKT", limitPrice: null }, quote)).toBe(expected);
});

test("a part of a cent counts as a cent", async () => {
  expect(await valueOf({}, { quantity: 0.00001, limitPrice: 1 })).toBe(0.01);
  expect(await valueOf({}, { quantity: 3, limitPrice: 100.1 })).toBe(300.3);
  // 7 × 0.07 is 0.49000000000000005 to a machine
  expect(await valueOf({}, { quantity: 7, limitPrice: 0.07 })).toBe(0.49);
});

describe("the change of an order of ten at 100 that works", () => {
  const contract = contractOf();
  const change = (terms: Partial<OrderSpec>, filled = 0, opens: number | null = null) => {
    const changes = workingOrder(specOf(contract), { filled, remaining: 10 - filled });
    const order = checked(contract, terms, { changes, isExit: opens !== null });
    const openings = opens === null ? [] : [{ terms: order.spec, quantity: opens }];
    return valueOrder({ ...order, openings }, basisOf(contract));
  };

  test.each([
    ["to 12 adds 200", { quantity: 12 }, { added: 200, whole: 1_200 }],
    ["to 130 adds 300", { limitPrice: 130 }, { added: 300, whole: 1_300 }],
    ["to nothing else adds nothing", {}, { added: 0, whole: 0 }],
    ["to 9 adds nothing", { quantity: 9 }, { added: 0, whole: 0 }],
    ["to 80 adds nothing", { limitPrice: 80 }, { added: 0, whole: 0 }],
    ["to 20 at 40 adds nothing", { quantity: 20, limitPrice: 40 }, { added: 0, whole: 0 }],
  ] as const)("%s", async (_words, terms, expected) => {
    expect(await change(terms)).toEqual(expected);
  });

  test("counts only what is open of it", async () => {
    expect(await change({ limitPrice: 130 }, 6)).toEqual({ added: 120, whole: 1_300 });
  });

  test("of an exit adds only what it would open", async () => {
    expect(await change({ limitPrice: 500 }, 0, 0)).toEqual({ added: 0, whole: 0 });
    expect(await change({ quantity: 12 }, 0, 2)).toEqual({ added: 200, whole: 200 });
  });
});

test("an exit of a bracket comes to nothing", async () => {
  const contract = contractOf();
  const exit = checked(contract, { action: "SELL", limitPrice: 500 }, { isExit: true });
  expect(await valueOrder(exit, basisOf(contract))).toEqual({ added: 0, whole: 0 });
});
