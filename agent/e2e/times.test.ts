import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { ToolName } from "../../shared/tools/index.ts";
import { startHandlersFixture } from "../handlers/handlers.fixture.ts";
import type { HandlersFixture } from "../handlers/handlers.fixture.ts";
import { type Ask, outputOf, plainAsk } from "./rigs/dispatch-client.ts";

let fixture: HandlersFixture;
let ask: Ask;
beforeAll(async () => {
  fixture = await startHandlersFixture();
  ask = plainAsk(fixture.handlers);
  outputOf(await ask("ibkr_place_order", { symbol: "AAPL", action: "BUY", quantity: 1 }));
});
afterAll(() => fixture.close());

/** Asks while TWS writes another time at this place of a message. */
async function written(text: string, id: number, place: number, tool: ToolName, input = {}) {
  fixture.simulator.faults.alter({ [id]: { fields: { [place]: text } } });
  try {
    return outputOf(await ask(tool, input));
  } finally {
    fixture.simulator.faults.alter({});
  }
}

/** Where the message of an order says until when it is good. */
const goodTillPlace = 35;

const rowsOf = (rows: unknown) => z.array(z.unknown()).parse(rows);

describe.for([
  ["20261120 10:31:02 US/Eastern", "2026-11-20T15:31:02.000Z"],
  ["20261120  10:31:02 US/Eastern", "2026-11-20T15:31:02.000Z"],
  ["20261120-15:31:02", "2026-11-20T15:31:02.000Z"],
  // on the clock of TWS's machine
  ["20261120  10:31:02", "2026-11-20T15:31:02.000Z"],
  ["20261120 16:31:02 Central European Standard Time", "2026-11-20T15:31:02.000Z"],
  ["1795188662", "2026-11-20T15:31:02.000Z"],
  ["1795188662000", "2026-11-20T15:31:02.000Z"],
  ["20261120", "2026-11-20"],
  ["gestern", null],
] as const)("a time that TWS writes as %s", ([text, time]) => {
  test("is told of a fill", async () => {
    const { executions } = await written(text, 11, 15, "ibkr_get_executions");
    expect(rowsOf(executions)).toMatchObject([{ execution: { time, timeText: text } }]);
  });

  test("is told of an order that has ended", async () => {
    const { orders } = await written(text, 101, completedPlace, "ibkr_get_completed_orders");
    expect(rowsOf(orders)).toMatchObject([{ completedTime: time, completedTimeText: text }]);
  });
});

test.for([
  ["20991120 10:31:02 US/Eastern", "2099-11-20T15:31:02.000Z"],
  ["20991120-15:31:02", "2099-11-20T15:31:02.000Z"],
  ["20991120", "2099-11-20"],
  ["morgen", null],
] as const)("an order that TWS says is good till %s is so till %s", async ([text, goodTillDate]) => {
  const order = { symbol: "AAPL", action: "BUY", quantity: 1, orderType: "LMT", limitPrice: 10 };
  const input = { ...order, tif: "GTD", goodTillDate: "2099-11-20T10:31:02-05:00" };
  const placed = outputOf(
    await ask("ibkr_place_order", { ...input, idempotencyKey: `till-${text.replaceAll(/\W/g, "-")}` }),
  );
  const shown = await written(text, 5, goodTillPlace, "ibkr_get_open_orders");
  const mine = { orderId: placed["orderId"], goodTillDate, goodTillDateText: text };
  expect(rowsOf(shown["orders"])).toEqual(expect.arrayContaining([expect.objectContaining(mine)]));
  outputOf(await ask("ibkr_cancel_order", { orderId: placed["orderId"] }));
});

test.for([
  ["1795188662", "2026-11-20T15:31:02.000Z"],
  ["0", null],
] as const)("a next change of margins that TWS writes as %s is %s", async ([text, value]) => {
  const row = { key: "LookAheadNextChange", value, currency: null };
  fixture.simulator.faults.alter({ 63: { fields: { 4: row.key, 5: text } } });
  const { summary } = outputOf(await ask("ibkr_get_account_summary", { tags: row.key }));
  expect(summary).toMatchObject({ [row.key]: { value } });
  fixture.simulator.faults.alter({ 6: { fields: { 2: row.key, 3: text, 4: "" } } });
  const { values } = outputOf(await ask("ibkr_get_account_values", {}));
  fixture.simulator.faults.alter({});
  expect(values).toMatchObject([row]);
});

/** Where the message of an ended order has its time, from its end. */
const completedPlace = -9;

test.for([
  ["AAPL", "19801212-14:30:00", "1980-12-12T14:30:00.000Z"],
  ["MSFT", "19801212  14:30:00", "1980-12-12T14:30:00.000Z"],
  ["IBM", "345479400", "1980-12-12T14:30:00.000Z"],
  ["SPY", "19801212", "1980-12-12"],
  ["QQQ", "long ago", null],
] as const)(
  "the start of history of %s that TWS writes as %s is %s",
  async ([symbol, text, headTimestamp]) => {
    const answer = await written(text, 88, 2, "ibkr_get_head_timestamp", { symbol });
    expect(answer).toMatchObject({ headTimestamp, headTimestampText: text });
  },
);

test("a last trading day is the venue's, although TWS's machine in Asia writes the day after", async () => {
  const asia = await startHandlersFixture({ simulator: { timeZone: "Asia/Tokyo" } });
  try {
    for (const symbol of ["ES", "CL"]) {
      const detailsBy = async ({ handlers }: HandlersFixture) => {
        const { expirations } = z
          .object({ expirations: z.array(z.string()) })
          .parse({ expirations: await monthsOf(plainAsk(handlers), symbol) });
        const input = { symbol, secType: "FUT", expiration: expirations[0] };
        return outputOf(await plainAsk(handlers)("ibkr_get_contract_details", input));
      };
      const [here, there] = [await detailsBy(fixture), await detailsBy(asia)];
      expect(there["contract"]).toEqual(here["contract"]);
      expect(there["lastTradeAt"]).toBe(here["lastTradeAt"]);
      expect(there["lastTradeText"]).toMatch(/Asia\/Tokyo$/);
    }
  } finally {
    await asia.close();
  }
});

async function monthsOf(by: Ask, symbol: string): Promise<string[]> {
  const answer = await by("ibkr_get_contract_details", { symbol, secType: "FUT" });
  const { error } = z
    .object({ error: z.object({ candidates: z.array(z.object({ expiration: z.string() })) }) })
    .parse(answer);
  return error.candidates.map(({ expiration }) => expiration);
}
