import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import type { ToolName } from "../../shared/tools/index.ts";
import { outputOf, plainAsk } from "../e2e/rigs/dispatch-client.ts";
import { startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

let fixture: HandlersFixture;
beforeEach(async () => {
  fixture = await startHandlersFixture();
});
afterEach(async () => fixture.close());

type Input = Readonly<Record<string, unknown>>;
const ask = async (tool: ToolName, input: Input) => outputOf(await plainAsk(fixture.handlers)(tool, input));

const Row = z.object({ contract: z.record(z.string(), z.unknown()) });
const copyOf = ({ contract }: z.output<typeof Row>) =>
  Object.fromEntries(Object.entries(contract).filter(([, value]) => value !== null));
const limit = { action: "BUY", quantity: 1, orderType: "LMT", limitPrice: 5 };

/** By what TWS has been told. */
async function routeOf(contract: Input): Promise<string> {
  const { orderId } = z
    .object({ orderId: z.int() })
    .parse(await ask("ibkr_place_order", { ...limit, ...contract }));
  const open = fixture.simulator.world.ledger.openOrders();
  return open.find(({ request }) => request.orderId === orderId)?.request.routing ?? "";
}

test("an order for a contract copied from a position is routed by SMART, not to its listing", async () => {
  const { positions } = z.object({ positions: z.array(Row) }).parse(await ask("ibkr_get_positions", {}));
  const apple = positions.find(({ contract }) => contract["symbol"] === "AAPL");
  expect(apple?.contract).toMatchObject({ exchange: "SMART", primaryExchange: "NASDAQ" });
  expect(await routeOf(apple === undefined ? {} : copyOf(apple))).toBe("SMART");
});

test("an order for a contract copied from a fill is routed by SMART, not to where it was filled", async () => {
  await ask("ibkr_place_order", { symbol: "MSFT", action: "BUY", quantity: 1 });
  await ask("ibkr_place_order", { symbol: "EUR.USD", action: "BUY", quantity: 20_000 });
  const { executions } = z
    .object({ executions: z.array(Row.extend({ execution: z.object({ exchange: z.string() }) })) })
    .parse(await ask("ibkr_get_executions", {}));
  const [share] = executions.filter(({ contract }) => contract["symbol"] === "MSFT");
  expect(share?.execution.exchange).not.toBe("SMART");
  expect(await routeOf(share === undefined ? {} : copyOf(share))).toBe("SMART");
  const [pair] = executions.filter(({ contract }) => contract["symbol"] === "EUR");
  expect(pair?.contract).toMatchObject({ exchange: "IDEALPRO" });
});

test("a route that the caller names is taken", async () => {
  expect(await routeOf({ conId: 265_598, exchange: "ARCA" })).toBe("ARCA");
});
