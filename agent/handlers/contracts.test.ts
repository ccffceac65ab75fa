import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import { paginate } from "../../shared/tools/paging.ts";
import { callBy, startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

/** A Friday morning in New York, on which the clock stands still. */
const at = Date.parse("2026-11-20T15:30:00Z");
const apple = 265_598;
const spx = 416_904;

let fixture: HandlersFixture;
beforeEach(async () => {
  fixture = await startHandlersFixture({ simulator: { seed: 7, now: () => at } });
});
afterEach(() => fixture.close());

describe("a conId", () => {
  const byConId = async (conId: number) => {
    const tool = tools.ibkr_get_security_definition_by_conid;
    return tool.output.parse(
      await fixture.handlers.ibkr_get_security_definition_by_conid({ conId }, callBy()),
    );
  };

  test("names a contract of any kind with its details", async () => {
    expect(await byConId(apple)).toMatchObject({
      contract: { conId: apple, symbol: "AAPL", exchange: "SMART" },
      details: { longName: "APPLE INC", minTick: 0.01, marketRuleIds: expect.arrayContaining([26]) },
    });
    expect(await byConId(spx)).toMatchObject({ contract: { secType: "IND", exchange: "CBOE" } });
    const [option] = fixture.simulator.world.universe.find(optionQuery);
    expect(await byConId(option?.conId ?? 0)).toMatchObject({
      contract: { secType: "OPT", strike: 250, right: "C", expiration: "20261218", multiplier: 100 },
      details: { underlyingConId: apple, contractMonth: "202612" },
    });
  });

  test("that is none answers unknown_contract, and nothing answers without TWS", async () => {
    await expect(byConId(1)).rejects.toMatchObject({ code: "unknown_contract" });
    await fixture.handlers.ibkr_disconnect({}, callBy());
    await expect(byConId(apple)).rejects.toMatchObject({ code: "tws_offline" });
  });
});

const optionQuery = {
  conId: null,
  symbol: "AAPL",
  secType: "OPT",
  expiration: "20261218",
  strike: 250,
  right: "C",
  multiplier: null,
  exchange: "SMART",
  primaryExchange: null,
  currency: "USD",
  localSymbol: null,
  tradingClass: null,
  includeExpired: false,
};

describe("a market rule", () => {
  const ruleOf = async (marketRuleId: number) => {
    const tool = tools.ibkr_get_market_rule;
    return tool.output.parse(await fixture.handlers.ibkr_get_market_rule({ marketRuleId }, callBy()));
  };

  test("gives the steps of a price, and is asked for once", async () => {
    const expected = {
      marketRuleId: 110,
      priceIncrements: [
        { lowEdge: 0, increment: 0.01 },
        { lowEdge: 3, increment: 0.05 },
      ],
      count: 2,
    };
    expect(await ruleOf(110)).toEqual(expected);
    expect(await ruleOf(110)).toEqual(expected);
    expect(await fixture.received(91)).toHaveLength(1);
  });

  test("that does not exist is told from those asked for at the same time", async () => {
    const answers = await Promise.allSettled([26, 987_654, 59].map(ruleOf));
    expect(answers).toMatchObject([
      { value: { priceIncrements: [{ increment: 0.01 }] } },
      { reason: { code: "no_data", message: "TWS knows no market rule 987654." } },
      { value: { priceIncrements: [{ increment: 0.005 }] } },
    ]);
  });

  test("cannot be had without TWS", async () => {
    await fixture.handlers.ibkr_disconnect({}, callBy());
    await expect(ruleOf(26)).rejects.toMatchObject({ code: "tws_offline" });
  });
});

describe("option parameters", () => {
  const paramsOf = async (input: Record<string, unknown>) => {
    const tool = tools.ibkr_get_option_chain_params;
    const parsed = tool.input.parse(input);
    const whole = await fixture.handlers.ibkr_get_option_chain_params(parsed, callBy());
    return tool.output.parse(paginate(tool, parsed, whole));
  };

  test("come by venue and class, SMART first", async () => {
    const { chains, count } = await paramsOf({ underlyingConId: apple });
    const [smart] = chains;
    expect(count).toBeGreaterThan(5);
    expect(smart).toMatchObject({ exchange: "SMART", tradingClass: "AAPL", multiplier: 100 });
    expect(smart?.expirations).toContain("20261218");
    expect(smart?.strikes).toContain(250);
    const index = await paramsOf({ underlyingConId: spx, exchange: "smart" });
    expect(index.chains.map(({ tradingClass }) => tradingClass)).toEqual(["SPX", "SPXW"]);
  });

  test("of what has no options are an empty list, and of what does not exist an error", async () => {
    const [pair] = fixture.simulator.world.universe.listed.filter(({ secType }) => secType === "CASH");
    expect(await paramsOf({ underlyingConId: pair?.conId })).toMatchObject({ chains: [], count: 0 });
    await expect(paramsOf({ underlyingConId: 1 })).rejects.toMatchObject({ code: "unknown_contract" });
    await expect(paramsOf({ underlyingConId: apple, exchange: "LSE" })).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringContaining("SMART"),
    });
  });
});

