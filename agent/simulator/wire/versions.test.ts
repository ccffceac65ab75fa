import { Decoder } from "@stoqey/ib/dist/core/io/decoder.js";
import { Encoder } from "@stoqey/ib/dist/core/io/encoder.js";
import { BarSizeSetting, OptionType, OrderAction, OrderType, SecType, WhatToShow } from "@stoqey/ib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newestVersion, oldestVersion } from "./handshake.ts";
import {
  errorMessage,
  message,
  type RawClient,
  startedClient,
  tokenFields,
} from "../test-support/raw-client.fixture.ts";
import { type Simulator, startSimulator } from "../server.ts";
import { readStrictly } from "../test-support/message-layouts.fixture.ts";

const versions = Array.from(
  { length: newestVersion - oldestVersion + 1 },
  (_, index) => oldestVersion + index,
);
const account = "DU1234567";
const stock = { symbol: "AAPL", secType: SecType.STK, exchange: "SMART", currency: "USD" };
const future = { symbol: "ES", secType: SecType.FUT, exchange: "CME", currency: "USD" };
const pair = { symbol: "EUR", secType: SecType.CASH, exchange: "IDEALPRO", currency: "USD" };
const bond = { symbol: "459200KB6", secType: SecType.BOND, exchange: "SMART", currency: "USD" };
const option = {
  symbol: "AAPL",
  secType: SecType.OPT,
  exchange: "SMART",
  currency: "USD",
  lastTradeDateOrContractMonth: "20261218",
  right: OptionType.Call,
};
const futureOption = {
  symbol: "ES",
  secType: SecType.FOP,
  exchange: "CME",
  currency: "USD",
  lastTradeDateOrContractMonth: "20261218",
  tradingClass: "ES",
  strike: 6700,
  right: OptionType.Put,
};

let simulator: Simulator;
beforeAll(async () => {
  // a Friday morning in New York that goes on from there.
  const offset = Date.parse("2026-11-20T15:30:00Z") - Date.now();
  simulator = await startSimulator({ seed: 7, now: () => Date.now() + offset, maxMessagesPerSecond: 10_000 });
});
afterAll(() => simulator.close());

/** Writes requests as a widely used client does at this version. */
function encoderFor(client: RawClient, serverVersion: number): Encoder {
  return new Encoder({
    serverVersion,
    sendMsg(...tokens) {
      client.send(...tokenFields(tokens));
    },
    emitError(text) {
      throw new Error(text);
    },
  });
}

/** What that client finds wrong with the messages it receives. */
function complaints(messages: readonly (readonly string[])[], serverVersion: number): string[] {
  const found: string[] = [];
  const decoder = new Decoder({
    serverVersion,
    emitEvent: () => undefined,
    emitInfo: () => undefined,
    emitError(text, code) {
      if (code === 505) found.push(text);
    },
  });
  for (const fields of messages) {
    // the library never reads the advisor profile which completed orders carry before 177.
    if (fields[0] === "101" && serverVersion < 177) continue;
    decoder.enqueueMessage([...fields]);
    decoder.process();
  }
  return found;
}

function askEverything(encoder: Encoder, strike: number): void {
  encoder.reqContractDetails(1001, stock);
  encoder.reqContractDetails(1002, future);
  encoder.reqContractDetails(1003, pair);
  encoder.reqContractDetails(1004, { ...option, strike });
  encoder.reqContractDetails(1005, { ...stock, symbol: "NOSUCH" });
  encoder.reqContractDetails(1036, bond);
  encoder.reqContractDetails(1037, futureOption);
  encoder.reqMktData(1038, futureOption, "", true, false);
  encoder.calculateOptionPrice(1039, futureOption, 0.2, 6650, []);
  encoder.reqMatchingSymbols(1006, "A");
  encoder.reqSecDefOptParams(1007, "AAPL", "", SecType.STK, 265598);
  encoder.reqMarketRule(26);
  encoder.reqSmartComponents(1021, "9c0001");
  encoder.reqMktDepthExchanges();
  encoder.calculateOptionPrice(1022, { ...option, strike }, 0.3, 240, []);
  encoder.calculateImpliedVolatility(1023, { ...option, strike }, 12, 240, []);
  encoder.reqMktData(
    1008,
    stock,
    "100,101,104,106,165,221,225,233,236,293,294,295,375,411,456",
    false,
    false,
  );
  encoder.reqMktData(1009, { ...option, strike }, "", true, false);
  encoder.reqHistoricalData(
    1010,
    stock,
    "",
    "2 D",
    BarSizeSetting.HOURS_ONE,
    WhatToShow.TRADES,
    1,
    1,
    false,
    [],
  );
  encoder.reqHistoricalData(
    1011,
    pair,
    "",
    "1 W",
    BarSizeSetting.DAYS_ONE,
    WhatToShow.MIDPOINT,
    0,
    2,
    true,
    [],
  );
  encoder.reqHeadTimestamp(1012, stock, "TRADES", true, 1);
  encoder.reqAccountUpdates(true, account);
  encoder.reqAccountUpdatesMulti(1013, account, "", false);
  encoder.reqAccountSummary(1014, "All", "NetLiquidation,$LEDGER:ALL");
  encoder.reqPositions();
  encoder.reqPositionsMulti(1015, account, "");
  encoder.reqPnL(1016, account, "");
  encoder.reqPnLSingle(1017, account, "", 265598);
  encoder.reqFamilyCodes();
  encoder.reqNewsProviders();
  encoder.reqSoftDollarTiers(1018);
  encoder.reqManagedAccts();
  encoder.reqIds(1);
  encoder.reqCurrentTime();
  encoder.reqRealTimeBars(1019, stock, 5, WhatToShow.TRADES, true, []);
  encoder.reqHistogramData(1030, stock, true, "1 days");
  encoder.reqHistoricalTicks(1031, stock, "", "20261119-21:00:00", 5, WhatToShow.TRADES, true, false);
  encoder.reqHistoricalTicks(1032, pair, "", "20261119-21:00:00", 5, WhatToShow.BID_ASK, false, false);
  encoder.reqHistoricalTicks(1033, pair, "20261119-21:00:00", "", 5, WhatToShow.MIDPOINT, false, false);
  encoder.reqFundamentalData(1035, stock, "ReportSnapshot", []);
}

