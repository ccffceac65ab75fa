import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Contract } from "../../../shared/contract.ts";
import type { Quote, StreamState } from "../../../shared/events.ts";
import { startSimulator } from "../../simulator/server.ts";
import type { Simulator } from "../../simulator/server.ts";
import type { QuoteEvent, QuoteStreams, TwsSession } from "../session/api.ts";
import { resolveContract } from "../contracts/contracts.ts";
import { createQuoteStreams } from "./quotes.ts";
import { dial, statusWhere, within } from "../test-support/session.fixture.ts";
import { silentLog } from "../../process/log.fixture.ts";

let sim: Simulator;
let session: TwsSession;
let streams: QuoteStreams;
let apple: Contract;
beforeEach(async () => {
  sim = await startSimulator({ port: 0, maxMarketDataLines: 3 });
  ({ session } = dial(sim.port));
  // a free line is taken at once, not at the next try
  streams = createQuoteStreams(session, { log: silentLog, times: { exhaustedRetryMs: 3_600_000 } });
  await session.whenConnected(2_000);
  apple = await contract("AAPL");
});
afterEach(async () => {
  vi.restoreAllMocks();
  await session.close();
  await sim.close();
});

const contract = (symbol: string): Promise<Contract> => resolveContract(session, { symbol }, within(2_000));

/** Watches, and lets a test wait for what it wants to see. */
function watched(what: Contract) {
  const events: QuoteEvent[] = [];
  const waiting = new Set<() => void>();
  const unwatch = streams.watch(what, (event) => {
    events.push(event);
    for (const look of waiting) look();
  });
  const states = (): StreamState[] =>
    events.flatMap((event) => (event.kind === "state" ? [event.state] : []));
  return {
    events,
    unwatch,
    states,
    reasons: () => events.flatMap((event) => (event.kind === "state" ? [event.reason] : [])),
    quotes: (): Quote[] => events.flatMap((event) => (event.kind === "quote" ? [event.quote] : [])),
    /** Resolves when it is in the state, now or later. */
    async state(wanted: StreamState): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>();
      const look = (): void => {
        if (states().at(-1) === wanted) resolve();
      };
      waiting.add(look);
      look();
      await promise;
      waiting.delete(look);
    },
  };
}

test("streams whole quotes: each keeps what earlier ticks said", async () => {
  const line = watched(apple);
  await vi.waitFor(() => expect(line.quotes().at(-1)?.close).toBeGreaterThan(0));
  const last = line.quotes().at(-1);
  const instrument = sim.world.universe.byConId(apple.conId);
  expect(instrument).toBeDefined();
  const truth = instrument && sim.world.market.quote(instrument, sim.world.now());
  expect(last?.close).toBe(truth?.close);
  for (const field of ["bid", "ask", "last", "bidSize", "askSize", "high", "low", "open", "volume"] as const)
    expect(last?.[field]).toBeGreaterThan(0);
  expect(last?.dataType).toBe("live");
  expect(line.states()).toEqual(["live"]);
});

test("shares one line at TWS among all who watch, and closes it after the last", async () => {
  const first = watched(apple);
  await first.state("live");
  const second = watched(apple);
  expect(second.events.map(({ kind }) => kind)).toEqual(["state", "quote"]);
  expect(second.quotes()[0]).toEqual(first.quotes().at(-1));
  expect(sim.subscriptions()).toBe(1);
  first.unwatch();
  expect(streams.lines()).toBe(1);
  second.unwatch();
  expect(streams.lines()).toBe(0);
  await vi.waitFor(() => expect(sim.subscriptions()).toBe(0));
});

test("tells a watcher nothing after it stopped watching", async () => {
  const gone = watched(apple);
  const other = watched(apple);
  await gone.state("live");
  gone.unwatch();
  const seen = gone.events.length;
  const before = other.quotes().length;
  await vi.waitFor(() => expect(other.quotes().length).toBeGreaterThan(before));
  expect(gone.events).toHaveLength(seen);
});

