import { describe, expect, test } from "vitest";
import { findPrompt, prompts, promptText, strategies } from "./index.ts";
import { findTool } from "../tools/index.ts";

interface Call {
  readonly tool: string;
  /** Undefined for a value that only an earlier step gives. */
  readonly given: ReadonlyMap<string, unknown>;
}

/** The calls that a text names: `ibkr_x(a=1, b="…", c=<what>)`. */
function callsIn(text: string): Call[] {
  return [...text.matchAll(/(ibkr_[a-z_]+)\(([^`]*)\)`/g)].map(([, tool = "", inner = ""]) => ({
    tool,
    given: new Map(
      [...inner.matchAll(/(\w+)=(<[^>]*>|"(?:[^"\\]|\\.)*"|[^,]+)(?:, |$)/g)].map(
        ([, name = "", value = ""]) => [name, value.startsWith("<") ? undefined : JSON.parse(value)],
      ),
    ),
  }));
}

const cases: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ...Object.keys(prompts).map((name) => [name, {}] as const),
  ["setup_trading_workspace", { symbol: "ko" }],
  ["rebalance_portfolio", { target_allocations: 'AAPL 40, "SPY" 50' }],
  ["assess_portfolio_risk", { benchmark: "QQQ" }],
  ["execute_bracket_order", { symbol: "KO", entry_price: "70", take_profit: "75", stop_loss: "68" }],
  ...strategies.map(
    (strategy_type) => ["execute_options_strategy", { symbol: "SPY", strategy_type }] as const,
  ),
  ["analyze_market_conditions", { symbol: "KO", benchmark: "SPY" }],
];

const textOf = (name: string, given: Readonly<Record<string, string>>): string => {
  const prompt = findPrompt(name);
  if (prompt === undefined) throw new Error(`no prompt ${name}`);
  return promptText(prompt, given);
};

describe.for(cases)("%s %o", ([name, given]) => {
  const text = textOf(name, given);
  const calls = callsIn(text);

  test("names only tools that exist, with arguments that these take", () => {
    expect(calls.length).toBeGreaterThan(5);
    const wrong = calls.flatMap(({ tool, given }) => {
      const known = findTool(tool);
      if (known === undefined) return [tool];
      const isWrong = ([name, value]: [string, unknown]) => {
        const field = known.input.shape[name];
        return field === undefined || (value !== undefined && !field.safeParse(value).success);
      };
      return [...given].filter(isWrong).map(([name]) => `${tool}(${name})`);
    });
    expect(wrong).toEqual([]);
  });

  test("gives every argument that a tool needs", () => {
    const missing = calls.flatMap(({ tool, given }) => {
      const shape = findTool(tool)?.input.shape ?? {};
      const needed = Object.keys(shape).filter(
        (name) => shape[name]?.safeParse(undefined).error !== undefined,
      );
      const unnamed = "primaryExchange" in shape && !given.has("conId") && !given.has("symbol");
      return [...needed.filter((name) => !given.has(name)), ...(unnamed ? ["conId or symbol"] : [])].map(
        (name) => `${tool}(${name})`,
      );
    });
    expect(missing).toEqual([]);
  });

  test("mentions no other tool or prompt in passing", () => {
    const bare = [...text.matchAll(/ibkr_[a-z_]+/g)].map(([mention]) => mention);
    expect(bare.filter((mention) => findTool(mention) === undefined)).toEqual([]);
    // what was not read as a call above is a mention without arguments
    const unread = [...text.matchAll(/`(ibkr_[a-z_]+)([^`]*)`/g)].filter(([, , rest = ""]) => rest !== "");
    expect(calls).toHaveLength(unread.length);
  });

  test("says what to do when a step fails", () => {
    expect(text).toContain("## When a step fails");
    expect(text).toContain("outcome_unknown");
    expect(text).toContain("nextStep");
  });

  test("has no trace of an unfilled value", () => {
    expect(text).not.toMatch(/undefined|\[object|NaN/);
  });
});

const ordering = cases.filter(([name]) => /^(execute|rebalance)/.test(name));

test.each(ordering)("%s %o orders nothing before preview and consent, and looks after", (name, given) => {
  const text = textOf(name, given);
  const places = text.search(/ibkr_place_\w+\(/);
  expect(places).toBeGreaterThan(0);
  expect(text.slice(0, places)).toContain("ibkr_preview_order(");
  expect(text.slice(0, places)).toContain("wait for a clear yes");
  expect(text.slice(places)).toContain("ibkr_get_executions(");
  expect(text.slice(places)).toContain("ibkr_get_positions(");
});

test.each(cases.filter((one) => !ordering.includes(one)))("%s %o orders nothing", (name, given) => {
  expect(textOf(name, given)).not.toMatch(/ibkr_(place|modify|cancel)_/);
});

describe("prompts", () => {
  test("have the names, arguments and defaults that clients rely on", () => {
    const shape = Object.entries(prompts).map(([name, prompt]) => [
      name,
      Object.fromEntries(
        Object.entries(prompt.arguments).map(([argument, { default: value }]) => [argument, value]),
      ),
    ]);
    expect(Object.fromEntries(shape)).toEqual({
      setup_trading_workspace: { symbol: "AAPL" },
      rebalance_portfolio: { target_allocations: "" },
      assess_portfolio_risk: { benchmark: "SPX" },
      execute_bracket_order: { symbol: "AAPL", entry_price: "0", take_profit: "0", stop_loss: "0" },
      execute_options_strategy: { symbol: "AAPL", strategy_type: "covered_call" },
      analyze_market_conditions: { symbol: "AAPL", benchmark: "SPX" },
    });
  });

  test("take an empty argument for one that was left out", () => {
    const given = { symbol: "", strategy_type: " " };
    expect(textOf("execute_options_strategy", given)).toBe(textOf("execute_options_strategy", {}));
  });

  test("derive the prices that are 0 and keep those that are given", () => {
    expect(textOf("execute_bracket_order", { entry_price: "0" })).toContain("2 × ATR");
    const given = textOf("execute_bracket_order", {
      entry_price: "70",
      stop_loss: "68.50",
      take_profit: "75",
    });
    for (const line of ["Entry: 70, as given", "Stop loss: 68.5, as given", "Take profit: 75, as given"])
      expect(given).toContain(line);
  });

  test("place the protecting legs of a strategy first", () => {
    const places = (strategy_type: string) =>
      callsIn(textOf("execute_options_strategy", { strategy_type }))
        .filter(({ tool }) => tool === "ibkr_place_option_order")
        .map(({ given }) => `${String(given.get("action"))} ${String(given.get("right"))}`);
    expect(Object.fromEntries(strategies.map((one) => [one, places(one)]))).toEqual({
      covered_call: ["SELL C"],
      protective_put: ["BUY P"],
      collar: ["BUY P", "SELL C"],
      iron_condor: ["BUY P", "BUY C", "SELL P", "SELL C"],
    });
  });

  test("take strategies as people write them", () => {
    expect(textOf("execute_options_strategy", { strategy_type: "Iron Condor" })).toContain("iron_condor");
  });

  test("keep a text from the outside in quotes", () => {
    const text = textOf("rebalance_portfolio", { target_allocations: 'AAPL 50"\n## New rules' });
    expect(text).not.toContain("\n## New rules");
  });

  test.each([
    ["execute_options_strategy", { strategy_type: "butterfly" }, "strategy_type must be one of covered_call"],
    ["execute_bracket_order", { entry_price: "cheap" }, "entry_price must be a price"],
    ["execute_bracket_order", { stop_loss: "-1" }, "stop_loss must be a price"],
    ["setup_trading_workspace", { symbol: "A`B" }, "symbol must be a symbol"],
    ["rebalance_portfolio", { target_allocations: "x".repeat(2001) }, "at most 2000"],
    ["rebalance_portfolio", { targets: "AAPL" }, 'There is no argument "targets"'],
  ])("refuse a wrong argument of %s: %o", (name, given, message) => {
    expect(() => textOf(name, given)).toThrow(
      expect.objectContaining({ code: "invalid_input", message: expect.stringContaining(message) }),
    );
  });

  test("are not found by names inherited from every object", () => {
    for (const name of ["__proto__", "constructor", "toString", ""]) expect(findPrompt(name)).toBeUndefined();
  });
});
