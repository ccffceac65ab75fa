import { expect, test } from "vitest";
import type { Execution } from "../model/ledger.ts";
import type { World } from "../model/world.ts";
import { unit } from "../market/noise.ts";
import {
  testAccount,
  createFixture,
  instrumentOf,
  mondayMorning,
  query,
} from "../test-support/world.fixture.ts";

const value = (world: World, key: string, currency = "USD", account = testAccount) => {
  const found = world.ledger
    .accountValues(account)
    .find((row) => row.key === key && row.currency === currency);
  return Number(found?.value);
};
const cents = (amount: number) => Math.round(amount * 100);
const sum = (amounts: number[]) => amounts.reduce((total, amount) => total + cents(amount), 0);

/** Cash that a fill moves, in the currency of its price; what it costs is paid on top. */
const spent = ({ side, shares, price, order }: Execution) =>
  (side === "BOT" ? 1 : -1) * shares * price * (order.request.instrument.multiplier ?? 1);

test("starts with a million in cash and the stocks bought from it", () => {
  const { world } = createFixture();
  const positions = world.ledger.positions();
  expect(positions.map(({ instrument, quantity }) => [instrument.symbol, quantity])).toEqual([
    ["AAPL", 100],
    ["MSFT", 50],
    ["SPY", 200],
  ]);
  const cost = positions.reduce((total, { quantity, avgCost }) => total + quantity * avgCost, 0);
  expect(value(world, "TotalCashValue") + cost).toBeCloseTo(1_000_000, 2);
});

function checkSums(world: World) {
  const { ledger } = world;
  const positions = ledger.positions();
  const parts = ["TotalCashValue"].map((key) => value(world, key));
  const blocks = ["StockMarketValue", "OptionMarketValue", "FuturesPNL"].map((key) =>
    value(world, key, "BASE"),
  );
  expect(cents(value(world, "NetLiquidation"))).toBe(sum([...parts, ...blocks]));
  const of = (secType: string) => positions.filter(({ instrument }) => instrument.secType === secType);
  expect(cents(value(world, "StockMarketValue", "BASE"))).toBe(
    sum(of("STK").map((position) => position.marketValue)),
  );
  expect(cents(value(world, "OptionMarketValue", "BASE"))).toBe(
    sum(of("OPT").map((position) => position.marketValue)),
  );
  const gross = [...of("STK"), ...of("OPT")].map(({ marketValue }) => Math.abs(marketValue));
  expect(cents(value(world, "GrossPositionValue"))).toBe(sum(gross));
  const { daily, unrealized, realized } = ledger.pnl(testAccount);
  expect(cents(unrealized)).toBe(sum(positions.map((position) => position.unrealizedPnl)));
  expect(cents(value(world, "UnrealizedPnL", "BASE"))).toBe(cents(unrealized));
  expect(cents(value(world, "RealizedPnL", "BASE"))).toBe(cents(realized));
  const previous = value(world, "PreviousDayEquityWithLoanValue");
  expect(Number.isFinite(previous) && Number.isFinite(daily)).toBe(true);
  const available = value(world, "EquityWithLoanValue") - value(world, "InitMarginReq");
  expect(value(world, "AvailableFunds")).toBeCloseTo(available, 2);
  expect(value(world, "BuyingPower")).toBeCloseTo(Math.max(0, 4 * available), 1);
}

