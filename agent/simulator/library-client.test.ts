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
import { type Simulator, startSimulator } from "./server.ts";

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

beforeEach(async () => {
  const offset = Date.parse("2026-11-20T15:30:00Z") - Date.now();
  simulator = await startSimulator({ seed: 7, now: () => Date.now() + offset });
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
});
afterEach(async () => {
  ib.disconnect();
  await simulator.close();
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
