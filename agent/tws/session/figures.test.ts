import { describe, expect, test } from "vitest";
import { commissionOf, countOf, figureOf, positiveOf, quotedPriceOf, textFigureOf } from "./figures.ts";

const marks = [
  2_147_483_647,
  2_147_483_646.999_999,
  2_147_483_648,
  -2_147_483_648,
  Number("9223372036854775807"),
  Number("9.22337203685478E18"),
  Number("-9223372036854775808"),
  Number.MAX_VALUE,
  -Number.MAX_VALUE,
  Number("1.797693134862316E308"),
  Number("1.79769E308"),
  Infinity,
  NaN,
];

test.for(marks)("%d is set by nobody", (mark) => {
  for (const read of [figureOf, countOf, positiveOf, commissionOf]) expect(read(mark)).toBeNull();
  expect(quotedPriceOf(mark, { secType: "FUT", size: 5 })).toBeNull();
});

test.for([0, -1, 1e-9, 2_147_483_640, -2_147_483_640, 1e15, 9.2e18])("%d is a figure", (figure) => {
  expect(figureOf(figure)).toBe(figure);
});

test("a count is not below 0, and an increment is above it", () => {
  expect([-1, 0, 3].map(countOf)).toEqual([null, 0, 3]);
  expect([-1, 0, 0.05].map(positiveOf)).toEqual([null, null, 0.05]);
});

describe("a price", () => {
  test.for([
    ["STK", -1, 0, null],
    ["STK", -1, 500, null],
    ["STK", -100, 0, null],
    ["OPT", -1, undefined, null],
    ["OPT", 0, 0, 0],
    ["BAG", -1, 0, null],
    ["BAG", -100, 0, null],
    ["BAG", -1, 3, -1],
    ["BAG", -1.5, 0, -1.5],
    ["BAG", -1, undefined, null],
    ["FUT", -37.63, undefined, -37.63],
    ["FUT", -100, 1, -100],
    ["IND", -812, undefined, -812],
  ] as const)("of %s that TWS writes as %d with size %d is %d", ([secType, price, size, expected]) => {
    expect(quotedPriceOf(price, { secType, size })).toBe(expected);
  });
});

test("a commission may be negative, but not the mark", () => {
  expect([-0.25, 0, 1, -1].map(commissionOf)).toEqual([-0.25, 0, 1, null]);
});

test("a mark is a mark as text too, and words are words", () => {
  expect(["1.7976931348623157E308", "2147483647", "9223372036854775807"].map(textFigureOf)).toEqual([
    null,
    null,
    null,
  ]);
  expect(["12,345.60", "-1", "INDIVIDUAL", "", "true"].map(textFigureOf)).toEqual([
    "12,345.60",
    "-1",
    "INDIVIDUAL",
    "",
    "true",
  ]);
});
