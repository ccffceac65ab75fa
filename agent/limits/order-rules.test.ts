import { expect, test } from "vitest";
import type { Contract } from "../../shared/contract.ts";
import { usualBounds } from "./limits.ts";
import type { Bounds } from "./limits.ts";
import type { OrderSpec } from "../tws/orders/order-wire.ts";
import { proposed } from "./limits.fixture.ts";
import { ruleFindings } from "./order-rules.ts";

const stock = (symbol: string, change: Partial<Contract> = {}) => ({
  conId: 1,
  exchange: "SMART",
  symbol,
  secType: "STK",
  currency: "USD",
  localSymbol: symbol,
  ...change,
});
const option = stock("AAPL", { conId: 2, secType: "OPT", localSymbol: "AAPL  261218C00200000" });
const pair = stock("EUR", { conId: 3, secType: "CASH", localSymbol: "EUR.USD" });
const future = stock("ES", { conId: 4, secType: "FUT", localSymbol: "ESZ6" });
const bill = stock("US-T", { conId: 5, secType: "BILL" });
const nameless = { conId: 6, exchange: "SMART" };

const apple = stock("AAPL");
type Row = readonly [Partial<Bounds>, OrderSpec["contract"], Partial<OrderSpec>, string];

const rows: readonly Row[] = [
  [{ secTypes: ["STK"] }, apple, {}, "within"],
  [{ secTypes: ["STK"] }, option, {}, "LIMIT_SEC_TYPES"],
  [{ secTypes: ["STK", "OPT"] }, option, {}, "within"],
  [{ secTypes: ["BOND"] }, bill, {}, "within"],
  [{ secTypes: ["STK"] }, bill, {}, "LIMIT_SEC_TYPES"],
  [{ secTypes: ["STK"] }, nameless, {}, "LIMIT_SEC_TYPES"],

  [{ symbols: ["AAPL"] }, apple, {}, "within"],
  [{ symbols: ["aapl"] }, apple, {}, "within"],
  [{ symbols: ["MSFT"] }, apple, {}, "LIMIT_SYMBOLS"],
  [{ symbols: ["AAP"] }, apple, {}, "LIMIT_SYMBOLS"],
  [{ symbols: ["AAPL"] }, option, {}, "within"],
  [{ symbols: ["AAPL 261218C00200000"] }, option, {}, "within"],
  [{ symbols: ["ES"] }, future, {}, "within"],
  [{ symbols: ["esz6"] }, future, {}, "within"],
  [{ symbols: ["ESH7"] }, future, {}, "LIMIT_SYMBOLS"],
  [{ symbols: ["EUR.USD"] }, pair, {}, "within"],
  [{ symbols: ["GBP.USD"] }, pair, {}, "LIMIT_SYMBOLS"],
  [{ symbols: ["AAPL"] }, nameless, {}, "LIMIT_SYMBOLS"],

  [{ symbolsDenied: ["MSFT"] }, apple, {}, "within"],
  [{ symbolsDenied: ["AAPL"] }, apple, {}, "LIMIT_SYMBOLS_DENIED"],
  [{ symbolsDenied: ["aapl"] }, option, {}, "LIMIT_SYMBOLS_DENIED"],
  [{ symbolsDenied: ["eur.usd"] }, pair, {}, "LIMIT_SYMBOLS_DENIED"],
  [{ symbolsDenied: ["ESZ6"] }, future, {}, "LIMIT_SYMBOLS_DENIED"],
  [{ symbolsDenied: ["BRK.B"] }, stock("BRK B"), {}, "LIMIT_SYMBOLS_DENIED"],
  [{ symbolsDenied: ["AAPL"], symbols: ["AAPL"] }, apple, {}, "LIMIT_SYMBOLS_DENIED"],
  [{ symbolsDenied: ["MSFT"] }, nameless, {}, "LIMIT_SYMBOLS_DENIED"],

  [{ orderTypes: ["LMT"] }, apple, {}, "within"],
  [{ orderTypes: ["LMT"] }, apple, { orderType: "MKT", limitPrice: null }, "LIMIT_ORDER_TYPES"],
  [{ orderTypes: ["STP LMT"] }, apple, { orderType: "STP" }, "LIMIT_ORDER_TYPES"],
];

test.each(rows)("under %j an order for %j with %j is %s", (bounds, contract, terms, expected) => {
  const findings = ruleFindings({ ...usualBounds, ...bounds }, [proposed(contract, terms)]);
  expect(findings.find(({ ok }) => !ok)?.name ?? "within").toBe(expected);
});

test("an order that is within them in a basket leaves none of the others unseen", () => {
  const bounds: Bounds = { ...usualBounds, symbols: ["AAPL"], orderTypes: ["LMT"] };
  const broken = (second: Parameters<typeof proposed>) =>
    ruleFindings(bounds, [proposed(apple), proposed(...second)])
      .filter(({ ok }) => !ok)
      .map(({ name }) => name);
  expect(broken([apple])).toEqual([]);
  expect(broken([stock("MSFT")])).toEqual(["LIMIT_SYMBOLS"]);
  expect(broken([apple, { orderType: "MKT" }])).toEqual(["LIMIT_ORDER_TYPES"]);
});

test("the exits of a bracket exclude each other, and are held to the quantity and the type all the same", () => {
  const broken = (bounds: Partial<Bounds>, quantity: number) => {
    const exit = { isExit: true };
    const stop = { action: "SELL", orderType: "STP", quantity } as const;
    return ruleFindings({ ...usualBounds, ...bounds }, [
      proposed(apple),
      proposed(apple, { action: "SELL", quantity }, exit),
      proposed(apple, stop, exit),
    ])
      .filter(({ ok }) => !ok)
      .map(({ name }) => name);
  };
  expect(broken({ orderQuantity: 10 }, 10)).toEqual([]);
  expect(broken({ orderQuantity: 10 }, 11)).toEqual(["LIMIT_ORDER_QUANTITY"]);
  expect(broken({ orderTypes: ["LMT"] }, 10)).toEqual(["LIMIT_ORDER_TYPES"]);
});
