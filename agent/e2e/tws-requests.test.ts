import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import type { ToolName } from "../../shared/tools/index.ts";
import { startHandlersFixture } from "../handlers/handlers.fixture.ts";
import type { RequestKind } from "../simulator/faults/scripted-replies.ts";
import { decodeRequest } from "../simulator/wire/requests-decode.ts";
import { plainAsk } from "./rigs/dispatch-client.ts";

interface Asked {
  /** Of the client library. */
  readonly method: string;
  readonly kind: RequestKind;
  readonly message: number;
  /** How it is withdrawn; absent where TWS knows no way. */
  readonly cancel?: readonly [method: string, message: number];
  readonly call: readonly [ToolName, Readonly<Record<string, unknown>>];
}

const aapl = { symbol: "AAPL" };
const option = { symbol: "AAPL", expiration: "20261218", strike: 250, right: "C" };
const order = { ...aapl, action: "BUY", quantity: 1, orderType: "LMT", limitPrice: 1 };

/** Every request that the agent makes of TWS, and a call that makes it. */
const requests: readonly Asked[] = [
  {
    method: "calculateImpliedVolatility",
    kind: "impliedVolatility",
    message: 54,
    cancel: ["cancelCalculateImpliedVolatility", 56],
    call: ["ibkr_calculate_implied_volatility", { ...option, underlyingPrice: 250, optionPrice: 12 }],
  },
  {
    method: "calculateOptionPrice",
    kind: "optionPrice",
    message: 55,
    cancel: ["cancelCalculateOptionPrice", 57],
    call: ["ibkr_calculate_option_price", { ...option, underlyingPrice: 250, volatility: 0.3 }],
  },
  { method: "placeOrder", kind: "placeOrder", message: 3, call: ["ibkr_place_order", order] },
  {
    method: "reqAccountSummary",
    kind: "accountSummary",
    message: 62,
    cancel: ["cancelAccountSummary", 63],
    call: ["ibkr_get_account_summary", {}],
  },
  {
    method: "reqAccountUpdates",
    kind: "accountUpdates",
    message: 6,
    cancel: ["reqAccountUpdates", 6],
    call: ["ibkr_get_account_values", {}],
  },
  { method: "reqAllOpenOrders", kind: "allOpenOrders", message: 16, call: ["ibkr_get_open_orders", {}] },
  {
    method: "reqCompletedOrders",
    kind: "completedOrders",
    message: 99,
    call: ["ibkr_get_completed_orders", {}],
  },
  {
    method: "reqContractDetails",
    kind: "contractDetails",
    message: 9,
    call: ["ibkr_get_contract_details", { symbol: "IBM" }],
  },
  { method: "reqCurrentTime", kind: "currentTime", message: 49, call: ["ibkr_get_current_time", {}] },
  { method: "reqExecutions", kind: "executions", message: 7, call: ["ibkr_get_executions", {}] },
  {
    method: "reqFundamentalData",
    kind: "fundamentals",
    message: 52,
    cancel: ["cancelFundamentalData", 53],
    call: ["ibkr_get_fundamental_data", aapl],
  },
  { method: "reqGlobalCancel", kind: "globalCancel", message: 58, call: ["ibkr_cancel_all_orders", {}] },
  {
    method: "reqHeadTimestamp",
    kind: "headTimestamp",
    message: 87,
    cancel: ["cancelHeadTimestamp", 90],
    call: ["ibkr_get_head_timestamp", aapl],
  },
  {
    method: "reqHistogramData",
    kind: "histogram",
    message: 88,
    cancel: ["cancelHistogramData", 89],
    call: ["ibkr_get_histogram_data", aapl],
  },
  {
    method: "reqHistoricalData",
    kind: "historicalData",
    message: 20,
    cancel: ["cancelHistoricalData", 25],
    call: ["ibkr_get_historical_data", aapl],
  },
  {
    method: "reqHistoricalNews",
    kind: "historicalNews",
    message: 86,
    call: ["ibkr_get_historical_news", { ...aapl, providerCodes: "BRFUPDN" }],
  },
  {
    method: "reqHistoricalTicks",
    kind: "historicalTicks",
    message: 96,
    call: ["ibkr_get_historical_ticks", aapl],
  },
  { method: "reqIds", kind: "nextValidId", message: 8, call: ["ibkr_place_order", order] },
  {
    method: "reqMarketDataType",
    kind: "marketDataType",
    message: 59,
    call: ["ibkr_set_market_data_type", { marketDataType: 3 }],
  },
  {
    method: "reqMarketRule",
    kind: "marketRule",
    message: 91,
    call: ["ibkr_get_market_rule", { marketRuleId: 26 }],
  },
  {
    method: "reqMatchingSymbols",
    kind: "matchingSymbols",
    message: 81,
    call: ["ibkr_search_symbols", { pattern: "apple" }],
  },
  {
    method: "reqMktData",
    kind: "marketData",
    message: 1,
    cancel: ["cancelMktData", 2],
    call: ["ibkr_get_quotes", { symbols: ["AAPL"] }],
  },
  {
    method: "reqMktDepth",
    kind: "marketDepth",
    message: 10,
    cancel: ["cancelMktDepth", 11],
    call: ["ibkr_get_market_depth", aapl],
  },
  {
    method: "reqNewsArticle",
    kind: "newsArticle",
    message: 84,
    call: ["ibkr_get_news_article", { providerCode: "BRFUPDN", articleId: "BRFUPDN$1" }],
  },
  {
    method: "reqNewsBulletins",
    kind: "newsBulletins",
    message: 12,
    cancel: ["cancelNewsBulletins", 13],
    call: ["ibkr_stream_news_bulletins", { duration_seconds: 5 }],
  },
  { method: "reqNewsProviders", kind: "newsProviders", message: 85, call: ["ibkr_get_news_providers", {}] },
  { method: "reqPnL", kind: "pnl", message: 92, cancel: ["cancelPnL", 93], call: ["ibkr_get_pnl", {}] },
  {
    method: "reqPnLSingle",
    kind: "pnlSingle",
    message: 94,
    cancel: ["cancelPnLSingle", 95],
    call: ["ibkr_get_pnl_single", { account: "DU1234567", conId: 265_598 }],
  },
  {
    method: "reqPositions",
    kind: "positions",
    message: 61,
    cancel: ["cancelPositions", 64],
    call: ["ibkr_get_positions", {}],
  },
  {
    method: "reqScannerParameters",
    kind: "scannerParameters",
    message: 24,
    call: ["ibkr_get_scanner_parameters", {}],
  },
  {
    method: "reqScannerSubscription",
    kind: "scan",
    message: 22,
    cancel: ["cancelScannerSubscription", 23],
    call: ["ibkr_run_market_scanner", { scanCode: "TOP_PERC_GAIN" }],
  },
  {
    method: "reqSecDefOptParams",
    kind: "optionChains",
    message: 78,
    call: ["ibkr_get_option_chain_params", { underlyingConId: 265_598 }],
  },
  {
    method: "reqSmartComponents",
    kind: "smartComponents",
    message: 83,
    call: ["ibkr_get_smart_components", aapl],
  },
  {
    method: "reqWshEventData",
    kind: "events",
    message: 102,
    cancel: ["reqCancelWshEventData", 103],
    call: ["ibkr_get_wsh_event_data", { conId: 265_598 }],
  },
  {
    method: "reqWshMetaData",
    kind: "eventTypes",
    message: 100,
    cancel: ["reqCancelWshMetaData", 101],
    call: ["ibkr_get_wsh_meta_data", {}],
  },
];

