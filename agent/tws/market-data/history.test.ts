import { afterEach, beforeEach, expect, test } from "vitest";
import type { Contract } from "../../../shared/contract.ts";
import { startSimulator } from "../../simulator/server.ts";
import type { Simulator } from "../../simulator/server.ts";
import type { TwsSession } from "../session/api.ts";
import { resolveContract } from "../contracts/contracts.ts";
import { historicalBars, utcForTws } from "./history.ts";
import type { BarsRequest } from "./history.ts";
import { dial, within } from "../test-support/session.fixture.ts";

let sim: Simulator;
let session: TwsSession;
let apple: Contract;
beforeEach(async () => {
  sim = await startSimulator({ port: 0 });
  ({ session } = dial(sim.port));
  await session.whenConnected(2_000);
  apple = await resolveContract(session, { symbol: "AAPL" }, within(2_000));
});
afterEach(async () => {
  await session.close();
  await sim.close();
});

const bars = (request: Partial<BarsRequest> = {}) =>
  historicalBars(
    session,
    {
      contract: apple,
      duration: "2 D",
      barSize: "1 hour",
      whatToShow: "TRADES",
      useRTH: true,
      ...request,
    },
    within(5_000),
  );

test("gives intraday bars oldest first, each at an instant that no zone can shift", async () => {
  const found = await bars();
  const times = found.map(({ time }) => time);
  expect(found.length).toBeGreaterThan(5);
  expect(times).toEqual(times.toSorted((a, b) => a.localeCompare(b)));
  for (const time of times) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:00\.000Z$/);
  for (const { high, low, volume, ...bar } of found) {
    const [open, close] = [bar.open ?? Number.NaN, bar.close ?? Number.NaN];
    expect(high).toBeGreaterThanOrEqual(Math.max(open, close));
    expect(low).toBeLessThanOrEqual(Math.min(open, close));
    expect(volume).toBeGreaterThan(0);
  }
});

test("gives daily bars by their date", async () => {
  const found = await bars({ duration: "5 D", barSize: "1 day" });
  expect(found).toHaveLength(5);
  expect(found[0]?.time).toMatch(/^\d{4}-\d\d-\d\d$/);
});

test("has no volume where TWS has none", async () => {
  const [bar] = await bars({ whatToShow: "MIDPOINT" });
  expect(bar).toMatchObject({ volume: null, wap: null, count: null });
});

test("ends where it was asked to end", async () => {
  const endAt = new Date(Date.now() - 7 * 86_400_000).toISOString();
  const last = (await bars({ endAt })).at(-1);
  expect(Date.parse(last?.time ?? "")).toBeLessThanOrEqual(Date.parse(endAt));
});

test("says no_data of a time before there was any", async () => {
  await expect(bars({ endAt: "1950-01-03T21:00:00Z" })).rejects.toMatchObject({
    code: "no_data",
    message: "TWS does not have historical data of AAPL as asked.",
  });
});

test("refuses an end for ADJUSTED_LAST, which TWS does not take", async () => {
  await expect(bars({ whatToShow: "ADJUSTED_LAST", endAt: "2026-01-05T21:00:00Z" })).rejects.toMatchObject({
    code: "invalid_input",
  });
});

test("writes an instant with any offset as TWS's UTC", () => {
  expect(utcForTws("2026-11-23T09:30:00-05:00")).toBe("20261123-14:30:00");
});
