import { expect, test } from "vitest";
import { coerce } from "./coerce.ts";
import { inputAliases } from "./history.ts";
import { tools } from "./index.ts";
import { schemasOf } from "./json-schema.ts";

const order = schemasOf(tools.ibkr_place_order).input;
const quotes = schemasOf(tools.ibkr_get_quotes).input;
const history = schemasOf(tools.ibkr_get_historical_data).input;

test.for([
  ["a number as text", order, { quantity: "80" }, { quantity: 80 }],
  ["a number with thousands", order, { quantity: "1,000" }, { quantity: 1000 }],
  ["lower case", order, { action: "buy", orderType: "lmt" }, { action: "BUY", orderType: "LMT" }],
  ["spoken words", order, { right: "call", orderType: "stop_limit" }, { right: "C", orderType: "STP LMT" }],
  ["a date with dashes", order, { expiration: "2026-12-18" }, { expiration: "20261218" }],
  ["a month with a dash", order, { expiration: "2026-12" }, { expiration: "202612" }],
  ["an expiry as a number", order, { expiration: 20_261_218 }, { expiration: "20261218" }],
  ["null and empty for absent", order, { limitPrice: null, account: "" }, {}],
  ["truth as text", order, { outsideRth: "True" }, { outsideRth: true }],
  ["a JSON string for an array", quotes, { symbols: '["AAPL","MSFT"]' }, { symbols: ["AAPL", "MSFT"] }],
  ["a comma list for an array", quotes, { symbols: "AAPL, MSFT" }, { symbols: ["AAPL", "MSFT"] }],
  [
    "one object for an array",
    quotes,
    { contracts: { conId: "265598" } },
    { contracts: [{ conId: 265_598 }] },
  ],
  ["everything as a JSON string", order, '{"quantity":"80"}', { quantity: 80 }],
] as const)("%s is understood", ([, schema, given, meant]) => {
  expect(coerce(schema, given)).toEqual(meant);
});

test("other names of an argument are accepted, and lose to the proper one", () => {
  const aliases = inputAliases["ibkr_get_historical_data"];
  expect(coerce(history, { durationStr: "2 D", barSizeSetting: "1 min" }, aliases)).toEqual({
    duration: "2 D",
    barSize: "1 min",
  });
  expect(coerce(history, { durationStr: "2 D", duration: "1 D" }, aliases)).toEqual({
    durationStr: "2 D",
    duration: "1 D",
  });
});

test.for([
  ["words for a number", { quantity: "ten" }],
  ["an empty required argument", { quantity: "" }],
  ["infinity", { quantity: "Infinity" }],
  ["hexadecimal", { quantity: "0x10" }],
  ["an unknown value", { action: "HOLD" }],
  ["an unknown argument", { quantiy: 1 }],
] as const)("%s is left for the schema to name", ([, given]) => {
  expect(coerce(order, given)).toEqual(given);
});

test("a key named __proto__ stays a key and changes no prototype", () => {
  const coerced = coerce(order, JSON.parse('{"__proto__":{"quantity":1}}'));
  expect(Object.hasOwn(Object(coerced), "__proto__")).toBe(true);
  expect(Object.getPrototypeOf(coerced)).toBe(Object.prototype);
});
