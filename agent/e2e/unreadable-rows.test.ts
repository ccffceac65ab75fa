import { afterAll, beforeAll, expect, test } from "vitest";
import type { ToolName } from "../../shared/tools/index.ts";
import { startHandlersFixture } from "../handlers/handlers.fixture.ts";
import type { HandlersFixture } from "../handlers/handlers.fixture.ts";
import { type Ask, errorOf, outputOf, plainAsk } from "./rigs/dispatch-client.ts";

let fixture: HandlersFixture;
let ask: Ask;
beforeAll(async () => {
  fixture = await startHandlersFixture();
  ask = plainAsk(fixture.handlers);
  // one that works, one that has been cancelled, and one that has filled
  const order = { symbol: "AAPL", action: "BUY", quantity: 1 };
  outputOf(await ask("ibkr_place_order", { ...order, orderType: "LMT", limitPrice: 10 }));
  const { orderId } = outputOf(await ask("ibkr_place_order", { ...order, orderType: "LMT", limitPrice: 11 }));
  outputOf(await ask("ibkr_cancel_order", { orderId }));
  outputOf(await ask("ibkr_place_order", order));
});
afterAll(() => fixture.close());

const apple = { symbol: "AAPL" };

test.for<readonly [number, ToolName, Record<string, unknown>, string]>([
  [5, "ibkr_get_open_orders", {}, "orders"],
  [5, "ibkr_get_all_orders", {}, "orders"],
  [101, "ibkr_get_completed_orders", {}, "orders"],
  [101, "ibkr_get_all_orders", {}, "orders"],
  [11, "ibkr_get_executions", {}, "executions"],
  [61, "ibkr_get_positions", {}, "positions"],
  [7, "ibkr_get_positions", {}, "positions"],
  [6, "ibkr_get_account_values", {}, "values"],
  [63, "ibkr_get_account_summary", {}, "summary"],
  [79, "ibkr_search_symbols", { pattern: "AAPL" }, "results"],
  [75, "ibkr_get_option_chain_params", { underlyingConId: 265_598 }, "chains"],
  [82, "ibkr_get_smart_components", { bboExchange: "9c0001" }, "components"],
  [93, "ibkr_get_market_rule", { marketRuleId: 26 }, "priceIncrements"],
  [17, "ibkr_get_historical_data", apple, "bars"],
  [106, "ibkr_get_trading_schedule", apple, "sessions"],
  [89, "ibkr_get_histogram_data", apple, "histogram"],
  [98, "ibkr_get_tick_by_tick_data", apple, "ticks"],
  [13, "ibkr_get_market_depth", apple, "bids"],
  [10, "ibkr_get_contract_details", { symbol: "MSFT" }, "contract"],
  [85, "ibkr_get_news_providers", {}, "providers"],
  [86, "ibkr_get_news_articles", { ...apple, providerCodes: "BRFG" }, "articles"],
  [20, "ibkr_run_market_scanner", { scanCode: "TOP_PERC_GAIN" }, "results"],
])(
  "a message %i that ends two fields early never leaves %s without a word",
  async ([id, tool, input, key]) => {
    const missing = id === 6 ? 3 : 2;
    fixture.simulator.faults.alter({ [id]: { missing } });
    const answer = await ask(tool, input);
    fixture.simulator.faults.alter({});
    expect(errorOf(answer)).toMatchObject({
      code: "tws_error",
      message: expect.stringContaining("could not read"),
    });
    // the next one is whole again
    const { [key]: rows } = outputOf(await ask(tool, input));
    expect(rows).toBeDefined();
  },
);
