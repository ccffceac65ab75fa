import { describe, expect, test } from "vitest";
import { emptyQuote, type Quote } from "../../shared/events.ts";
import { OrderType, priceRules } from "../../shared/order.ts";
import type { Action, OrderPrices } from "../../shared/order.ts";
import { statedPrices, worstPrice } from "./worst-price.ts";
import type { PriceTerms } from "./worst-price.ts";

const quote: Quote = { ...emptyQuote, bid: 199, ask: 200, last: 199 };
const none: OrderPrices = { limitPrice: null, auxPrice: null, trailStopPrice: null, limitOffset: null };
const actions: readonly Action[] = ["BUY", "SELL"];
const fields = ["limitPrice", "auxPrice", "trailStopPrice", "limitOffset"] as const;

const worst = (terms: PriceTerms, of: Quote | null = quote): number | string => {
  const found = worstPrice(terms, of);
  return found.kind === "price" ? found.price : found.kind;
};

/** Prices, and where a purchase and a sale trade at worst with the market at 199 to 200. */
type Row = readonly [Partial<OrderPrices>, BUY: number, SELL: number];

/** Every type has its rows: one without does not compile. */
const rows: Readonly<Record<OrderType, readonly Row[]>> = {
  MKT: [[{}, 200, 200]],
  MOC: [[{}, 200, 200]],
  LMT: [
    [{ limitPrice: 150 }, 150, 200],
    [{ limitPrice: 250 }, 250, 250],
    [{ limitPrice: 0 }, 200, 200],
    [{ limitPrice: -5 }, 200, 200],
    [{ limitPrice: -500 }, 500, 500],
    [{}, 200, 200],
  ],
  LOC: [
    [{ limitPrice: 190 }, 190, 200],
    [{ limitPrice: 230 }, 230, 230],
    [{ limitPrice: 0 }, 200, 200],
  ],
  STP: [
    [{ auxPrice: 210 }, 210, 210],
    [{ auxPrice: 150 }, 200, 200],
    [{ auxPrice: 0 }, 200, 200],
    [{ auxPrice: -500 }, 500, 500],
  ],
  MIT: [
    [{ auxPrice: 150 }, 200, 200],
    [{ auxPrice: 230 }, 230, 230],
  ],
  "STP LMT": [
    [{ auxPrice: 210, limitPrice: 212 }, 212, 212],
    [{ auxPrice: 230, limitPrice: 225 }, 225, 230],
    [{ auxPrice: 230, limitPrice: 0 }, 230, 230],
  ],
  LIT: [
    [{ auxPrice: 180, limitPrice: 181 }, 181, 200],
    // a sale that is touched at 230 trades there, whatever its limit
    [{ auxPrice: 230, limitPrice: 225 }, 225, 230],
    [{ auxPrice: 230, limitPrice: -1 }, 230, 230],
  ],
  TRAIL: [
    [{ auxPrice: 5 }, 205, 200],
    [{ auxPrice: 5, trailStopPrice: 230 }, 230, 230],
    [{ auxPrice: 5, trailStopPrice: 0 }, 205, 200],
    // no amount that is 0 or negative makes it cheaper
    [{ auxPrice: -5 }, 205, 205],
    [{ auxPrice: 0 }, 200, 200],
  ],
  "TRAIL LIMIT": [
    [{ auxPrice: 5, trailStopPrice: 210, limitOffset: 2 }, 212, 212],
    [{ auxPrice: 5, trailStopPrice: 210, limitOffset: -2 }, 212, 212],
    [{ auxPrice: 5, trailStopPrice: 190, limitOffset: 2 }, 192, 200],
    // it starts from the market, of which nobody knows how far it goes
    [{ auxPrice: 5, trailStopPrice: 0, limitOffset: 2 }, 207, 200],
    [{ auxPrice: 5, trailStopPrice: 190 }, 205, 200],
  ],
  REL: [
    [{ auxPrice: 0.5, limitPrice: 150 }, 150, 200],
    [{ auxPrice: 0.5, limitPrice: 250 }, 250, 250],
    [{ auxPrice: 0.5, limitPrice: 0 }, 200.5, 200],
    [{ auxPrice: 0.5, limitPrice: -1 }, 200.5, 200],
    [{ auxPrice: 0.5 }, 200.5, 200],
    [{ auxPrice: 500 }, 700, 200],
    [{ auxPrice: -500 }, 700, 700],
  ],
};

