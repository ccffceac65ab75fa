import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ContractSelector } from "../../../shared/contract.ts";
import { TwsError } from "../../../shared/errors.ts";
import { startSimulator } from "../../simulator/server.ts";
import type { Simulator } from "../../simulator/server.ts";
import type { TwsSession } from "../session/api.ts";
import { contractDetails, forgetContract, resolveContract } from "./contracts.ts";
import { dial, within } from "../test-support/session.fixture.ts";

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

const asked = (id: number): number => sim.received().filter((message) => message.id === id).length;

test("resolves a US stock by its symbol alone, with everything TWS knows of it", async () => {
  const [details] = await contractDetails(session, { symbol: "AAPL" }, within(2_000));
  expect(details).toMatchObject({
    contract: {
      conId: 265598,
      symbol: "AAPL",
      secType: "STK",
      exchange: "SMART",
      primaryExchange: "NASDAQ",
      currency: "USD",
      expiration: null,
      strike: null,
      right: null,
      multiplier: null,
    },
    longName: "APPLE INC",
    timeZoneId: "US/Eastern",
    minTick: 0.01,
  });
  expect(details?.validExchanges.length).toBe(details?.marketRuleIds.length);
});

test("resolves a currency pair, an index, a future and an option", async () => {
  const eur = await resolveContract(session, { symbol: "EUR.USD" }, within(2_000));
  expect(eur).toMatchObject({ secType: "CASH", symbol: "EUR", currency: "USD", exchange: "IDEALPRO" });
  const index = await resolveContract(session, { symbol: "SPX", secType: "IND" }, within(2_000));
  expect(index).toMatchObject({ secType: "IND", exchange: "CBOE" });
  const [series] = await contractDetails(session, { symbol: "ES", secType: "FUT" }, within(2_000));
  const { localSymbol, expiration } = series?.contract ?? {};
  expect(expiration).toMatch(/^\d{8}$/);
  const future = await resolveContract(
    session,
    { localSymbol: localSymbol ?? "", secType: "FUT" },
    within(2_000),
  );
  expect(future).toMatchObject({ symbol: "ES", expiration, multiplier: 50 });
});

test("answers what TWS does not know with unknown_contract", async () => {
  await expect(resolveContract(session, { symbol: "NOPE" }, within(2_000))).rejects.toMatchObject({
    code: "unknown_contract",
    message: "TWS knows no single instrument for NOPE STK SMART USD.",
    detail: { tws: { code: 200 } },
  });
});

test("never picks one of several, but lists them", async () => {
  const failure: unknown = await resolveContract(
    session,
    { symbol: "ES", secType: "FUT", exchange: "CME" },
    within(2_000),
  ).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(TwsError);
  if (!(failure instanceof TwsError)) return;
  expect(failure.code).toBe("ambiguous_contract");
  const { candidates = [] } = failure.detail;
  expect(candidates.length).toBeGreaterThan(1);
  expect(candidates[0]).toMatchObject({ symbol: "ES", secType: "FUT", exchange: "CME", strike: null });
  const conIds = candidates.map(({ conId }) => conId);
  expect(new Set(conIds).size).toBe(conIds.length);
  expect(Object.keys(candidates[0] ?? {})).toEqual([
    "conId",
    "symbol",
    "secType",
    "exchange",
    "primaryExchange",
    "currency",
    "localSymbol",
    "expiration",
    "strike",
    "right",
  ]);
});

test("refuses a selector that names nothing, without asking TWS", async () => {
  await expect(contractDetails(session, { secType: "STK" }, within(2_000))).rejects.toMatchObject({
    code: "invalid_input",
  });
  expect(asked(9)).toBe(0);
});

test("asks TWS once for the same instrument, by symbol or by conId, until it is forgotten", async () => {
  await resolveContract(session, { symbol: "AAPL" }, within(2_000));
  await resolveContract(session, { symbol: "AAPL" }, within(2_000));
  await resolveContract(session, { conId: 265598 }, within(2_000));
  expect(asked(9)).toBe(1);
  forgetContract(session, 265598);
  await resolveContract(session, { conId: 265598 }, within(2_000));
  expect(asked(9)).toBe(2);
});

test("asks again after a day, since hours and tick sizes change", async () => {
  await resolveContract(session, { symbol: "AAPL" }, within(2_000));
  vi.spyOn(Date, "now").mockReturnValue(Date.now() + 86_400_001);
  await resolveContract(session, { symbol: "AAPL" }, within(2_000));
  vi.restoreAllMocks();
  expect(asked(9)).toBe(2);
});

