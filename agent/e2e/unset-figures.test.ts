import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { startHandlersFixture } from "../handlers/handlers.fixture.ts";
import type { HandlersFixture } from "../handlers/handlers.fixture.ts";
import type { AlteredMessages } from "../simulator/faults/altered-messages.ts";
import type { ToolName } from "../../shared/tools/index.ts";
import { type Ask, errorOf, outputOf, plainAsk } from "./rigs/dispatch-client.ts";

let fixture: HandlersFixture;
let ask: Ask;
beforeAll(async () => {
  fixture = await startHandlersFixture();
  ask = plainAsk(fixture.handlers);
});
afterAll(() => fixture.close());

/** Asks while TWS sends other values in these messages. */
async function altered(messages: AlteredMessages, tool: ToolName, input: Record<string, unknown>) {
  fixture.simulator.faults.alter(messages);
  try {
    return await ask(tool, input);
  } finally {
    fixture.simulator.faults.alter({});
  }
}

const firstOf = (rows: unknown) => z.array(z.unknown()).parse(rows)[0];

const double = "1.7976931348623157E308";
const marks = [double, "1.797693134862315E308", "2147483647", "9223372036854775807", "9.223372036854776E18"];
const apple = { symbol: "AAPL" };
const account = "DU1234567";
const ibm2039 = 366_014_804;
/** Where the message of a bond has its coupon, and that of a scan its first distance. */
const [couponPlace, distancePlace] = [5, 16];

test.for([...marks, "-1"])("a commission written as %s is not known", async (mark) => {
  fixture.simulator.faults.alter({ 59: { fields: { 3: mark, 5: double } } });
  outputOf(
    await ask("ibkr_place_order", { ...apple, action: "BUY", quantity: 1, idempotencyKey: `unset-${mark}` }),
  );
  const { executions } = outputOf(await ask("ibkr_get_executions", {}));
  fixture.simulator.faults.alter({});
  const [fill] = z.array(z.unknown()).parse(executions).slice(-1);
  expect(fill).toMatchObject({ commissionReport: { commission: null, realizedPnl: null } });
});

test.for(marks)("an average cost, a price or a profit written as %s is not known", async (mark) => {
  const unset = { 61: { fields: { 15: mark } }, 7: { fields: { 14: mark, 15: mark, 17: mark, 18: mark } } };
  const { positions } = outputOf(await altered(unset, "ibkr_get_positions", {}));
  const [held] = z.array(z.unknown()).parse(positions);
  expect(held).toMatchObject({
    position: expect.any(Number),
    avgCost: null,
    marketPrice: null,
    marketValue: null,
    unrealizedPnL: null,
    realizedPnL: null,
  });
  const profit = { 94: { fields: { 2: mark, 3: mark, 4: mark } } };
  expect(outputOf(await altered(profit, "ibkr_get_pnl", { account }))).toMatchObject({
    dailyPnL: null,
    unrealizedPnL: null,
    realizedPnL: null,
  });
});

test("a holding of which TWS sets no size is not told as none", async () => {
  for (const id of [61, 7]) {
    const place = id === 61 ? 14 : 13;
    const answer = await altered({ [id]: { fields: { [place]: double } } }, "ibkr_get_positions", {});
    expect(errorOf(answer)).toMatchObject({ code: "tws_error" });
  }
});

test.for(marks)("a figure of an account written as %s is not known", async (mark) => {
  const summary = await altered({ 63: { fields: { 5: mark } } }, "ibkr_get_account_summary", {});
  expect(outputOf(summary)).toMatchObject({ summary: { NetLiquidation: { value: null } } });
  const values = outputOf(await altered({ 6: { fields: { 3: mark } } }, "ibkr_get_account_values", {}));
  expect(JSON.stringify(values["values"])).toContain('"value":null');
  expect(JSON.stringify(values)).not.toContain(mark);
});

test.for(marks)("a size or a volume written as %s is not known", async (mark) => {
  const { quotes } = outputOf(
    await altered({ 2: { fields: { 4: mark } } }, "ibkr_get_quotes", { symbols: ["MSFT"] }),
  );
  expect(quotes).toMatchObject([{ quote: { bid: expect.any(Number), volume: null } }]);
});

test("a bar, a tick and a level of the book lack what TWS has not set", async () => {
  // 17: id, number of bars, then date, open, high, low, close, volume, average, count of the first
  const bars = await altered(
    { 17: { fields: { 10: double, 11: double, 12: "-1" } } },
    "ibkr_get_historical_data",
    apple,
  );
  expect(firstOf(outputOf(bars)["bars"])).toMatchObject({ volume: null, wap: null, count: null });
});

test("a bar has no price where TWS writes -1 or a mark for one, and is not left out", async () => {
  // 6 to 9 are open, high, low and close of the first
  const barsWith = async (fields: Readonly<Record<number, string>>, input: Record<string, unknown>) =>
    outputOf(await altered({ 17: { fields } }, "ibkr_get_historical_data", input))["bars"];
  const bars = await barsWith({ 6: "-1", 7: double }, { symbol: "SPY", whatToShow: "BID" });
  const priced = expect.any(Number);
  expect(firstOf(bars)).toMatchObject({ open: null, high: null, low: priced, close: priced });
  // a yield may be below 0
  const yields = { conId: ibm2039, whatToShow: "YIELD_BID", barSize: "1 day", duration: "5 D" };
  expect(firstOf(await barsWith({ 6: "-1" }, yields))).toMatchObject({ open: -1, close: expect.any(Number) });
});

test.for(marks)("a coupon or a word of a scan written as %s is not known", async (mark) => {
  const coupon = { 18: { fields: { [couponPlace]: mark } } };
  const details = await altered(coupon, "ibkr_get_contract_details", { conId: ibm2039 });
  // TWS's description has it in words
  expect(outputOf(details)).toMatchObject({ bond: { coupon: 4.15 } });
  const scan = { 20: { fields: { [distancePlace]: mark } } };
  const input = { scanCode: "TOP_PERC_GAIN", numberOfRows: 1, withQuotes: false };
  const { results } = outputOf(await altered(scan, "ibkr_run_market_scanner", input));
  expect(results).toMatchObject([{ rank: 0, distance: null }]);
});

test.for(marks)("a multiplier or a strike of a chain written as %s is not told", async (mark) => {
  const chain = { 75: { fields: { 5: mark, [-1]: mark } } };
  const input = { underlyingConId: 265_598 };
  const { chains } = outputOf(await altered(chain, "ibkr_get_option_chain_params", input));
  expect(chains).toMatchObject(
    z
      .array(z.unknown())
      .parse(chains)
      .map(() => ({ multiplier: null })),
  );
  expect(JSON.stringify(chains)).not.toMatch(/e\+|2147483647/);
});

test("a market rule is not told with a step, or from a price, that TWS has not set", async () => {
  for (const place of [3, 4]) {
    const unset = { 93: { fields: { [place]: double } } };
    const answer = await altered(unset, "ibkr_get_market_rule", { marketRuleId: 26 });
    expect(errorOf(answer)).toMatchObject({ code: "tws_error" });
  }
});
