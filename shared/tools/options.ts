import { z } from "zod";
import { Contract, contractFields, Right } from "../contract.ts";
import { isInCalendar, noSuchDate } from "../calendar-date.ts";
import { defineTool, pageInput, pageOutput } from "./define.ts";

const value = z.number().nullable();

/** What an option is quoted at; null is "TWS has not said". */
const LegQuote = z.object({
  bid: value,
  ask: value,
  last: value,
  volume: value,
  openInterest: value,
  impliedVolatility: value,
  delta: value,
  gamma: value,
  vega: value,
  theta: value,
  dataType: z.string(),
});

const Leg = z.object({
  conId: z.int().positive(),
  localSymbol: z.string().nullable(),
  /** Only when quotes were asked for. */
  quote: LegQuote.nullable().optional(),
  /** The code of why there is no quote. */
  error: z.string().optional(),
});
export type Leg = z.infer<typeof Leg>;

const ChainRow = z.object({
  strike: z.number(),
  tradingClass: z.string().nullable(),
  multiplier: z.number().nullable(),
  call: Leg.nullable(),
  put: Leg.nullable(),
});
export type ChainRow = z.infer<typeof ChainRow>;

/** Strikes with quotes that one call gives: each takes two market-data lines. */
export const mostQuotedStrikes = 25;

const underlyingPrice = z.number().positive().describe("Price of the underlying to assume");

const computed = {
  contract: Contract.describe("The option"),
  optionPrice: value.describe("Per unit of the underlying: times multiplier for a contract"),
  impliedVolatility: value.describe("Per year, as a fraction"),
  delta: value.describe("Price change for 1 of the underlying"),
  gamma: value.describe("Delta change for the same"),
  vega: value.describe("Price change for 0.01 of volatility"),
  theta: value.describe("Price change in a day"),
  underlyingPrice: value.describe("Assumed"),
  asOf: z.string().describe("When TWS computed it, ISO 8601"),
} as const;

export const optionTools = {
  ibkr_get_option_chain: defineTool({
    title: "Option chain",
    description:
      "The calls and puts of one expiration, strikes nearest the underlying's price first, with their conIds and on request quotes and greeks. Expirations come from ibkr_get_option_chain_params; one that does not exist answers unknown_contract with the nearest. For a few known options use ibkr_get_quotes.",
    input: {
      symbol: contractFields.symbol.describe("Underlying: AAPL, SPX, ES"),
      expiration: z
        .string()
        .regex(/^\d{6}(\d{2})?$/)
        .refine(isInCalendar, noSuchDate)
        .describe("yyyymmdd, or yyyymm where only one expires in it"),
      exchange: contractFields.exchange.describe("Venue of the options; usually left out"),
      currency: contractFields.currency,
      conId: contractFields.conId.describe("Of the underlying, instead of symbol"),
      secType: z
        .enum(["STK", "IND", "FUT"])
        .optional()
        .describe("Of the underlying: FUT for ES; default STK, else IND"),
      tradingClass: contractFields.tradingClass.describe("Only this class, such as SPXW"),
      right: Right.optional().describe("Only calls (C) or puts (P)"),
      strikeRange: z
        .int()
        .min(1)
        .max(500)
        .optional()
        .describe("Only so many strikes nearest the price; default all, 10 with quotes"),
      minStrike: z.number().nonnegative().optional().describe("Lowest strike"),
      maxStrike: z.number().positive().optional().describe("Highest strike"),
      withQuotes: z
        .boolean()
        .default(false)
        .describe(`Add quotes and greeks, for ${mostQuotedStrikes} strikes at most`),
      ...pageInput,
    },
    output: {
      underlying: Contract.describe("The underlying"),
      underlyingPrice: value.describe("Last, else middle or close; null: unknown, strikes ascend"),
      expiration: z.string().describe("yyyymmdd"),
      chain: z
        .array(ChainRow)
        .describe(
          "strike, tradingClass, multiplier, call and put: {conId, localSymbol, quote with greeks, error}; null: not listed",
        ),
      strikeCount: z.int().describe("Rows of the answer in all"),
      strikesListed: z.int().describe("Rows that the expiration has"),
      asOf: z.string().describe("When it was complete, ISO 8601"),
      ...pageOutput,
    },
    effect: "reads",
    deadline: "slow",
    toolset: "core",
    runs: "agent",
    numbers: "exact",
    paged: "chain",
  }),
  ibkr_calculate_option_price: defineTool({
    title: "Calculate an option's price",
    description:
      "What an option would be worth, with greeks, at a price of the underlying and a volatility of your own, computed by TWS. Use it for what-if questions; for market prices use ibkr_get_quotes, for the volatility behind a price ibkr_calculate_implied_volatility.",
    input: {
      ...contractFields,
      underlyingPrice,
      volatility: z
        .number()
        .positive()
        .max(10)
        .optional()
        .describe("Per year as a fraction: 0.3 is 30 %. Default: the option's own of now"),
    },
    output: {
      ...computed,
      volatilityFrom: z.enum(["argument", "market"]).describe("Whose volatility it is"),
    },
    effect: "reads",
    deadline: "slow",
    toolset: "full",
    runs: "agent",
    numbers: "exact",
  }),
  ibkr_calculate_implied_volatility: defineTool({
    title: "Calculate implied volatility",
    description:
      "The volatility at which an option would cost a given price, with the greeks at it, computed by TWS. For the volatility of the market price of now use ibkr_get_quotes; for a price at a given volatility ibkr_calculate_option_price.",
    input: {
      ...contractFields,
      optionPrice: z.number().positive().describe("Price of the option, per unit of the underlying"),
      underlyingPrice,
    },
    output: computed,
    effect: "reads",
    deadline: "slow",
    toolset: "full",
    runs: "agent",
    numbers: "exact",
  }),
} as const;
