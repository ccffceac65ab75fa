import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import type { ToolName } from "../../shared/tools/index.ts";
import { startHandlersFixture, type HandlersFixture } from "../handlers/handlers.fixture.ts";
import type { Position } from "../simulator/model/ledger.ts";
import { createLargeAccountWorld } from "./rigs/large-account-world.ts";
import { type Ask, errorOf, outputOf, plainAsk } from "./rigs/dispatch-client.ts";

const bound = 20_000;
const Page = z.looseObject({ total: z.int(), next_cursor: z.string().optional() });

let fixture: HandlersFixture;
let ask: Ask;
/** Of every holding, in its currency. */
let priceRise = 0;
beforeAll(async () => {
  const world = createLargeAccountWorld();
  const { ledger } = world;
  const risen = (held: Position): Position => ({ ...held, marketPrice: held.marketPrice + priceRise });
  const rising = { ...world, ledger: { ...ledger, positions: () => ledger.positions().map(risen) } };
  fixture = await startHandlersFixture({ simulator: { world: rising, scannerXmlBytes: 2_000_000 } });
  ask = boundAsk(fixture);
});
afterAll(() => fixture.close());

/** Holds every answer to the bound, errors included. */
function boundAsk({ handlers }: HandlersFixture): Ask {
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

const day = { symbol: "AAPL", barSize: "1 min", duration: "5 D", useRTH: false };

describe("pages hold every row once, each within the bound", () => {
  test.for<readonly [ToolName, Record<string, unknown>, string, number]>([
    ["ibkr_get_positions", {}, "positions", 500],
    ["ibkr_get_account_values", {}, "values", 400],
    ["ibkr_get_option_chain_params", { underlyingConId: 265_598 }, "chains", 8],
    ["ibkr_get_historical_data", day, "bars", 4_000],
    ["ibkr_get_historical_data", { ...day, format: "columns" }, "bars", 4_000],
    ["ibkr_get_historical_ticks", { symbol: "AAPL", numberOfTicks: 1_000 }, "ticks", 1_000],
    ["ibkr_get_histogram_data", { symbol: "AAPL", duration: "1 year" }, "histogram", 100],
    ["ibkr_get_scanner_parameters", { section: "scanCodes" }, "parameters", 170],
    ["ibkr_get_scanner_parameters", { section: "instruments" }, "parameters", 5],
    ["ibkr_get_scanner_parameters", { section: "locations" }, "parameters", 20],
    ["ibkr_get_scanner_parameters", { section: "filters" }, "parameters", 70],
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

describe("an answer that cannot hold all rows holds the newest", () => {
  test("a year of daily bars is one answer, and reaches up to now", async () => {
    const input = { symbol: "AAPL", duration: "1 Y", barSize: "1 day" };
    const answer = outputOf(await ask("ibkr_get_historical_data", input));
    const { time } = z.object({ time: z.array(z.string()) }).parse(answer["bars"]);
    expect(answer).toMatchObject({
      truncated: false,
      from: time[0],
      to: time.at(-1),
      last: { time: time.at(-1) },
    });
    expect(time.length).toBeGreaterThan(245);
    expect(Date.now() - Date.parse(time.at(-1) ?? "")).toBeLessThan(6 * 86_400_000);
  });

  test.for<readonly [ToolName, Record<string, unknown>, string]>([
    ["ibkr_get_historical_data", { ...day, format: "rows" }, "bars"],
    ["ibkr_get_historical_data", day, "bars"],
    ["ibkr_get_historical_ticks", { symbol: "AAPL", numberOfTicks: 1_000, format: "rows" }, "ticks"],
    ["ibkr_get_tick_by_tick_data", { symbol: "AAPL", numberOfTicks: 1_000, format: "rows" }, "ticks"],
    ["ibkr_get_trading_schedule", { symbol: "AAPL", duration: "2 Y" }, "sessions"],
    ["ibkr_get_executions", {}, "executions"],
  ])("%s %j", async ([tool, input, key]) => {
    const first = Page.parse(outputOf(await ask(tool, input)));
    const cursor = first.next_cursor;
    const second = Page.parse(outputOf(await ask(tool, { ...input, cursor })));
    const { format: _format, ...plain } = input;
    const whole = await pages(tool, plain, key);
    expect(first).toMatchObject({ truncated: true });
    expect(String(second["to"]) <= String(first["from"])).toBe(true);
    expect(String(first["to"]) >= String(second["to"])).toBe(true);
    expect(whole.total).toBe(first.total);
    // sessions and fills have no `last`
    const lastOf = (page: typeof first) =>
      z.object({ time: z.string() }).optional().parse(page["last"])?.time;
    expect([lastOf(first) ?? first["to"], lastOf(second) ?? first["to"]]).toEqual([first["to"], first["to"]]);
  });

  test.for<readonly [ToolName, string]>([
    ["ibkr_get_open_orders", "orders"],
    ["ibkr_get_completed_orders", "orders"],
    ["ibkr_get_all_orders", "orders"],
  ])("%s", async ([tool, key]) => {
    const { rows } = await pages(tool, {}, key);
    const permIds = z.array(z.object({ permId: z.int(), isFinal: z.boolean().optional() })).parse(rows);
    const halves = [
      permIds.filter((one) => one.isFinal === false),
      permIds.filter((one) => one.isFinal !== false),
    ];
    expect(permIds).toEqual(halves.flatMap((half) => half.toSorted((a, b) => b.permId - a.permId)));
  });
});

test("2,000 strikes of a chain at 60 expirations are whole, over however many rows they go", async () => {
  const { rows } = await pages("ibkr_get_option_chain_params", { underlyingConId: 265_598 }, "chains");
  const list = z.array(z.string());
  const chains = z
    .array(z.object({ exchange: z.string(), expirations: list, strikes: z.array(z.number()) }))
    .parse(rows);
  const smart = chains.filter(({ exchange }) => exchange === "SMART");
  const offered = smart.flatMap(({ expirations, strikes }) =>
    expirations.flatMap((expiration) => strikes.map((strike) => `${expiration} ${strike}`)),
  );
  expect(offered).toHaveLength(2_000 * 60);
  expect(new Set(offered).size).toBe(2_000 * 60);
  const chain = { symbol: "AAPL", expiration: smart[0]?.expirations[0] };
  const { rows: legs, total } = await pages("ibkr_get_option_chain", chain, "chain");
  expect([legs.length, total]).toEqual([2_000, 2_000]);
  expect(new Set(legs.map((leg) => JSON.stringify(leg))).size).toBe(2_000);
});

test("the statements of a company over years are whole, over however many pages they go", async () => {
  const input = { symbol: "AAPL", reportType: "ReportsFinStatements" };
  const { rows, total } = await pages("ibkr_get_fundamental_data", input, "data");
  expect(rows).toHaveLength(total);
  expect(rows.filter((row) => JSON.stringify(row).includes('"coaCode"'))).toHaveLength(14 * 32);
});

const stocks = Array.from({ length: 50 }, (_, index) => ({ conId: 900_000_000 + index }));
const targets = stocks.map((stock) => ({ ...stock, percent: 2 }));

test("fifty quotes come in pages", async () => {
  const { rows } = await pages("ibkr_get_quotes", { contracts: stocks }, "quotes");
  expect(rows).toMatchObject(stocks.map((contract) => ({ contract, error: null })));
});

describe("what has no pages keeps within the bound", () => {
  test.for<readonly [string, ToolName, Record<string, unknown>]>([
    ["every tag in one currency", "ibkr_get_account_summary", { tags: "All,$LEDGER:QAA" }],
    ["the risk of 500 holdings", "ibkr_assess_risk", {}],
    ["one target beside 500 holdings", "ibkr_plan_rebalance", { targets: targets.slice(0, 1) }],
    ["400 cancelled orders", "ibkr_cancel_all_orders", {}],
  ])("%s: %s", async ([, tool, input]) => {
    expect((await ask(tool, input)).type).toBe("result");
  });

  test("a name that hundreds of options fit is answered with some of them", async () => {
    const error = errorOf(await ask("ibkr_get_contract_details", { symbol: "AAPL", secType: "OPT" }));
    expect(error).toMatchObject({ code: "ambiguous_contract" });
    expect(error.candidates).toHaveLength(25);
  });

  test("changes of 500 holdings are counted, and the last are shown", async () => {
    const input = { account: "DU1234567", duration_seconds: 3 };
    const before = fixture.simulator.received().length;
    const looking = ask("ibkr_stream_account_updates", input);
    await vi.waitFor(() => {
      expect(fixture.simulator.received().slice(before)).toContainEqual(expect.objectContaining({ id: 6 }));
    });
    priceRise = 1;
    // TWS shows all that has changed after a fill
    await ask("ibkr_place_order", { symbol: "AAPL", action: "BUY", quantity: 1 });
    const { count, sample } = outputOf(await looking);
    expect(count).toBeGreaterThanOrEqual(500);
    expect(z.array(z.unknown()).parse(sample).length).toBeGreaterThan(10);
  });

  test("a ledger of more currencies than an answer holds is refused and not cut short", async () => {
    const error = errorOf(await ask("ibkr_get_account_summary", { tags: "All,$LEDGER:ALL" }));
    expect(error).toMatchObject({ code: "too_large", nextStep: expect.stringContaining("$LEDGER:USD") });
  });

  test("a plan of more orders than an answer holds is refused and not cut short", async () => {
    const input = { targets, minTradeValue: 0, driftBandPercent: 0, cashBufferPercent: 0 };
    expect(errorOf(await ask("ibkr_plan_rebalance", input)).code).toBe("too_large");
  });
});
