import { afterEach, expect, test } from "vitest";
import type { Contract } from "../../../shared/contract.ts";
import { depthSnapshot } from "./depth.ts";
import { refuse, startScriptedTws, welcome } from "../test-support/scripted-tws.fixture.ts";
import type { ScriptedClient } from "../test-support/scripted-tws.fixture.ts";
import { dial, within } from "../test-support/session.fixture.ts";

const apple: Contract = {
  conId: 265598,
  symbol: "AAPL",
  secType: "STK",
  exchange: "SMART",
  primaryExchange: "NASDAQ",
  currency: "USD",
  localSymbol: "AAPL",
  tradingClass: "NMS",
  expiration: null,
  strike: null,
  right: null,
  multiplier: null,
};

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** The book that TWS's answer makes, and the ids of the requests that were withdrawn. */
async function bookOf(answer: (client: ScriptedClient, id: string) => void) {
  const withdrawn = Promise.withResolvers<string>();
  const tws = await startScriptedTws({
    onMessage: ([message, , id = ""], client) => {
      if (message === "71") welcome(client);
      if (message === "10") answer(client, id);
      if (message === "11") withdrawn.resolve(id);
    },
  });
  cleanups.push(() => tws.close());
  const { session } = dial(tws.port);
  cleanups.push(() => session.close());
  await session.whenConnected(2_000);
  const times = { quietMs: 60, longestMs: 300 };
  const request = { contract: apple, rows: 5, isSmart: true };
  const book = depthSnapshot(session, request, within(2_000), times);
  return { book, withdrawn: withdrawn.promise };
}

type Row = readonly [position: number, venue: string, operation: number, side: number, price: number];
const send = (client: ScriptedClient, id: string, ...rows: Row[]): void => {
  for (const row of rows) client.send(13, 1, id, ...row, 100, 1);
};

test("makes the book of inserts, updates and deletes, and withdraws the request", async () => {
  const { book, withdrawn } = await bookOf((client, id) => {
    send(client, id, [0, "NYSE", 0, 1, 10], [1, "IEX", 0, 1, 9], [0, "ARCA", 0, 1, 11]);
    send(client, id, [0, "IEX", 0, 0, 12], [1, "IEX", 1, 1, 9.5], [2, "", 2, 1, 0]);
  });
  expect(await book).toEqual({
    bids: [
      { price: 11, size: 100, venue: "ARCA" },
      { price: 9.5, size: 100, venue: "IEX" },
    ],
    asks: [{ price: 12, size: 100, venue: "IEX" }],
  });
  expect(Number(await withdrawn)).toBeGreaterThanOrEqual(1_000_000_000);
});

test("empties the book when TWS begins it anew (317)", async () => {
  const { book } = await bookOf((client, id) => {
    send(client, id, [0, "NYSE", 0, 1, 10], [0, "NYSE", 0, 0, 11]);
    refuse(client, Number(id), 317, "Market depth data has been RESET.");
    send(client, id, [0, "IEX", 0, 1, 8]);
  });
  expect(await book).toEqual({ bids: [{ price: 8, size: 100, venue: "IEX" }], asks: [] });
});

test("is no_data when nothing comes, withdrawn all the same, and says why if TWS did", async () => {
  const silent = await bookOf(() => {});
  await expect(silent.book).rejects.toMatchObject({ code: "no_data" });
  expect(await silent.withdrawn).not.toBe("");
  const forbidden = await bookOf((client, id) =>
    refuse(client, Number(id), 10_089, "Requested market data requires additional subscription for API."),
  );
  await expect(forbidden.book).rejects.toMatchObject({ code: "no_market_data" });
});