test.each([1, 2, 3])("keeps every sum to the cent through random trading (%s)", (round) => {
  const { world, place, pass } = createFixture(mondayMorning, { seed: round });
  const { ledger, universe } = world;
  const startCash = value(world, "TotalCashValue");
  const startUnrealized = ledger.pnl(testAccount).unrealized;
  const startNet = value(world, "NetLiquidation");
  const [call] = universe
    .find(query({ symbol: "SPY", secType: "OPT", expiration: "20261218", right: "C" }))
    .slice(20);
  const future = universe.listed.find(({ localSymbol }) => localSymbol === "ESZ6");
  const instruments = [265598, 272093, 4391, 13977].map((conId) => instrumentOf(world, conId));
  if (call === undefined || future === undefined) throw new Error("The option or the future is missing.");
  for (let step = 0; step < 120; step += 1) {
    const dice = (salt: number) => unit(round, step, salt);
    const pick = Math.floor(dice(1) * 6);
    const instrument = instruments[pick] ?? (pick === 4 ? call : future);
    const quantity = 1 + Math.floor(dice(2) * (instrument.secType === "STK" ? 150 : 3));
    place({ instrument, quantity, action: dice(3) < 0.5 ? "BUY" : "SELL", routing: instrument.exchange });
    pass(Math.floor(dice(4) * 20_000));
    if (step % 10 === 0) checkSums(world);
  }
  for (let step = 0; step < 50; step += 1) pass(1000);
  checkSums(world);

  const fills = ledger.executions();
  expect(fills.length).toBeGreaterThan(100);
  const futures = fills.filter(({ order }) => order.request.instrument.secType === "FUT");
  const settled = fills.filter(({ order }) => order.request.instrument.secType !== "FUT");
  const commissions = fills.reduce((total, { commission }) => total + commission, 0);
  // a future's gain reaches cash only when it is closed: until then it is FuturesPNL
  const cash = startCash - settled.reduce((total, fill) => total + spent(fill), 0) - commissions;
  const held = ledger.positions().find(({ instrument }) => instrument.secType === "FUT");
  const futuresGain = (held?.marketValue ?? 0) - futures.reduce((total, fill) => total + spent(fill), 0);
  expect(cents(value(world, "TotalCashValue"))).toBe(
    cents(cash + futuresGain - value(world, "FuturesPNL", "BASE")),
  );

  const realized = fills.reduce((total, { realizedPnl }) => total + (realizedPnl ?? 0), 0);
  expect(cents(ledger.pnl(testAccount).realized)).toBe(cents(realized));
  const { unrealized } = ledger.pnl(testAccount);
  expect(cents(value(world, "NetLiquidation") - startNet)).toBe(
    cents(realized + unrealized - startUnrealized),
  );
});

test("carries a position through zero: what closes is realized, what opens starts afresh", () => {
  const { world, place, heard } = createFixture();
  const ibm = instrumentOf(world, 8314);
  place({ instrument: ibm, quantity: 60 });
  place({ instrument: ibm, quantity: 100, action: "SELL" });
  const fills = heard().flatMap((event) => (event.type === "execution" ? [event.execution] : []));
  const [bought, sold] = fills;
  if (bought === undefined || sold === undefined) throw new Error("There were no fills.");
  // the commission of the sale is shared between the 60 that close and the 40 that open
  expect(bought.realizedPnl).toBeNull();
  expect(sold.realizedPnl).toBeCloseTo(60 * (sold.price - bought.price) - 1 - 0.6, 6);
  const position = world.ledger.positions().find(({ instrument }) => instrument.conId === 8314);
  expect(position).toMatchObject({ quantity: -40 });
  expect(position?.avgCost).toBeCloseTo((40 * sold.price - 0.4) / 40, 6);
  place({ instrument: ibm, quantity: 40 });
  expect(world.ledger.positions().some(({ instrument }) => instrument.conId === 8314)).toBe(false);
  expect(world.ledger.pnlSingle(testAccount, 8314)).toMatchObject({ position: 0, value: 0, unrealized: 0 });
});

test("averages cost over purchases, commissions included", () => {
  const { world, place, pass, heard } = createFixture();
  const ibm = instrumentOf(world, 8314);
  place({ instrument: ibm, quantity: 50 });
  pass(3_600_000);
  place({ instrument: ibm, quantity: 25 });
  const fills = heard().flatMap((event) => (event.type === "execution" ? [event.execution] : []));
  const cost = fills.reduce((total, { shares, price, commission }) => total + shares * price + commission, 0);
  const position = world.ledger.positions().find(({ instrument }) => instrument.conId === 8314);
  expect(position?.avgCost).toBeCloseTo(cost / 75, 6);
});

test("moves cash between currencies when a pair trades, and holds no position in it", () => {
  const { world, place, heard } = createFixture();
  place({ instrument: instrumentOf(world, 12087792), quantity: 25_000, routing: "IDEALPRO" });
  const [fill] = heard().flatMap((event) => (event.type === "execution" ? [event.execution] : []));
  expect(fill).toMatchObject({
    commission: 2,
    commissionCurrency: "USD",
    exchange: "IDEALPRO",
    realizedPnl: null,
  });
  expect(value(world, "CashBalance", "EUR")).toBe(25_000);
  expect(world.ledger.positions().every(({ instrument }) => instrument.secType === "STK")).toBe(true);
  const rate = value(world, "ExchangeRate", "EUR");
  const total = value(world, "CashBalance", "USD") + 25_000 * rate;
  expect(value(world, "TotalCashValue")).toBeCloseTo(total, 0);
  checkSums(world);
});

test("values a Canadian stock through the exchange rate", () => {
  const { world, place } = createFixture();
  place({ instrument: instrumentOf(world, 195014117), quantity: 100 });
  const position = world.ledger.positions().find(({ instrument }) => instrument.currency === "CAD");
  const rate = value(world, "ExchangeRate", "CAD");
  expect(rate).toBeLessThan(1);
  const others = world.ledger.positions().filter(({ instrument }) => instrument.currency === "USD");
  const expected =
    others.reduce((total, { marketValue }) => total + marketValue, 0) + (position?.marketValue ?? 0) * rate;
  expect(value(world, "StockMarketValue", "BASE")).toBeCloseTo(expected, 0);
  expect(value(world, "StockMarketValue", "CAD")).toBe(position?.marketValue);
  expect(value(world, "CashBalance", "CAD")).toBeLessThan(0);
});

