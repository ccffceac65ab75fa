import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { prompts } from "../../shared/prompts/index.ts";
import { hostOf } from "../config/bindings.ts";
import { connectAgent } from "../host/host.fixture.ts";
import { answerOf, messageOf, modern, type Params, post } from "./client.fixture.ts";

const eras = [
  ["2026-07-28", (method: string, params?: Params) => modern(method, params)],
  ["2025", (method: string, params?: Params) => post(messageOf(method, params))],
] as const;

const refused = (message: string) => ({
  error: { code: -32_602, message: expect.stringContaining(message) },
});

describe.each(eras)("prompts of %s", (_, send) => {
  const ask = async (method: string, params?: Params) => answerOf(await send(method, params));

  it("are listed with their arguments, none of which is required", async () => {
    const answer = await ask("prompts/list");
    expect(answer).toMatchObject({
      result: {
        prompts: Object.entries(prompts).map(([name, prompt]) => ({
          name,
          title: prompt.title,
          arguments: Object.keys(prompt.arguments).map((argument) => ({ name: argument, required: false })),
        })),
      },
    });
    expect(JSON.stringify(answer)).toContain("(default covered_call)");
  });

  it("are texts for the arguments given, with defaults for the others", async () => {
    const given = { symbol: "ko", strategy_type: "collar" };
    const params = { name: "execute_options_strategy", arguments: given };
    const text = expect.stringContaining("the strategy collar on KO");
    expect(await ask("prompts/get", params)).toMatchObject({
      result: {
        description: expect.any(String),
        messages: [{ role: "user", content: { type: "text", text } }],
      },
    });
    expect(await ask("prompts/get", { name: "setup_trading_workspace" })).toMatchObject({
      result: { messages: [{ content: { text: expect.stringContaining("workspace for AAPL") } }] },
    });
  });

  it.each(["no_such_prompt", "__proto__", "constructor"])("do not include %s", async (name) => {
    expect(await ask("prompts/get", { name })).toMatchObject(refused(`Unknown prompt: ${name}`));
  });

  it("refuse arguments that are wrong or unknown", async () => {
    const name = "execute_options_strategy";
    for (const [given, message] of [
      [{ strategy_type: "butterfly" }, "strategy_type must be one of"],
      [{ strategy: "collar" }, 'no argument "strategy"'],
    ] as const) {
      expect(await ask("prompts/get", { name, arguments: given })).toMatchObject(refused(message));
    }
  });
});

describe.each(eras)("completion of %s", (_, send) => {
  const complete = async (ref: Params, name: string, value: string) =>
    answerOf(await send("completion/complete", { ref, argument: { name, value } }));
  const prompt = (name: string) => ({ type: "ref/prompt", name });
  const values = (...expected: string[]) => ({
    result: { completion: { values: expected, total: expected.length, hasMore: false } },
  });

  it("knows the strategies", async () => {
    const ref = prompt("execute_options_strategy");
    expect(await complete(ref, "strategy_type", "CO")).toMatchObject(values("covered_call", "collar"));
    expect(await complete(ref, "strategy_type", "x")).toMatchObject(values());
  });

  it("asks TWS for symbols, each once", async () => {
    const agent = await connectAgent(hostOf(env));
    const answer = complete(prompt("analyze_market_conditions"), "benchmark", "sp");
    const { id, tool, input } = await agent.expect("call");
    expect([tool, input]).toEqual(["ibkr_search_symbols", { pattern: "sp" }]);
    const results = ["SPX", "SPY", "SPX"].map((symbol) => ({ symbol }));
    agent.send({ type: "result", id, output: { results, count: 3 } });
    expect(await answer).toMatchObject(values("SPX", "SPY"));
  });

  it("has nothing to ask before a letter is typed, and nothing for prices", async () => {
    await connectAgent(hostOf(env));
    expect(await complete(prompt("execute_bracket_order"), "symbol", " ")).toMatchObject(values());
    expect(await complete(prompt("execute_bracket_order"), "entry_price", "1")).toMatchObject(values());
  });

  it("completes the variables of resource addresses", async () => {
    const agent = await connectAgent(hostOf(env));
    const uri = "ibkr://portfolio/{account}";
    const answer = complete({ type: "ref/resource", uri }, "account", "du1");
    const { id, tool } = await agent.expect("call");
    expect(tool).toBe("ibkr_get_managed_accounts");
    agent.send({ type: "result", id, output: { accounts: ["DU1", "DU2", "DU12"], count: 3 } });
    expect(await answer).toMatchObject(values("DU1", "DU12"));
  });

  it("says that it failed and is not just empty", async () => {
    const agent = await connectAgent(hostOf(env));
    const answer = complete(prompt("setup_trading_workspace"), "symbol", "A");
    const { id } = await agent.expect("call");
    const error = { message: "No session.", nextStep: "Wait.", retryable: true };
    agent.send({ type: "error", id, error: { code: "tws_offline", ...error } });
    expect(await answer).toMatchObject({
      error: { code: -32_603, message: "No session. Wait.", data: { code: "tws_offline" } },
    });
  });

  it("refuses what does not exist", async () => {
    expect(await complete(prompt("no_such"), "symbol", "A")).toMatchObject(refused("Unknown prompt"));
    expect(await complete(prompt("setup_trading_workspace"), "toString", "A")).toMatchObject(
      refused("has no argument"),
    );
    const template = (uri: string) => ({ type: "ref/resource", uri });
    expect(await complete(template("ibkr://none/{x}"), "x", "A")).toMatchObject(
      refused("Unknown resource template"),
    );
    expect(await complete(template("ibkr://market-data/{id}"), "symbol", "A")).toMatchObject(
      refused("no variable"),
    );
  });
});
