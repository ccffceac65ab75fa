import { afterEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { mostQuotedStrikes } from "../../shared/tools/options.ts";
import type { ToolName } from "../../shared/tools/index.ts";
import { startHandlersFixture, type HandlersFixture } from "../handlers/handlers.fixture.ts";
import { createLargeAccountWorld } from "./rigs/large-account-world.ts";
import { type Ask, errorOf, outputOf, plainAsk } from "./rigs/dispatch-client.ts";

/** A Friday morning in New York. */
const openedAt = Date.parse("2026-11-20T15:30:00Z");
const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

let opened: HandlersFixture | null = null;
afterEach(async () => {
  vi.restoreAllMocks();
  await opened?.close();
  opened = null;
});

/** A market whose clock stands still, and goes on when the test says so, and the agent's own with it. */
async function start() {
  let at = openedAt;
  let passedMs = 0;
  const fixture = await startHandlersFixture({ simulator: { seed: 7, now: () => at } });
  opened = fixture;
  for (const clock of [performance, Date]) {
    const now = clock.now.bind(clock);
    vi.spyOn(clock, "now").mockImplementation(() => now() + passedMs);
  }
  const pass = (ms: number): void => {
    at += ms;
    passedMs += 20_000;
  };
  return { fixture, ask: plainAsk(fixture.handlers), pass };
}

const Answer = z.looseObject({ total: z.int(), next_cursor: z.string().optional() });

/** The rows of all pages; `between` is called before each but the first. Bars are read from their end. */
async function pages(
  ask: Ask,
  tool: ToolName,
  input: Record<string, unknown>,
  key: string,
  between: () => void = () => {},
) {
  const rows: unknown[] = [];
  const totals = new Set<number>();
  let cursor: string | undefined;
  do {
    const frame = await ask(tool, { ...input, ...(cursor !== undefined && { cursor }) });
    const answer = Answer.parse(outputOf(frame));
    const page = z.array(z.unknown()).parse(answer[key]);
    if (key === "bars") rows.unshift(...page);
    else rows.push(...page);
    totals.add(answer.total);
    cursor = answer.next_cursor;
    if (cursor !== undefined) between();
  } while (cursor !== undefined);
  return { rows, totals: [...totals] };
}

const timesOf = (rows: readonly unknown[]): string[] =>
  z
    .array(z.object({ time: z.string() }))
    .parse(rows)
    .map(({ time }) => time);

describe("bars", () => {
  test.for<readonly [Record<string, unknown>, number]>([
    [{ barSize: "1 min", duration: "1 D", useRTH: false, limit: 200 }, 7 * minuteMs],
    [
      { barSize: "1 min", duration: "1 D", useRTH: false, limit: 200, whatToShow: "ADJUSTED_LAST" },
      7 * minuteMs,
    ],
    [{ barSize: "1 min", duration: "7200 S", limit: 40, whatToShow: "BID_ASK" }, 7 * minuteMs],
    [{ barSize: "1 min", duration: "3600 S", limit: 5 }, 30 * minuteMs],
    [{ barSize: "1 day", duration: "1 M", limit: 5 }, dayMs],
    [{ barSize: "1 min", duration: "1 D", limit: 100, endDateTime: "2026-11-20T17:00:00Z" }, 7 * minuteMs],
  ])("of %j are those of the first page's window, however late a page is asked for", async ([input, ms]) => {
    const { ask, pass } = await start();
    const asked = { symbol: "AAPL", format: "rows", ...input };
    const first = await pages(ask, "ibkr_get_historical_data", asked, "bars");
    const times = timesOf(first.rows);
    expect(first.totals).toEqual([times.length]);
    pass(0);
    const later = await pages(ask, "ibkr_get_historical_data", asked, "bars", () => pass(ms));
    expect(timesOf(later.rows)).toEqual(times);
    expect(later.totals).toEqual([times.length]);
  });

  test("are asked of TWS once when the pages are asked for one right after the other", async () => {
    const { fixture, ask } = await start();
    const input = { symbol: "AAPL", barSize: "1 min", duration: "1 D", limit: 50 };
    await pages(ask, "ibkr_get_historical_data", input, "bars");
    expect(await fixture.received(20)).toHaveLength(1);
  });

  test.for(["at:5;x", "at:5;2026-11-20/2026-11-19", "at:5;2026-13-20/2026-13-21", "at:5;a/b/c", "at:5;"])(
    "have no page %s",
    async (cursor) => {
      const { ask } = await start();
      expect(errorOf(await ask("ibkr_get_historical_data", { symbol: "AAPL", cursor }))).toMatchObject({
        code: "invalid_input",
        message: expect.stringMatching(/^cursor/),
      });
    },
  );
});

const asked = (fixture: HandlersFixture, id: number, field: number) =>
  fixture.received(id).then((messages) => new Set(messages.map(({ fields }) => fields[field])));

describe("quotes", () => {
  test("are asked of TWS for the page alone", async () => {
    const { fixture, ask } = await start();
    const symbols = ["AAPL", "MSFT", "IBM", "SPY", "QQQ"];
    const answer = Answer.parse(outputOf(await ask("ibkr_get_quotes", { symbols, limit: 2 })));
    expect(answer).toMatchObject({
      quotes: [{ symbol: "AAPL" }, { symbol: "MSFT" }],
      count: 5,
      returned: 2,
      total: 5,
      truncated: true,
    });
    expect(await fixture.received(1)).toHaveLength(2);
    const { rows } = await pages(ask, "ibkr_get_quotes", { symbols, limit: 2 }, "quotes");
    expect(rows).toMatchObject(symbols.map((symbol) => ({ symbol, error: null })));
    expect(await fixture.received(1)).toHaveLength(2 + 5);
  });

  test("of fifty instruments open a line for each once", async () => {
    opened = await startHandlersFixture({ simulator: { world: createLargeAccountWorld() } });
    const contracts = Array.from({ length: 50 }, (_, index) => ({ conId: 900_000_000 + index }));
    const { rows } = await pages(plainAsk(opened.handlers), "ibkr_get_quotes", { contracts }, "quotes");
    expect(rows).toHaveLength(50);
    expect(await opened.received(1)).toHaveLength(50);
  });

  test("have no page beyond their end, and TWS is not asked for one", async () => {
    const { fixture, ask } = await start();
    const cursor = "at:7";
    expect(errorOf(await ask("ibkr_get_quotes", { symbols: ["AAPL"], cursor }))).toMatchObject({
      code: "invalid_input",
      message: expect.stringMatching(/^cursor/),
    });
    expect(await fixture.received(1)).toHaveLength(0);
  });
});

describe("an option chain", () => {
  async function expirationOf(ask: Ask): Promise<string> {
    const { chains } = z
      .object({ chains: z.array(z.object({ expirations: z.array(z.string()) })) })
      .parse(outputOf(await ask("ibkr_get_option_chain_params", { underlyingConId: 265_598 })));
    return chains[0]?.expirations[1] ?? "";
  }

  test("keeps its order on all pages although the price moves", async () => {
    const { ask, pass } = await start();
    const input = { symbol: "AAPL", expiration: await expirationOf(ask), limit: 7 };
    const first = await pages(ask, "ibkr_get_option_chain", input, "chain");
    const later = await pages(ask, "ibkr_get_option_chain", input, "chain", () => pass(97 * minuteMs));
    expect(later.rows).toEqual(first.rows);
    expect(new Set(later.rows.map((row) => JSON.stringify(row))).size).toBe(later.totals[0]);
  });

  test("is quoted for the page alone", async () => {
    const { fixture, ask } = await start();
    const input = { symbol: "AAPL", expiration: await expirationOf(ask), withQuotes: true, strikeRange: 6 };
    const answer = Answer.parse(outputOf(await ask("ibkr_get_option_chain", { ...input, limit: 2 })));
    expect(answer).toMatchObject({ strikeCount: 6, total: 6, returned: 2 });
    // the underlying, and a call and a put at two strikes
    expect((await asked(fixture, 1, 3)).size).toBe(1 + 4);
    const cursor = answer.next_cursor;
    await ask("ibkr_get_option_chain", { ...input, limit: mostQuotedStrikes, cursor });
    expect((await asked(fixture, 1, 3)).size).toBe(1 + 12);
  });

  test("of thousands of contracts is asked of TWS once for all pages", async () => {
    opened = await startHandlersFixture({ simulator: { world: createLargeAccountWorld() } });
    const ask = plainAsk(opened.handlers);
    const input = { symbol: "AAPL", expiration: await expirationOf(ask) };
    const before = await opened.received(9);
    const { rows } = await pages(ask, "ibkr_get_option_chain", input, "chain");
    expect(rows).toHaveLength(2_000);
    // the underlying and the chain
    expect((await opened.received(9)).length - before.length).toBeLessThanOrEqual(2);
  });

  test("has no page for a price that is none", async () => {
    const { ask } = await start();
    const input = { symbol: "AAPL", expiration: await expirationOf(ask), cursor: "at:1;cheap" };
    expect(errorOf(await ask("ibkr_get_option_chain", input))).toMatchObject({ code: "invalid_input" });
  });
});
