import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { tools } from "../../shared/tools/index.ts";
import type { ToolName } from "../../shared/tools/index.ts";
import { errorOf, outputOf, plainAsk } from "../e2e/rigs/dispatch-client.ts";
import { startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

let fixture: HandlersFixture;
let call: ReturnType<typeof plainAsk>;
/** A Friday at 11:00 in New York. */
beforeAll(async () => {
  const offset = Date.parse("2026-11-20T16:00:00Z") - Date.now();
  fixture = await startHandlersFixture({ simulator: { now: () => Date.now() + offset } });
  call = plainAsk(fixture.handlers);
});
afterAll(async () => fixture.close());

type Input = Readonly<Record<string, unknown>>;
const ask = async (tool: ToolName, input: Input) => outputOf(await call(tool, input));
const refusal = async (tool: ToolName, input: Input) => errorOf(await call(tool, input));

const Quotes = z.object({ quotes: z.array(z.looseObject({ contract: z.unknown(), error: z.unknown() })) });

test("a row of quotes that is ambiguous shows the candidates", async () => {
  const { quotes } = Quotes.parse(
    await ask("ibkr_get_quotes", { symbols: ["BRK/B"], contracts: [{ symbol: "ES", secType: "FUT" }] }),
  );
  expect(quotes).toMatchObject([
    { contract: { symbol: "BRK B" }, error: null },
    {
      error: {
        code: "ambiguous_contract",
        candidates: expect.arrayContaining([
          {
            conId: expect.any(Number),
            localSymbol: "ESZ6",
            expiration: "20261218",
            exchange: "CME",
            symbol: "ES",
            secType: "FUT",
            currency: "USD",
          },
        ]),
      },
    },
  ]);
});

test("an order named by conId may name the share in any spelling, and by none that is another's", async () => {
  const order = { action: "BUY", quantity: 1, orderType: "LMT", limitPrice: 10, conId: 72_063_691 };
  expect(await ask("ibkr_preview_order", { ...order, symbol: "BRK.B" })).toMatchObject({
    contract: { symbol: "BRK B" },
  });
  expect(await refusal("ibkr_preview_order", { ...order, symbol: "BRK.A" })).toMatchObject({
    code: "invalid_input",
  });
});

test("the profit of a holding is found by its symbol", async () => {
  const account = "DU1234567";
  const bySymbol = await ask("ibkr_get_pnl_single", { account, symbol: "AAPL" });
  expect(bySymbol).toMatchObject({ account, conId: 265_598, position: 100 });
  expect(await refusal("ibkr_get_pnl_single", { account })).toMatchObject({ code: "invalid_input" });
});

const Bars = z.object({
  bars: z.array(z.object({ time: z.string() })),
  total: z.int(),
  next_cursor: z.string().optional(),
});

test("a continuous future has bars on every page, up to now alone, and no order", async () => {
  const question = { symbol: "ES", secType: "CONTFUT", duration: "1 M", barSize: "1 day", limit: 9 };
  const first = Bars.parse(await ask("ibkr_get_historical_data", question));
  const cursor = first.next_cursor;
  const second = Bars.parse(await ask("ibkr_get_historical_data", { ...question, cursor }));
  expect(first.bars).toHaveLength(9);
  expect(second.bars.length).toBeGreaterThan(0);
  const times = [...first.bars, ...second.bars].map(({ time }) => time);
  expect(new Set(times).size).toBe(times.length);
  expect(
    await refusal("ibkr_get_historical_data", { ...question, endDateTime: "2026-11-10T00:00:00Z" }),
  ).toMatchObject({ code: "invalid_input", message: expect.stringContaining("endDateTime") });
  const order = { symbol: "ES", secType: "CONTFUT", action: "BUY", quantity: 1 };
  expect(tools.ibkr_place_order.input.safeParse(order).success).toBe(false);
});

test("the bars of a coin are of its aggregated trades", async () => {
  const question = { symbol: "BTC.USD", whatToShow: "AGGTRADES", duration: "1 D", barSize: "1 hour" };
  expect(Bars.parse(await ask("ibkr_get_historical_data", question)).bars.length).toBeGreaterThan(0);
});

test.for([
  ["BTC.USD", "TRADES", "AGGTRADES"],
  ["AAPL", "AGGTRADES", "CRYPTO"],
  ["AAPL", "YIELD_BID", "bonds"],
  ["EUR.USD", "HISTORICAL_VOLATILITY", "stocks"],
  ["EUR.USD", "FEE_RATE", "stocks"],
] as const)("bars of %s show no %s, and a sentence says what does", async ([symbol, whatToShow, words]) => {
  const question = { symbol, whatToShow, duration: "1 D", barSize: "1 hour" };
  expect(await refusal("ibkr_get_historical_data", question)).toMatchObject({
    code: "invalid_input",
    message: expect.stringContaining(words),
  });
});

test("what TWS keeps of a share is asked of it, though this market keeps none", async () => {
  for (const whatToShow of ["HISTORICAL_VOLATILITY", "OPTION_IMPLIED_VOLATILITY", "FEE_RATE"])
    expect(
      await refusal("ibkr_get_historical_data", { symbol: "AAPL", whatToShow, barSize: "1 day" }),
    ).toMatchObject({ code: "no_data" });
});

test("a search that finds nothing says what was searched and what to do", async () => {
  expect(await ask("ibkr_search_symbols", { pattern: "ZZZZ" })).toMatchObject({
    results: [],
    count: 0,
    nextStep: expect.stringContaining('"ZZZZ"'),
  });
});

/** Of each tool that names an instrument: the types that it offers. */
const offered = (tool: ToolName): readonly unknown[] => {
  const { properties } = z.toJSONSchema(tools[tool].input, { io: "input" });
  const secType = properties?.["secType"];
  return typeof secType === "object" ? (secType.enum ?? []) : [];
};

test("a security type is offered only by the tools that take it", () => {
  for (const tool of ["ibkr_place_order", "ibkr_preview_order", "ibkr_place_bracket_order"] as const) {
    expect(offered(tool)).toEqual(expect.arrayContaining(["STK", "CRYPTO", "IOPT"]));
    for (const other of ["IND", "BAG", "NEWS", "CONTFUT", "FUT+CONTFUT"])
      expect(offered(tool)).not.toContain(other);
  }
  for (const tool of ["ibkr_start_market_data_resource", "ibkr_get_market_depth"] as const) {
    expect(offered(tool)).toContain("IND");
    for (const other of ["BAG", "NEWS", "CONTFUT"]) expect(offered(tool)).not.toContain(other);
  }
  expect(offered("ibkr_get_historical_data")).toContain("CONTFUT");
  expect(offered("ibkr_get_contract_details")).toEqual(
    expect.arrayContaining(["CONTFUT", "FUT+CONTFUT", "NEWS"]),
  );
});
