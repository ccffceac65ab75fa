import {
  BarSizeSetting,
  type Contract,
  EventName,
  IBApi,
  OrderAction,
  OrderType,
  SecType,
  WhatToShow,
} from "@stoqey/ib";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { type Simulator, startSimulator } from "./server.ts";

const Fill = z.tuple([
  z.unknown(),
  z.unknown(),
  z.object({ shares: z.number().optional(), price: z.number().optional() }),
]);
const stock: Contract = { symbol: "AAPL", secType: SecType.STK, exchange: "SMART", currency: "USD" };
const unprocessedCode = 505;

let simulator: Simulator;
let ib: IBApi;
const events: { readonly name: string; readonly args: readonly unknown[] }[] = [];
const errors: { readonly code: number; readonly id: number; readonly text: string }[] = [];

const named = (name: string) => events.filter((event) => event.name === name);
const count = (name: string): number => named(name).length;
const args = (name: string): readonly unknown[] => named(name)[0]?.args ?? [];

async function happened(name: EventName, times = 1): Promise<void> {
  await vi.waitFor(() => expect(count(name)).toBeGreaterThanOrEqual(times), { timeout: 10_000, interval: 5 });
}

async function connectTo(accounts: readonly string[]): Promise<void> {
  const offset = Date.parse("2026-11-20T15:30:00Z") - Date.now();
  simulator = await startSimulator({ seed: 7, accounts, now: () => Date.now() + offset });
  events.length = 0;
  errors.length = 0;
  ib = new IBApi({ host: "127.0.0.1", port: simulator.port, clientId: 1, maxReqPerSec: 500 });
  ib.on(
    EventName.all,
    (name: string, values: readonly unknown[]) => void events.push({ name, args: values }),
  );
  ib.on(EventName.error, (error, code, id) => void errors.push({ code, id, text: error.message }));
  ib.connect();
  await happened(EventName.nextValidId);
}

async function leave(): Promise<void> {
  ib.disconnect();
  await simulator.close();
}

beforeEach(() => connectTo(["DU1234567"]));
afterEach(async () => {
  await leave();
  const unprocessed = errors.find(({ code }) => code === unprocessedCode);
  if (unprocessed !== undefined) throw new Error(unprocessed.text);
});

