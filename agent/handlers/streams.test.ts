import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Caller } from "../../shared/caller.ts";
import { tools } from "../../shared/tools/index.ts";
import { callBy, startHandlersFixture, trader } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

let fixture: HandlersFixture;
beforeAll(async () => {
  const now = Date.now();
  const opens = Date.UTC(2026, 10, 23, 20);
  fixture = await startHandlersFixture({
    simulator: { accounts: ["DU1", "DU2"], now: () => opens + Date.now() - now },
  });
});
afterAll(async () => fixture.close());

const reader: Caller = { ...trader, scopes: ["tws:read"], accounts: ["DU2"] };
const failure = (code: string) => expect.objectContaining({ code });

describe("starting a stream", () => {
  test("of a portfolio names the account, its orders and whether it is paper", async () => {
    const output = await fixture.handlers.ibkr_start_portfolio_resource({ account: "DU1" }, callBy());
    expect(tools.ibkr_start_portfolio_resource.output.parse(output)).toEqual({
      status: "started",
      resource_uri: "ibkr://portfolio/DU1",
      resource_id: "DU1",
      orders_uri: "ibkr://orders/DU1",
      topic: "portfolio/DU1",
      account: "DU1",
      mode: "paper",
    });
  });

  test("of an account is for the callers whose grant covers it, and takes theirs for the default", async () => {
    const start = (account: string) =>
      fixture.handlers.ibkr_start_portfolio_resource({ account }, callBy(reader));
    await expect(start("DU1")).rejects.toEqual(failure("forbidden"));
    expect(await start("")).toMatchObject({ account: "DU2" });
    await expect(
      fixture.handlers.ibkr_start_portfolio_resource({ account: "DU7" }, callBy()),
    ).rejects.toEqual(failure("invalid_input"));
  });

  test("of bulletins keeps those of earlier today and new ones only apart", async () => {
    const start = (allMessages: boolean) =>
      fixture.handlers.ibkr_start_news_resource({ allMessages }, callBy());
    const output = await start(true);
    expect(tools.ibkr_start_news_resource.output.parse(output)).toMatchObject({
      resource_uri: "ibkr://news-bulletins",
      topic: "bulletins",
    });
    expect(await start(false)).toMatchObject({ topic: "bulletins/new" });
  });

  test("of headlines finds the instrument, or joins all that were started", async () => {
    const { input, output } = tools.ibkr_start_tick_news_resource;
    const start = (given: Record<string, unknown>) =>
      fixture.handlers.ibkr_start_tick_news_resource(input.parse(given), callBy());
    expect(output.parse(await start({ symbol: "AAPL" }))).toMatchObject({
      resource_uri: "ibkr://tick-news/AAPL",
      topic: "tick-news/265598",
      contract: { conId: 265598 },
    });
    expect(await start({ conId: 265598 })).toMatchObject({ topic: "tick-news/265598" });
    expect(output.parse(await start({}))).toMatchObject({
      resource_uri: "ibkr://tick-news/*",
      resource_id: "*",
      topic: "tick-news/*",
    });
    await expect(start({ symbol: "NOSUCH" })).rejects.toEqual(failure("unknown_contract"));
  });

  test("of the broad tape names the providers of the account", async () => {
    const output = await fixture.handlers.ibkr_start_broadtape_news_resource({}, callBy());
    const { providers, topic } = tools.ibkr_start_broadtape_news_resource.output.parse(output);
    expect([topic, providers.length > 0]).toEqual(["broadtape", true]);
  });
});

describe("watching for a while", () => {
  test("returns what a quote did, with progress meanwhile, and leaves no line open", async () => {
    const input = tools.ibkr_stream_market_data.input.parse({ symbol: "AAPL", duration_seconds: 2 });
    const told: [number, number | null][] = [];
    const progress = (done: number, total: number | null) => void told.push([done, total]);
    const output = await fixture.handlers.ibkr_stream_market_data(input, callBy(trader, { progress }));
    const seen = tools.ibkr_stream_market_data.output.parse(output);
    expect(seen).toMatchObject({ symbol: "AAPL", basis: "last", state: "live", reason: "ok" });
    const { first, last, high, low, count, sample } = seen;
    expect(count).toBeGreaterThan(0);
    expect(sample.length).toBeGreaterThan(0);
    expect(sample.length).toBeLessThanOrEqual(20);
    expect(sample.filter((row) => row.last === null && row.bid === null && row.ask === null)).toEqual([]);
    expect(Math.max(Number(first), Number(last))).toBeLessThanOrEqual(Number(high));
    expect(Math.min(Number(first), Number(last))).toBeGreaterThanOrEqual(Number(low));
    expect(told).toEqual([
      [1, 2],
      [2, 2],
    ]);
    await vi.waitFor(() => expect(fixture.simulator.subscriptions()).toBe(0));
  });

  test("returns what an account did", async () => {
    const input = { account: "", duration_seconds: 1 };
    const output = await fixture.handlers.ibkr_stream_account_updates(input, callBy(reader));
    const seen = tools.ibkr_stream_account_updates.output.parse(output);
    expect(seen).toMatchObject({ account: "DU2", mode: "paper", state: "live" });
    expect(seen.first).toEqual(expect.any(Number));
    expect(seen.currency).not.toBe("");
    await expect(
      fixture.handlers.ibkr_stream_account_updates({ account: "DU1", duration_seconds: 1 }, callBy(reader)),
    ).rejects.toEqual(failure("forbidden"));
  });

  test("returns the bulletins of today, marked as words from outside", async () => {
    const output = await fixture.handlers.ibkr_stream_news_bulletins({ duration_seconds: 1 }, callBy());
    const seen = tools.ibkr_stream_news_bulletins.output.parse(output);
    expect(seen.count).toBeGreaterThan(0);
    expect(seen.sample[0]).toMatchObject({ text: { source: "bulletin", text: expect.any(String) } });
  });

  test("ends at once when the caller leaves, and at TWS too", async () => {
    const leaving = new AbortController();
    const input = tools.ibkr_stream_market_data.input.parse({ symbol: "MSFT", duration_seconds: 300 });
    const call = fixture.handlers.ibkr_stream_market_data(input, callBy(trader, { signal: leaving.signal }));
    await vi.waitFor(() => expect(fixture.simulator.subscriptions()).toBe(1));
    leaving.abort(new Error("left"));
    await expect(call).rejects.toThrow("left");
    await vi.waitFor(() => expect(fixture.simulator.subscriptions()).toBe(0));
  });

  test("of an unknown instrument says so", async () => {
    const input = tools.ibkr_stream_market_data.input.parse({ symbol: "NOSUCH", duration_seconds: 1 });
    await expect(fixture.handlers.ibkr_stream_market_data(input, callBy())).rejects.toEqual(
      failure("unknown_contract"),
    );
  });
});

test("everything fails at once while TWS is away", async () => {
  fixture.session.stop();
  const { handlers } = fixture;
  const calls = [
    handlers.ibkr_start_portfolio_resource({ account: "" }, callBy()),
    handlers.ibkr_start_news_resource({ allMessages: true }, callBy()),
    handlers.ibkr_start_tick_news_resource({ symbol: "*" }, callBy()),
    handlers.ibkr_start_broadtape_news_resource({}, callBy()),
    handlers.ibkr_stream_account_updates({ account: "", duration_seconds: 60 }, callBy()),
    handlers.ibkr_stream_news_bulletins({ duration_seconds: 60 }, callBy()),
  ];
  const outcomes = await Promise.allSettled(calls);
  expect(outcomes).toEqual(calls.map(() => ({ status: "rejected", reason: failure("tws_offline") })));
});
