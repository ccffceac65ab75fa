import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { ToolName } from "../../shared/tools/index.ts";
import { startTestbed, type Testbed } from "../handlers/testbed.ts";
import { createCrowdedWorld } from "./crowded-world.ts";
import { type Ask, errorOf, outputOf, plainAsk } from "./dispatch-caller.ts";

const bound = 20_000;
const Page = z.looseObject({ total: z.int(), next_cursor: z.string().optional() });

let testbed: Testbed;
let ask: Ask;
beforeAll(async () => {
  testbed = await startTestbed({ simulator: { world: createCrowdedWorld(), scannerXmlBytes: 2_000_000 } });
  ask = boundAsk(testbed);
});
afterAll(() => testbed.close());

/** Holds every answer to the bound, errors included. */
function boundAsk({ handlers }: Testbed): Ask {
  const plain = plainAsk(handlers);
  return async (tool, input) => {
    const answer = await plain(tool, input);
    expect(JSON.stringify(answer.type === "result" ? answer.output : answer).length).toBeLessThanOrEqual(
      bound,
    );
    return answer;
  };
}

/** All rows of a paged tool, page after page. */
async function pages(tool: ToolName, input: Record<string, unknown>, key: string) {
  const rows: unknown[] = [];
  let cursor: string | undefined;
  let total = 0;
  do {
    const frame = await ask(tool, { ...input, ...(cursor !== undefined && { cursor }) });
    const answer = Page.parse(outputOf(frame));
    const page = answer[key];
    const { rows: shown } = z.object({ rows: z.array(z.unknown()) }).parse({ rows: rowsOf(page) });
    rows.push(...shown);
    ({ total, next_cursor: cursor } = answer);
  } while (cursor !== undefined);
  return { rows, total };
}

/** Columns are read across. */
function rowsOf(page: unknown): unknown {
  if (Array.isArray(page)) return page;
  const columns = z.record(z.string(), z.array(z.unknown())).parse(page);
  return (columns["time"] ?? []).map((_, index) =>
    Object.entries(columns).map(([name, column]) => [name, column[index]]),
  );
}

const day = { symbol: "AAPL", barSize: "1 min", duration: "20 D", useRTH: false };

describe("pages hold every row once, each within the bound", () => {
  test.for<readonly [ToolName, Record<string, unknown>, string, number]>([
    ["ibkr_get_positions", {}, "positions", 500],
    ["ibkr_get_account_values", {}, "values", 20],
    ["ibkr_get_option_chain_params", { underlyingConId: 265_598 }, "chains", 2],
    ["ibkr_get_historical_data", day, "bars", 10_000],
    ["ibkr_get_historical_data", { ...day, format: "columns" }, "bars", 10_000],
    ["ibkr_get_historical_ticks", { symbol: "AAPL", numberOfTicks: 1_000 }, "ticks", 1_000],
    ["ibkr_get_histogram_data", { symbol: "AAPL", duration: "1 year" }, "histogram", 100],
    ["ibkr_get_scanner_parameters", { section: "scanCodes" }, "parameters", 100],
    ["ibkr_get_scanner_parameters", { section: "instruments" }, "parameters", 5],
    ["ibkr_get_scanner_parameters", { section: "locations" }, "parameters", 20],
    ["ibkr_get_scanner_parameters", { section: "filters" }, "parameters", 20],
    ["ibkr_get_executions", {}, "executions", 400],
    ["ibkr_get_open_orders", {}, "orders", 400],
    ["ibkr_get_completed_orders", {}, "orders", 400],
    ["ibkr_get_all_orders", {}, "orders", 400],
    ["ibkr_get_news_articles", { symbol: "AAPL", totalResults: 300 }, "articles", 10],
  ])("%s %j", async ([tool, input, key, least]) => {
    const { rows, total } = await pages(tool, input, key);
    expect(rows.length).toBe(total);
    expect(rows.length).toBeGreaterThanOrEqual(least);
    expect(new Set(rows.map((row) => JSON.stringify(row))).size).toBe(total);
  });
});

test("the strikes of a chain are whole, over however many rows they go", async () => {
  const { rows } = await pages("ibkr_get_option_chain_params", { underlyingConId: 265_598 }, "chains");
  const chains = z.array(z.object({ exchange: z.string(), strikes: z.array(z.number()) })).parse(rows);
  const smart = chains.filter(({ exchange }) => exchange === "SMART").flatMap(({ strikes }) => strikes);
  expect(new Set(smart).size).toBe(2_000);
});

const stocks = Array.from({ length: 50 }, (_, index) => ({ conId: 900_000_000 + index }));
const targets = stocks.map((stock) => ({ ...stock, percent: 2 }));

test("fifty quotes come in pages", async () => {
  const { rows } = await pages("ibkr_get_quotes", { contracts: stocks }, "quotes");
  expect(rows).toMatchObject(stocks.map((contract) => ({ contract, error: null })));
});

describe("what has no pages keeps within the bound", () => {
  test.for<readonly [string, ToolName, Record<string, unknown>]>([
    ["every tag", "ibkr_get_account_summary", { tags: "All,$LEDGER:ALL" }],
    ["a contract", "ibkr_get_contract_details", { symbol: "AAPL" }],
    ["a company", "ibkr_get_fundamental_data", { symbol: "AAPL" }],
    ["the risk of 500 holdings", "ibkr_assess_risk", {}],
    ["one target beside 500 holdings", "ibkr_plan_rebalance", { targets: targets.slice(0, 1) }],
    ["changes of 500 holdings", "ibkr_stream_account_updates", { account: "DU1234567", duration_seconds: 1 }],
    ["400 cancelled orders", "ibkr_cancel_all_orders", {}],
  ])("%s: %s", async ([, tool, input]) => {
    expect((await ask(tool, input)).type).toBe("result");
  });

  test("a plan of more orders than an answer holds is refused and not cut short", async () => {
    const input = { targets, minTradeValue: 0, driftBandPercent: 0, cashBufferPercent: 0 };
    expect(errorOf(await ask("ibkr_plan_rebalance", input)).code).toBe("too_large");
  });
});
