import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startSimulator } from "../../simulator/server.ts";
import type { Simulator } from "../../simulator/server.ts";
import type { QuoteEvent, QuoteStreams, TwsSession } from "../session/api.ts";
import { resolveContract } from "../contracts/contracts.ts";
import { createQuoteStreams } from "./quotes.ts";
import { dial, within } from "../test-support/session.fixture.ts";
import { newMonitoredLine, startStallDetector } from "./stall-detector.ts";
import { tradingHoursOf } from "../contracts/trading-hours.ts";
import { silentLog } from "../../process/log.fixture.ts";

/** A Tuesday, 15:00 in New York: everything trades. */
const tuesday = Date.UTC(2026, 10, 24, 20);

let sim: Simulator;
let session: TwsSession;
let streams: QuoteStreams;
beforeEach(async () => {
  const startedAt = Date.now();
  const now = () => tuesday + Date.now() - startedAt;
  sim = await startSimulator({ port: 0, now });
  ({ session } = dial(sim.port));
  const times = { sweepMs: 20, patienceMs: 700, longestPatienceMs: 10_000, answerMs: 200 };
  streams = createQuoteStreams(session, { log: silentLog, times, now });
  await session.whenConnected(2_000);
});
afterEach(async () => {
  await session.close();
  await sim.close();
});

async function watch(symbol: string) {
  const contract = await resolveContract(session, { symbol }, within(2_000));
  const events: QuoteEvent[] = [];
  const waiting = new Set<() => void>();
  streams.watch(contract, (event) => {
    events.push(event);
    for (const look of waiting) look();
  });
  const reasons = () => events.flatMap((event) => (event.kind === "state" ? [event.reason] : []));
  return {
    events,
    reasons,
    async until(isSo: () => boolean): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>();
      const look = () => {
        if (isSo()) resolve();
      };
      waiting.add(look);
      look();
      await promise;
      waiting.delete(look);
    },
  };
}

/** Ids of the requests for market data that TWS got. */
const asked = (): string[] => sim.received().flatMap(({ id, fields }) => (id === 1 ? [fields[2] ?? ""] : []));

test("asks again, under a new id, for a line that died in trading hours, and says what was missed", async () => {
  const apple = await watch("AAPL");
  await apple.until(() => apple.reasons().includes("ok") && apple.events.length > 5);
  sim.faults.silence(["AAPL"]);
  await apple.until(() => apple.reasons().length >= 3);
  expect(apple.reasons()).toEqual(["ok", "line_reopened", "ok"]);
  expect(new Set(asked()).size).toBe(2);
  expect(sim.subscriptions()).toBe(1);
});

test("says that a line is silent when asking again brings nothing, and is live when it talks", async () => {
  const apple = await watch("AAPL");
  await apple.until(() => apple.events.length > 5);
  sim.faults.silence(["AAPL"], true);
  await apple.until(() => apple.reasons().includes("silent"));
  expect(apple.events.at(-1)).toMatchObject({ state: "stale", error: { code: "timeout" } });
  sim.faults.silence([]);
  await apple.until(() => apple.reasons().at(-1) === "ok");
  expect(apple.reasons()).toEqual(["ok", "silent", "line_reopened", "ok"]);
  expect(new Set(asked()).size).toBe(asked().length);
});

test("says that a line is silent that never said anything", async () => {
  sim.faults.silence(["AAPL"], true);
  const apple = await watch("AAPL");
  await apple.until(() => apple.reasons().includes("silent"));
  expect(apple.reasons()).toEqual(["silent"]);
});

test("asks again only while the instrument trades", async () => {
  const apple = await resolveContract(session, { symbol: "AAPL" }, within(2_000));
  vi.useFakeTimers();
  const times = { sweepMs: 1_000, patienceMs: 30_000, longestPatienceMs: 600_000, answerMs: 5_000 };
  const hours = tradingHoursOf("20261124:0400-20261124:2000;20261125:CLOSED", "US/Eastern");
  const line = { ...newMonitoredLine(apple, times), hours };
  let asked = 0;
  let clock = Date.UTC(2026, 10, 25, 20);
  const stop = startStallDetector({
    session,
    times,
    now: () => clock,
    lines: () => [line],
    askAgain: () => (asked += 1),
    onStalled: () => undefined,
  });
  vi.advanceTimersByTime(3_600_000);
  expect(asked).toBe(0);
  clock = tuesday;
  vi.advanceTimersByTime(times.sweepMs);
  expect(asked).toBe(1);
  stop();
  vi.useRealTimers();
});

test("waits longer each time for a market that is only quiet, and calls it live all the while", async () => {
  // a world whose clock stands still has no ticks, but answers
  const still = await startSimulator({ port: 0, now: () => tuesday });
  const { session: quiet } = dial(still.port);
  const times = { sweepMs: 20, patienceMs: 150, longestPatienceMs: 10_000, answerMs: 100 };
  const quotes = createQuoteStreams(quiet, { log: silentLog, times, now: () => tuesday });
  await quiet.whenConnected(2_000);
  const contract = await resolveContract(quiet, { symbol: "AAPL" }, within(2_000));
  const states: string[] = [];
  const askedAt = () => still.received().flatMap(({ id, at: when }) => (id === 1 ? [when] : []));
  quotes.watch(contract, (event) => {
    if (event.kind === "state") states.push(event.reason);
  });
  await expect.poll(() => askedAt().length, { timeout: 10_000 }).toBe(5);
  const waits = askedAt()
    .map((when, index, all) => when - (all[index - 1] ?? when))
    .slice(1);
  expect(waits).toEqual(waits.toSorted((a, b) => a - b));
  expect(states).toEqual(["ok"]);
  await quiet.close();
  await still.close();
});
