import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { ErrorCode } from "../../shared/errors.ts";
import { isToolName, type ToolName, tools } from "../../shared/tools/index.ts";
import type { ToolDefinition } from "../../shared/tools/define.ts";
import { startHandlersFixture, type HandlersFixture } from "../handlers/handlers.fixture.ts";
import { type Ask, errorOf, outputOf, plainAsk } from "./rigs/dispatch-client.ts";

const Articles = z.object({
  articles: z.tuple([z.object({ providerCode: z.string(), articleId: z.string() })], z.unknown()),
});

const definitions: readonly [string, ToolDefinition][] = Object.entries(tools);

let fixture: HandlersFixture;
let ask: Ask;
beforeAll(async () => {
  // one test asks for the same things as another, and more of them than TWS would bear
  fixture = await startHandlersFixture({ simulator: { seed: 7, maxMessagesPerSecond: 10_000 } });
  ask = plainAsk(fixture.handlers);
});
afterAll(() => fixture.close());

/** What a tool needs beside the instrument. */
const beside: Partial<Record<ToolName, Readonly<Record<string, unknown>>>> = {
  ibkr_place_order: { action: "BUY", quantity: 1 },
  ibkr_get_option_chain: { expiration: "20261218" },
  ibkr_preview_order: { action: "BUY", quantity: 1 },
  ibkr_place_bracket_order: {
    action: "BUY",
    quantity: 1,
    entryPrice: 2,
    takeProfitPrice: 3,
    stopLossPrice: 1,
  },
  ibkr_calculate_option_price: { underlyingPrice: 100, volatility: 0.3 },
  ibkr_calculate_implied_volatility: { underlyingPrice: 100, optionPrice: 3 },
  ibkr_get_historical_news: { providerCodes: "BRFUPDN" },
  ibkr_stream_market_data: { duration_seconds: 1 },
};

/** Everything that takes an instrument by conId or symbol, but for the tool that wants an option named in full. */
const ofInstruments = definitions.flatMap(([name, { input, runs }]) =>
  isToolName(name) &&
  name !== "ibkr_place_option_order" &&
  runs === "agent" &&
  "conId" in input.shape &&
  "symbol" in input.shape
    ? [name]
    : [],
);

describe("a name that fits several instruments is answered with them", () => {
  test.for(ofInstruments)("%s", async (name) => {
    const error = errorOf(await ask(name, { symbol: "ES", secType: "FUT", ...beside[name] }));
    expect(error.code).toBe("ambiguous_contract");
    expect(error.nextStep).toContain("conId");
    expect(error.candidates?.length).toBeGreaterThan(1);
    for (const candidate of error.candidates ?? [])
      expect(candidate).toMatchObject({
        conId: expect.any(Number),
        localSymbol: expect.stringMatching(/^ES/),
      });
  });
});

describe("what the account may not see is refused with a reason and a next step", () => {
  let article: Readonly<Record<string, unknown>> = {};
  beforeAll(async () => {
    const { articles } = Articles.parse(outputOf(await ask("ibkr_get_news_articles", { symbol: "AAPL" })));
    const [{ providerCode, articleId }] = articles;
    article = { providerCode, articleId };
    fixture.simulator.faults.permissions({
      quotes: "none",
      depth: false,
      history: "none",
      ticks: false,
      fundamentals: false,
      news: false,
      calendar: false,
    });
  });

  const msft = { symbol: "MSFT" };
  test.for<readonly [ToolName, Readonly<Record<string, unknown>>, ErrorCode]>([
    ["ibkr_get_market_depth", msft, "no_market_data"],
    ["ibkr_get_fundamental_data", msft, "no_market_data"],
    ["ibkr_get_historical_data", msft, "no_market_data"],
    ["ibkr_get_head_timestamp", msft, "no_market_data"],
    ["ibkr_get_histogram_data", msft, "no_market_data"],
    ["ibkr_get_historical_ticks", msft, "no_market_data"],
    ["ibkr_get_tick_by_tick_data", msft, "no_market_data"],
    ["ibkr_get_trading_schedule", msft, "no_market_data"],
    ["ibkr_get_news_articles", msft, "no_market_data"],
    ["ibkr_get_historical_news", { ...msft, providerCodes: "BRFUPDN" }, "no_market_data"],
    ["ibkr_get_wsh_meta_data", {}, "no_market_data"],
    ["ibkr_get_wsh_event_data", { conId: 265_598 }, "no_market_data"],
    ["ibkr_stream_market_data", { ...msft, duration_seconds: 2 }, "no_market_data"],
    ["ibkr_get_smart_components", msft, "no_market_data"],
  ])("%s", async ([name, input, code]) => {
    const error = errorOf(await ask(name, input));
    expect(error.code).toBe(code);
    expect(error.message.length).toBeGreaterThan(10);
    expect(error.nextStep.length).toBeGreaterThan(10);
  });

  test("ibkr_get_news_article does not tell an article that may not be read from none", async () => {
    const error = errorOf(await ask("ibkr_get_news_article", article));
    expect(error).toMatchObject({ code: "no_data", nextStep: expect.stringContaining("news_providers") });
  });

  test("ibkr_get_quotes says it of each row", async () => {
    const answer = await ask("ibkr_get_quotes", { symbols: ["MSFT", "IBM"] });
    expect(answer).toMatchObject({
      type: "result",
      output: {
        quotes: [
          { symbol: "MSFT", error: { code: "no_market_data" } },
          { symbol: "IBM", error: { code: "no_market_data" } },
        ],
      },
    });
  });

  test("ibkr_assess_risk makes up no figures", async () => {
    expect(outputOf(await ask("ibkr_assess_risk", {}))).toMatchObject({ valueAtRisk: null });
  });

  test("ibkr_get_option_chain gives no price for the underlying and no strikes nearest to it", async () => {
    const [chain] = fixture.simulator.world.universe.optionChains(265_598);
    const expiration = chain?.expirations[2];
    const error = errorOf(
      await ask("ibkr_get_option_chain", {
        symbol: "AAPL",
        expiration,
        strikeRange: 3,
        withQuotes: true,
      }),
    );
    expect(error).toMatchObject({ code: "no_market_data", nextStep: expect.stringContaining("minStrike") });
  });
});
