import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import { callBy, startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

/** Vodafone in London, in pence, and corn, in cents of a dollar for each of 5,000 bushels. */
const vodafone = { symbol: "VOD", currency: "GBP" } as const;

let opened: HandlersFixture | null = null;
let between: Server | null = null;
afterEach(async () => {
  await opened?.close();
  between?.close();
  [opened, between] = [null, null];
});

async function start(options: Parameters<typeof startHandlersFixture>[0] = {}): Promise<HandlersFixture> {
  opened = await startHandlersFixture(options);
  return opened;
}

async function buy({ handlers }: HandlersFixture, input: Record<string, unknown>): Promise<void> {
  const order = tools.ibkr_place_order.input.parse({ action: "BUY", ...input });
  const { orderId } = await handlers.ibkr_place_order(order, callBy());
  await vi.waitFor(async () =>
    expect(await handlers.ibkr_get_order_status({ orderId }, callBy())).toMatchObject({ status: "Filled" }),
  );
}

async function plan({ handlers }: HandlersFixture, input: Record<string, unknown>) {
  const tool = tools.ibkr_plan_rebalance;
  return tool.output.parse(await handlers.ibkr_plan_rebalance(tool.input.parse(input), callBy()));
}

async function quoteOf({ handlers }: HandlersFixture, contract: Record<string, unknown>) {
  const input = tools.ibkr_get_quotes.input.parse({ contracts: [contract] });
  const { quotes } = await handlers.ibkr_get_quotes(input, callBy());
  const [row] = quotes;
  if (row?.quote?.bid == null) throw new Error("It has no bid.");
  return { ...row, bid: row.quote.bid };
}

async function heldOf({ handlers }: HandlersFixture, symbol: string) {
  const { positions } = await handlers.ibkr_get_positions({ account: "" }, callBy());
  const found = positions.find(({ contract }) => contract.symbol === symbol);
  if (found?.marketValue == null) throw new Error(`Nothing of ${symbol} has a value.`);
  return { ...found, marketValue: found.marketValue };
}

const sterling = 1.3142;

describe("an instrument that is quoted in parts of its currency", () => {
  test("says so in its details and its quotes, and is worth what TWS says", async () => {
    const fixture = await start();
    await buy(fixture, { ...vodafone, quantity: 300 });

    const details = tools.ibkr_get_contract_details.input.parse(vodafone);
    expect(await fixture.handlers.ibkr_get_contract_details(details, callBy())).toMatchObject({
      priceMagnifier: 100,
      contract: { currency: "GBP" },
    });
    const { priceMagnifier, bid } = await quoteOf(fixture, vodafone);
    expect(priceMagnifier).toBe(100);
    const { marketValue, position } = await heldOf(fixture, "VOD");
    expect(marketValue / ((position * bid) / 100)).toBeCloseTo(1, 1);
  });

  test("is planned by its value, at a limit as its quotes are", async () => {
    const fixture = await start();
    // TWS gives the rate of a currency only to who holds something in it
    await buy(fixture, { ...vodafone, quantity: 300 });
    const { orders, assumptions } = await plan(fixture, {
      targets: [{ ...vodafone, percent: 10 }],
    });

    const [order] = orders;
    const { bid } = await quoteOf(fixture, vodafone);
    expect(order).toMatchObject({ symbol: "VOD", action: "BUY", percentAfter: expect.closeTo(10, 0) });
    expect((order?.limitPrice ?? 0) / bid).toBeCloseTo(1, 1);
    const worth = ((order?.quantity ?? 0) * (order?.limitPrice ?? 0) * sterling) / 100;
    expect((order?.value ?? 0) / worth).toBeCloseTo(1, 1);
    expect(assumptions.join()).toContain("VOD is quoted in 1/100 GBP");
  });

  test("is left alone where TWS's own value contradicts its price", async () => {
    const fixture = await start({ dial: throughForgetfulTws });
    await buy(fixture, { ...vodafone, quantity: 300 });

    const { orders, leftAlone } = await plan(fixture, { targets: [{ ...vodafone, percent: 0 }] });

    expect(orders).toEqual([]);
    expect(leftAlone.find(({ symbol }) => symbol === "VOD")?.reason).toMatch(
      /TWS says that one is worth 0\.\d+ GBP, and by its quote it is \d+/,
    );
  });

  test("counts its value in an order limit", async () => {
    const fixture = await start();
    const handlers = fixture.agentWith({ orderValue: 20_000 });
    const buying = (quantity: number) =>
      handlers.ibkr_place_order(
        tools.ibkr_place_order.input.parse({ ...vodafone, action: "BUY", quantity }),
        callBy(),
      );
    // some 11,700 and 23,500 dollars
    await expect(buying(10_000)).resolves.toMatchObject({ symbol: "VOD" });
    await expect(buying(20_000)).rejects.toMatchObject({ code: "trading_refused" });
    const { universe } = fixture.simulator.world;
    const [next] = universe.listed.filter(({ symbol }) => symbol === "ZC");
    const corn = tools.ibkr_place_order.input.parse({ conId: next?.conId, action: "BUY", quantity: 1 });
    // some 21,900 dollars
    await expect(fixture.agentWith({ orderValue: 15_000 }).ibkr_place_order(corn, callBy())).rejects.toThrow(
      /comes to 2\d,\d{3}/,
    );
  });
});

/** Dials through a TWS that says 1 where the magnifier is 100: each frame keeps its length. */
async function throughForgetfulTws(port: number): Promise<number> {
  const truth = Buffer.from("\x00100\x000\x00VODAFONE");
  const server = createServer((socket) => {
    const tws = connect(port, "127.0.0.1");
    socket.pipe(tws);
    tws.on("data", (chunk: Buffer) => {
      const found = chunk.indexOf(truth);
      if (found >= 0) chunk.write("001", found + 1, "latin1");
      socket.write(chunk);
    });
    for (const one of [socket, tws])
      one.on("error", () => {}).on("close", () => [socket, tws].map((each) => each.destroy()));
  });
  between = server;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === "string") throw new Error("It has no port.");
  return address.port;
}
