import * as fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { ContractSelector, Right, SecType, withDefaults } from "./contract.ts";
import { coerce } from "./tools/coerce.ts";

const schema = z.toJSONSchema(ContractSelector, { io: "input" });
const text = fc
  .oneof(
    fc.constantFrom(
      "AAPL",
      "EUR.USD",
      "eur/usd",
      "BTC-USD",
      "BRK B",
      "BRK.B",
      "SMART",
      "USD",
      "IDEALPRO",
      "ESZ6",
      "80",
      "true",
    ),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
  )
  .filter((value) => value.trim() !== "");
const pairs: ReadonlySet<string | undefined> = new Set(["CASH", "CRYPTO", "CMDTY"]);
const amount = fc.double({ min: 1e-6, max: 1e9, noNaN: true });

const selector = fc.record(
  {
    conId: fc.integer({ min: 1, max: 2_147_483_647 }),
    symbol: text,
    secType: fc.constantFrom(...SecType.options),
    exchange: text,
    currency: text,
    primaryExchange: text,
    localSymbol: text,
    expiration: fc.constantFrom("202612", "20261218"),
    strike: amount,
    right: fc.constantFrom(...Right.options),
    multiplier: amount,
    tradingClass: text,
    secIdType: fc.constantFrom("ISIN", "CUSIP"),
    secId: fc.constantFrom("US0378331005", "037833100"),
  },
  { requiredKeys: [] },
);

/** A selector in which some values are wrong, of another type or spelled as people do. */
const nearlySelector = fc
  .tuple(
    selector,
    fc.dictionary(
      fc.constantFrom("conId", "symbol", "secType", "expiration", "strike", "right", "__proto__", "other"),
      fc.oneof(
        fc.constantFrom(null, "", "call", "fx", "Stock", "2026-12-18", "1,234.5", "[1]", "{"),
        fc.anything(),
      ),
    ),
  )
  .map(([given, wrong]) => ({ ...given, ...wrong }));

test("a selector that the schema accepts keeps its meaning when it is coerced", () => {
  fc.assert(
    fc.property(selector, (given) => {
      expect(ContractSelector.parse(coerce(schema, given, { numbers: "grouped" }))).toEqual(
        ContractSelector.parse(given),
      );
    }),
  );
});

test("what is written as nothing is absent, and what the schema does not name is passed on as it is", () => {
  const nothing = fc.dictionary(
    fc.constantFrom("conId", "symbol", "secType", "strike", "right"),
    fc.constantFrom(null, ""),
  );
  const unnamed = fc.dictionary(fc.constantFrom("conid", "Symbol", "other", "__proto__"), fc.anything());
  fc.assert(
    fc.property(selector, nothing, unnamed, (given, empty, others) => {
      const coerced = coerce(schema, { ...empty, ...given, ...others }, { numbers: "grouped" });
      expect(ContractSelector.parse(coerced)).toEqual(ContractSelector.parse(given));
      for (const [key, value] of Object.entries(others))
        expect(Object.getOwnPropertyDescriptor(coerced, key)?.value).toBe(value);
    }),
  );
});

test("parsing a selector twice is parsing it once", () => {
  fc.assert(
    fc.property(selector, (given) => {
      const parsed = ContractSelector.parse(given);
      expect(ContractSelector.parse(parsed)).toEqual(parsed);
    }),
  );
});

test("numbers written as text mean what they say", () => {
  fc.assert(
    // one comma may part thousands or decimals: see `numbers` of coerce
    fc.property(fc.integer({ min: 1_000_000, max: 2_147_483_647 }), amount, (conId, strike) => {
      const written = { conId: conId.toLocaleString("en-US"), strike: ` ${strike} ` };
      expect(ContractSelector.parse(coerce(schema, written, { numbers: "grouped" }))).toEqual({
        conId,
        strike,
      });
    }),
  );
});

test("coercing anything neither throws nor depends on how often it is done", () => {
  fc.assert(
    fc.property(fc.oneof(nearlySelector, fc.anything(), fc.json()), (given) => {
      const once = coerce(schema, given, { numbers: "grouped" });
      ContractSelector.safeParse(once);
      expect(coerce(schema, once, { numbers: "grouped" })).toEqual(once);
    }),
    { numRuns: 2_000 },
  );
});

test("defaults are filled in once, and give a selector that is accepted as it is", () => {
  fc.assert(
    fc.property(selector, (given) => {
      const filled = withDefaults(ContractSelector.parse(given));
      expect(withDefaults(filled)).toEqual(filled);
      expect(ContractSelector.parse(filled)).toEqual(filled);
    }),
    { numRuns: 1_000 },
  );
});

test("defaults change nothing that was named, but SMART where it would match nothing and the halves of a pair", () => {
  fc.assert(
    fc.property(selector, (given) => {
      const named = ContractSelector.parse(given);
      const filled = withDefaults(named);
      const { symbol, currency, exchange, ...kept } = named;
      const filledIn = Object.keys(filled).filter((key) => !Object.hasOwn(named, key));
      expect(["secType", "currency", "exchange"]).toEqual(expect.arrayContaining(filledIn));
      expect(filled).toMatchObject({
        ...kept,
        ...(exchange !== undefined && exchange !== "SMART" && { exchange }),
        ...(!pairs.has(filled.secType) && symbol !== undefined && { symbol }),
        ...(!pairs.has(filled.secType) && currency !== undefined && { currency }),
      });
    }),
    // few selectors are of a pair
    { numRuns: 2_000 },
  );
});