describe("a library in use by many", () => {
  test("connects at its newest version and learns of accounts and farms", async () => {
    expect(ib.serverVersion).toBe(193);
    await happened(EventName.info, 3);
    expect(args(EventName.managedAccounts)).toEqual(["DU1234567"]);
  });

  test("resolves contracts, and gets no end after an unknown one", async () => {
    ib.reqContractDetails(1001, stock);
    ib.reqContractDetails(1002, { symbol: "NOSUCH", secType: SecType.STK });
    ib.reqContractDetails(1003, { symbol: "ES", secType: SecType.FUT });
    await happened(EventName.contractDetailsEnd, 2);
    expect(args(EventName.contractDetails)[1]).toMatchObject({
      contract: { conId: 265598, primaryExch: "NASDAQ" },
      minTick: 0.01,
      stockType: "COMMON",
      tradingHours: expect.stringMatching(/^\d{8}:\d{4}-\d{8}:\d{4};/),
    });
    expect(errors).toMatchObject([{ code: 200, id: 1002 }]);
    const ends = named(EventName.contractDetailsEnd).map((event) => event.args[0]);
    expect(ends).toEqual([1001, 1003]);
  });

  test("finds option chains, symbols and price rules", async () => {
    ib.reqSecDefOptParams(1001, "AAPL", "", SecType.STK, 265598);
    ib.reqMatchingSymbols(1002, "aapl");
    ib.reqMarketRule(26);
    ib.reqMarketRule(987_654);
    await happened(EventName.securityDefinitionOptionParameterEnd);
    await happened(EventName.symbolSamples);
    await happened(EventName.marketRule);
    await vi.waitFor(() => expect(events.some((event) => event.args[1] === 321)).toBe(true));
  });

  test("learns which venues have books", async () => {
    ib.reqMktDepthExchanges();
    await happened(EventName.mktDepthExchanges);
    expect(args(EventName.mktDepthExchanges)[0]).toEqual(
      expect.arrayContaining([
        { exchange: "NYSE", secType: "STK", listingExch: "", serviceDataType: "Deep2", aggGroup: undefined },
        { exchange: "CME", secType: "FUT", listingExch: "", serviceDataType: "Deep", aggGroup: undefined },
      ]),
    );
  });

  test("buys a coin for an amount of cash, and no share", async () => {
    const coin = { symbol: "BTC", secType: SecType.CRYPTO, exchange: "PAXOS", currency: "USD" };
    const order = { action: OrderAction.BUY, orderType: OrderType.MKT, totalQuantity: 0, cashQty: 1_000 };
    ib.placeOrder(1, coin, { ...order, tif: "IOC", transmit: true });
    await happened(EventName.execDetails);
    const [, , { shares = 0, price = 0 }] = Fill.parse(args(EventName.execDetails));
    expect(shares * price).toBeLessThanOrEqual(1_000);
    expect(shares * price).toBeGreaterThan(999.99);
    ib.placeOrder(2, stock, { ...order, transmit: true });
    await vi.waitFor(() => expect(errors).toMatchObject([{ code: 10_244, id: 2 }]));
  });

  test("has the clients of an advisor, and is told what an advisor's orders need", async () => {
    await leave();
    await connectTo(["DF1234567", "DU1111111", "DU2222222"]);
    ib.requestFA(1);
    ib.requestFA(3);
    await happened(EventName.receiveFA, 2);
    const [groups, aliases] = named(EventName.receiveFA).map((event) => String(event.args[1]));
    expect(groups).toMatch(/<name>All_Clients<\/name>.*DU1111111.*DU2222222.*<defaultMethod>Equal/);
    expect(aliases).toMatch(/<account>DU2222222<\/account><alias>Client 2<\/alias>/);
    const order = { action: OrderAction.BUY, orderType: OrderType.MKT, totalQuantity: 1, transmit: true };
    ib.placeOrder(1, stock, order);
    ib.placeOrder(2, stock, { ...order, faGroup: "All_Clients" });
    await vi.waitFor(() => expect(errors.map(({ code }) => code)).toEqual([435, 201]));
  });

  test("streams quotes and stops", async () => {
    ib.reqMktData(1001, stock, "233,236,165", false, false);
    await happened(EventName.tickString, 4);
    expect(simulator.subscriptions()).toBe(1);
    ib.cancelMktData(1001);
    await vi.waitFor(() => expect(simulator.subscriptions()).toBe(0));
    expect(errors).toEqual([]);
  });

  test("loads history, follows the account, and trades", async () => {
    ib.reqHistoricalData(1001, stock, "", "1 D", BarSizeSetting.HOURS_ONE, WhatToShow.TRADES, 1, 1, false);
    ib.reqAccountUpdates(true, "DU1234567");
    ib.reqPositions();
    ib.reqAccountSummary(1002, "All", "NetLiquidation");
    ib.reqPnL(1003, "DU1234567", "");
    ib.reqPnLSingle(1004, "DU1234567", "", 265598);
    await happened(EventName.accountDownloadEnd);
    await happened(EventName.pnlSingle);
    const buy = { action: OrderAction.BUY, totalQuantity: 5, transmit: true, orderRef: "lib" };
    ib.placeOrder(1, stock, { ...buy, orderType: OrderType.MKT });
    ib.placeOrder(2, stock, { ...buy, orderType: OrderType.LMT, lmtPrice: 50 });
    await happened(EventName.commissionReport);
    ib.cancelOrder(2, {});
    await vi.waitFor(() => expect(errors).toMatchObject([{ code: 202, id: 2 }]));
    ib.reqCompletedOrders(false);
    ib.reqAllOpenOrders();
    ib.reqExecutions(1005, {});
    await happened(EventName.completedOrdersEnd);
    await happened(EventName.openOrderEnd);
    await happened(EventName.execDetailsEnd);
    expect(count(EventName.completedOrder)).toBe(2);
    expect(count(EventName.execDetails)).toBe(2);
    expect(count(EventName.historicalData)).toBeGreaterThan(1);
  });
});
