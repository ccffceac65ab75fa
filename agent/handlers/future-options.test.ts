import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { resourceIdOf } from "../../shared/contract.ts";
import type { Contract } from "../../shared/contract.ts";
import { tools } from "../../shared/tools/index.ts";
import { paginate } from "../../shared/tools/paging.ts";
import { instrumentOf, query } from "../simulator/test-support/world.fixture.ts";
import { callBy, startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

/** A Monday morning in New York, on which the clock stands still. */
const at = Date.parse("2026-11-23T16:00:00Z");

let fixture: HandlersFixture;
beforeEach(async () => {
  fixture = await startHandlersFixture({ simulator: { seed: 7, now: () => at } });
});
afterEach(() => fixture.close());

const futureId = (localSymbol: string): number =>
  fixture.simulator.world.universe.listed.find((one) => one.localSymbol === localSymbol)?.conId ?? 0;

/** What the simulated market quotes. */
const marketOf = (conId: number | undefined) =>
  fixture.simulator.world.market.quote(instrumentOf(fixture.simulator.world, conId ?? 0), at);

async function chainOf(input: Record<string, unknown>) {
  const tool = tools.ibkr_get_option_chain;
  const parsed = tool.input.parse(input);
  const whole = await fixture.handlers.ibkr_get_option_chain(parsed, callBy());
  return tool.output.parse(paginate(tool, parsed, whole));
}

async function paramsOf(input: Record<string, unknown>) {
  const tool = tools.ibkr_get_option_chain_params;
  const parsed = tool.input.parse(input);
  const whole = await fixture.handlers.ibkr_get_option_chain_params(parsed, callBy());
  return tool.output.parse(paginate(tool, parsed, whole));
}

async function priceOf(input: Record<string, unknown>) {
  const tool = tools.ibkr_calculate_option_price;
  return tool.output.parse(
    await fixture.handlers.ibkr_calculate_option_price(tool.input.parse(input), callBy()),
  );
}

async function detailsOf(input: Record<string, unknown>) {
  const tool = tools.ibkr_get_contract_details;
  return tool.output.parse(
    await fixture.handlers.ibkr_get_contract_details(tool.input.parse(input), callBy()),
  );
}

const es = { symbol: "ES", secType: "FOP", expiration: "20261218", tradingClass: "ES", strike: 6700 };
const call = { ...es, right: "C" };
const crude = { symbol: "CL", secType: "FOP", expiration: "20261216", strike: 62.5, right: "P" };

describe("the options on a future", () => {
  test("are listed by class, and at the venue of the future", async () => {
    const { chains, count } = await paramsOf({ underlyingConId: futureId("ESZ6") });
    expect(chains.map(({ tradingClass, expirations }) => [tradingClass, expirations])).toEqual([
      ["ES", ["20261218"]],
      ["EW1", ["20261204"]],
      ["EW2", ["20261211"]],
      ["EW4", ["20261127"]],
    ]);
    expect(count).toBe(4);
    for (const row of chains)
      expect(row).toMatchObject({ exchange: "CME", multiplier: 50, underlyingConId: futureId("ESZ6") });
    const oil = await paramsOf({ underlyingConId: futureId("CLF7"), exchange: "nymex" });
    expect(oil.chains).toMatchObject([{ tradingClass: "LO", exchange: "NYMEX", multiplier: 1000 }]);
    expect(await paramsOf({ underlyingConId: futureId("NQZ6") })).toMatchObject({ chains: [], count: 0 });
    await expect(paramsOf({ underlyingConId: futureId("ESZ6"), exchange: "SMART" })).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringContaining("trade at CME"),
    });
  });

  test("make a chain by the future's conId, without those on another future that expire the same day", async () => {
    const { chain, underlying, underlyingPrice, strikesListed } = await chainOf({
      conId: futureId("ESZ6"),
      expiration: "20261218",
      withQuotes: true,
      strikeRange: 2,
    });
    expect(underlying).toMatchObject({ secType: "FUT", localSymbol: "ESZ6" });
    expect(strikesListed).toBe(41);
    expect(chain).toHaveLength(2);
    for (const { strike, tradingClass, multiplier, call: c, put: p } of chain) {
      expect(Math.abs(strike - Number(underlyingPrice))).toBeLessThan(50);
      expect([tradingClass, multiplier]).toEqual(["ES", 50]);
      expect([c?.localSymbol, p?.localSymbol]).toEqual([`ESZ6 C${strike}`, `ESZ6 P${strike}`]);
      for (const leg of [c, p]) {
        const { bid, ask, greeks } = marketOf(leg?.conId);
        expect(leg?.quote).toMatchObject({ bid, ask, dataType: "live" });
        expect(leg?.quote?.delta).toBeCloseTo(greeks?.delta ?? NaN, 8);
        expect(leg?.quote?.theta).toBeCloseTo(greeks?.theta ?? NaN, 8);
      }
    }
  });

  test("make a chain by the product's symbol where one future has options of the day", async () => {
    const weekly = await chainOf({ symbol: "ES", secType: "FUT", expiration: "20261204" });
    expect(weekly.underlying).toMatchObject({ secType: "FUT", localSymbol: "ESZ6", conId: futureId("ESZ6") });
    expect(new Set(weekly.chain.map(({ tradingClass }) => tradingClass))).toEqual(new Set(["EW1"]));
    const january = await chainOf({ symbol: "CL", secType: "FUT", expiration: "202701" });
    expect(january).toMatchObject({ expiration: "20261216", strikesListed: 41 });
    expect(january.underlying).toMatchObject({ localSymbol: "CLF7" });
    const afternoon = await chainOf({
      symbol: "ES",
      secType: "FUT",
      expiration: "20261218",
      tradingClass: "EW3",
    });
    expect(afternoon.underlying).toMatchObject({ localSymbol: "ESH7" });
  });

  test("are not guessed where two futures have options of the day", async () => {
    await expect(chainOf({ symbol: "ES", secType: "FUT", expiration: "20261218" })).rejects.toMatchObject({
      code: "ambiguous_contract",
      message: "Options on 2 futures of ES expire on 20261218.",
      detail: {
        candidates: [
          { conId: futureId("ESZ6"), localSymbol: "ESZ6", secType: "FUT", optionClasses: ["ES"] },
          { conId: futureId("ESH7"), localSymbol: "ESH7", secType: "FUT", optionClasses: ["EW3"] },
        ],
      },
    });
    await expect(chainOf({ symbol: "ES", secType: "FUT", expiration: "202612" })).rejects.toMatchObject({
      code: "ambiguous_contract",
      detail: { candidates: expect.arrayContaining([expect.objectContaining({ expiration: "20261204" })]) },
    });
  });

  test("name the nearest dates for one on which nothing expires", async () => {
    await expect(chainOf({ symbol: "ES", secType: "FUT", expiration: "20261217" })).rejects.toMatchObject({
      code: "unknown_contract",
      message:
        "ES has no options that expire on 20261217; the nearest expirations are 20261127, 20261204, 20261211, 20261218, 20261224, 20261231.",
      detail: { candidates: expect.arrayContaining([expect.objectContaining({ expiration: "20261218" })]) },
    });
    // the other future has options of that day
    await expect(chainOf({ conId: futureId("ESZ6"), expiration: "20270108" })).rejects.toMatchObject({
      code: "unknown_contract",
      message:
        "ESZ6 has no options that expire on 20270108; the nearest expirations are 20261127, 20261204, 20261211, 20261218.",
      detail: { candidates: expect.arrayContaining([expect.objectContaining({ symbol: "ES" })]) },
    });
    await expect(
      chainOf({ conId: futureId("ESZ6"), expiration: "20261218", tradingClass: "EW3" }),
    ).rejects.toMatchObject({
      code: "unknown_contract",
      message: "TWS knows no such options on ESZ6 that expire on 20261218.",
    });
    await expect(chainOf({ conId: futureId("NQZ6"), expiration: "20261218" })).rejects.toMatchObject({
      code: "unknown_contract",
      message: "TWS knows no options on NQZ6.",
    });
  });
});

