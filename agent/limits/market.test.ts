import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TwsError } from "../../shared/errors.ts";
import type { Limits } from "./limits.ts";
import {
  account,
  brokenBy,
  proposed,
  request,
  specOf,
  startLimitsFixture,
  workingOrder,
} from "./limits.fixture.ts";
import type { LimitsFixture } from "./limits.fixture.ts";

let fixture: LimitsFixture;
beforeEach(async () => {
  fixture = await startLimitsFixture();
});
afterEach(async () => fixture.close());

const market = { orderType: "MKT", limitPrice: null } as const;
const errorOf = async (attempt: Promise<unknown>): Promise<TwsError> => {
  const error = await attempt.catch((thrown: unknown) => thrown);
  if (error instanceof TwsError) return error;
  throw new Error("It was not refused.", { cause: error });
};
const asked = (kind: number) => fixture.simulator.received().filter(({ id }) => id === kind).length;
const [reqMktData, reqAccountUpdates, reqAllOpenOrders, reqPnl] = [1, 6, 16, 92];

describe("an order in the currency of another country", () => {
  test("is valued by the rate of the account that holds it", async () => {
    const pair = await fixture.contract({ symbol: "EUR.USD" });
    const { signal } = new AbortController();
    await fixture.orderBook.place(specOf(pair, { ...market, quantity: 20_000 }), signal);
    const { ask } = fixture.quote(pair.conId);

    const yen = await fixture.contract({ symbol: "EUR.JPY" });
    const { guard } = fixture.withLimits({ orderValue: 1_000_000 });
    const { value, currency, valueText } = await guard.assess(
      [proposed(yen, { ...market, quantity: 10_000 })],
      request(),
    );

    expect(currency).toBe("USD");
    expect(value).toBeCloseTo(10_000 * ask, -2);
    expect(valueText).toMatch(/^about 1\d,\d{3}\.\d\d USD$/);
  });

  test("is valued by the market where the account holds nothing in it, at the edge too", async () => {
    const yen = await fixture.contract({ symbol: "EUR.JPY" });
    const { ask } = fixture.quote((await fixture.contract({ symbol: "EUR.USD" })).conId);
    const worth = Math.ceil(10_000 * ask * 100) / 100;
    const outcome = (orderValue: number) =>
      brokenBy(() =>
        fixture
          .withLimits({ orderValue })
          .guard.assess([proposed(yen, { ...market, quantity: 10_000 })], request()),
      );
    expect(await outcome(worth + 0.01)).toBe("within");
    expect(await outcome(worth)).toBe("within");
    expect(await outcome(worth - 0.01)).toBe("LIMIT_ORDER_VALUE");
  });

  test("is valued by the pair the other way round", async () => {
    const { bid } = fixture.quote((await fixture.contract({ symbol: "USD.JPY" })).conId);
    const money = await fixture.money(account, request());
    expect(await money.rateOf("JPY")).toBeCloseTo(1 / bid, 8);
    expect(await money.rateOf("USD")).toBe(1);
    expect(await money.rateOf("XXX")).toBeNull();
  });

  test("is refused while neither has a rate", async () => {
    const yen = await fixture.contract({ symbol: "EUR.JPY" });
    fixture.simulator.faults.permissions({ quotes: "none" });
    const { guard } = fixture.withLimits({ dayValue: 1_000_000 });
    const error = await errorOf(guard.assess([proposed(yen, market)], request()));
    expect(error.toBody()).toMatchObject({
      code: "trading_refused",
      message:
        "LIMIT_DAY_VALUE cannot be checked, so the order is refused: TWS gives no rate from JPY to USD.",
      limit: { name: "LIMIT_DAY_VALUE", limit: "1,000,000.00" },
    });
  });
});

