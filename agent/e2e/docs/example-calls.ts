import { z } from "zod";
import type { ToolName } from "../../../shared/tools/index.ts";
import { type CallTool, eventually } from "../clients/clients.ts";
import { lookAround, toolCalls } from "./tool-calls.ts";
import type { Known } from "./tool-calls.ts";

type Input = Readonly<Record<string, unknown>>;

/** What the examples are about: an account that has traded today, with orders at prices as people give them. */
interface Prepared extends Known {
  readonly price: Readonly<Record<"AAPL" | "IBM" | "MSFT", number>>;
  /** "202612", of a future. */
  readonly month: string;
  /** What the option costs now. */
  readonly optionAsk: number;
  /** Filled today. */
  readonly filled: number;
}

export interface ExampleCall {
  readonly input?: (prepared: Prepared) => Input;
  /** So that there is something to show. */
  readonly before?: (call: CallTool, prepared: Prepared) => Promise<unknown>;
  /** Done while the call runs. */
  readonly beside?: (call: CallTool, prepared: Prepared) => Promise<unknown>;
  readonly after?: (call: CallTool) => Promise<unknown>;
}

const cents = (price: number): number => Math.round(price * 100) / 100;
const account = "DU1234567";
const aapl = { symbol: "AAPL" };
const optionOf = ({ expiration, strike }: Known) => ({ ...aapl, expiration, strike, right: "C" });

const Quotes = z.object({
  quotes: z.array(
    z.object({ quote: z.object({ last: z.number().nullable(), close: z.number().nullable() }).nullable() }),
  ),
});
const Ask = z.object({
  quotes: z.tuple([z.object({ quote: z.object({ ask: z.number() }) })]),
});
const Failure = z.object({
  error: z.object({ candidates: z.array(z.object({ expiration: z.string().nullable() })) }),
});
const Articles = z.object({
  articles: z.array(z.object({ providerCode: z.string(), articleId: z.string() })),
});
const Order = z.object({ orderId: z.int() });

async function pricesOf(call: CallTool): Promise<Prepared["price"]> {
  const answer = Quotes.parse(await call("ibkr_get_quotes", { symbols: ["AAPL", "IBM", "MSFT"] }));
  const [AAPL = 0, IBM = 0, MSFT = 0] = answer.quotes.map(({ quote }) => quote?.last ?? quote?.close ?? 0);
  return { AAPL, IBM, MSFT };
}

/** An article that is text: some are documents, of which only the length is told. */
async function textArticle(call: CallTool): Promise<Known["article"]> {
  const { articles } = Articles.parse(await call("ibkr_get_news_articles", { ...aapl, totalResults: 50 }));
  for (const article of articles)
    if ((await call("ibkr_get_news_article", { ...article }))["format"] === "text") return article;
  throw new Error("no article is text");
}

/** Finds out what the calls need, and trades a little. */
export async function prepareExamples(call: CallTool): Promise<Prepared> {
  const { expiration, strike } = await lookAround(call);
  // its orders are far from any price
  await call("ibkr_cancel_all_orders");
  const price = await pricesOf(call);
  const place = async (input: Input): Promise<number> =>
    Order.parse(await call("ibkr_place_order", { ...input })).orderId;
  const working = {
    symbol: "IBM",
    action: "BUY",
    quantity: 10,
    orderType: "LMT",
    limitPrice: cents(price.IBM * 0.9),
  };
  const filled = await place({ ...aapl, action: "SELL", quantity: 20 });
  // the same again so soon would be refused as a repetition
  const [toModify, toCancel] = [await place(working), await place({ ...working, quantity: 12 })];
  const futures = Failure.parse(await call("ibkr_get_contract_details", { symbol: "ES", secType: "FUT" }));
  const month = futures.error.candidates[0]?.expiration?.slice(0, 6) ?? "";
  const { quotes } = Ask.parse(
    await call("ibkr_get_quotes", { contracts: [{ ...aapl, expiration, strike, right: "C" }] }),
  );
  const article = await textArticle(call);
  return {
    expiration,
    strike,
    toModify,
    toCancel,
    article,
    price,
    month,
    optionAsk: quotes[0].quote.ask,
    filled,
  };
}

