import { z } from "zod";
import type { ErrorCode } from "../../../shared/errors.ts";
import type { ToolName } from "../../../shared/tools/index.ts";
import type { CallTool } from "../clients/clients.ts";

/** What a caller has found out before it uses a tool that needs it. */
export interface Known {
  /** Of an AAPL option that exists. */
  readonly expiration: string;
  readonly strike: number;
  /** Orders that work. */
  readonly toModify: number;
  readonly toCancel: number;
  readonly article: { readonly providerCode: string; readonly articleId: string };
}

/** Finds out what the good calls need: an option, orders that work (it places them), an article. */
export async function lookAround(call: CallTool): Promise<Known> {
  const { chains } = z
    .object({ chains: z.array(z.object({ expirations: z.array(z.string()), strikes: z.array(z.number()) })) })
    .parse(await call("ibkr_get_option_chain_params", { underlyingConId: 265_598 }));
  const expiration = chains[0]?.expirations[2] ?? "";
  const { chain } = z
    .object({ chain: z.array(z.object({ strike: z.number() })) })
    .parse(await call("ibkr_get_option_chain", { symbol: "AAPL", expiration, limit: 1 }));
  const working = { symbol: "IBM", action: "BUY", quantity: 1, orderType: "LMT", limitPrice: 1 };
  const placed = [
    await call("ibkr_place_order", working),
    // one more of the same is meant
    await call("ibkr_place_order", { ...working, idempotencyKey: crypto.randomUUID() }),
  ];
  const [toModify, toCancel] = placed.map((order) => z.int().parse(order["orderId"]));
  const { articles } = z
    .object({ articles: z.array(z.object({ providerCode: z.string(), articleId: z.string() })) })
    .parse(await call("ibkr_get_news_articles", { symbol: "AAPL" }));
  const [article] = articles;
  if (article === undefined || toModify === undefined || toCancel === undefined)
    throw new Error("not enough");
  return { expiration, strike: chain[0]?.strike ?? 0, toModify, toCancel, article };
}

type Input = Readonly<Record<string, unknown>>;

export interface ToolCalls {
  readonly good: (known: Known) => Input;
  readonly bad: readonly [Input, ErrorCode];
  /**
   * Answers from what the agent has learned and may keep (contracts for a day, history for 15 seconds, orders that
   * have ended), speaks of each of its rows, or is about the connection itself.
   */
  readonly answersWithoutTws?: true;
}

const aapl = { symbol: "AAPL" };
const account = "DU1234567";
const foreign = { account: "DU0000001" };
const unknown = { symbol: "NOSUCHX" };
const ambiguous = { symbol: "ES", secType: "FUT" };
const option = ({ expiration, strike }: Known) => ({ symbol: "AAPL", expiration, strike, right: "C" });
const nonsense: ToolCalls["bad"] = [{ nonsense: 1 }, "invalid_input"];
const same = (input: Input) => () => input;
const none = same({});
/** Each time another order: the same once more within moments would be asked about. */
const anew = (input: Input) => () => ({ ...input, idempotencyKey: crypto.randomUUID() });