describe("a limit that needs a price", () => {
  test.each([
    ["LIMIT_ORDER_VALUE", { orderValue: 1_000 }, market],
    ["APPROVAL_ABOVE", { approvalAbove: 1_000 }, market],
    ["LIMIT_PRICE_DISTANCE", { priceDistancePercent: 5 }, {}],
  ] as const)("refuses while there is none: %s", async (name, limits, terms) => {
    const apple = await fixture.contract({ symbol: "AAPL" });
    fixture.simulator.faults.permissions({ quotes: "none" });
    const error = await errorOf(fixture.withLimits(limits).guard.assess([proposed(apple, terms)], request()));
    expect(error.code).toBe("trading_refused");
    expect(error.message).toContain(`${name} cannot be checked`);
    expect(error.detail.limit?.name).toBe(name);
  });

  test("says to try again while TWS sends nothing", async () => {
    const apple = await fixture.contract({ symbol: "AAPL" });
    fixture.simulator.faults.silence(["AAPL"], true);
    const { guard } = fixture.withLimits({ priceDistancePercent: 5 });
    const error = await errorOf(guard.assess([proposed(apple)], { ...request(), timeoutMs: 300 }));
    expect(error.toBody()).toMatchObject({ code: "timeout", retryable: true });
    expect(error.message).toContain("LIMIT_PRICE_DISTANCE cannot be checked");
  });

  test("passes on that there is no session", async () => {
    const apple = await fixture.contract({ symbol: "AAPL" });
    const { guard } = fixture.withLimits({ orderValue: 1_000 });
    fixture.session.stop();
    expect((await errorOf(guard.assess([proposed(apple)], request()))).code).toBe("tws_offline");
  });

  test("counts delayed quotes", async () => {
    const apple = await fixture.contract({ symbol: "AAPL" });
    fixture.simulator.faults.permissions({ quotes: "delayed" });
    const { guard } = fixture.withLimits({ orderValue: 100_000 });
    const { value } = await guard.assess([proposed(apple, market)], request());
    expect(value).toBeGreaterThan(1_000);
  });
});

test("an order that no limit needs figures for asks TWS for none", async () => {
  const apple = await fixture.contract({ symbol: "AAPL" });
  const before = [reqMktData, reqAccountUpdates, reqAllOpenOrders, reqPnl].map(asked);
  const { guard, reserve } = fixture.withLimits({
    symbols: ["AAPL"],
    orderQuantity: 10,
    orderTypes: ["MKT"],
    secTypes: ["STK"],
  });
  const assessment = await guard.assess([proposed(apple, market)], request());
  reserve(assessment);
  expect(assessment).toMatchObject({ value: null, currency: null, valueText: "", orders: 1 });
  expect([reqMktData, reqAccountUpdates, reqAllOpenOrders, reqPnl].map(asked)).toEqual(before);
});

test("an order without a price of its own is at no distance from the market", async () => {
  const apple = await fixture.contract({ symbol: "AAPL" });
  const before = asked(reqMktData);
  const { guard } = fixture.withLimits({ priceDistancePercent: 1 });
  await guard.assess([proposed(apple, market)], request());
  expect(asked(reqMktData)).toBe(before);
});

test("stops, trailing amounts and limits beyond a stop are held to the distance as limits are", async () => {
  const apple = await fixture.contract({ symbol: "AAPL" });
  const { ask, bid } = fixture.quote(apple.conId);
  const middle = (ask + bid) / 2;
  const { guard } = fixture.withLimits({ priceDistancePercent: 5 });
  const outcome = (terms: Parameters<typeof proposed>[1]) =>
    brokenBy(() => guard.assess([proposed(apple, { limitPrice: null, ...terms })], request()));
  const cases = [
    { orderType: "STP", auxPrice: middle * 1.04 },
    { orderType: "STP LMT", auxPrice: middle * 1.03, limitPrice: middle * 1.04 },
    { orderType: "TRAIL", auxPrice: middle * 0.04 },
    { orderType: "TRAIL LIMIT", auxPrice: 1, trailStopPrice: middle * 1.03, limitOffset: middle * 0.01 },
    { orderType: "REL", auxPrice: 0.01, limitPrice: middle * 1.04 },
    { orderType: "REL", auxPrice: middle * 0.04 },
  ] as const;
  for (const terms of cases) {
    expect(await outcome(terms)).toBe("within");
    const further = Object.fromEntries(
      Object.entries(terms).map(([key, value]) => [
        key,
        typeof value === "number" ? value + middle * 0.03 : value,
      ]),
    );
    expect(await outcome({ ...terms, ...further })).toBe("LIMIT_PRICE_DISTANCE");
  }
});

