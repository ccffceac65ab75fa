import {
  ConjunctionConnection,
  type Contract,
  ExecutionCondition,
  MarginCondition,
  type Order,
  OptionType,
  OrderAction,
  OrderType,
  PercentChangeCondition,
  PriceCondition,
  SecType,
  TimeCondition,
  TimeInForce,
  TriggerMethod,
  VolumeCondition,
} from "@stoqey/ib";
import { Encoder } from "@stoqey/ib/dist/core/io/encoder.js";
import { describe, expect, test } from "vitest";
import { newestVersion, oldestVersion } from "./handshake.ts";
import { tokenFields } from "../test-support/raw-client.fixture.ts";
import { decodeRequest } from "./requests-decode.ts";
import { readPlaceOrder } from "./requests-order.ts";
import { fieldReader, MalformedRequest } from "./wire.ts";

const versions = Array.from(
  { length: newestVersion - oldestVersion + 1 },
  (_, index) => oldestVersion + index,
);

const stock: Contract = { symbol: "AAPL", secType: SecType.STK, exchange: "SMART", currency: "USD" };
const option: Contract = {
  symbol: "AAPL",
  secType: SecType.OPT,
  exchange: "SMART",
  currency: "USD",
  lastTradeDateOrContractMonth: "20261218",
  strike: 280,
  right: OptionType.Call,
  multiplier: 100,
};
const leg = (conId: number, action: OrderAction) => ({
  conId,
  ratio: 1,
  action,
  exchange: "SMART",
  openClose: 0,
  shortSaleSlot: 0,
  designatedLocation: "",
  exemptCode: -1,
});
const combo: Contract = {
  symbol: "AAPL",
  secType: SecType.BAG,
  exchange: "SMART",
  currency: "USD",
  comboLegs: [leg(1, OrderAction.BUY), leg(2, OrderAction.SELL)],
};
const and = ConjunctionConnection.AND;

const base: Order = {
  action: OrderAction.BUY,
  orderType: OrderType.LMT,
  totalQuantity: 10,
  lmtPrice: 12.5,
  tif: TimeInForce.GTC,
  orderRef: "ag1:ref",
  account: "DU1234567",
  transmit: true,
  outsideRth: true,
  ocaGroup: "oca",
  ocaType: 2,
  parentId: 6,
  whatIf: true,
};

const cases: readonly (readonly [string, Contract, Order])[] = [
  ["a plain limit order", stock, base],
  ["an option order", option, base],
  ["a stop limit order", stock, { ...base, orderType: OrderType.STP_LMT, auxPrice: 11 }],
  [
    "a trailing order",
    stock,
    { ...base, orderType: OrderType.TRAIL, trailingPercent: 2.5, trailStopPrice: 11.25 },
  ],
  [
    "a combination with leg prices and routing",
    combo,
    {
      ...base,
      orderComboLegs: [{ price: 1 }, { price: 2 }],
      smartComboRoutingParams: [{ tag: "NonGuaranteed", value: "1" }],
    },
  ],
  ["a combination without legs", { ...combo, comboLegs: [] }, base],
  [
    "an algo",
    stock,
    { ...base, algoStrategy: "Adaptive", algoParams: [{ tag: "adaptivePriority", value: "Normal" }] },
  ],
  [
    "all kinds of conditions",
    stock,
    {
      ...base,
      conditions: [
        new PriceCondition(100, TriggerMethod.Default, 265598, "SMART", true, and),
        new TimeCondition("20261120 15:00:00 US/Eastern", true, and),
        new MarginCondition(30, false, and),
        new ExecutionCondition("SMART", SecType.STK, "MSFT", and),
        new VolumeCondition(1000, 265598, "SMART", true, and),
        new PercentChangeCondition(2.5, 265598, "SMART", true, and),
      ],
      conditionsIgnoreRth: true,
      conditionsCancelOrder: false,
    },
  ],
  [
    "a pegged-to-benchmark order",
    stock,
    {
      ...base,
      orderType: OrderType.PEG_BENCH,
      referenceContractId: 272093,
      isPeggedChangeAmountDecrease: true,
      peggedChangeAmount: 0.5,
      referenceChangeAmount: 1,
      referenceExchangeId: "ISLAND",
    },
  ],
  [
    "a delta neutral volatility order",
    option,
    {
      ...base,
      orderType: OrderType.VOL,
      volatility: 0.3,
      volatilityType: 2,
      deltaNeutralOrderType: OrderType.LMT,
      deltaNeutralAuxPrice: 1,
      deltaNeutralConId: 265598,
    },
  ],
  [
    "a scale order",
    stock,
    { ...base, scaleInitLevelSize: 5, scaleSubsLevelSize: 5, scalePriceIncrement: 0.1, scaleProfitOffset: 1 },
  ],
  ["a hedge", stock, { ...base, hedgeType: "P", hedgeParam: "1.5" }],
];

