import { expect, test } from "vitest";
import { emptyQuote } from "../../../shared/events.ts";
import {
  sizeBeside,
  dataTypeChange,
  genericChange,
  greeksChange,
  isComplete,
  priceChange,
  sizeChange,
} from "./ticks.ts";

test.each([
  [1, 10.5, { bid: 10.5 }],
  [2, 10.6, { ask: 10.6 }],
  [4, 10.55, { last: 10.55 }],
  [6, 11, { high: 11 }],
  [7, 9, { low: 9 }],
  [9, 10, { close: 10 }],
  [14, 10.1, { open: 10.1 }],
  [66, 10.5, { bid: 10.5 }],
  [67, 10.6, { ask: 10.6 }],
  [68, 10.55, { last: 10.55 }],
  [72, 11, { high: 11 }],
  [73, 9, { low: 9 }],
  [75, 10, { close: 10 }],
  [76, 10.1, { open: 10.1 }],
  [50, 4.05, { bidYield: 4.05 }],
  [51, -0.2, { askYield: -0.2 }],
  [52, -1, { lastYield: null }],
  [103, 4.05, { bidYield: 4.05 }],
  [104, 4.01, { askYield: 4.01 }],
  [1, -1, { bid: null }],
  [1, 0, { bid: 0 }],
  [14, 0, { open: null }],
  [2, undefined, { ask: null }],
  [4, 1.7976931348623157e308, { last: null }],
  [37, 10.5, null],
])("reads price tick %i of %s as %j", (tick, value, expected) => {
  expect(priceChange(tick, value, { secType: "STK", size: 100 })).toEqual(expected);
});

test("a bid below 0 is one where an instrument can have it, and TWS's mark where nothing is bid for", () => {
  expect(priceChange(1, -1, { secType: "STK", size: 100 })).toEqual({ bid: null });
  expect(priceChange(1, -1, { secType: "BAG", size: 0 })).toEqual({ bid: null });
  expect(priceChange(1, -100, { secType: "BAG", size: 0 })).toEqual({ bid: null });
  expect(priceChange(1, -1, { secType: "BAG", size: 4 })).toEqual({ bid: -1 });
  expect(priceChange(4, -37.63, { secType: "FUT", size: undefined })).toEqual({ last: -37.63 });
});

test.each([
  [0, 300, { bidSize: 300 }],
  [3, 200, { askSize: 200 }],
  [5, 1, { lastSize: 1 }],
  [8, 12_345, { volume: 12_345 }],
  [69, 300, { bidSize: 300 }],
  [70, 200, { askSize: 200 }],
  [71, 1, { lastSize: 1 }],
  [74, 0, { volume: 0 }],
  [0, 0, { bidSize: null }],
  [8, -1, { volume: null }],
  [21, 99, null],
])("reads size tick %i of %s as %j", (tick, value, expected) => {
  expect(sizeChange(tick, value)).toEqual(expected);
});

test("reads a halt, and an unknown one as unknown", () => {
  expect(genericChange(49, 1)).toEqual({ halted: true });
  expect(genericChange(90, 0)).toEqual({ halted: false });
  expect(genericChange(49, -1)).toEqual({ halted: null });
  expect(genericChange(24, 0.3)).toBeNull();
});

test("prefers the model's greeks to those of the bid", () => {
  const fromBid = greeksChange(emptyQuote, 10, { impliedVolatility: 0.31, delta: 0.5 });
  expect(fromBid).toEqual({ impliedVolatility: 0.31, delta: 0.5 });
  const quote = { ...emptyQuote, ...fromBid };
  expect(greeksChange(quote, 83, { impliedVolatility: 0.3, delta: undefined })).toEqual({
    impliedVolatility: 0.3,
  });
  expect(greeksChange(quote, 11, { impliedVolatility: 0.4, gamma: 0.02 })).toEqual({ gamma: 0.02 });
  expect(greeksChange(emptyQuote, 13, { impliedVolatility: -0.999_999, delta: 0.5 })).toEqual({ delta: 0.5 });
  expect(greeksChange(quote, 53, { impliedVolatility: 0.4 })).toBeNull();
});

test("names the data type by TWS's number", () => {
  expect([1, 2, 3, 4, 9].map((type) => dataTypeChange(type)?.dataType)).toEqual([
    "live",
    "frozen",
    "delayed",
    "delayed-frozen",
    undefined,
  ]);
});

test("finds the size in the raw message of a price, which the library loses", () => {
  expect(sizeBeside(["1", "6", "1000000007", "1", "10.5", "300", "1"])).toEqual({
    id: 1_000_000_007,
    tick: 1,
    size: 300,
  });
  expect(sizeBeside(["1", "6", "1000000007", "2", "10.6", "200", "1"])).toMatchObject({ tick: 2, size: 200 });
  expect(sizeBeside(["1", "6", "1000000007", "2", "10.6", "", "1"])).toBeNull();
  expect(sizeBeside(["2", "6", "1000000007", "1", "300"])).toBeNull();
});

test("takes a quote for complete when what its kind of instrument has is there", () => {
  const quoted = { ...emptyQuote, bid: 1, ask: 2 };
  expect(isComplete(quoted, "CASH")).toBe(true);
  expect(isComplete(quoted, "STK")).toBe(false);
  expect(isComplete({ ...quoted, last: 1.5, close: 1.4 }, "STK")).toBe(true);
  expect(isComplete({ ...emptyQuote, last: 1.5, close: 1.4 }, "IND")).toBe(true);
  expect(isComplete({ ...quoted, last: 1.5, close: 1.4 }, "OPT")).toBe(false);
  expect(isComplete({ ...quoted, last: 1.5, close: 1.4, delta: 0.5 }, "OPT")).toBe(true);
  expect(isComplete({ ...quoted, last: 1.5, close: 1.4 }, "BOND")).toBe(false);
  expect(isComplete({ ...quoted, last: 1.5, close: 1.4, askYield: null }, "BOND")).toBe(true);
});
