import { z } from "zod";
import { Contract, ContractSelector } from "../contract.ts";
import { Quote } from "../events.ts";
import { defineTool } from "./define.ts";

const QuoteRow = z.object({
  symbol: z.string(),
  contract: Contract.nullable(),
  quote: Quote.nullable(),
  /** When the quote was complete, ISO 8601; null with an error. */
  asOf: z.string().nullable(),
  dataType: z.string().nullable(),
  /** Why this one has no quote; the others are not affected. */
  error: z.object({ code: z.string(), message: z.string(), nextStep: z.string() }).nullable(),
});

export const marketDataTools = {
  ibkr_get_quotes: defineTool({
    title: "Quotes",
    description:
      "Snapshots of up to 50 instruments at once: last, bid, ask, sizes, day range, volume, and greeks for options. Use it for prices now; to follow a price use ibkr_start_market_data_resource, for the past ibkr_get_historical_data.",
    input: {
      symbols: z
        .array(z.string().trim().min(1).max(64))
        .max(50)
        .default([])
        .describe("US stocks or pairs: AAPL, EUR.USD"),
      contracts: z
        .array(ContractSelector)
        .max(50)
        .default([])
        .describe("Instruments by conId, or symbol, secType, exchange, currency, expiration, strike, right"),
    },
    output: {
      quotes: z
        .array(QuoteRow)
        .describe("In the order asked: symbol, contract, quote, asOf, dataType, error"),
      count: z.int().describe("Rows, those with an error included"),
    },
    effect: "reads",
    deadline: "slow",
    toolset: "core",
    runs: "agent",
  }),
} as const;