/** A good and a bad call of every tool; a tool without both does not compile. */
export const toolCalls: Readonly<Record<ToolName, ToolCalls>> = {
  ibkr_connect: { good: none, bad: [{ port: 0 }, "invalid_input"], answersWithoutTws: true },
  ibkr_disconnect: { good: none, bad: nonsense, answersWithoutTws: true },
  ibkr_get_status: { good: none, bad: nonsense },
  ibkr_get_current_time: { good: none, bad: nonsense },
  ibkr_get_managed_accounts: { good: none, bad: nonsense, answersWithoutTws: true },
  ibkr_search_symbols: { good: same({ pattern: "apple" }), bad: [{ pattern: "" }, "invalid_input"] },
  ibkr_get_matching_symbols: { good: same({ pattern: "MS" }), bad: [{}, "invalid_input"] },
  ibkr_get_contract_details: {
    good: same({ symbol: "EUR.USD" }),
    bad: [ambiguous, "ambiguous_contract"],
    answersWithoutTws: true,
  },
  ibkr_get_security_definition_by_conid: {
    good: same({ conId: 265_598 }),
    bad: [{ conId: 1 }, "unknown_contract"],
    answersWithoutTws: true,
  },
  ibkr_get_market_rule: {
    good: same({ marketRuleId: 26 }),
    bad: [{ marketRuleId: 999_999 }, "no_data"],
    answersWithoutTws: true,
  },
  ibkr_get_option_chain_params: {
    good: same({ underlyingConId: 265_598 }),
    bad: [{ underlyingConId: "x" }, "invalid_input"],
  },
  ibkr_get_smart_components: { good: same(aapl), bad: [unknown, "unknown_contract"] },
  ibkr_get_quotes: {
    good: same({ symbols: ["AAPL", "EUR.USD"] }),
    bad: [{ symbols: Array(51).fill("AAPL") }, "invalid_input"],
  },
  ibkr_get_market_depth: { good: same(aapl), bad: [unknown, "unknown_contract"] },
  ibkr_set_market_data_type: {
    good: same({ marketDataType: 4 }),
    bad: [{ marketDataType: 7 }, "invalid_input"],
  },
  ibkr_get_fundamental_data: { good: same(aapl), bad: [unknown, "unknown_contract"] },
  ibkr_get_historical_data: {
    good: same(aapl),
    bad: [{ ...aapl, barSize: "7 mins" }, "invalid_input"],
    answersWithoutTws: true,
  },
  ibkr_get_head_timestamp: { good: same(aapl), bad: [unknown, "unknown_contract"], answersWithoutTws: true },
  ibkr_get_histogram_data: { good: same(aapl), bad: [unknown, "unknown_contract"], answersWithoutTws: true },
  ibkr_get_historical_ticks: {
    good: same(aapl),
    bad: [unknown, "unknown_contract"],
    answersWithoutTws: true,
  },
  ibkr_get_tick_by_tick_data: {
    good: same(aapl),
    bad: [{ ...aapl, tickType: "First" }, "invalid_input"],
    answersWithoutTws: true,
  },
  ibkr_get_trading_schedule: {
    good: same(aapl),
    bad: [unknown, "unknown_contract"],
    answersWithoutTws: true,
  },
  ibkr_get_option_chain: {
    good: ({ expiration }) => ({ symbol: "AAPL", expiration, limit: 3 }),
    bad: [{ symbol: "AAPL", expiration: "20200117" }, "unknown_contract"],
  },
  ibkr_calculate_option_price: {
    good: (known) => ({ ...option(known), underlyingPrice: 250 }),
    bad: [
      { symbol: "AAPL", expiration: "20200117", strike: 200, right: "C", underlyingPrice: 250 },
      "unknown_contract",
    ],
  },
  ibkr_calculate_implied_volatility: {
    good: (known) => ({ ...option(known), underlyingPrice: known.strike, optionPrice: known.strike / 20 }),
    bad: [{ symbol: "AAPL" }, "invalid_input"],
  },
  ibkr_get_account_summary: { good: none, bad: [foreign, "invalid_input"] },
  ibkr_get_positions: { good: none, bad: [foreign, "invalid_input"] },
  ibkr_get_account_values: { good: none, bad: [foreign, "invalid_input"] },
  ibkr_get_pnl: { good: none, bad: [foreign, "invalid_input"] },
  ibkr_get_pnl_single: { good: same({ account, conId: 265_598 }), bad: [{ account }, "invalid_input"] },
  ibkr_place_order: {
    good: anew({ symbol: "AAPL", action: "BUY", quantity: 1 }),
    bad: [
      { symbol: "AAPL", action: "BUY", quantity: 1, orderType: "LMT", limitPrice: 1.001 },
      "order_rejected",
    ],
  },
  ibkr_place_option_order: {
    good: (known) =>
      anew({ ...option(known), action: "BUY", quantity: 1, orderType: "LMT", limitPrice: 0.05 })(),
    bad: [
      { symbol: "AAPL", expiration: "20200117", strike: 200, right: "C", action: "BUY", quantity: 1 },
      "unknown_contract",
    ],
  },
  ibkr_preview_order: {
    good: same({ symbol: "AAPL", action: "BUY", quantity: 10 }),
    bad: [{ symbol: "AAPL", action: "BUY", quantity: 0 }, "invalid_input"],
  },
  ibkr_modify_order: {
    good: ({ toModify }) => ({ orderId: toModify, limitPrice: 2 }),
    bad: [{ orderId: 987_654, limitPrice: 2 }, "order_not_found"],
    answersWithoutTws: true,
  },
  ibkr_cancel_order: {
    good: ({ toCancel }) => ({ orderId: toCancel }),
    bad: [{ orderId: 987_654 }, "order_not_found"],
    answersWithoutTws: true,
  },
  ibkr_get_open_orders: { good: none, bad: [{ limit: 0 }, "invalid_input"] },
  ibkr_get_completed_orders: { good: none, bad: [{ cursor: "x" }, "invalid_input"] },
  ibkr_get_all_orders: { good: none, bad: [{ cursor: "x" }, "invalid_input"] },
  ibkr_wait_for_order: {
    good: ({ toModify }) => ({ orderId: toModify, timeoutSeconds: 1 }),
    bad: [{ orderId: 987_654 }, "order_not_found"],
    answersWithoutTws: true,
  },
  ibkr_get_order_status: {
    good: ({ toModify }) => ({ orderId: toModify }),
    bad: [{ orderId: 987_654 }, "order_not_found"],
    answersWithoutTws: true,
  },
  ibkr_get_executions: { good: none, bad: [{ limit: -1 }, "invalid_input"] },
  ibkr_plan_rebalance: {
    good: same({
      targets: [
        { symbol: "AAPL", percent: 20 },
        { symbol: "MSFT", percent: 20 },
      ],
    }),
    bad: [{ targets: [{ symbol: "AAPL", percent: 120 }] }, "invalid_input"],
  },
  ibkr_assess_risk: { good: same({ windowDays: 60 }), bad: [{ confidence: 2 }, "invalid_input"] },
  ibkr_place_bracket_order: {
    good: anew({
      symbol: "MSFT",
      action: "BUY",
      quantity: 1,
      entryPrice: 2,
      takeProfitPrice: 3,
      stopLossPrice: 1,
    }),
    bad: [
      { symbol: "MSFT", action: "BUY", quantity: 1, entryPrice: 2, takeProfitPrice: 1, stopLossPrice: 3 },
      "invalid_input",
    ],
  },
  ibkr_place_orders: {
    good: anew({ orders: [{ symbol: "IBM", action: "BUY", quantity: 1, orderType: "LMT", limitPrice: 1 }] }),
    bad: [{ orders: [] }, "invalid_input"],
    answersWithoutTws: true,
  },
  ibkr_cancel_all_orders: { good: none, bad: [foreign, "invalid_input"] },
  ibkr_get_news_providers: { good: none, bad: nonsense },
  ibkr_get_news_articles: { good: same(aapl), bad: [unknown, "unknown_contract"] },
  ibkr_get_historical_news: {
    good: same({ ...aapl, providerCodes: "BRFUPDN" }),
    bad: [{ ...aapl, totalResults: 0 }, "invalid_input"],
  },
  ibkr_get_news_article: {
    good: ({ article }) => ({ ...article }),
    bad: [{ providerCode: "BRFUPDN" }, "invalid_input"],
  },
  ibkr_get_scanner_parameters: {
    good: none,
    bad: [{ section: "nothing" }, "invalid_input"],
    answersWithoutTws: true,
  },
  ibkr_run_market_scanner: {
    good: same({ scanCode: "TOP_PERC_GAIN", numberOfRows: 5 }),
    bad: [{}, "invalid_input"],
  },
  ibkr_get_wsh_meta_data: { good: none, bad: nonsense },
  ibkr_get_wsh_event_data: {
    good: same({ conId: 265_598 }),
    bad: [{ conId: 265_598, totalLimit: 0 }, "invalid_input"],
  },
  ibkr_start_market_data_resource: { good: same(aapl), bad: [unknown, "unknown_contract"] },
  ibkr_stop_market_data_resource: { good: same({ resource_id: "AAPL" }), bad: [{}, "invalid_input"] },
  ibkr_start_portfolio_resource: { good: none, bad: [foreign, "invalid_input"] },
  ibkr_stop_portfolio_resource: { good: none, bad: nonsense },
  ibkr_start_news_resource: { good: none, bad: nonsense },
  ibkr_stop_news_resource: { good: none, bad: nonsense },
  ibkr_start_tick_news_resource: { good: same(aapl), bad: [unknown, "unknown_contract"] },
  ibkr_stop_tick_news_resource: { good: same(aapl), bad: nonsense },
  ibkr_start_broadtape_news_resource: { good: none, bad: nonsense },
  ibkr_stop_broadtape_news_resource: { good: none, bad: nonsense },
  ibkr_list_active_resource_streams: { good: none, bad: nonsense },
  ibkr_stream_market_data: {
    good: same({ ...aapl, duration_seconds: 1 }),
    bad: [unknown, "unknown_contract"],
  },
  ibkr_stream_account_updates: {
    good: same({ account, duration_seconds: 1 }),
    bad: [{ account, duration_seconds: 0 }, "invalid_input"],
  },
  ibkr_stream_news_bulletins: {
    good: same({ duration_seconds: 1 }),
    bad: [{ duration_seconds: 0 }, "invalid_input"],
  },
};
