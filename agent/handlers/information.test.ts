import { afterEach, describe, expect, test } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import { paginate } from "../../shared/tools/paging.ts";
import { callBy, startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

let opened: HandlersFixture | null = null;
afterEach(async () => {
  await opened?.close();
  opened = null;
});
/** A Friday morning in New York. */
const openAt = Date.parse("2026-11-20T15:30:00Z");
const start = async (
  simulator: Parameters<typeof startHandlersFixture>[0] = {},
): Promise<HandlersFixture> => {
  opened = await startHandlersFixture({ simulator: { now: () => openAt, ...simulator.simulator } });
  return opened;
};
const failure = (code: string) => expect.objectContaining({ code });
const {
  ibkr_get_news_providers: providersTool,
  ibkr_get_news_articles: articlesTool,
  ibkr_get_historical_news: historicalTool,
  ibkr_get_news_article: articleTool,
  ibkr_get_scanner_parameters: parametersTool,
  ibkr_run_market_scanner: scanTool,
  ibkr_get_wsh_meta_data: metaTool,
  ibkr_get_wsh_event_data: eventsTool,
} = tools;
const none = { from: null, to: null, returned: 0, total: 0, truncated: false };

describe("news", () => {
  test("go from providers by headlines to the words of an article", async () => {
    const { handlers } = await start();
    const { providers } = await handlers.ibkr_get_news_providers({}, callBy());
    expect(providersTool.output.parse({ providers, count: providers.length }).providers[0]?.code).toBe(
      "BRFG",
    );

    const input = articlesTool.input.parse({ symbol: "AAPL", providerCodes: "BRFG,DJNL", totalResults: 40 });
    const found = await handlers.ibkr_get_news_articles(input, callBy());
    articlesTool.output.parse({ ...found, ...none });
    expect(found).toMatchObject({ count: 40, hasMore: true, contract: { conId: 265598 } });
    for (const { headline, time } of found.articles) {
      expect(headline).not.toMatch(/^\{|^$/);
      expect(Date.parse(time ?? "")).toBeLessThanOrEqual(openAt);
    }

    const read = await Promise.all(
      found.articles.map(({ providerCode, articleId }) =>
        handlers.ibkr_get_news_article(articleTool.input.parse({ providerCode, articleId }), callBy()),
      ),
    );
    for (const one of read) articleTool.output.parse(one);
    const text = read.find(({ format }) => format === "text");
    expect(text?.articleText).toContain("liquidity was thin & that orders");
    expect(text?.articleText).not.toMatch(/<|margin|count\(/);
    const pdf = read.find(({ format }) => format === "pdf");
    expect(pdf).toMatchObject({ articleText: null, pdfBytes: expect.any(Number), truncated: false });
  });

  test("of a period begin and end where they were asked to, in any zone", async () => {
    const { handlers } = await start();
    const input = historicalTool.input.parse({
      conId: 265598,
      providerCodes: "BRFG+BRFUPDN+DJNL",
      startDateTime: "2026-11-18",
      endDateTime: "2026-11-18T14:00:00+02:00",
      totalResults: 300,
    });
    const { articles } = await handlers.ibkr_get_historical_news(input, callBy());
    expect(articles.length).toBeGreaterThan(3);
    for (const { time } of articles) expect(String(time)).toMatch(/^2026-11-18T(0\d|1[01]):/);
    const sent = opened?.simulator.received().find(({ id }) => id === 86)?.fields;
    expect(sent?.slice(4, 6)).toEqual(["2026-11-18 00:00:00.0", "2026-11-18 12:00:00.0"]);
  });

  test("name what is wrong with a question", async () => {
    const { handlers } = await start();
    const ask = (change: object) =>
      handlers.ibkr_get_historical_news(
        historicalTool.input.parse({ symbol: "AAPL", providerCodes: "BRFG", ...change }),
        callBy(),
      );
    await expect(ask({ startDateTime: "yesterday" })).rejects.toThrow(/^startDateTime: /);
    await expect(ask({ startDateTime: "2026-02-30" })).rejects.toThrow(
      "startDateTime: there is no such date.",
    );
    await expect(ask({ startDateTime: "2026-11-20", endDateTime: "2026-11-19" })).rejects.toThrow(/before/);
    await expect(ask({ providerCodes: "a;b" })).rejects.toThrow(/^providerCodes: /);
    await expect(ask({ symbol: "NOSUCH" })).rejects.toEqual(failure("unknown_contract"));
    await expect(ask({ providerCodes: "NOSUCH" })).rejects.toMatchObject({ detail: { tws: { code: 321 } } });
    await expect(
      handlers.ibkr_get_news_article(
        articleTool.input.parse({ providerCode: "BRFG", articleId: "x" }),
        callBy(),
      ),
    ).rejects.toMatchObject({
      code: "no_data",
      detail: { tws: { code: 10172 }, nextStep: expect.stringContaining("ibkr_get_news_articles") },
    });
  });

  test("are no_market_data without permission, and no providers is an answer", async () => {
    const { handlers, simulator } = await start();
    simulator.faults.permissions({ news: false });
    expect(await handlers.ibkr_get_news_providers({}, callBy())).toEqual({ providers: [], count: 0 });
    await expect(
      handlers.ibkr_get_news_articles(articlesTool.input.parse({ symbol: "AAPL" }), callBy()),
    ).rejects.toMatchObject({ code: "no_market_data", detail: { tws: { code: 10276 } } });
  });
});

describe("scans", () => {
  test("can be looked up by words and instrument in what TWS offers, which is asked for once", async () => {
    const fixture = await start();
    const ask = (change: object) =>
      fixture.handlers.ibkr_get_scanner_parameters(parametersTool.input.parse(change), callBy());
    const all = await ask({});
    const page = paginate(parametersTool, { limit: 40 }, all);
    parametersTool.output.parse(page);
    expect(JSON.stringify(page).length).toBeLessThanOrEqual(20_000);
    expect(page).toMatchObject({ truncated: true, total: all.count });
    expect(all.sections).toMatchObject({ instruments: 17, filters: 76 });

    expect((await ask({ query: "top gain", instrument: "stk" })).parameters).toEqual(
      expect.arrayContaining([expect.objectContaining({ code: "TOP_PERC_GAIN", name: "Top % Gainers" })]),
    );
    const places = await ask({ section: "locations", query: "nasdaq" });
    expect(places.parameters.find(({ code }) => code === "STK.NASDAQ")).toEqual({
      code: "STK.NASDAQ",
      name: "NASDAQ",
      instruments: ["STK"],
      group: "STK.US.MAJOR",
    });
    expect((await ask({ section: "filters", query: "market cap" })).parameters).toMatchObject([
      {
        code: "MARKETCAP",
        name: "Market Cap Above",
        group: "General",
        instruments: expect.arrayContaining(["STK"]),
      },
    ]);
    expect((await ask({ query: "no such thing" })).parameters).toEqual([]);
    expect((await ask({ query: "bond cusip", instrument: "STK" })).parameters).toEqual([]);
    expect(await fixture.received(24)).toHaveLength(1);
  });

  test("rank the market, send every filter to TWS and are ended there", async () => {
    const fixture = await start();
    const input = scanTool.input.parse({
      scanCode: "top_perc_gain",
      numberOfRows: 10,
      abovePrice: 20,
      belowPrice: 900,
      aboveVolume: 1000,
      marketCapAbove: 100,
      marketCapBelow: 9_000_000,
      stockTypeFilter: "CORP",
    });
    const found = await fixture.handlers.ibkr_run_market_scanner(input, callBy());
    scanTool.output.parse({ ...found, ...none });
    expect(found).toMatchObject({ count: 10, isPrecise: true, scanCode: "TOP_PERC_GAIN" });
    expect(found.results.map(({ rank }) => rank)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const [first] = found.results;
    expect(first?.contract).toMatchObject({ secType: "STK", conId: expect.any(Number) });
    expect(first).toMatchObject({ last: expect.any(Number), dataType: "live", ageMs: expect.any(Number) });
    const gains = found.results.map(({ changePercent }) => changePercent ?? Number.NaN);
    expect(gains).toEqual(gains.toSorted((a, b) => b - a));
    const [sent] = await fixture.received(22);
    expect(sent?.fields.slice(2, 11).join()).toBe(
      "10,STK,STK.US.MAJOR,TOP_PERC_GAIN,20,900,1000,100,9000000",
    );
    expect(sent?.fields[22]).toBe("CORP");
    expect(await fixture.received(23)).toHaveLength(1);
  });

  test("give no quote where TWS gives none, and none where none is wanted", async () => {
    const { handlers, simulator } = await start();
    const run = (change: object) =>
      handlers.ibkr_run_market_scanner(
        scanTool.input.parse({ scanCode: "MOST_ACTIVE", numberOfRows: 3, ...change }),
        callBy(),
      );
    const none = { last: null, change: null, changePercent: null, dataType: null, ageMs: null };
    expect((await run({ withQuotes: false })).results).toMatchObject([none, none, none]);
    simulator.faults.permissions({ quotes: "none" });
    expect((await run({})).results).toMatchObject([none, none, none]);
  });

  test("reach TWS by codes that the library does not list", async () => {
    const fixture = await start();
    for (const scanCode of ["SCAN_marketCap_DESC", "SCAN_PRICE_DESC"]) {
      await fixture.handlers
        .ibkr_run_market_scanner(scanTool.input.parse({ scanCode, withQuotes: false }), callBy())
        .catch(() => {});
    }
    expect((await fixture.received(22)).map(({ fields }) => fields[5])).toEqual([
      "SCAN_marketCap_DESC",
      "SCAN_PRICE_DESC",
    ]);
  });

  test("that find nothing are an empty answer, and those that TWS refuses an error with the next step", async () => {
    const { handlers } = await start();
    const run = (change: object) =>
      handlers.ibkr_run_market_scanner(
        scanTool.input.parse({ scanCode: "MOST_ACTIVE", withQuotes: false, ...change }),
        callBy(),
      );
    expect(await run({ abovePrice: 1_000_000 })).toMatchObject({ results: [], count: 0 });
    await expect(run({ scanCode: "NO_SUCH" })).rejects.toMatchObject({
      code: "invalid_input",
      detail: { tws: { code: 162 }, nextStep: expect.stringContaining("ibkr_get_scanner_parameters") },
    });
    await expect(run({ scanCode: "$!" })).rejects.toThrow(/^scanCode: /);
    await expect(run({ abovePrice: 5, belowPrice: 4 })).rejects.toThrow(/^abovePrice: /);
  });

  test("say when TWS calls them imprecise, and never take more than TWS allows", async () => {
    const { handlers } = await start({ simulator: { now: () => openAt + 9 * 3_600_000 } });
    const run = (scanCode: string) =>
      handlers.ibkr_run_market_scanner(scanTool.input.parse({ scanCode, withQuotes: false }), callBy());
    expect(await run("HOT_BY_VOLUME")).toMatchObject({ isPrecise: false });
    // one after another, each must have been ended at TWS before
    for (let turn = 0; turn < 12; turn++) expect((await run("MOST_ACTIVE")).count).toBeGreaterThan(0);
  });
});

describe("corporate events", () => {
  test("come with their types' names, soonest first, after TWS was asked for the types once", async () => {
    const fixture = await start();
    const ask = (change: object) =>
      fixture.handlers.ibkr_get_wsh_event_data(
        eventsTool.input.parse({ symbol: "AAPL", ...change }),
        callBy(),
      );
    const found = await ask({ startDate: "20261201", endDate: "20270301", totalLimit: 6 });
    eventsTool.output.parse({ ...found, ...none });
    expect(found).toMatchObject({ count: 6, source: "wsh", contract: { symbol: "AAPL" } });
    const dates = found.events.map(({ date }) => String(date));
    expect(dates).toEqual(dates.toSorted());
    expect(dates.every((date) => date >= "2026-12-01" && date <= "2027-03-01")).toBe(true);
    expect(found.events.every(({ name, data }) => name !== null && Object.keys(data).length > 0)).toBe(true);
    await ask({});
    expect(await fixture.received(100)).toHaveLength(1);
    const meta = await fixture.handlers.ibkr_get_wsh_meta_data({}, callBy());
    metaTool.output.parse({ ...meta, ...none });
    expect(meta.eventTypes).toContainEqual({
      tag: "wshe_ed",
      name: "Earnings Date",
      fields: ["earnings_date", "time_of_day", "fiscal_year", "quarter"],
    });
  });

  test("of many calls at once are asked for in turn", async () => {
    const { handlers } = await start();
    const ask = (symbol: string) =>
      handlers.ibkr_get_wsh_event_data(eventsTool.input.parse({ symbol }), callBy());
    const answers = await Promise.all(["AAPL", "MSFT", "IBM"].map(ask));
    expect(answers.map(({ contract }) => contract.symbol)).toEqual(["AAPL", "MSFT", "IBM"]);
    expect(answers.every(({ count }) => count === 10)).toBe(true);
  });

  test("need a subscription of their own, and days in their order", async () => {
    const { handlers, simulator } = await start();
    const days = eventsTool.input.parse({ symbol: "AAPL", startDate: "20270101", endDate: "20261231" });
    await expect(handlers.ibkr_get_wsh_event_data(days, callBy())).rejects.toThrow(/^startDate: /);
    simulator.faults.permissions({ calendar: false });
    await expect(handlers.ibkr_get_wsh_meta_data({}, callBy())).rejects.toMatchObject({
      code: "no_market_data",
      message: expect.stringContaining("no subscription to Wall Street Horizon"),
      detail: { tws: { code: 10276 } },
    });
  });
});

test("without TWS each says so at once", async () => {
  const { handlers } = await start();
  await handlers.ibkr_disconnect({}, callBy());
  const calls = [
    handlers.ibkr_get_news_providers({}, callBy()),
    handlers.ibkr_get_news_articles(articlesTool.input.parse({ symbol: "AAPL" }), callBy()),
    handlers.ibkr_get_news_article(
      articleTool.input.parse({ providerCode: "BRFG", articleId: "x" }),
      callBy(),
    ),
    handlers.ibkr_get_scanner_parameters(parametersTool.input.parse({}), callBy()),
    handlers.ibkr_run_market_scanner(scanTool.input.parse({ scanCode: "MOST_ACTIVE" }), callBy()),
    handlers.ibkr_get_wsh_meta_data({}, callBy()),
    handlers.ibkr_get_wsh_event_data(eventsTool.input.parse({ symbol: "AAPL" }), callBy()),
  ];
  for (const call of calls) await expect(call).rejects.toEqual(failure("tws_offline"));
});
