import { expect, test } from "vitest";
import { coerce } from "./coerce.ts";
import { inputAliases } from "./history.ts";
import { tools } from "./index.ts";
import { schemasOf } from "./json-schema.ts";

const order = schemasOf(tools.ibkr_place_order).input;
const quotes = schemasOf(tools.ibkr_get_quotes).input;
const scan = schemasOf(tools.ibkr_run_market_scanner).input;
const history = schemasOf(tools.ibkr_get_historical_data).input;

test.for([
  ["a number as text", order, { quantity: "80" }, { quantity: 80 }],
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
  expect(coerce(schema, given, { numbers: "exact" })).toEqual(meant);
});

const commas = [
  "0,125",
  "0,075",
  "1,172",
  "1,000",
  "1.234,567",
  "0.5,000",
  "12,34",
  "1,2345",
  "1,000,00",
  ",5",
];

test.for([...commas, "12,345.6", "1,234,567"])(
  "a figure of an order written %s is not guessed",
  (quantity) => {
    expect(coerce(order, { quantity }, { numbers: "exact" })).toEqual({ quantity });
  },
);

test.for(commas)("%s can mean two things, and is not guessed elsewhere either", (abovePrice) => {
  expect(coerce(scan, { abovePrice }, { numbers: "grouped" })).toEqual({ abovePrice });
});

test.for([
  ["12,345.6", 12_345.6],
  ["1,234,567", 1_234_567],
  ["-1,234.5", -1234.5],
] as const)("%s can mean one thing alone", ([abovePrice, meant]) => {
  expect(coerce(scan, { abovePrice }, { numbers: "grouped" })).toEqual({ abovePrice: meant });
});

test("other names of an argument are accepted, and lose to the proper one", () => {
  const aliases = inputAliases["ibkr_get_historical_data"];
  expect(
    coerce(history, { durationStr: "2 D", barSizeSetting: "1 min" }, { aliases, numbers: "exact" }),
  ).toEqual({
    duration: "2 D",
    barSize: "1 min",
  });
  expect(coerce(history, { durationStr: "2 D", duration: "1 D" }, { aliases, numbers: "exact" })).toEqual({
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
  expect(coerce(order, given, { numbers: "exact" })).toEqual(given);
});

test("a key named __proto__ stays a key and changes no prototype", () => {
  const coerced = coerce(order, JSON.parse('{"__proto__":{"quantity":1}}'), { numbers: "exact" });
  expect(Object.hasOwn(Object(coerced), "__proto__")).toBe(true);
  expect(Object.getPrototypeOf(coerced)).toBe(Object.prototype);
});

test.for([
  ["20261120-15:30:00", "2026-11-20T15:30:00Z"],
  ["2026-11-20 15:30:00Z", "2026-11-20T15:30:00Z"],
  ["2026-11-20 15:30 UTC", "2026-11-20T15:30:00Z"],
  ["20261120 15:30:00 +02:00", "2026-11-20T15:30:00+02:00"],
  // of which zone it is, is not said
  ["20261120 15:30:00", "20261120 15:30:00"],
  ["2026-11-20", "2026-11-20"],
] as const)("the instant %j is taken as %j", ([endDateTime, taken]) => {
  expect(coerce(history, { endDateTime }, { numbers: "exact" })).toEqual({ endDateTime: taken });
});

test("a search takes its words under the names that people give", () => {
  const { input } = tools.ibkr_search_symbols;
  const aliases = inputAliases["ibkr_search_symbols"];
  const coerced = coerce(
    schemasOf(tools.ibkr_search_symbols).input,
    { query: "apple" },
    { aliases, numbers: "exact" },
  );
  expect(input.parse(coerced)).toEqual({ pattern: "apple" });
});
