import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ToolName } from "../../shared/tools/index.ts";
import { errorOf, outputOf, plainAsk } from "../e2e/rigs/dispatch-client.ts";
import { startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

const [ibm2029, ibm2039, apple, treasury2027] = [366_014_801, 366_014_804, 127_128_131, 740_325_117];
const bondOf = (symbol: string) => ({ symbol, secType: "BOND" });

let fixture: HandlersFixture;
/** A Friday at 11:00 in New York. */
beforeAll(async () => {
  const offset = Date.parse("2026-11-20T16:00:00Z") - Date.now();
  fixture = await startHandlersFixture({ simulator: { now: () => Date.now() + offset } });
});
afterAll(async () => fixture.close());

type Input = Readonly<Record<string, unknown>>;
const ask = async (tool: ToolName, input: Input) => outputOf(await plainAsk(fixture.handlers)(tool, input));
const refusal = async (tool: ToolName, input: Input) =>
  errorOf(await plainAsk(fixture.handlers)(tool, input));

const priceOf = (conId: number) => {
  const { world } = fixture.simulator;
  const instrument = world.universe.byConId(conId);
  if (instrument === undefined) throw new Error(`no ${conId}`);
  const { bid, ask: offered } = world.market.quote(instrument, world.now());
  return { bid: bid ?? NaN, ask: offered ?? NaN };
};

const facts = {
  description: "IBM 4.15 05/15/39",
  coupon: 4.15,
  couponType: "FIXED",
  maturity: "20390515",
  issueDate: "20190515",
  cusip: "459200KB6",
  isin: "US459200KB68",
  ratings: "A3/A-",
  bondType: "CORP",
  callable: true,
  putable: false,
  convertible: false,
  nextOptionDate: "20381115",
  nextOptionType: "CALL",
  notes: "MAKE WHOLE",
};

describe("the details of a bond", () => {
  test.for([
    bondOf("459200KB6"),
    bondOf("US459200KB68"),
    bondOf("IBCID366014804"),
    { symbol: "459200KB6" },
    { localSymbol: "IBCID366014804", secType: "BOND" },
    { conId: ibm2039 },
    { ...bondOf("IBM"), expiration: "203905" },
    { ...bondOf("IBM"), expiration: "20390515" },
  ])("of %j have what TWS knows of it", async (selector) => {
    const told = await ask("ibkr_get_contract_details", selector);
    expect(told).toMatchObject({
      contract: {
        conId: ibm2039,
        symbol: "IBM",
        secType: "BOND",
        exchange: "SMART",
        currency: "USD",
        localSymbol: "IBCID366014804",
        expiration: "20390515",
        multiplier: null,
      },
      longName: "International Business Machines Corp",
      minSize: 1,
      bond: facts,
    });
  });

  test("come by its id too, and are left out of what is no bond", async () => {
    const byId = await ask("ibkr_get_security_definition_by_conid", { conId: ibm2039 });
    expect(byId).toMatchObject({ contract: { conId: ibm2039 }, details: { bond: facts } });
    expect(await ask("ibkr_get_contract_details", { symbol: "IBM" })).not.toHaveProperty("bond");
  });

  test("are read from one line where the account may see no more, and what it leaves open is null", async () => {
    expect(await ask("ibkr_get_contract_details", { conId: apple })).toMatchObject({
      contract: {
        symbol: "AAPL",
        secType: "BOND",
        currency: "",
        localSymbol: "IBCID127128131",
        expiration: "20430504",
      },
      minSize: 2,
      bond: {
        description: "AAPL 3.85 05/04/43",
        coupon: 3.85,
        maturity: "20430504",
        cusip: "037833AL4",
        isin: "US037833AL42",
        ratings: null,
        callable: null,
        issueDate: null,
      },
    });
  });

  test("are asked back for when its issuer has several, with what tells them apart", async () => {
    const error = await refusal("ibkr_get_contract_details", bondOf("IBM"));
    expect(error).toMatchObject({
      code: "ambiguous_contract",
      nextStep: expect.stringContaining("expiration"),
      candidates: [
        {
          conId: ibm2029,
          localSymbol: "IBCID366014801",
          expiration: "20290515",
          description: "IBM 3 1/2 05/15/29",
          coupon: 3.5,
          maturity: "20290515",
          cusip: "459200KA8",
          callable: false,
        },
        { conId: ibm2039, coupon: 4.15, maturity: "20390515", cusip: "459200KB6", callable: true },
      ],
    });
    const treasuries = await refusal("ibkr_get_contract_details", bondOf("US-T"));
    expect(treasuries.candidates?.map(({ maturity }) => maturity)).toEqual([
      "20271115",
      "20341115",
      "20550215",
    ]);
  });

  test("of a month in which none of its issuer's matures say when they do", async () => {
    const error = await refusal("ibkr_get_contract_details", { ...bondOf("IBM"), expiration: "203006" });
    expect(error).toMatchObject({
      code: "unknown_contract",
      message: expect.stringContaining("mature on 20290515, 20390515"),
    });
  });

  test("are found by a search for its issuer", async () => {
    const { results } = await ask("ibkr_search_symbols", { pattern: "Machines" });
    const issuer = { symbol: "e1400789", secType: "BOND", name: "International Business Machines Corp" };
    expect(results).toEqual([
      expect.objectContaining({ symbol: "IBM", secType: "STK" }),
      { ...issuer, derivativeSecTypes: [] },
    ]);
    const { candidates } = await refusal("ibkr_get_contract_details", bondOf(issuer.symbol));
    expect(candidates?.map(({ conId }) => conId)).toEqual([ibm2029, ibm2039]);
    expect(await refusal("ibkr_get_contract_details", bondOf("e1"))).toMatchObject({
      code: "unknown_contract",
    });
  });
});

describe("market data of a bond", () => {
  test("is quoted in percent of par, with its yields, beside its issuer's stock", async () => {
    const contracts = [bondOf("459200KA8"), { conId: treasury2027 }, { symbol: "IBM" }];
    const { quotes } = await ask("ibkr_get_quotes", { contracts });
    const priced = { bid: expect.any(Number), ask: expect.any(Number), last: expect.any(Number) };
    const yielding = {
      bidYield: expect.closeTo(4, 0),
      askYield: expect.closeTo(4, 0),
      lastYield: expect.closeTo(4, 0),
    };
    expect(quotes).toMatchObject([
      { symbol: "459200KA8", contract: { conId: ibm2029 }, quote: { ...priced, ...yielding }, error: null },
      { symbol: "US-T", contract: { conId: treasury2027 }, quote: { ...priced, ...yielding }, error: null },
      { symbol: "IBM", contract: { secType: "STK" }, quote: { bid: expect.any(Number) }, error: null },
    ]);
    expect(JSON.stringify(quotes)).not.toMatch(/"secType":"STK".*Yield/);
  });

  test("is streamed under a name that is not the stock's", async () => {
    const start = (input: Input) => ask("ibkr_start_market_data_resource", input);
    expect(await start(bondOf("459200KA8"))).toMatchObject({
      resource_uri: "ibkr://market-data/IBCID366014801",
      topic: `quote/${ibm2029}`,
    });
    expect(await start({ symbol: "IBM" })).toMatchObject({ resource_uri: "ibkr://market-data/IBM" });
  });

  test("has bars of prices and of yields, a first day and a histogram", async () => {
    const year = { conId: ibm2029, duration: "2 M", barSize: "1 day" };
    type Bars = { readonly bars: readonly { readonly time: string; readonly close: number }[] };
    const barsOf = async (whatToShow: string): Promise<Bars["bars"]> => {
      const { bars } = await ask("ibkr_get_historical_data", { ...year, whatToShow });
      expect(bars).toEqual(expect.arrayContaining([expect.objectContaining({ close: expect.any(Number) })]));
      return Array.isArray(bars) ? bars : [];
    };
    const [trades, bids, yields] = [await barsOf("TRADES"), await barsOf("BID"), await barsOf("YIELD_BID")];
    expect(trades.length).toBeGreaterThan(35);
    expect(yields.map(({ time }) => time)).toEqual(bids.map(({ time }) => time));
    expect(bids.at(-1)?.close).toBeCloseTo(priceOf(ibm2029).bid, 0);
    expect(yields.at(-1)?.close).toBeCloseTo(4, 0);

    expect(await ask("ibkr_get_head_timestamp", { conId: ibm2029 })).toMatchObject({
      headTimestamp: "2019-05-15T14:00:00.000Z",
    });
    const { count } = await ask("ibkr_get_histogram_data", { conId: ibm2029, duration: "3 days" });
    expect(count).toBeGreaterThan(1);
    expect(await ask("ibkr_get_trading_schedule", { conId: ibm2029 })).toMatchObject({
      timeZone: "US/Eastern",
    });
  });

  test("has neither a book nor reports, and yields are refused of a stock", async () => {
    expect(await refusal("ibkr_get_market_depth", { conId: ibm2029 })).toMatchObject({
      code: "no_market_data",
    });
    expect(await refusal("ibkr_get_fundamental_data", { conId: ibm2029 })).toMatchObject({
      tws: { code: 430 },
    });
    expect(
      await refusal("ibkr_get_historical_data", { symbol: "IBM", whatToShow: "YIELD_LAST" }),
    ).toMatchObject({ code: "invalid_input", message: expect.stringContaining("yields are of bonds") });
  });
});