describe("SMART components", () => {
  const componentsOf = async (input: Record<string, unknown>) => {
    const tool = tools.ibkr_get_smart_components;
    return tool.output.parse(
      await fixture.handlers.ibkr_get_smart_components(tool.input.parse(input), callBy()),
    );
  };

  test("are had by their code, or by an instrument that TWS names the code of", async () => {
    const byCode = await componentsOf({ bboExchange: "9c0001" });
    expect(byCode.components).toContainEqual({ bit: 8, exchange: "NASDAQ", letter: "T" });
    expect(await componentsOf({ symbol: "AAPL" })).toEqual(byCode);
    await vi.waitFor(() => expect(fixture.simulator.subscriptions()).toBe(0));
  });

  test("do not exist for what trades at one venue, nor under an unknown code", async () => {
    await expect(componentsOf({ symbol: "EUR.USD" })).rejects.toMatchObject({ code: "no_data" });
    await expect(componentsOf({ bboExchange: "zz" })).rejects.toMatchObject({
      code: "tws_error",
      detail: { tws: { code: 321 } },
    });
    await expect(componentsOf({})).rejects.toMatchObject({ code: "invalid_input" });
    await fixture.handlers.ibkr_disconnect({}, callBy());
    await expect(componentsOf({ bboExchange: "9c0001" })).rejects.toMatchObject({ code: "tws_offline" });
  });
});

describe("every kind of instrument", () => {
  const option = { symbol: "AAPL", expiration: "20261218", strike: 250, right: "C" };
  const future = { symbol: "ES", secType: "FUT", expiration: "202612" };

  test.each<readonly [string, Record<string, unknown>, Record<string, unknown>]>([
    ["a stock", { symbol: "MSFT" }, { secType: "STK" }],
    ["an option, its type inferred", option, { secType: "OPT", strike: 250, right: "C" }],
    [
      "an option of an index",
      { symbol: "SPX", secType: "OPT", localSymbol: "SPXW  261218C06500000" },
      { secType: "OPT" },
    ],
    ["a future by its month", future, { secType: "FUT", contractMonth: "202612" }],
    ["a future, though SMART is given", { ...future, exchange: "SMART" }, { secType: "FUT" }],
    ["a future by its local symbol", { localSymbol: "ESZ6", secType: "FUT" }, { secType: "FUT" }],
    ["an index", { symbol: "SPX", secType: "IND" }, { secType: "IND" }],
    ["a bond by its CUSIP", { symbol: "91282CLX7" }, { secType: "BOND", symbol: "US-T" }],
    ["a pair", { symbol: "EUR.USD" }, { secType: "CASH", currency: "USD" }],
    [
      "a pair by its base",
      { symbol: "USD", secType: "CASH", currency: "JPY" },
      { secType: "CASH", currency: "JPY" },
    ],
  ])("%s is described, quoted, charted and streamed", async (_name, named, expected) => {
    const { handlers } = fixture;
    const selector = tools.ibkr_get_contract_details.input.parse(named);
    const details = await handlers.ibkr_get_contract_details(selector, callBy());
    const { contract } = details;
    expect({ ...contract, contractMonth: details.contractMonth }).toMatchObject(expected);

    for (const one of [selector, { conId: contract.conId }]) {
      const asked = tools.ibkr_get_quotes.input.parse({ contracts: [one] });
      const { quotes } = await handlers.ibkr_get_quotes(asked, callBy());
      expect(quotes).toMatchObject([{ error: null, contract: { conId: contract.conId } }]);
      const whatToShow = contract.secType === "CASH" ? "MIDPOINT" : "TRADES";
      const bars = tools.ibkr_get_historical_data.input.parse({ ...one, whatToShow });
      expect(await handlers.ibkr_get_historical_data(bars, callBy())).toMatchObject({ contract });
      const stream = tools.ibkr_start_market_data_resource.input.parse(one);
      expect(await handlers.ibkr_start_market_data_resource(stream, callBy())).toMatchObject({
        topic: `quote/${contract.conId}`,
      });
    }
  });

  test("that has several series is asked back for", async () => {
    const several = callBy();
    await expect(
      fixture.handlers.ibkr_get_contract_details({ symbol: "ES", secType: "FUT" }, several),
    ).rejects.toMatchObject({ code: "ambiguous_contract" });
    await expect(
      fixture.handlers.ibkr_start_market_data_resource({ ...aaplOption, strike: 251 }, several),
    ).rejects.toMatchObject({ code: "unknown_contract", message: expect.stringContaining("250, 255") });
    const { quotes } = await fixture.handlers.ibkr_get_quotes(
      { symbols: [], contracts: [{ ...aaplOption, expiration: "20261217" }] },
      several,
    );
    expect(quotes[0]?.error).toMatchObject({
      code: "unknown_contract",
      message: expect.stringContaining("20261218"),
    });
  });
});

const aaplOption = {
  symbol: "AAPL",
  secType: "OPT",
  expiration: "20261218",
  strike: 250,
  right: "C",
} as const;