/** What the sources call of the library to ask something of TWS. */
function methodsInUse(): string[] {
  const folder = new URL("../tws/", import.meta.url);
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (name) => name.endsWith(".ts") && !name.endsWith(".test.ts"),
  );
  const texts = sources.map((name) => readFileSync(new URL(name, folder), "utf8"));
  const asked = texts.join("\n").matchAll(/\bib\.((?:req|cancel|calculate|place)\w+)\(/g);
  return [...new Set([...asked].map(([, method = ""]) => method))].toSorted();
}

test("every request that the sources make of TWS, and every way to withdraw one, has a row here", () => {
  const here = requests.flatMap(({ method, cancel }) => [
    method,
    ...(cancel === undefined ? [] : [cancel[0]]),
  ]);
  // an order is cancelled by its own id, which is no withdrawal of a request; client 0 binds orders, and is not here
  const others = ["cancelOrder", "reqAutoOpenOrders", "reqOpenOrders"];
  expect([...new Set([...here, ...others])].toSorted()).toEqual(methodsInUse());
});

const requestIdIn = (fields: readonly string[]): string | null => {
  const request = decodeRequest(fields, 193);
  return "reqId" in request ? String(request.reqId) : null;
};

describe.concurrent("a call that is withdrawn while TWS says nothing", () => {
  test.for(requests)("$method: withdrawn at TWS, if it can be", async (asked, { onTestFinished }) => {
    const { kind, message, cancel, call } = asked;
    const fixture = await startHandlersFixture({ simulator: { seed: 7 } });
    onTestFinished(() => fixture.close());
    const { simulator, handlers } = fixture;
    const sent = (id: number) => simulator.received().filter((row) => row.id === id);
    // the next id is asked for when TWS knows one of ours
    if (kind === "nextValidId") simulator.faults.reply("placeOrder", { does: "refuse", code: 103 });
    simulator.faults.reply(kind, { does: "ignore" });
    const before = sent(message).length;
    const link = new AbortController();
    const answer = plainAsk(handlers, link.signal)(...call);
    await vi.waitFor(() => expect(sent(message).length).toBeGreaterThan(before), { timeout: 5_000 });
    link.abort();
    await answer;
    // a subscription to an account is ended by the message that began it
    const withdrawals = () => sent(cancel?.[1] ?? -1).slice(cancel?.[1] === message ? before + 1 : 0);
    await vi.waitFor(() => expect(withdrawals()).toHaveLength(cancel === undefined ? 0 : 1));
    const id = requestIdIn(sent(message)[before]?.fields ?? []);
    expect(withdrawals().filter(({ fields }) => id !== null && !fields.includes(id))).toEqual([]);
    expect(simulator.received().map(({ fields }) => decodeRequest(fields, 193).type)).not.toContain(
      "unknown",
    );
  });
});
