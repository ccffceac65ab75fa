import { describe, expect, it } from "vitest";
import { toErrorBody } from "../../shared/errors.ts";
import { listedTool } from "./catalog.ts";
import type { JsonObject } from "./message.ts";
import { parseInput } from "./arguments.ts";

function parse(name: string, input: JsonObject): unknown {
  const tool = listedTool("full", name);
  if (tool === undefined) throw new Error(`There is no ${name}.`);
  return parseInput(name, tool.definition, tool.inputSchema, input);
}

function inputError(name: string, input: JsonObject): string {
  try {
    parse(name, input);
  } catch (thrown) {
    const { code, message } = toErrorBody(thrown, (_, error) => {
      throw error;
    });
    return `${code}: ${message}`;
  }
  return "none";
}

describe("arguments", () => {
  it("may come as JSON text with line breaks, in which an escaped control character is still refused", () => {
    const contracts = (symbol: string) => `[\n  { "symbol": "${symbol}" }\n]`;
    expect(parse("ibkr_get_quotes", { contracts: contracts("SPY") })).toMatchObject({
      contracts: [{ symbol: "SPY" }],
    });
    expect(inputError("ibkr_get_quotes", { contracts: contracts("S\\u0000Y") })).toContain(
      "contracts.0.symbol has a control character.",
    );
  });

  it.each([
    [
      "ibkr_place_order",
      { quantity: "0,125" },
      'quantity must be a number without a comma: "0,125" may mean 0.125 or 125.',
    ],
    ["ibkr_place_order", { limitPrice: "1.234,567" }, '"1.234,567" may mean 1234.567 or 1.234567.'],
    ["ibkr_modify_order", { limitPrice: "1,172" }, '"1,172" may mean 1.172 or 1172.'],
    ["ibkr_preview_order", { auxPrice: "0,075" }, '"0,075" may mean 0.075 or 75.'],
    ["ibkr_plan_rebalance", { minTradeValue: "12,345.6" }, "minTradeValue must be a number without a comma"],
    ["ibkr_place_orders", { orders: [{ quantity: "1,000" }] }, '"1,000" may mean 1 or 1000.'],
    ["ibkr_run_market_scanner", { abovePrice: "1,234" }, '"1,234" may mean 1.234 or 1234.'],
    ["ibkr_get_quotes", { contracts: [{ symbol: "SPY", nonsense: 1 }] }, "contracts.0 has no nonsense."],
    ["ibkr_get_quotes", { symbols: ["A\u0000B"] }, "symbols.0 has a control character."],
  ])("of %s are refused rather than guessed: %j", (name, given, message) => {
    expect(inputError(name, given)).toContain(message);
  });

  it("are coerced, known by their other names and given their defaults", () => {
    const input = { symbol: "AAPL", durationStr: "5 D", limit: "80", useRTH: "false", strike: null };
    expect(parse("ibkr_get_historical_data", input)).toEqual({
      symbol: "AAPL",
      duration: "5 D",
      barSize: "1 hour",
      whatToShow: "TRADES",
      useRTH: false,
      limit: 80,
    });
  });

  it.each([
    [{ symbl: "AAPL" }, 'invalid_input: There is no argument "symbl"; did you mean "symbol"?'],
    [{ con_id: 1 }, 'invalid_input: There is no argument "con_id"; did you mean "conId"?'],
    [{ limit: 0 }, "invalid_input: limit must be at least 1. (Rows at most.)"],
    [{ useRTH: "maybe" }, "invalid_input: useRTH must be true or false. (Regular trading hours only.)"],
    [{ expiration: "20261345" }, "invalid_input: expiration: there is no such date. (yyyymmdd or yyyymm.)"],
    [{ expiration: "2026-02-30" }, "invalid_input: expiration: there is no such date. (yyyymmdd or yyyymm.)"],
    [{ expiration: "next" }, "invalid_input: expiration is not in the right form. (yyyymmdd or yyyymm.)"],
    [
      { endDateTime: "2026-02-30T00:00:00Z" },
      "invalid_input: endDateTime is not in the right form. (End, ISO 8601 with zone; default now.)",
    ],
    [{ limit: 1.5 }, "invalid_input: limit must be a whole number. (Rows at most.)"],
    [{ limit: 5000 }, "invalid_input: limit must be at most 1000. (Rows at most.)"],
    [{ strike: 0 }, "invalid_input: strike must be more than 0. (Of an option.)"],
    [
      { symbol: "x".repeat(65) },
      "invalid_input: symbol must have at most 64 characters. (AAPL, BRK.B, ES, EUR.USD or an ISIN.)",
    ],
    [{ symbol: " " }, "invalid_input: symbol must not be empty. (AAPL, BRK.B, ES, EUR.USD or an ISIN.)"],
    [
      { format: "csv" },
      "invalid_input: format must be one of rows, columns. (columns: one array per field; default: rows if all fit, else columns.)",
    ],
    [
      { duration: "x" },
      "invalid_input: duration is not in the right form. (How far back: 3600 S, 5 D, 2 W, 6 M, 1 Y.)",
    ],
  ])("that are wrong are named with what is allowed: %j", (input, message) => {
    expect(inputError("ibkr_get_historical_data", input)).toBe(message);
  });

  it("that are unlike any other are answered with the list of them all", () => {
    expect(inputError("ibkr_get_positions", { zzz: 1 })).toMatch(/"zzz"; the arguments are account, /);
    expect(inputError("ibkr_disconnect", { zzz: 1 })).toMatch(/this tool takes none/);
  });

  it("that are missing are named", () => {
    expect(inputError("ibkr_cancel_order", {})).toMatch(/^invalid_input: orderId is required\./);
  });

  it("called __proto__ are unknown like any other", () => {
    const input: unknown = JSON.parse('{"__proto__": {"symbol": "AAPL"}}');
    expect(inputError("ibkr_get_positions", Object(input))).toMatch(/There is no argument "__proto__"/);
  });

  it("are named five at a time", () => {
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`zzzzzzzz${index}`, 1]));
    expect(inputError("ibkr_disconnect", many).match(/There is no argument/g)).toHaveLength(5);
  });
});