describe("one option on a future", () => {
  test("has details with its future, its month and its tick rules", async () => {
    const details = await detailsOf(call);
    expect(details).toMatchObject({
      contract: {
        symbol: "ES",
        secType: "FOP",
        exchange: "CME",
        localSymbol: "ESZ6 C6700",
        tradingClass: "ES",
        expiration: "20261218",
        strike: 6700,
        right: "C",
        multiplier: 50,
      },
      minTick: 0.05,
      marketRuleIds: [111],
      underlyingConId: futureId("ESZ6"),
      contractMonth: "202612",
    });
    expect(await detailsOf({ localSymbol: "LOF7 P6250", secType: "FOP" })).toMatchObject({
      contract: { symbol: "CL", exchange: "NYMEX", strike: 62.5, expiration: "20261216" },
      contractMonth: "202701",
    });
  });

  test("is ambiguous without its class where two expire on the day, and so are the rights", async () => {
    const { tradingClass: _class, ...open } = call;
    await expect(detailsOf(open)).rejects.toMatchObject({
      code: "ambiguous_contract",
      detail: {
        candidates: [
          expect.objectContaining({ localSymbol: "ESZ6 C6700", tradingClass: "ES", multiplier: 50 }),
          expect.objectContaining({ localSymbol: "EW3Z6 C6700", tradingClass: "EW3", multiplier: 50 }),
        ],
      },
    });
    await expect(detailsOf({ symbol: "ES", secType: "FOP" })).rejects.toMatchObject({
      message: expect.stringContaining("these are the first 25."),
      detail: { nextStep: expect.stringContaining("tradingClass") },
    });
    await expect(detailsOf(es)).rejects.toMatchObject({ code: "ambiguous_contract" });
  });

  test("that does not exist answers with the nearest strikes or dates", async () => {
    await expect(detailsOf({ ...call, strike: 6710 })).rejects.toMatchObject({
      code: "unknown_contract",
      message: expect.stringContaining("6700, 6725"),
      detail: { candidates: expect.arrayContaining([expect.objectContaining({ secType: "FOP" })]) },
    });
    await expect(detailsOf({ ...crude, expiration: "20261217" })).rejects.toMatchObject({
      code: "unknown_contract",
      message: expect.stringContaining("the nearest expirations are 20261216"),
      detail: { candidates: expect.arrayContaining([expect.objectContaining({ expiration: "20261216" })]) },
    });
    await expect(detailsOf({ ...call, tradingClass: "EW2" })).rejects.toMatchObject({
      code: "unknown_contract",
      message: expect.stringContaining("the nearest expirations are 20261211"),
    });
    await expect(detailsOf({ ...call, symbol: "NOSUCH" })).rejects.toMatchObject({
      code: "unknown_contract",
      message: expect.stringContaining("NOSUCH FOP"),
    });
  });

  test("is priced by TWS at a price of its future, and its volatility found from the price", async () => {
    const priced = await priceOf({ ...crude, volatility: 0.4, underlyingPrice: 60 });
    expect(priced).toMatchObject({
      contract: { secType: "FOP", localSymbol: "LOF7 P6250" },
      impliedVolatility: 0.4,
      underlyingPrice: 60,
      volatilityFrom: "argument",
    });
    expect(priced.optionPrice).toBeGreaterThan(2.5);
    expect(priced.delta).toBeLessThan(-0.5);
    const tool = tools.ibkr_calculate_implied_volatility;
    const input = tool.input.parse({ ...crude, optionPrice: priced.optionPrice, underlyingPrice: 60 });
    const implied = tool.output.parse(
      await fixture.handlers.ibkr_calculate_implied_volatility(input, callBy()),
    );
    expect(implied.impliedVolatility).toBeCloseTo(0.4, 6);
    expect(implied.delta).toBeCloseTo(Number(priced.delta), 6);
    const asked = [...(await fixture.received(55)), ...(await fixture.received(54))];
    expect(asked).toHaveLength(3);
    for (const { fields } of asked) expect(fields).toEqual(expect.arrayContaining(["FOP", "NYMEX", "LO"]));
  });

  test("is priced at the market's volatility when none is given, by conId alone", async () => {
    const { contract } = await detailsOf(call);
    const { impliedVolatility, volatilityFrom } = await priceOf({
      conId: contract.conId,
      underlyingPrice: 6700,
    });
    const { greeks } = marketOf(contract.conId);
    expect(volatilityFrom).toBe("market");
    expect(impliedVolatility).toBeCloseTo(greeks?.impliedVolatility ?? NaN, 8);
  });

  test("has a quote with greeks, live or delayed", async () => {
    const tool = tools.ibkr_get_quotes;
    const quoteOf = async () => {
      const answer = await fixture.handlers.ibkr_get_quotes(
        tool.input.parse({ contracts: [call] }),
        callBy(),
      );
      return answer.quotes[0]?.quote;
    };
    const live = await quoteOf();
    expect(live).toMatchObject({ dataType: "live", bid: expect.any(Number), last: expect.any(Number) });
    expect(live?.delta).toBeGreaterThan(0);
    fixture.simulator.faults.permissions({ quotes: "delayed" });
    const { input } = tools.ibkr_set_market_data_type;
    await fixture.handlers.ibkr_set_market_data_type(input.parse({ marketDataType: 3 }), callBy());
    const delayed = await quoteOf();
    expect(delayed).toMatchObject({ dataType: "delayed", impliedVolatility: expect.any(Number) });
    expect(delayed?.gamma).toBeGreaterThan(0);
  });

  test("has bars, ticks and a first day", async () => {
    const { ibkr_get_historical_data: bars, ibkr_get_head_timestamp: head } = tools;
    const asked = bars.input.parse({ ...call, duration: "1 D", barSize: "1 hour" });
    const found = await fixture.handlers.ibkr_get_historical_data(asked, callBy());
    expect(found.bars.length).toBeGreaterThan(0);
    expect(await fixture.handlers.ibkr_get_head_timestamp(head.input.parse(call), callBy())).toMatchObject({
      contract: { secType: "FOP" },
    });
  });

  test("has a stream under an id that no other instrument has", async () => {
    const tool = tools.ibkr_start_market_data_resource;
    const started = await fixture.handlers.ibkr_start_market_data_resource(tool.input.parse(call), callBy());
    expect(tool.output.parse(started)).toMatchObject({
      resource_uri: "ibkr://market-data/ESZ6C6700",
      resource_id: "ESZ6C6700",
    });
    const ids = ["ES", "CL"]
      .flatMap((symbol) => fixture.simulator.world.universe.find(query({ symbol, secType: "FOP" })))
      .concat(fixture.simulator.world.universe.listed.filter(({ secType }) => secType === "FUT"))
      .map((instrument): Contract => ({ ...instrument }))
      .map(resourceIdOf);
    expect(ids.length).toBeGreaterThan(500);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

const Held = z.object({ position: z.number(), avgCost: z.number(), contract: z.object({ conId: z.int() }) });

describe("orders for options on futures", () => {
  const place = async (input: Record<string, unknown>) => {
    const tool = tools.ibkr_place_option_order;
    return tool.output.parse(
      await fixture.handlers.ibkr_place_option_order(tool.input.parse(input), callBy()),
    );
  };
  const preview = async (input: Record<string, unknown>) => {
    const tool = tools.ibkr_preview_order;
    return tool.output.parse(await fixture.handlers.ibkr_preview_order(tool.input.parse(input), callBy()));
  };

  test("are previewed with margin, cost and the multiplier counted", async () => {
    const bought = await preview({ ...call, action: "BUY", quantity: 2, orderType: "LMT", limitPrice: 200 });
    expect(bought).toMatchObject({ contract: { secType: "FOP" }, commission: 2.84 });
    expect(bought.equityWithLoan.change).toBeCloseTo(-2 * 50 * 200 - 2.84, 2);
    const sold = await preview({ ...call, action: "SELL", quantity: 1, orderType: "MKT" });
    expect(sold.initMargin.change).toBeGreaterThan(0.07 * 50 * 6700);
  });

  test("are filled, and are then positions, executions and a part of the portfolio's risk", async () => {
    const placed = await place({ ...call, action: "BUY", quantity: 2 });
    expect(placed).toMatchObject({
      symbol: "ES",
      status: "Filled",
      filled: 2,
      contract: { secType: "FOP", localSymbol: "ESZ6 C6700", exchange: "CME" },
    });
    const { executions } = await fixture.handlers.ibkr_get_executions(
      tools.ibkr_get_executions.input.parse({ secType: "FOP" }),
      callBy(),
    );
    expect(executions).toMatchObject([
      { contract: { localSymbol: "ESZ6 C6700", multiplier: 50 }, commissionReport: { commission: 2.84 } },
    ]);
    const { positions } = await fixture.handlers.ibkr_get_positions(
      tools.ibkr_get_positions.input.parse({}),
      callBy(),
    );
    const held = positions.find(({ contract }) => contract.secType === "FOP");
    const price = Number(placed.avgFillPrice);
    expect(held).toMatchObject({
      position: 2,
      avgCost: 50 * price + 1.42,
      contract: { symbol: "ES", localSymbol: "ESZ6 C6700", strike: 6700, right: "C", multiplier: 50 },
    });
    const risk = await fixture.handlers.ibkr_assess_risk(tools.ibkr_assess_risk.input.parse({}), callBy());
    const { conId } = Held.parse(held).contract;
    expect(risk.excluded).toMatchObject([{ conId, secType: "FOP", marketValue: expect.any(Number) }]);

    const closed = await place({ conId, action: "SELL", quantity: 2 });
    expect(closed).toMatchObject({ status: "Filled", contract: { localSymbol: "ESZ6 C6700" } });
  });

  test("work at a limit, and are refused between two steps of the price", async () => {
    const limited = { ...call, action: "BUY", quantity: 1, orderType: "LMT" };
    const { orderId } = await place({ ...limited, limitPrice: 9.95 });
    const { orders } = await fixture.handlers.ibkr_get_open_orders(
      tools.ibkr_get_open_orders.input.parse({}),
      callBy(),
    );
    expect(orders).toMatchObject([
      { orderId, contract: { secType: "FOP", exchange: "CME" }, limitPrice: 9.95 },
    ]);
    await expect(place({ ...limited, limitPrice: 10.05 })).rejects.toMatchObject({
      code: "order_rejected",
      detail: { tws: { code: 110 } },
    });
  });

  test("may name the month of delivery beside the conId, and no other", async () => {
    const { contract } = await detailsOf(crude);
    const named = { conId: contract.conId, secType: "FOP", action: "BUY", quantity: 1 };
    expect(await place({ ...named, expiration: "202701" })).toMatchObject({ status: "Filled" });
    await expect(place({ ...named, expiration: "202702" })).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringContaining("LOF7 P6250"),
    });
  });

  test("are for one option: a future, or two of a name, are refused", async () => {
    await expect(place({ conId: futureId("ESZ6"), action: "BUY", quantity: 1 })).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringContaining("is no option"),
    });
    const { tradingClass: _class, ...open } = call;
    await expect(place({ ...open, action: "BUY", quantity: 1 })).rejects.toMatchObject({
      code: "ambiguous_contract",
    });
    expect(await fixture.received(3)).toEqual([]);
  });
});