test("a limit beyond a trailing stop is held to the distance by itself", async () => {
  const apple = await fixture.contract({ symbol: "AAPL" });
  const { ask, bid } = fixture.quote(apple.conId);
  const middle = (ask + bid) / 2;
  const { guard } = fixture.withLimits({ priceDistancePercent: 5 });
  const outcome = (limitOffset: number) => {
    const terms = { orderType: "TRAIL LIMIT", limitPrice: null, auxPrice: 1, limitOffset } as const;
    return brokenBy(() =>
      guard.assess([proposed(apple, { ...terms, trailStopPrice: middle * 1.04 })], request()),
    );
  };
  expect(await outcome(middle * 0.009)).toBe("within");
  expect(await outcome(middle * 0.011)).toBe("LIMIT_PRICE_DISTANCE");
});

test("the exits of a bracket may be as far away as they like, and only the entry has a value", async () => {
  const apple = await fixture.contract({ symbol: "AAPL" });
  const { ask } = fixture.quote(apple.conId);
  const { guard } = fixture.withLimits({ priceDistancePercent: 5, orderValue: 10 * ask, dayValue: 10 * ask });
  const entry = proposed(apple, { limitPrice: ask });
  const takeProfit = proposed(apple, { action: "SELL", limitPrice: ask * 2 }, { isExit: true });
  const stop = { action: "SELL", orderType: "STP", limitPrice: null, auxPrice: ask / 2 } as const;
  const stopLoss = proposed(apple, stop, { isExit: true });

  const assessment = await guard.assess([entry, takeProfit, stopLoss], request());

  expect(assessment).toMatchObject({ orders: 3, messages: 3, value: expect.closeTo(10 * ask, 1) });
  expect(assessment.parts.map(({ value }) => value)).toEqual([assessment.value, 0, 0]);
  const far = [entry, takeProfit, proposed(apple, stop)];
  expect(await brokenBy(() => guard.assess(far, request()))).toBe("LIMIT_PRICE_DISTANCE");
});

test("an exit that is made larger than its entry is checked and counted as an opening order", async () => {
  const fund = await fixture.contract({ symbol: "SPY" });
  const { signal } = new AbortController();
  const { ask } = fixture.quote(fund.conId);
  const far = Math.round(ask * 2);
  const exit = specOf(fund, { action: "SELL", quantity: 1, limitPrice: far });
  const stop = { ...exit, orderType: "STP", limitPrice: null, auxPrice: Math.round(ask / 2) } as const;
  const placed = await fixture.orderBook.placeBracket(
    { entry: specOf(fund, { ...market, quantity: 1 }), takeProfit: exit, stopLoss: stop },
    signal,
  );
  const change = async (quantity: number, limits: Partial<Limits>) => {
    const { spec, order } = await fixture.orderBook.changed(
      placed.takeProfit.orderId,
      { quantity },
      request(),
    );
    const { guard } = fixture.withLimits(limits);
    return guard.assess([{ spec, changes: order, isExit: true }], request());
  };
  const three = 3 * far;
  expect(await brokenBy(() => change(1, { priceDistancePercent: 5 }))).toBe("within");
  expect(await brokenBy(() => change(4, { priceDistancePercent: 5 }))).toBe("LIMIT_PRICE_DISTANCE");
  expect(await change(4, { orderValue: three, dayValue: three })).toMatchObject({
    value: three,
    wholeValue: three,
  });
  expect(await brokenBy(() => change(4, { orderValue: three - 1 }))).toBe("LIMIT_ORDER_VALUE");
});

test("a change that only shrinks its order passes the limits of value that it is beyond already", async () => {
  const apple = await fixture.contract({ symbol: "AAPL" });
  const { guard, reserve } = fixture.withLimits({ orderValue: 500, dayValue: 500 });
  const changes = workingOrder(specOf(apple));
  const outcome = (terms: Parameters<typeof proposed>[1]) =>
    brokenBy(async () => reserve(await guard.assess([proposed(apple, terms, { changes })], request())));
  expect(await outcome({ quantity: 9 })).toBe("within");
  expect(await outcome({ limitPrice: 99 })).toBe("within");
  expect(await outcome({ limitPrice: 101 })).toBe("LIMIT_ORDER_VALUE");
});