/** Where the good call of the tests would show little. */
const better: Partial<Record<ToolName, ExampleCall>> = {
  ibkr_get_contract_details: {
    input: ({ month }) => ({ symbol: "ES", secType: "FUT", expiration: month }),
  },
  ibkr_get_market_rule: { input: () => ({ marketRuleId: 110 }) },
  ibkr_get_option_chain: {
    input: ({ expiration }) => ({ ...aapl, expiration, strikeRange: 2, withQuotes: true }),
  },
  ibkr_calculate_implied_volatility: {
    input: (prepared) => ({
      ...optionOf(prepared),
      underlyingPrice: prepared.price.AAPL,
      optionPrice: prepared.optionAsk,
    }),
  },
  ibkr_calculate_option_price: {
    input: (prepared) => ({ ...optionOf(prepared), underlyingPrice: Math.round(prepared.price.AAPL * 1.05) }),
  },
  ibkr_place_option_order: {
    input: (prepared) => ({
      ...optionOf(prepared),
      action: "BUY",
      quantity: 1,
      orderType: "LMT",
      limitPrice: Math.ceil(prepared.optionAsk * 10 + 1) / 10,
    }),
  },
  ibkr_modify_order: {
    input: ({ toModify, price }) => ({ orderId: toModify, limitPrice: cents(price.IBM * 0.92) }),
  },
  ibkr_wait_for_order: { input: ({ filled }) => ({ orderId: filled, until: "filled" }) },
  ibkr_get_order_status: { input: ({ filled }) => ({ orderId: filled }) },
  ibkr_place_bracket_order: {
    input: ({ price }) => ({
      symbol: "MSFT",
      action: "BUY",
      quantity: 5,
      entryPrice: cents(price.MSFT * 0.98),
      takeProfitPrice: cents(price.MSFT * 1.05),
      stopLossPrice: cents(price.MSFT * 0.95),
    }),
  },
  ibkr_place_orders: {
    input: ({ price }) => ({
      orders: (["IBM", "MSFT"] as const).map((symbol) => ({
        symbol,
        action: "BUY",
        quantity: 5,
        orderType: "LMT",
        limitPrice: cents(price[symbol] * 0.95),
      })),
    }),
  },
  ibkr_get_historical_news: { input: () => ({ ...aapl, providerCodes: "BRFG,DJNL", totalResults: 5 }) },
  ibkr_list_active_resource_streams: {
    async before(call) {
      await call("ibkr_start_market_data_resource", aapl);
      await call("ibkr_start_portfolio_resource");
    },
    async after(call) {
      await call("ibkr_stop_market_data_resource", { resource_id: "AAPL" });
      await call("ibkr_stop_portfolio_resource");
    },
  },
  ibkr_stream_market_data: {
    input: () => ({ ...aapl, duration_seconds: 5 }),
    // what is streamed already begins with a whole quote
    async before(call) {
      await call("ibkr_start_market_data_resource", aapl);
      await eventually(
        () => call("ibkr_stream_market_data", { ...aapl, duration_seconds: 1 }),
        ({ count }) => Number(count) > 0,
      );
    },
    after: (call) => call("ibkr_stop_market_data_resource", { resource_id: "AAPL" }),
  },
  ibkr_stream_account_updates: {
    input: () => ({ account, duration_seconds: 5 }),
    beside: (call) => call("ibkr_place_order", { ...aapl, action: "SELL", quantity: 10 }),
  },
};

/** One for every tool, in the order of the tests' calls. */
export const exampleCalls: readonly (readonly [
  name: string,
  example: ExampleCall & Required<Pick<ExampleCall, "input">>,
])[] = Object.entries(toolCalls).map(([name, { good }]) => {
  const own = Object.entries(better).find(([tool]) => tool === name)?.[1];
  return [name, { input: good, ...own }];
});