test("starts a new day at midnight in New York, with nothing realized and nothing executed", () => {
  const { world, place, pass, moveTo } = createFixture();
  const { ledger, market } = world;
  place({ quantity: 10, action: "SELL" });
  const apple = instrumentOf(world, 265598);
  expect(ledger.pnlSingle(testAccount, 265598)?.realized).not.toBe(0);
  expect(ledger.executions()).toHaveLength(1);
  moveTo(Date.UTC(2026, 10, 24, 5));
  pass(0);
  expect(ledger.pnl(testAccount)).toMatchObject({ realized: 0 });
  expect(ledger.executions()).toEqual([]);
  expect(ledger.completedOrders()).toEqual([]);
  pass(3_600_000);
  const { last, close } = market.quote(apple, world.now());
  expect(ledger.pnlSingle(testAccount, 265598)?.daily).toBeCloseTo(90 * ((last ?? 0) - close), 2);
});

test("counts daily profit from the previous close, trades and commissions included", () => {
  const { world, place, pass, heard } = createFixture();
  place({ quantity: 50 });
  pass(7_200_000);
  place({ quantity: 120, action: "SELL" });
  const fills = heard().flatMap((event) => (event.type === "execution" ? [event.execution] : []));
  const apple = instrumentOf(world, 265598);
  const { last, close: start } = world.market.quote(apple, world.now());
  const now = last ?? 0;
  const flows = fills.reduce((total, fill) => total - spent(fill) - fill.commission, 0);
  expect(world.ledger.pnlSingle(testAccount, 265598)?.daily).toBeCloseTo(30 * now - 100 * start + flows, 2);
});

test("has the sign of the day's change where the market opens with a gap", () => {
  const { world, pass, moveTo } = createFixture();
  const held = { apple: 265598, microsoft: 272093, fund: 756733 };
  let gaps = 0;
  for (let day = 0; day < 12; day += 1) {
    // ten minutes after the opening bell
    moveTo(Date.UTC(2026, 10, 23 + day, 14, 40));
    pass(0);
    for (const conId of Object.values(held)) {
      const { last, close, open } = world.market.quote(instrumentOf(world, conId), world.now());
      const change = (last ?? 0) - close;
      if (Math.sign(change) !== Math.sign((last ?? 0) - open)) gaps += 1;
      expect(Math.sign(world.ledger.pnlSingle(testAccount, conId)?.daily ?? 0)).toBe(Math.sign(change));
    }
  }
  expect(gaps).toBeGreaterThan(0);
});

test("adds up to the account's profit what each position tells", () => {
  const { world, place, pass } = createFixture();
  place({ quantity: 120, action: "SELL" });
  pass(600_000);
  const singles = [265598, 272093, 756733].map((conId) => world.ledger.pnlSingle(testAccount, conId));
  const { daily, unrealized, realized } = world.ledger.pnl(testAccount);
  expect(cents(daily)).toBe(sum(singles.map((pnl) => pnl?.daily ?? 0)));
  expect(cents(unrealized)).toBe(sum(singles.map((pnl) => pnl?.unrealized ?? 0)));
  expect(cents(realized)).toBe(sum(singles.map((pnl) => pnl?.realized ?? 0)));
  expect(world.ledger.pnlSingle(testAccount, 8314)).toBeUndefined();
});

test("bills a future, an option and a stock by the broker's schedule", () => {
  const { world, place, heard } = createFixture();
  const [put] = world.universe
    .find(query({ symbol: "AAPL", secType: "OPT", expiration: "20261218", right: "P" }))
    .slice(20);
  const future = world.universe.listed.find(({ localSymbol }) => localSymbol === "ESZ6");
  if (put === undefined || future === undefined) throw new Error("The option or the future is missing.");
  place({ instrument: put, quantity: 3 });
  place({ instrument: future, quantity: 2 });
  place({ quantity: 300 });
  const fills = heard().flatMap((event) => (event.type === "execution" ? [event.execution] : []));
  const billed = new Map<string, number>();
  for (const { order, commission } of fills) {
    const { secType } = order.request.instrument;
    billed.set(secType, (billed.get(secType) ?? 0) + commission);
  }
  expect(Object.fromEntries(billed)).toEqual({ OPT: 1.95, FUT: 4.5, STK: 1.5 });
});