test("goes stale with the connection, says that it missed something, and is live again", async () => {
  const line = watched(apple);
  await line.state("live");
  sim.faults.dropConnections();
  await line.state("stale");
  await statusWhere(session, ({ tws }) => tws.connection === 2);
  await line.state("live");
  expect(line.states()).toEqual(["live", "stale", "gap", "live"]);
  expect(sim.subscriptions()).toBe(1);
  const ids = sim
    .received()
    .filter(({ id }) => id === 1)
    .map(({ fields }) => fields[2]);
  expect(new Set(ids).size).toBe(2);
});

test("asks again for every line when TWS has lost its data", async () => {
  const line = watched(apple);
  const other = watched(await contract("MSFT"));
  await line.state("live");
  await other.state("live");
  sim.faults.announce(1100);
  await line.state("stale");
  expect(sim.subscriptions()).toBe(2);
  sim.faults.announce(1101);
  await vi.waitFor(() => expect(sim.subscriptions()).toBe(2));
  await line.state("live");
  await other.state("live");
  expect(line.states()).toEqual(["live", "stale", "gap", "live"]);
});

test("goes stale when another session of the login takes its data, asks again, and is live again", async () => {
  streams = createQuoteStreams(session, { log: silentLog, times: { competingRetryMs: 30 } });
  const line = watched(apple);
  await line.state("live");
  sim.faults.endStreams("marketData", 10_197);
  await line.state("stale");
  expect(line.events.at(-1)).toMatchObject({ error: { code: "no_market_data" } });
  await line.state("live");
  expect(line.states()).toEqual(["live", "stale", "live"]);
  expect(sim.subscriptions()).toBe(1);
});

test("keeps its lines when TWS's data survived the outage", async () => {
  const line = watched(apple);
  await line.state("live");
  sim.faults.announce(1100);
  await line.state("stale");
  sim.faults.announce(1102);
  await line.state("live");
  expect(line.states()).toEqual(["live", "stale", "gap", "live"]);
  expect(line.reasons()).toEqual(["ok", "tws_upstream_down", "upstream_returned", "ok"]);
  expect(sim.received().filter(({ id }) => id === 1)).toHaveLength(1);
});

test("goes stale with its own farm only, and is live at the next tick", async () => {
  const line = watched(apple);
  const pair = watched(await contract("EUR.USD"));
  await line.state("live");
  await pair.state("live");
  sim.faults.announce(2103);
  await vi.waitFor(() => expect(line.states()).toContain("stale"));
  await line.state("live");
  expect(pair.states()).toEqual(["live"]);
});

test("watches although there is no session, and streams when there is one", async () => {
  session.stop();
  const line = watched(apple);
  expect(line.states()).toEqual(["stale"]);
  session.resume();
  await line.state("live");
});

test("says that no line is free, and takes the next one that is", async () => {
  const symbols = ["AAPL", "MSFT", "NVDA", "AMZN"];
  const lines = [];
  for (const symbol of symbols) lines.push(watched(await contract(symbol)));
  const [first, , , last] = lines;
  await last?.state("stale");
  expect(last?.events.at(-1)).toMatchObject({
    reason: "lines_exhausted",
    error: { code: "pacing", detail: { tws: { code: 101 } } },
  });
  await first?.state("live");
  expect(streams.lines()).toBe(3);
  first?.unwatch();
  await last?.state("live");
  expect(sim.subscriptions()).toBe(3);
});

test("the check of an order gets a price although others have all lines, and they get theirs back", async () => {
  const others = [];
  for (const symbol of ["MSFT", "NVDA", "AMZN"]) others.push(watched(await contract(symbol)));
  for (const other of others) await other.state("live");
  expect(streams.lines()).toBe(3);
  const { quote } = await streams.forChecks.snapshot(apple, within(5_000));
  expect(quote.last).toBeGreaterThan(0);
  expect(others.flatMap((other) => other.reasons())).toContain("lines_exhausted");
  for (const other of others) await other.state("live");
  expect(sim.subscriptions()).toBe(3);
  // others who only look get none that way
  await expect(streams.snapshot(apple, within(2_000))).rejects.toMatchObject({ code: "pacing" });
});

