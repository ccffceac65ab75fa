import { afterEach, expect, test, vi } from "vitest";
import type { Contract } from "../../../shared/contract.ts";
import type { QuoteEvent, QuoteStreams } from "./api.ts";
import { createQuoteStreams } from "../market-data/quotes.ts";
import { refuse, startScriptedTws, welcome } from "../test-support/scripted-tws.fixture.ts";
import type { ScriptedClient } from "../test-support/scripted-tws.fixture.ts";
import { dial, within } from "../test-support/session.fixture.ts";
import { silentLog } from "../../process/log.fixture.ts";

const apple: Contract = {
  conId: 265598,
  symbol: "AAPL",
  secType: "STK",
  exchange: "SMART",
  primaryExchange: "NASDAQ",
  currency: "USD",
  localSymbol: "AAPL",
  tradingClass: "NMS",
  expiration: null,
  strike: null,
  right: null,
  multiplier: null,
};

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Streams on a TWS that answers the n-th market data request (from 0) by what `answer` sends. */
async function streamsOn(
  answer: (client: ScriptedClient, id: string, count: number) => void,
): Promise<{ readonly streams: QuoteStreams; readonly asked: string[]; readonly cancelled: string[] }> {
  const asked: string[] = [];
  const cancelled: string[] = [];
  const tws = await startScriptedTws({
    onMessage: (fields, client) => {
      const [message, , id = ""] = fields;
      if (message === "71") welcome(client);
      if (message === "2") cancelled.push(id);
      if (message !== "1") return;
      asked.push(id);
      answer(client, id, asked.length - 1);
    },
  });
  cleanups.push(() => tws.close());
  const { session } = dial(tws.port);
  cleanups.push(() => session.close());
  const times = { competingRetryMs: 30, refusedRetryMs: 10, quietMs: 60, longestMs: 300, answerMs: 50 };
  const streams = createQuoteStreams(session, { log: silentLog, times });
  await session.whenConnected(2_000);
  return { streams, asked, cancelled };
}

const tick = (client: ScriptedClient, id: string, type: number, price: number, size = 0): void =>
  client.send(1, 6, id, type, price, size, 0);

function watched(streams: QuoteStreams): QuoteEvent[] {
  const events: QuoteEvent[] = [];
  streams.watch(apple, (event) => events.push(event));
  return events;
}

const statesOf = (events: readonly QuoteEvent[]): string[] =>
  events.flatMap((event) => (event.kind === "state" ? [event.state] : []));

test.each([
  [200, "No security definition has been found for the request", "unknown_contract"],
  [354, "Requested market data is not subscribed.", "no_market_data"],
  [10_168, "Requested market data is not subscribed. Delayed market data is not enabled.", "no_market_data"],
  [10_186, "Requested market data is not available", "no_market_data"],
])("ends a stream and a snapshot that TWS refuses with %i", async (code, text, expected) => {
  const { streams, cancelled } = await streamsOn((client, id) => refuse(client, id, code, text));
  const events = watched(streams);
  await vi.waitFor(() => expect(statesOf(events)).toEqual(["ended"]));
  expect(events.at(-1)).toMatchObject({ error: { code: expected } });
  await expect(streams.snapshot(apple, within(5_000))).rejects.toMatchObject({
    code: expected,
    detail: { tws: { code } },
  });
  expect(streams.lines()).toBe(0);
  expect(cancelled).toEqual([]);
});

test("asks again with a new id for a line that another session had taken", async () => {
  const { streams, asked } = await streamsOn((client, id, count) => {
    if (count < 2) refuse(client, id, 10_197, "No market data during competing live session");
    else tick(client, id, 1, 268.5, 300);
  });
  const events = watched(streams);
  await vi.waitFor(() => expect(statesOf(events)).toEqual(["stale", "live"]));
  expect(events[0]).toMatchObject({ error: { code: "no_market_data", detail: { tws: { code: 10_197 } } } });
  expect(new Set(asked).size).toBe(3);
  expect(streams.lines()).toBe(1);
});

test("asks no more for a taken line once nobody watches it", async () => {
  const { streams, asked } = await streamsOn((client, id) => refuse(client, id, 10_197, "competing"));
  const stale = Promise.withResolvers<void>();
  const unwatch = streams.watch(apple, () => stale.resolve());
  await stale.promise;
  unwatch();
  const before = asked.length;
  await expect(streams.snapshot(apple, within(5_000))).rejects.toMatchObject({ code: "no_market_data" });
  expect(asked).toHaveLength(before + 1);
  expect(streams.lines()).toBe(0);
});

test("takes another id when TWS says that one is used", async () => {
  const { streams, asked } = await streamsOn((client, id, count) => {
    if (count === 0) refuse(client, id, 322, "Error processing request.-'bO' : cause - Duplicate ticker id");
    else tick(client, id, 1, 268.5, 300);
  });
  const events = watched(streams);
  await vi.waitFor(() => expect(statesOf(events).at(-1)).toBe("live"));
  expect(new Set(asked).size).toBe(2);
});

test("shows delayed data where the account has no live data, and says so", async () => {
  const { streams } = await streamsOn((client, id) => {
    refuse(client, id, 10_167, "Requested market data is not subscribed. Displaying delayed market data.");
    client.send(58, 1, id, 3);
    for (const [type, price, size] of [
      [66, 268.5, 300],
      [67, 268.6, 200],
      [68, 268.55, 100],
      [75, 267.1, 0],
    ] as const)
      tick(client, id, type, price, size);
  });
  const { quote } = await streams.snapshot(apple, within(5_000));
  expect(quote).toMatchObject({
    dataType: "delayed",
    bid: 268.5,
    bidSize: 300,
    ask: 268.6,
    askSize: 200,
    last: 268.55,
    lastSize: 100,
    close: 267.1,
  });
});

test("takes the live bid's size from the price message itself", async () => {
  const { streams } = await streamsOn((client, id) => tick(client, id, 1, 268.5, 300));
  const { quote } = await streams.snapshot(apple, within(5_000));
  expect(quote).toMatchObject({ bid: 268.5, bidSize: 300, last: null });
});

test("answers with what there is when TWS has no more to say", async () => {
  const { streams } = await streamsOn((client, id) => {
    tick(client, id, 9, 267.1);
    tick(client, id, 1, -1);
  });
  const startedAt = performance.now();
  const { quote } = await streams.snapshot(apple, within(5_000));
  expect(quote).toMatchObject({ close: 267.1, bid: null, last: null });
  expect(performance.now() - startedAt).toBeLessThan(250);
});

test("says why there is no price, if TWS sent a notice about it, and otherwise that there was none", async () => {
  const { streams } = await streamsOn((client, id, count) => {
    if (count === 0) refuse(client, id, 10_089, "Requested market data requires additional subscription.");
  });
  await expect(streams.snapshot(apple, within(5_000))).rejects.toMatchObject({
    code: "no_market_data",
    detail: { tws: { code: 10_089 } },
  });
  await expect(streams.snapshot(apple, within(5_000))).rejects.toMatchObject({
    code: "timeout",
    message: "TWS sent no price of AAPL.",
  });
});

test("is live again when TWS kept its data through an outage, also if nothing ticks", async () => {
  const { streams } = await streamsOn((client, id) => {
    tick(client, id, 1, 268.5, 300);
    refuse(client, -1, 1100, "Connectivity between IBKR and Trader Workstation has been lost.");
    refuse(client, -1, 1102, "Connectivity has been restored - data maintained.");
  });
  const events = watched(streams);
  await vi.waitFor(() => expect(statesOf(events)).toEqual(["live", "stale", "gap", "live"]));
});
