import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { connectLegacy, connectModern, eventually, openSocket } from "./clients/clients.ts";
import { startSystem, type System } from "./rigs/system.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => system.close());

const eras = {
  "the v2 client": () => connectModern(system.mcpUrl),
  "the v1 client": () => connectLegacy(system.mcpUrl),
} as const;

const Found = z.object({
  results: z.array(z.object({ symbol: z.string(), secType: z.string(), name: z.string().nullable() })),
});
const Ambiguous = z.object({
  error: z.object({
    code: z.literal("ambiguous_contract"),
    candidates: z.array(
      z.object({ conId: z.int(), coupon: z.number(), maturity: z.string(), cusip: z.string() }),
    ),
  }),
});
const Quotes = z.object({
  quotes: z
    .array(z.object({ quote: z.object({ ask: z.number(), askYield: z.number() }) }))
    .length(1)
    .transform(([row]) => row?.quote),
});
const Positions = z.object({
  positions: z.array(
    z.object({
      contract: z.object({ conId: z.int(), symbol: z.string(), secType: z.string() }),
      position: z.number(),
      marketValue: z.number(),
    }),
  ),
});

test.for(Object.entries(eras))(
  "with %s a bond is found by its issuer's name, looked at, bought and held",
  async ([, connect]) => {
    const { client, call } = await connect();

    const { results } = Found.parse(await call("ibkr_search_symbols", { pattern: "Treasury" }));
    const issuer = results.find(({ secType }) => secType === "BOND");
    expect(issuer?.name).toBe("United States Treasury");

    const named = { symbol: issuer?.symbol, secType: "BOND" };
    const { candidates } = Ambiguous.parse(await call("ibkr_get_contract_details", named)).error;
    const [{ conId, cusip, coupon, maturity } = { conId: 0, cusip: "", coupon: 0, maturity: "" }] =
      candidates;
    expect(candidates.length).toBeGreaterThan(1);
    expect(await call("ibkr_get_contract_details", { symbol: cusip })).toMatchObject({
      contract: { conId, symbol: "US-T", expiration: maturity },
      bond: { cusip, coupon, ratings: "Aa1/AA+", callable: false },
    });

    const { quotes: quote } = Quotes.parse(await call("ibkr_get_quotes", { contracts: [{ conId }] }));
    const { ask = NaN, askYield = NaN } = quote ?? {};
    expect(ask).toBeCloseTo(100, -1);
    expect(askYield).toBeCloseTo(coupon, 0);
    const bars = { conId, duration: "1 M", barSize: "1 day", whatToShow: "YIELD_ASK" };
    expect(Number((await call("ibkr_get_historical_data", bars))["count"])).toBeGreaterThan(15);

    const order = { conId, action: "BUY", quantity: 10, orderType: "LMT", limitPrice: Math.ceil(ask + 1) };
    expect(await call("ibkr_preview_order", order)).toMatchObject({ commission: 5, contract: { conId } });
    const before = await heldOf(conId);
    const { orderId } = await call("ibkr_place_order", { ...order, idempotencyKey: crypto.randomUUID() });
    await eventually(
      () => call("ibkr_get_order_status", { orderId }),
      ({ status }) => status === "Filled",
    );
    const after = await heldOf(conId);
    expect(after.contract).toMatchObject({ symbol: "US-T", secType: "BOND" });
    expect(after.position - before.position).toBe(10);
    // 10,000 of face value, near par
    expect(after.marketValue - before.marketValue).toBeCloseTo(100 * ask, -3);
    await client.close();

    async function heldOf(id: number) {
      const { positions } = Positions.parse(await call("ibkr_get_positions"));
      const found = positions.find(({ contract }) => contract.conId === id);
      return found ?? { position: 0, marketValue: 0, contract: null };
    }
  },
);

const Text = z.object({ contents: z.array(z.object({ text: z.string() })).length(1) });
const Resource = z.object({ data: z.object({ bid: z.number(), bidYield: z.number().optional() }) });

test("a bond and the stock of its issuer are followed side by side, as resources and on a socket", async () => {
  const { client, call } = await connectModern(system.mcpUrl);
  const read = async (uri: string) =>
    Resource.parse(JSON.parse(Text.parse(await client.readResource({ uri })).contents[0]?.text ?? "")).data;
  const started = async (input: Record<string, unknown>) =>
    z.object({ resource_uri: z.string() }).parse(await call("ibkr_start_market_data_resource", input))
      .resource_uri;
  const [bond, stock] = [await started({ symbol: "459200KA8" }), await started({ symbol: "IBM" })];
  expect([bond, stock]).toEqual(["ibkr://market-data/IBCID366014801", "ibkr://market-data/IBM"]);
  expect(
    await eventually(
      () => read(bond),
      ({ bidYield }) => bidYield !== undefined,
    ),
  ).toMatchObject({
    bid: expect.closeTo(98, -1),
    bidYield: expect.closeTo(4, 0),
  });
  expect(await read(stock)).not.toHaveProperty("bidYield");

  const socket = await openSocket(`${system.wsUrl}/api/v1/stream/market-data`);
  for (const [conId, symbol] of [
    [366_014_801, "IBCID366014801"],
    [8_314, "IBM"],
  ]) {
    socket.send({ action: "subscribe", conId });
    expect(await socket.next({ type: "market_data", conId })).toMatchObject({ symbol });
  }
  socket.send({ action: "unsubscribe", symbol: "IBM" });
  expect(await socket.next({ type: "unsubscribed" })).toMatchObject({ symbol: "IBM", conId: 8_314 });
  socket.close();
  await client.close();
});