test("the check of an order gets the price of an instrument that somebody waits for", async () => {
  const others = [];
  for (const symbol of ["MSFT", "NVDA", "AMZN"]) others.push(watched(await contract(symbol)));
  for (const other of others) await other.state("live");
  const waiting = watched(apple);
  await waiting.state("stale");
  const { quote } = await streams.forChecks.snapshot(apple, within(5_000));
  expect(quote.last).toBeGreaterThan(0);
});

test("one watcher that throws does not stop the others", async () => {
  streams.watch(apple, () => {
    throw new Error("a watcher of ours");
  });
  const line = watched(apple);
  await vi.waitFor(() => expect(line.quotes().length).toBeGreaterThan(5));
});

test("takes a snapshot as soon as it is complete, and frees its line", async () => {
  const startedAt = performance.now();
  const { quote, asOf } = await streams.snapshot(apple, within(5_000));
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  expect(quote).toMatchObject({ dataType: "live" });
  for (const field of ["bid", "ask", "last", "close"] as const) expect(quote[field]).toBeGreaterThan(0);
  expect(Math.abs(Date.parse(asOf) - Date.now())).toBeLessThan(1_000);
  await vi.waitFor(() => expect(sim.subscriptions()).toBe(0));
});

test("takes a snapshot of what is watched already without asking TWS", async () => {
  const line = watched(apple);
  await vi.waitFor(() => expect(line.quotes().at(-1)?.close).toBeGreaterThan(0));
  await streams.snapshot(apple, within(5_000));
  expect(sim.received().filter(({ id }) => id === 1)).toHaveLength(1);
  expect(streams.lines()).toBe(1);
});

test("gives no old value of a watched line as a snapshot while TWS hangs", async () => {
  const line = watched(apple);
  await vi.waitFor(() => expect(line.quotes().at(-1)?.close).toBeGreaterThan(0));
  sim.faults.mute(true);
  const seen = Date.parse(line.quotes().at(-1)?.time ?? "");
  vi.spyOn(Date, "now").mockReturnValue(seen + 5_000);
  await expect(streams.snapshot(apple, within(200))).rejects.toMatchObject({ code: "timeout" });
});

test("refuses a snapshot while TWS is away or cut off from IBKR", async () => {
  sim.faults.announce(1100);
  await statusWhere(session, ({ tws }) => tws.state === "upstream_down");
  await expect(streams.snapshot(apple, within(5_000))).rejects.toMatchObject({ code: "tws_upstream_down" });
  session.stop();
  await expect(streams.snapshot(apple, within(5_000))).rejects.toMatchObject({ code: "tws_offline" });
});

test("fails a snapshot at once when the connection ends under it", async () => {
  sim.faults.mute(true);
  const asked = streams.snapshot(apple, within(60_000));
  sim.faults.dropConnections();
  await expect(asked).rejects.toMatchObject({ code: "tws_offline" });
});

test("ends a snapshot that nobody waits for, and its line", async () => {
  sim.faults.mute(true);
  const caller = new AbortController();
  const asked = streams.snapshot(apple, within(60_000, caller.signal));
  caller.abort();
  await expect(asked).rejects.toMatchObject({ code: "cancelled" });
  expect(streams.lines()).toBe(0);
});

test("asks nothing of TWS for a line that is given up before its turn", async () => {
  const gone = Array.from({ length: 30 }, (_, index) => ({ ...apple, conId: 900_000 + index }));
  const lines = gone.map((one) => streams.watch(one, () => {}));
  for (const unwatch of lines) unwatch();
  await session.send("data", (ib) => ib.reqMarketRule(26));
  await vi.waitFor(() => expect(sim.received().some(({ id }) => id === 91)).toBe(true));
  const count = (wanted: number): number => sim.received().filter(({ id }) => id === wanted).length;
  expect(count(1)).toBeLessThan(10);
  expect(count(2)).toBe(count(1));
});