test("the day begins at midnight, and what was spent before it is forgotten", async () => {
  const apple = await fixture.contract({ symbol: "AAPL" });
  const noon = new Date(2026, 10, 20, 12).getTime();
  let now = noon;
  const { guard, reserve } = fixture.withLimits({ dayValue: 1_000 }, () => now);
  const buy = () => brokenBy(async () => reserve(await guard.assess([proposed(apple)], request())));
  expect(guard.dayBegan()).toBe(new Date(2026, 10, 20).getTime());
  expect(await buy()).toBe("within");
  now = new Date(2026, 10, 20, 23, 59, 59).getTime();
  expect(await buy()).toBe("LIMIT_DAY_VALUE");
  now = new Date(2026, 10, 21).getTime();
  expect(await buy()).toBe("within");
});

test("the minute passes, and says so in a refusal", async () => {
  const apple = await fixture.contract({ symbol: "AAPL" });
  let now = Date.now();
  const { guard, reserve } = fixture.withLimits({ ordersPerMinute: 1 }, () => now);
  const buy = async () => reserve(await guard.assess([proposed(apple)], request()));
  await buy();
  expect((await errorOf(buy())).toBody()).toMatchObject({
    code: "trading_refused",
    retryable: true,
    retryAfterMs: 60_000,
    limit: { name: "LIMIT_ORDERS_PER_MINUTE", limit: "1", asked: "2" },
  });
  now += 59_999;
  expect(await brokenBy(buy)).toBe("LIMIT_ORDERS_PER_MINUTE");
  now += 2;
  expect(await brokenBy(buy)).toBe("within");
});

test("working orders count whoever placed them, and those that are about to be sent", async () => {
  const apple = await fixture.contract({ symbol: "AAPL" });
  const { signal } = new AbortController();
  const working = await fixture.orderBook.place(specOf(apple, { limitPrice: 1, orderRef: "a" }), signal);
  const { guard, journal, reserve } = fixture.withLimits({ openOrders: 2 });
  const buy = async () => reserve(await guard.assess([proposed(apple)], request()));

  const id = await buy();
  expect(await brokenBy(buy)).toBe("LIMIT_OPEN_ORDERS");
  // it may be at TWS
  journal.sending(id);
  journal.markUnknown(id, new TwsError("outcome_unknown", "Only a test."));
  expect(await brokenBy(buy)).toBe("LIMIT_OPEN_ORDERS");
  journal.markAbsent(id, new TwsError("order_rejected", "Only a test."));
  expect(await brokenBy(buy)).toBe("within");
  expect(await brokenBy(buy)).toBe("LIMIT_OPEN_ORDERS");

  const change = proposed(apple, { quantity: 9 }, { changes: working });
  expect(await brokenBy(async () => reserve(await guard.assess([change], request())))).toBe("within");
  await fixture.orderBook.cancel(working.orderId, request());
  expect(await brokenBy(buy)).toBe("within");
});

describe("the owner's approval is needed", () => {
  const reasonOf = async (limits: Partial<Limits>, terms: Parameters<typeof proposed>[1] = {}) => {
    const apple = await fixture.contract({ symbol: "AAPL" });
    const { guard } = fixture.withLimits(limits);
    const assessment = await guard.assess([proposed(apple, terms)], request());
    return guard.approvalReason(assessment, 0);
  };
  test.each([
    [{ approval: "never" }, account, null],
    [{ approval: "live" }, account, null],
    [{ approval: "live" }, "U1234567", "The owner approves every order in a live account."],
    [{ approval: "never" }, "U1234567", null],
    [{ approval: "always" }, account, "The owner approves every order of this TWS host."],
    [{ approval: "never", approvalAbove: 1_000.01 }, account, null],
    [{ approval: "never", approvalAbove: 1_000 }, account, null],
    [
      { approval: "never", approvalAbove: 999.99 },
      account,
      "The owner approves orders of more than 999.99 USD.",
    ],
  ] as const)("under %j for an order of 1,000 in %s: %s", async (limits, of, expected) => {
    expect(await reasonOf(limits, { account: of })).toBe(expected);
  });

  test("for all that an order comes to when a change adds a little to it", async () => {
    const apple = await fixture.contract({ symbol: "AAPL" });
    const { guard } = fixture.withLimits({ approvalAbove: 1_000 });
    const reason = async (terms: Parameters<typeof proposed>[1]) => {
      const changes = workingOrder(specOf(apple));
      return guard.approvalReason(await guard.assess([proposed(apple, terms, { changes })], request()), 0);
    };
    expect(await reason({ limitPrice: 100.01 })).toContain("more than 1,000.00 USD");
    expect(await reason({ limitPrice: 99.99 })).toBeNull();
  });

  test("for the sum of a basket", async () => {
    const apple = await fixture.contract({ symbol: "AAPL" });
    const { guard } = fixture.withLimits({ approvalAbove: 1_999.99 });
    const both = await guard.assess([proposed(apple), proposed(apple)], request());
    expect(guard.approvalReason(both, 0)).toContain("more than 1,999.99 USD");
    const [first] = both.parts;
    expect(first && guard.approvalReason(first, 0)).toBeNull();
  });
});

