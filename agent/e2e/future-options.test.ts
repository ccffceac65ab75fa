import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { connectLegacy, connectModern, eventually } from "./clients/clients.ts";
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

const Ambiguous = z.object({
  error: z.object({
    code: z.literal("ambiguous_contract"),
    candidates: z.array(z.object({ conId: z.int(), localSymbol: z.string(), expiration: z.string() })).min(2),
  }),
});
const Chains = z.object({
  chains: z.array(z.object({ tradingClass: z.string(), expirations: z.array(z.string()).min(1) })),
});
const Leg = z.object({ conId: z.int(), localSymbol: z.string() });
const Chain = z.object({
  underlyingPrice: z.number(),
  chain: z.array(z.object({ strike: z.number(), multiplier: z.number(), call: Leg, put: Leg })).min(1),
});
const Quotes = z.object({
  quotes: z.array(
    z.object({
      quote: z.object({ bid: z.number(), ask: z.number(), impliedVolatility: z.number(), delta: z.number() }),
    }),
  ),
});
const Positions = z.object({
  positions: z.array(
    z.object({ contract: z.object({ conId: z.int() }), position: z.number(), avgCost: z.number() }),
  ),
});

const first = <T>([one]: readonly T[]): T => {
  if (one === undefined) throw new Error("there is none");
  return one;
};

test.for(Object.entries(eras))(
  "with %s an option on a future is found by its future, priced, previewed, bought and held",
  async ([name, connect]) => {
    const { client, call } = await connect();

    const { candidates } = Ambiguous.parse(
      await call("ibkr_get_contract_details", { symbol: "ES", secType: "FUT" }),
    ).error;
    // not the next to expire, which may do so today
    const future = first(candidates.toSorted((a, b) => a.expiration.localeCompare(b.expiration)).slice(1));
    const { chains } = Chains.parse(
      await call("ibkr_get_option_chain_params", { underlyingConId: future.conId }),
    );
    const quarterly = first(chains.filter(({ tradingClass }) => tradingClass === "ES"));
    expect(quarterly.expirations).toEqual([future.expiration]);

    const { chain, underlyingPrice } = Chain.parse(
      await call("ibkr_get_option_chain", {
        conId: future.conId,
        expiration: future.expiration,
        strikeRange: 1,
        withQuotes: true,
      }),
    );
    const { strike, multiplier, call: leg } = first(chain);
    expect(multiplier).toBe(50);
    expect(leg.localSymbol).toBe(`${future.localSymbol} C${strike}`);
    const option = {
      symbol: "ES",
      secType: "FOP",
      expiration: future.expiration,
      tradingClass: "ES",
      strike,
      right: "C",
    };

    const { quote } = first(Quotes.parse(await call("ibkr_get_quotes", { contracts: [option] })).quotes);
    expect(quote.bid).toBeLessThan(quote.ask);
    expect(quote.delta).toBeCloseTo(0.5, 0);
    const { impliedVolatility: volatility } = quote;
    const priced = await call("ibkr_calculate_option_price", { ...option, underlyingPrice, volatility });
    // the future moves by less than a tenth of a percent meanwhile
    const middle = (quote.bid + quote.ask) / 2;
    expect(Math.abs(Number(priced["optionPrice"]) - middle)).toBeLessThan(0.001 * underlyingPrice);
    const implied = await call("ibkr_calculate_implied_volatility", {
      conId: leg.conId,
      optionPrice: priced["optionPrice"],
      underlyingPrice,
    });
    expect(implied["impliedVolatility"]).toBeCloseTo(volatility, 5);

    const order = { ...option, action: "BUY", quantity: 2, orderType: "LMT", limitPrice: strike };
    const preview = z
      .object({ commission: z.number(), equityWithLoan: z.object({ change: z.number() }) })
      .parse(await call("ibkr_preview_order", order));
    expect(preview.commission).toBe(2.84);
    expect(preview.equityWithLoan.change).toBeCloseTo(-2 * 50 * strike - 2.84, 2);

    const before = await heldOf(leg.conId);
    const placed = await call("ibkr_place_option_order", {
      ...order,
      idempotencyKey: name.replaceAll(" ", "-"),
    });
    expect(placed).toMatchObject({ contract: { conId: leg.conId, secType: "FOP", exchange: "CME" } });
    const { orderId } = placed;
    const done = await eventually(
      () => call("ibkr_get_order_status", { orderId }),
      ({ status }) => status === "Filled",
    );
    const after = await heldOf(leg.conId);
    expect(after.position - before.position).toBe(2);
    const paid = after.position * after.avgCost - before.position * before.avgCost;
    expect(paid).toBeCloseTo(2 * 50 * Number(done["avgFillPrice"]) + 2.84, 2);

    const started = await call("ibkr_start_market_data_resource", option);
    expect(started["resource_id"]).toBe(leg.localSymbol.replace(" ", ""));
    const uri = String(started["resource_uri"]);
    const { contents } = await client.readResource({ uri });
    expect(contents).toMatchObject([
      { uri, text: expect.stringContaining(`"localSymbol":"${leg.localSymbol}"`) },
    ]);
    await client.close();

    async function heldOf(conId: number) {
      const { positions } = Positions.parse(await call("ibkr_get_positions", { limit: 100 }));
      return positions.find(({ contract }) => contract.conId === conId) ?? { position: 0, avgCost: 0 };
    }
  },
);
