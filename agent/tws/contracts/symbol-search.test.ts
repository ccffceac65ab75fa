import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator } from "../../simulator/server.ts";
import type { Simulator } from "../../simulator/server.ts";
import type { TwsSession } from "../session/api.ts";
import { dial, within } from "../test-support/session.fixture.ts";
import { findInstruments, nextStepAfter, searchSymbols } from "./symbol-search.ts";

let sim: Simulator;
let session: TwsSession;
beforeEach(async () => {
  sim = await startSimulator({ port: 0 });
  ({ session } = dial(sim.port));
  await session.whenConnected(2_000);
});
afterEach(async () => {
  await session.close();
  await sim.close();
});

test("searches symbols, one a second", async () => {
  const startedAt = performance.now();
  const [first, second] = await Promise.all([
    searchSymbols(session, "AAP", within(5_000)),
    searchSymbols(session, "MSF", within(5_000)),
  ]);
  expect(first[0]).toMatchObject({ conId: 265598, symbol: "AAPL", name: "APPLE INC" });
  expect(second[0]).toMatchObject({ symbol: "MSFT" });
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(990);
});

test("refuses a search that would have to wait longer than its time", async () => {
  const searches = await Promise.allSettled([
    searchSymbols(session, "AAP", within(500)),
    searchSymbols(session, "MSF", within(500)),
  ]);
  expect(searches).toMatchObject([
    { status: "fulfilled" },
    { status: "rejected", reason: { code: "pacing" } },
  ]);
});

test.for([
  ["BRK.B", "BRK B"],
  ["brk/b", "BRK B"],
  ["US0378331005", "AAPL"],
  ["037833100", "AAPL"],
  ["EUR/USD", "EUR"],
] as const)("finds by %s what TWS calls %s", async ([pattern, symbol]) => {
  const { results } = await findInstruments(session, pattern, within(10_000));
  expect(results[0]).toMatchObject({ symbol });
});

test("says what was looked for and what to try where nothing is found", async () => {
  const found = await findInstruments(session, "ZZZ.Q", within(10_000));
  expect(found).toEqual({ results: [], searched: ["ZZZ.Q", "ZZZ Q", "ZZZ"] });
  expect(nextStepAfter(found)).toMatch(/"ZZZ.Q", "ZZZ Q", "ZZZ".*ibkr_get_contract_details/);
});