describe.each(OrderType.options)("with the market at 199 to 200, an order of type %s", (orderType) => {
  test.each(rows[orderType])("with %j is bought at %d and sold at %d at worst", (prices, bought, sold) => {
    expect(worst({ ...none, ...prices, action: "BUY", orderType })).toBe(bought);
    expect(worst({ ...none, ...prices, action: "SELL", orderType })).toBe(sold);
  });

  const own = fields.filter((field) => priceRules[orderType][field] !== "none");

  test.each(actions)("trades at no less than the market when %s with prices that mean none", (action) => {
    for (const value of [null, 0, -1]) {
      const prices = Object.fromEntries(own.map((field) => [field, value]));
      expect(worst({ ...none, ...prices, action, orderType })).toBeGreaterThanOrEqual(200);
    }
  });

  test.each(actions)("trades at a price that is not known when %s with what it does not have", (action) => {
    const foreign = fields.filter((field) => !own.includes(field));
    const wrong = [1e308, Infinity, Number.NaN].flatMap((value) => own.map((field) => ({ [field]: value })));
    for (const prices of [...foreign.map((field) => ({ [field]: 100 })), ...wrong]) {
      expect(worst({ ...none, ...prices, action, orderType })).toBe("unknown");
    }
  });

  test.each(actions)("needs a price of the market, unless %s is capped", (action) => {
    for (const [prices] of rows[orderType]) {
      const terms = { ...none, ...prices, action, orderType };
      const found = worstPrice(terms, null);
      const isCapped = found.kind === "price" && found.isCapped;
      const without = worst(terms, { ...quote, ask: 0, bid: -1, last: -1 });
      expect(isCapped).toBe(action === "BUY" && found.kind !== "needs_quote");
      expect(without).toBe(isCapped ? worst(terms) : "needs_quote");
    }
  });
});

test("a type that is not placed here trades at a price that is not known", () => {
  for (const orderType of ["PEG MID", "VOL", ""]) {
    expect(worst({ ...none, limitPrice: 1, action: "BUY", orderType })).toBe("unknown");
  }
});

test("the offset of a relative order is a distance from the market, and no cap is none", () => {
  const stated = (action: Action, prices: Partial<OrderPrices>) =>
    statedPrices({ ...none, ...prices, action, orderType: "REL" }, 200);
  expect(stated("BUY", { auxPrice: 20, limitPrice: 0 })).toEqual([{ field: "auxPrice", price: 220 }]);
  expect(stated("SELL", { auxPrice: 20 })).toEqual([{ field: "auxPrice", price: 180 }]);
  expect(stated("BUY", { auxPrice: 20, limitPrice: 210 })).toContainEqual({
    field: "limitPrice",
    price: 210,
  });
});

test.each([
  [{ bid: 10, ask: 11, last: 30 }, 11],
  // a crossed quote, and one of which the ask is missing
  [{ bid: 12, ask: 11 }, 12],
  [{ bid: 10, last: 9 }, 10],
  [{ bid: 10, last: 12 }, 12],
  [{ close: 9 }, 9],
  [{}, "needs_quote"],
] as const)("the market at %j is bought at %s", (prices, expected) => {
  const found = worst(
    { ...none, action: "BUY", orderType: "MKT" },
    { ...quote, bid: null, ask: null, last: null, ...prices },
  );
  expect(found).toBe(expected);
});
