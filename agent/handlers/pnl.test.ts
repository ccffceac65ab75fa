import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import { callBy, startHandlersFixture, trader } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

let fixture: HandlersFixture;
beforeEach(async () => {
  fixture = await startHandlersFixture({ simulator: { accounts: ["DU1234567", "DU7654321"] } });
});
afterEach(() => fixture.close());

const account = "DU1234567";
const aapl = 265_598;
const figures = { dailyPnL: expect.any(Number), unrealizedPnL: expect.any(Number), realizedPnL: 0 };

test("the profit of an account is TWS's own, and its updates are stopped", async () => {
  const result = await fixture.handlers.ibkr_get_pnl({ account }, callBy());

  expect(tools.ibkr_get_pnl.output.parse(result)).toMatchObject({ account, mode: "paper", ...figures });
  const { daily, unrealized } = fixture.simulator.world.ledger.pnl(account);
  expect(result.unrealizedPnL).toBeCloseTo(unrealized, -3);
  expect(result.dailyPnL).toBeCloseTo(daily, -3);
  await vi.waitFor(async () => expect(await fixture.received(93)).toHaveLength(1));
});

test("the profit of a holding comes with its size and value", async () => {
  const result = await fixture.handlers.ibkr_get_pnl_single({ account, conId: aapl }, callBy());

  expect(tools.ibkr_get_pnl_single.output.parse(result)).toMatchObject({
    account,
    mode: "paper",
    conId: aapl,
    position: 100,
    ...figures,
  });
  expect(result.value).toBeGreaterThan(0);
  await vi.waitFor(async () => expect(await fixture.received(95)).toHaveLength(1));
});

test("the profit of each holding today is against the close that its quote says", async () => {
  const positionsOf = async () => {
    const { positions } = await fixture.handlers.ibkr_get_positions({ account }, callBy());
    return positions;
  };
  const held = await positionsOf();
  const contracts = held.map(({ contract: { conId } }) => ({ conId }));
  const input = tools.ibkr_get_quotes.input.parse({ contracts });
  const { quotes } = await fixture.handlers.ibkr_get_quotes(input, callBy());

  expect(held.length).toBeGreaterThan(2);
  for (const [index, { position, dailyPnL }] of held.entries()) {
    const { last, close } = quotes[index]?.quote ?? {};
    if (last == null || close == null || dailyPnL === null) throw new Error("A figure is missing.");
    // the market moves a little between the two answers
    expect(Math.abs(dailyPnL - position * (last - close))).toBeLessThan(position * last * 0.002);
  }

  // whoever asks again has the figures without a message for each
  const asked = (await fixture.received(94)).length;
  expect(await positionsOf()).toHaveLength(held.length);
  expect(await fixture.received(94)).toHaveLength(asked);
});

test("a holding of which TWS tells no profit has null, and the others theirs", async () => {
  fixture.simulator.faults.reply("pnlSingle", { does: "ignore", times: 1 });
  const { positions } = await fixture.handlers.ibkr_get_positions({ account }, callBy());
  expect(positions.filter(({ dailyPnL }) => dailyPnL === null)).toHaveLength(1);
});

test("the profit of what is not held is unknown, not zero", async () => {
  const result = await fixture.handlers.ibkr_get_pnl_single({ account, conId: 12_345 }, callBy());

  expect(tools.ibkr_get_pnl_single.output.parse(result)).toMatchObject({
    position: 0,
    dailyPnL: null,
    unrealizedPnL: null,
    realizedPnL: null,
    value: null,
  });
});

test("the profit of an account is refused to strangers, for none of several, and without TWS", async () => {
  const stranger = callBy({ ...trader, accounts: ["DU7654321"] });
  await expect(fixture.handlers.ibkr_get_pnl({ account }, stranger)).rejects.toMatchObject({
    code: "forbidden",
  });
  await expect(fixture.handlers.ibkr_get_pnl({ account: "" }, callBy())).rejects.toMatchObject({
    code: "invalid_input",
  });
  await fixture.handlers.ibkr_disconnect({}, callBy());
  for (const asked of [
    fixture.handlers.ibkr_get_pnl({ account }, callBy()),
    fixture.handlers.ibkr_get_pnl_single({ account, conId: aapl }, callBy()),
  ]) {
    await expect(asked).rejects.toMatchObject({ code: "tws_offline" });
  }
});