test("keeps the last option chains, and knows their contracts by conId too", async () => {
  const chain = (terms: Pick<ContractSelector, "right" | "multiplier">) =>
    contractDetails(session, { symbol: "AAPL", secType: "OPT", ...terms }, within(5_000));
  const [one, two, three, four] = [{}, { right: "C" }, { right: "P" }, { multiplier: 100 }] as const;
  const found = await chain(one);
  expect(found.length).toBeGreaterThan(100);
  expect(await chain(one)).toBe(found);
  const conId = found[7]?.contract.conId ?? 0;
  expect(await contractDetails(session, { conId }, within(2_000))).toEqual([found[7]]);
  expect(asked(9)).toBe(1);

  await chain(two);
  await chain(three);
  await chain(four);
  expect(asked(9)).toBe(4);
  // the oldest had to make room
  await chain(one);
  expect(asked(9)).toBe(5);
  forgetContract(session, conId);
  await chain(one);
  expect(asked(9)).toBe(6);
});

test("does not take the venue that a chain was asked for as that of a conId", async () => {
  const asked = { symbol: "AAPL", secType: "OPT", exchange: "CBOE" } as const;
  const [first, ...others] = await contractDetails(session, asked, within(5_000));
  expect(first?.contract.exchange).toBe("CBOE");
  expect(others.length).toBeGreaterThan(100);
  const conId = first?.contract.conId ?? 0;
  expect(await resolveContract(session, { conId }, within(2_000))).toMatchObject({ exchange: "SMART" });
});

test.for([
  ["BRK.B", "BRK B"],
  ["BRK/B", "BRK B"],
  ["BRK-B", "BRK B"],
  ["BRKB", "BRK B"],
  ["US0378331005", "AAPL"],
  ["037833100", "AAPL"],
] as const)("knows %s as the share that TWS calls %s", async ([symbol, called]) => {
  expect(await resolveContract(session, { symbol }, within(2_000))).toMatchObject({
    symbol: called,
    secType: "STK",
  });
  const before = asked(9);
  await resolveContract(session, { symbol }, within(2_000));
  expect(asked(9)).toBe(before);
});

test("looks in the currency of the venue that is named, as a route or as the listing", async () => {
  for (const selector of [{ exchange: "TSE" }, { primaryExchange: "TSE" }])
    expect(await resolveContract(session, { symbol: "RY", ...selector }, within(2_000))).toMatchObject({
      currency: "CAD",
      primaryExchange: "TSE",
    });
  expect(await resolveContract(session, { symbol: "RY" }, within(2_000))).toMatchObject({ currency: "USD" });
});

test("lists what an id is listed as in several countries, and takes the one in the currency that is given", async () => {
  const shopify = { symbol: "CA82509L1076" };
  await expect(resolveContract(session, shopify, within(2_000))).rejects.toMatchObject({
    code: "ambiguous_contract",
    detail: { candidates: [{ currency: "USD" }, { currency: "CAD" }] },
  });
  const inDollars = await resolveContract(session, { ...shopify, currency: "USD" }, within(2_000));
  expect(inDollars).toMatchObject({ symbol: "SHOP", primaryExchange: "NASDAQ" });
  const bySecId = { secIdType: "ISIN", secId: "CA82509L1076", currency: "CAD" } as const;
  expect(await resolveContract(session, bySecId, within(2_000))).toMatchObject({ primaryExchange: "TSE" });
});

test("knows a pair of a coin from one of currencies", async () => {
  for (const symbol of ["BTC.USD", "BTC-USD", "BTCUSD"])
    expect(await resolveContract(session, { symbol }, within(2_000))).toMatchObject({
      symbol: "BTC",
      secType: "CRYPTO",
      exchange: "PAXOS",
    });
  expect(await resolveContract(session, { symbol: "EURUSD" }, within(2_000))).toMatchObject({
    symbol: "EUR",
    secType: "CASH",
  });
});

test("names the pair that TWS has the other way round", async () => {
  await expect(resolveContract(session, { symbol: "USD.EUR" }, within(2_000))).rejects.toMatchObject({
    code: "unknown_contract",
    message: expect.stringContaining("EUR.USD"),
    detail: {
      nextStep: expect.stringContaining("to buy USD is to sell EUR.USD"),
      candidates: [{ symbol: "EUR" }],
    },
  });
});

test("a continuous future is the one that leads, and does not take its place under the conId", async () => {
  const continuous = await resolveContract(session, { symbol: "ES", secType: "CONTFUT" }, within(2_000));
  expect(continuous).toMatchObject({ secType: "CONTFUT", exchange: "CME" });
  const { conId } = continuous;
  expect(await resolveContract(session, { conId }, within(2_000))).toMatchObject({ secType: "FUT", conId });
  const all = await contractDetails(session, { symbol: "ES", secType: "FUT+CONTFUT" }, within(2_000));
  const types = all.map(({ contract }) => contract.secType);
  expect(new Set(types)).toEqual(new Set(["FUT", "CONTFUT"]));
});

test("a conId that SMART does not route is found at its own venue", async () => {
  const [future] = await contractDetails(session, { symbol: "ES", secType: "FUT" }, within(2_000));
  const conId = future?.contract.conId ?? 0;
  expect(await resolveContract(session, { conId, exchange: "SMART" }, within(2_000))).toMatchObject({
    conId,
    exchange: "CME",
  });
});