describe("a preview", () => {
  test("tells every limit that is set, what the order comes to, and whether it needs approval", async () => {
    const apple = await fixture.contract({ symbol: "AAPL" });
    const { guard, reserve } = fixture.withLimits({
      trading: "paper",
      accounts: [account],
      symbols: ["AAPL"],
      orderValue: 999,
      dayValue: 5_000,
      openOrders: 5,
      approvalAbove: 500,
    });
    reserve(await guard.assess([proposed(apple, { quantity: 5 })], request()));

    expect(await guard.describe([proposed(apple)], "grant", request())).toEqual({
      value: "about 1,000.00 USD",
      limits: [
        { name: "TRADING", limit: "paper", asked: "paper account", ok: true },
        { name: "LIMIT_ACCOUNTS", limit: account, asked: account, ok: true },
        { name: "LIMIT_SYMBOLS", limit: "AAPL", asked: "AAPL", ok: true },
        { name: "LIMIT_ORDER_VALUE", limit: "999.00 USD", asked: "1,000.00 USD", ok: false },
        { name: "LIMIT_DAY_VALUE", limit: "5,000.00 USD", asked: "1,500.00 USD", ok: true },
        { name: "LIMIT_ORDERS_PER_MINUTE", limit: "120", asked: "2", ok: true },
        { name: "LIMIT_OPEN_ORDERS", limit: "5", asked: "2", ok: true },
      ],
      approval: "The owner approves orders of more than 500.00 USD.",
    });
  });

  test("tells the value though no limit needs it, and what cannot be known", async () => {
    const apple = await fixture.contract({ symbol: "AAPL" });
    expect(await fixture.withLimits({}).guard.describe([proposed(apple)], "grant", request())).toMatchObject({
      value: "about 1,000.00 USD",
      approval: null,
    });
    fixture.simulator.faults.permissions({ quotes: "none" });
    const order = proposed(apple, market);
    expect(
      await fixture.withLimits({ dayValue: 5_000 }).guard.describe([order], "grant", request()),
    ).toMatchObject({
      value: "not known",
      limits: [
        { name: "TRADING", ok: true },
        {
          name: "LIMIT_DAY_VALUE",
          limit: "5,000.00",
          asked: expect.stringContaining("not known"),
          ok: false,
        },
        { name: "LIMIT_ORDERS_PER_MINUTE", ok: true },
      ],
    });
  });
});

test("an account that is not traded is refused whoever asks", async () => {
  const apple = await fixture.contract({ symbol: "AAPL" });
  const outcome = (limits: Partial<Limits>, of = account) =>
    brokenBy(() => fixture.withLimits(limits).guard.assess([proposed(apple, { account: of })], request()));
  expect(await outcome({ trading: "off" })).toBe("TRADING");
  expect(await outcome({ trading: "paper" }, "U1234567")).toBe("TRADING");
  expect(await outcome({ onlyAccount: "DU7654321" })).toBe("TWS_PAPER_ACCOUNT");
  expect(await outcome({ accounts: ["DU7654321"] })).toBe("LIMIT_ACCOUNTS");
  expect(await outcome({ accounts: ["DU7654321", account] })).toBe("within");
});