/** Offsets exist from 170 on, and earlier the library refuses to write them. */
const pegCases: readonly (readonly [string, Contract, Order])[] = [
  [
    "a pegged-to-best order on the ATS",
    { ...stock, exchange: "IBKRATS" },
    {
      ...base,
      orderType: OrderType.PEG_BEST,
      minTradeQty: 10,
      minCompeteSize: 100,
      competeAgainstBestOffset: Number.POSITIVE_INFINITY,
      midOffsetAtWhole: 0.01,
      midOffsetAtHalf: 0.005,
    },
  ],
  [
    "a pegged-to-best order with an offset",
    stock,
    { ...base, orderType: OrderType.PEG_BEST, minCompeteSize: 100, competeAgainstBestOffset: 0.02 },
  ],
  [
    "a pegged-to-midpoint order",
    { ...stock, exchange: "IBKRATS" },
    { ...base, orderType: OrderType.PEG_MID, minTradeQty: 1, midOffsetAtWhole: 0.01, midOffsetAtHalf: 0.005 },
  ],
];

/** The fields a widely used client writes for a call of its encoder at one server version. */
function written(serverVersion: number, write: (encoder: Encoder) => void): string[] {
  const sent: string[][] = [];
  const problems: string[] = [];
  const encoder = new Encoder({
    serverVersion,
    sendMsg(...tokens) {
      sent.push(tokenFields(tokens));
    },
    emitError: (text) => void problems.push(text),
  });
  write(encoder);
  expect(problems).toEqual([]);
  return sent[0] ?? [];
}

function reread(version: number, contract: Contract, order: Order) {
  const reader = fieldReader(written(version, (encoder) => encoder.placeOrder(77, contract, order)));
  const request = readPlaceOrder(reader, version);
  return { version, left: reader.left(), request };
}

function whole(version: number, contract: Contract, order: Order): unknown {
  const request: unknown = expect.objectContaining({
    orderId: 77,
    action: "BUY",
    quantity: 10,
    limitPrice: 12.5,
    tif: "GTC",
    orderRef: "ag1:ref",
    transmit: true,
    outsideRth: true,
    ocaGroup: "oca",
    ocaType: 2,
    parentId: 6,
    whatIf: true,
    comboLegs: contract.comboLegs?.length ?? 0,
    conditions: order.conditions?.length ?? 0,
  });
  return { version, left: 0, request };
}

describe("placeOrder", () => {
  test.each(cases)("reads %s to its last field in every version", (_name, contract, order) => {
    for (const version of versions) {
      expect(reread(version, contract, order)).toEqual(whole(version, contract, order));
    }
  });

  test.each(pegCases)("reads %s to its last field from version 170 on", (_name, contract, order) => {
    for (const version of versions.filter((each) => each >= 170)) {
      expect(reread(version, contract, order)).toEqual(whole(version, contract, order));
    }
  });

  test("keeps the last fields apart in the newest version", () => {
    const order = { ...base, includeOvernight: true, customerAccount: "cust", manualOrderIndicator: 1 };
    const fields = written(193, (encoder) => encoder.placeOrder(1, stock, order));
    const { echo } = readPlaceOrder(fieldReader(fields), 193);
    expect(echo).toMatchObject({ includeOvernight: "1", customerAccount: "cust", manualOrderIndicator: "1" });
  });

  test("complains about a truncated order under its id", () => {
    const fields = written(193, (encoder) => encoder.placeOrder(77, stock, base)).slice(0, 40);
    expect(() => decodeRequest(fields, 193)).toThrow(
      expect.objectContaining({ name: "MalformedRequest", id: 77 }),
    );
    expect(() => decodeRequest(["3", "77", "not a number"], 193)).toThrow(MalformedRequest);
  });
});

describe("cancelOrder", () => {
  test("finds the order id where each version has it", () => {
    for (const version of versions) {
      const fields = written(version, (encoder) => encoder.cancelOrder(31, {}));
      expect(decodeRequest(fields, version)).toEqual({ type: "cancelOrder", orderId: 31 });
    }
  });
});