async function orders(client: RawClient, encoder: Encoder): Promise<void> {
  const order = { action: OrderAction.BUY, totalQuantity: 3, transmit: true, orderRef: "version test" };
  encoder.placeOrder(1, stock, { ...order, orderType: OrderType.MKT });
  await client.waitFor(message(59));
  encoder.placeOrder(2, stock, {
    ...order,
    orderType: OrderType.LMT,
    lmtPrice: 50,
    algoStrategy: "Adaptive",
  });
  await client.waitFor(message(3, { 1: 2 }));
  encoder.placeOrder(3, stock, { ...order, orderType: OrderType.MKT, whatIf: true });
  await client.waitFor(message(5, { 1: 3 }));
  encoder.reqOpenOrders();
  await client.waitFor(message(53));
  encoder.cancelOrder(2, {});
  await client.waitFor(errorMessage(2, 202));
  encoder.reqCompletedOrders(false);
  encoder.reqExecutions(1020, {});
  await client.waitFor(message(55));
}

describe("every server version", () => {
  test.concurrent.each(versions)("%i: each message has exactly its fields", async (version) => {
    const client = await startedClient(simulator.port, version, version);
    const encoder = encoderFor(client, version);
    const [chain] = simulator.world.universe.optionChains(265598);
    const strikes = chain?.strikes ?? [];
    askEverything(encoder, strikes[Math.floor(strikes.length / 2)] ?? 0);
    await client.waitFor(message(88));
    await client.waitFor(message(57));
    await orders(client, encoder);

    const [hello, ...messages] = client.messages;
    expect(hello?.[0]).toBe(String(version));
    const rows = messages.map((fields) => readStrictly(fields, version));
    expect(complaints(messages, version)).toEqual([]);
    const seen = new Set(rows.map((row) => Number(row["id"])));
    const expected = [
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 17, 18, 21, 45, 46, 49, 51, 52, 53, 54, 55, 57, 58, 59, 61, 62,
      63, 64, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 85, 88, 89, 93, 94, 95, 96, 97, 98, 101, 102,
    ];
    expect(expected.filter((id) => !seen.has(id))).toEqual([]);
    const details = rows.find((row) => row["id"] === "10" && row["symbol"] === "ES");
    expect(details?.["timeZoneId"]).toBe("US/Central");
    expect(rows.find((row) => row["id"] === "10" && row["secType"] === "FOP")).toMatchObject({
      localSymbol: "ESZ6 P6700",
      underSymbol: "ESZ6",
    });
    const computed = rows.filter((row) => row["id"] === "21").map((row) => `${row["reqId"]}/${row["tick"]}`);
    expect(computed).toEqual(expect.arrayContaining(["1038/10", "1038/13", "1039/53"]));
    expect(rows.find((row) => row["id"] === "18")).toMatchObject({
      symbol: "IBM",
      coupon: "4.15",
      maturity: "20390515",
      callable: "1",
      secIdList: "CUSIP,459200KB6,ISIN,US459200KB68",
    });
    const placed = rows.find((row) => row["id"] === "5" && row["orderId"] === "2");
    expect(placed).toMatchObject({
      lmtPrice: "50",
      orderRef: "version test",
      algoStrategy: "Adaptive",
      warningText: "",
    });
    const done = rows.find((row) => row["id"] === "101" && row["completedStatus"]?.startsWith("Filled"));
    expect(done).toMatchObject({ filledQuantity: "3", orderRef: "version test" });
    client.end();
  });
});
