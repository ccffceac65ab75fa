import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  aapl,
  createHandlersFixture,
  type HandlersFixture,
  eurusd,
  type Fields,
} from "../test-support/handlers.fixture.ts";
import { readStrictly } from "../test-support/message-layouts.fixture.ts";

let fixture: HandlersFixture;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  fixture = createHandlersFixture();
});
afterEach(() => {
  fixture.handlers.close();
  vi.useRealTimers();
});

const option = (right: "C" | "P", strike = 250): Fields => [
  "",
  "AAPL",
  "OPT",
  "20261218",
  strike,
  right,
  "",
  "SMART",
  "",
  "USD",
  "",
  "",
];
const priceOf = (contract: Fields, volatility: Fields[number], spot: Fields[number], version = 193) =>
  fixture.ask(fixture.clientAt(version), 55, 2, 1001, ...contract, volatility, spot, "");
const volatilityOf = (contract: Fields, price: Fields[number], spot: Fields[number], version = 193) =>
  fixture.ask(fixture.clientAt(version), 54, 2, 1001, ...contract, price, spot, "");
const numbers = (row: readonly string[] | undefined, version = 193) =>
  Object.fromEntries(
    Object.entries(readStrictly(row ?? [], version)).map(([name, value]) => [name, Number(value)]),
  );

/**
 * The discounted mean of the payoff over the lognormal prices at expiry, by Simpson's rule from the strike outwards:
 * no closed formula and no distribution function.
 */
function integratedPrice(right: "C" | "P", spot: number, years: number, volatility: number): number {
  const [strike, rate, steps] = [250, 0.04, 4_000];
  const width = volatility * Math.sqrt(years);
  const drift = (rate - volatility ** 2 / 2) * years;
  const atStrike = (Math.log(strike / spot) - drift) / width;
  const [from, to] = right === "C" ? [atStrike, 12] : [-12, atStrike];
  const density = (z: number) =>
    Math.abs(spot * Math.exp(drift + width * z) - strike) * Math.exp((-z * z) / 2);
  const step = (to - from) / steps;
  let sum = density(from) + density(to);
  for (let i = 1; i < steps; i += 1) sum += density(from + i * step) * (i % 2 === 1 ? 4 : 2);
  return (Math.exp(-rate * years) * (sum * step)) / 3 / Math.sqrt(2 * Math.PI);
}

describe("calculated options", () => {
  test.each([
    ["C", 0.3, 240],
    ["C", 0.9, 310],
    ["P", 0.3, 240],
    ["P", 0.12, 255],
  ] as const)("a %s at a volatility of %d and a spot of %d is what integration says", (right, v, spot) => {
    // 28 days, 5 hours and 30 minutes to the close of 18 December in New York
    const years = (28 + 5.5 / 24) / 365.25;
    const at = (s: number, t = years, sigma: number = v) => integratedPrice(right, s, t, sigma);

    const row = numbers(priceOf(option(right), v, spot)[0]);

    expect(row).toMatchObject({ id: 21, reqId: 1001, tick: 53, impliedVolatility: v, underlyingPrice: spot });
    expect(row["price"]).toBeCloseTo(at(spot), 7);
    expect(row["delta"]).toBeCloseTo((at(spot + 0.01) - at(spot - 0.01)) / 0.02, 6);
    expect(row["gamma"]).toBeCloseTo((at(spot + 0.1) - 2 * at(spot) + at(spot - 0.1)) / 0.01, 5);
    expect(row["vega"]).toBeCloseTo((at(spot, years, v + 1e-4) - at(spot, years, v - 1e-4)) / 0.02, 6);
    expect(row["theta"]).toBeCloseTo((at(spot, years - 1e-5) - at(spot, years + 1e-5)) / 2e-5 / 365, 6);
  });

  test.each([
    ["C", 0.45],
    ["P", 0.2],
  ] as const)("a %s's volatility is found again from its price, without greeks", (right, volatility) => {
    const { price } = numbers(priceOf(option(right), volatility, 251.5)[0]);

    const row = numbers(volatilityOf(option(right), price ?? 0, 251.5)[0]);

    expect(row["impliedVolatility"]).toBeCloseTo(volatility, 7);
    expect(row).toMatchObject({ tick: 53, price, delta: -2, gamma: -2, vega: -2, theta: -2 });
  });

  test("a price below the intrinsic value or above the underlying's has no volatility", () => {
    const volatility = (price: number) => numbers(volatilityOf(option("C"), price, 300)[0]);
    expect(volatility(49)).toMatchObject({ impliedVolatility: -1 });
    expect(volatility(301)).toMatchObject({ impliedVolatility: -1 });
  });

  test("come in the layout of each version", () => {
    expect(priceOf(option("C"), 0.3, 250, 155)[0]?.slice(0, 4)).toEqual(["21", "6", "1001", "53"]);
    expect(volatilityOf(option("C"), 9, 250, 156)[0]?.slice(0, 4)).toEqual(["21", "1001", "53", "0"]);
  });

  test.each<readonly [string, () => string[][], number]>([
    ["no option", () => priceOf(aapl, 0.3, 250), 321],
    ["a currency", () => volatilityOf(eurusd, 1, 1), 321],
    ["a strike that is not listed", () => priceOf(option("C", 251), 0.3, 250), 200],
    [
      "several options",
      () => priceOf(["", "AAPL", "OPT", "20261218", "", "C", "", "SMART", "", "USD", "", ""], 0.3, 250),
      200,
    ],
    ["no volatility", () => priceOf(option("C"), "", 250), 321],
    ["a price of nothing", () => volatilityOf(option("C"), 0, 250), 321],
    ["no underlying price", () => priceOf(option("C"), 0.3, ""), 321],
  ])("are refused for %s", (_what, ask, code) => {
    expect(ask()).toEqual([["4", "2", "1001", String(code), expect.any(String), ""]]);
  });

  test.for<(string | number)[]>([["a=1;b=2;"], [""], [2, "a=1;b=2;"], [0, ""]])(
    "take options of the request in the layouts of both official clients: %j",
    (options) => {
      const answers = fixture.ask(fixture.clientAt(193), 55, 3, 1001, ...option("C"), 0.3, 250, ...options);
      expect(answers.map(([id]) => id)).toEqual(["21"]);
    },
  );

  test.for<(string | number)[]>([["0"], ["whatever"], [1, "whatever"]])(
    "are refused with the options %j",
    (options) => {
      const client = fixture.clientAt(193);
      expect(() => fixture.ask(client, 54, 3, 1001, ...option("C"), 9, 250, ...options)).toThrow("Key=Value");
    },
  );
});
