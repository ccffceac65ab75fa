import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { TwsError } from "../../../shared/errors.ts";
import { createHistoryKind } from "./history-budget.ts";
import type { HistoryQuestion } from "./history-budget.ts";
import { within } from "../test-support/session.fixture.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout", "Date"] }));
afterEach(() => void vi.useRealTimers());

const tws = {};
let number = 0;
const question = (change: Partial<HistoryQuestion> = {}): HistoryQuestion => {
  number += 1;
  return { what: "bars of AAPL", series: `${number}`, key: `${number}`, cost: 1, ...change };
};
const refusal = (promise: Promise<unknown>): Promise<TwsError | null> =>
  promise.then(
    () => null,
    (error: TwsError) => error,
  );

test("answers the same question within 15 s from the last time, with the time of that answer", async () => {
  const ask = createHistoryKind<number>();
  const same = question();
  const answer = vi.fn(() => Promise.resolve(7));
  const first = await ask(tws, same, within(1_000), answer);
  vi.advanceTimersByTime(14_900);
  expect(await ask(tws, same, within(1_000), answer)).toBe(first);
  expect(answer).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(200);
  expect((await ask(tws, same, within(1_000), answer)).asOf).not.toBe(first.asOf);
  expect(answer).toHaveBeenCalledTimes(2);
});

test("asks once for two who want the same at once, and keeps no failure", async () => {
  const ask = createHistoryKind<number>();
  const same = question();
  const { promise, resolve } = Promise.withResolvers<number>();
  const answer = vi.fn(() => promise);
  const both = [ask({}, same, within(1_000), answer)];
  both.push(ask(tws, same, within(1_000), answer), ask(tws, same, within(1_000), answer));
  resolve(7);
  expect((await Promise.all(both)).map(({ value }) => value)).toEqual([7, 7, 7]);
  // the first was of another TWS
  expect(answer).toHaveBeenCalledTimes(2);

  const failing = question();
  const failure = new Error("no");
  await expect(ask(tws, failing, within(1_000), () => Promise.reject(failure))).rejects.toBe(failure);
  expect((await ask(tws, failing, within(1_000), () => Promise.resolve(8))).value).toBe(8);
});

test("keeps to 60 in ten minutes, bid and ask counted as two, and says how long to wait", async () => {
  const own = {};
  const ask = createHistoryKind<number>();
  const one = (cost: 1 | 2 = 1) => ask(own, question({ cost }), within(1_000), () => Promise.resolve(1));
  for (let left = 20; left > 0; left--) await one(2);
  vi.advanceTimersByTime(60_000);
  for (let left = 19; left > 0; left--) await one();
  const refused = await refusal(one(2));
  expect(refused?.code).toBe("pacing");
  expect(refused?.message).toContain("can be had in 540 s");
  expect(refused?.toBody().retryAfterMs).toBe(540_000);
  await one();
  expect((await refusal(one()))?.code).toBe("pacing");
  vi.advanceTimersByTime(540_000);
  await one(2);
});

test("waits so that no series is asked for six times within two seconds", async () => {
  const own = {};
  const ask = createHistoryKind<number>();
  const asked: number[] = [];
  const six = Array.from({ length: 6 }, () =>
    ask(own, question({ series: "AAPL TRADES" }), within(5_000), () => {
      asked.push(performance.now());
      return Promise.resolve(1);
    }),
  );
  await vi.advanceTimersByTimeAsync(1_900);
  expect(asked).toHaveLength(5);
  await vi.advanceTimersByTimeAsync(200);
  await Promise.all(six);
  const [first = 0] = asked;
  expect((asked.at(-1) ?? 0) - first).toBeGreaterThanOrEqual(2_000);
});

test("has at most 50 open", async () => {
  const own = {};
  const ask = createHistoryKind<number>();
  const { promise, resolve } = Promise.withResolvers<number>();
  const open = Array.from({ length: 50 }, () => ask(own, question(), within(1_000), () => promise));
  await vi.advanceTimersByTimeAsync(0);
  const refused = await refusal(ask(own, question(), within(1_000), () => promise));
  expect(refused?.toBody()).toMatchObject({ code: "pacing", retryAfterMs: 5_000 });
  resolve(1);
  await Promise.all(open);
});

test("leaves a caller that gives up while others are asked", async () => {
  const ask = createHistoryKind<number>();
  const same = question();
  const { promise, resolve } = Promise.withResolvers<number>();
  const leaving = new AbortController();
  const first = ask(tws, same, within(1_000), () => promise);
  const second = refusal(ask(tws, same, within(1_000, leaving.signal), () => promise));
  const third = refusal(ask(tws, same, within(500), () => promise));
  leaving.abort();
  expect((await second)?.code).toBe("cancelled");
  await vi.advanceTimersByTimeAsync(600);
  expect((await third)?.code).toBe("timeout");
  resolve(7);
  expect((await first).value).toBe(7);
});
