import { z } from "zod";
import { chartContractFields, Contract, contractFields } from "../contract.ts";
import { defineTool, pageInput, pageOutput, spanOutput } from "./define.ts";

export const barSizes = [
  "1 secs",
  "5 secs",
  "10 secs",
  "15 secs",
  "30 secs",
  "1 min",
  "2 mins",
  "3 mins",
  "5 mins",
  "10 mins",
  "15 mins",
  "20 mins",
  "30 mins",
  "1 hour",
  "2 hours",
  "3 hours",
  "4 hours",
  "8 hours",
  "1 day",
  "1 week",
  "1 month",
] as const;

const priceKinds = ["TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK", "ADJUSTED_LAST", "AGGTRADES"] as const;
/** Rates in the place of prices: volatilities of stocks, funds and indices, and the fee to borrow a share. */
const rateKinds = ["HISTORICAL_VOLATILITY", "OPTION_IMPLIED_VOLATILITY", "FEE_RATE"] as const;
/** Of bonds only: yields to maturity in percent a year, in the place of prices. */
const yieldKinds = ["YIELD_BID", "YIELD_ASK", "YIELD_LAST", "YIELD_BID_ASK"] as const;
const barKinds = [...priceKinds, ...rateKinds, ...yieldKinds] as const;
export type BarKind = (typeof barKinds)[number];
const whatToShow = z
  .enum(barKinds)
  .default("TRADES")
  .describe("Currencies have no TRADES: use MIDPOINT; crypto AGGTRADES");

/**
 * Prices in the contract's currency, null where TWS has none, as for an option that nobody bids for. Volume, wap and
 * count are null for MIDPOINT, BID and ASK.
 */
export const Bar = z.object({
  /** ISO 8601 start of the bar; yyyy-mm-dd for daily and longer bars. */
  time: z.string(),
  open: z.number().nullable(),
  high: z.number().nullable(),
  low: z.number().nullable(),
  close: z.number().nullable(),
  volume: z.number().nullable(),
  wap: z.number().nullable(),
  count: z.int().nullable(),
});
export type Bar = z.infer<typeof Bar>;

/** What happened at one instant. Trades and midpoints have a price, quotes a bid and an ask; what a kind lacks is absent. */
export const Tick = z.object({
  /** ISO 8601, whole seconds: TWS has no finer. Null where TWS has set none. */
  time: z.string().nullable(),
  price: z.number().nullable().optional(),
  size: z.number().nullable().optional(),
  exchange: z.string().nullable().optional(),
  conditions: z.string().nullable().optional(),
  bid: z.number().nullable().optional(),
  ask: z.number().nullable().optional(),
  bidSize: z.number().nullable().optional(),
  askSize: z.number().nullable().optional(),
});
export type Tick = z.infer<typeof Tick>;

const useRTH = z.boolean().default(true).describe("Regular trading hours only");
const endDateTime = z.iso
  .datetime({ offset: true })
  .optional()
  .describe("End, ISO 8601 with zone; default now");
const asked = {
  symbol: z.string().describe("Symbol"),
  contract: Contract.describe("What was asked for"),
} as const;
const asOf = z.string().describe("When TWS answered, ISO 8601");
const format = z
  .enum(["rows", "columns"])
  .optional()
  .describe("columns: one array per field; default: rows if all fit, else columns");
const Columns = z.record(z.string(), z.array(z.union([z.string(), z.number(), z.null()])));
const ticks = z
  .union([z.array(Tick), Columns])
  .describe(
    "Oldest first: time (whole seconds), price, size, exchange, conditions; or bid, ask, bidSize, askSize",
  );
const lastTick = Tick.nullable().describe("The newest tick of all");
/** Bars and ticks: what does not fit is left out at the old end. */
const newestLast = { at: "time", newest: "last" } as const;

export const historyTools = {
  ibkr_get_historical_data: defineTool({
    title: "Historical bars",
    description:
      "Bars of open, high, low, close and volume, oldest first, up to now or to endDateTime. Use it for charts and statistics; for the price now use ibkr_get_quotes. Long periods need larger bars; of too many the newest come first, and next_cursor goes back.",
    input: {
      ...chartContractFields,
      duration: z
        .string()
        .regex(/^[1-9]\d{0,5} [SDWMY]$/)
        .default("1 D")
        .describe("How far back: 3600 S, 5 D, 2 W, 6 M, 1 Y"),
      barSize: z.enum(barSizes).default("1 hour").describe("Length of a bar"),
      whatToShow,
      useRTH,
      endDateTime,
      format,
      ...pageInput,
    },
    output: {
      ...asked,
      bars: z
        .union([z.array(Bar), Columns])
        .describe("Bars: time, open, high, low, close, volume, wap, count"),
      last: Bar.nullable().describe("The newest bar of all"),
      count: z.int().describe("Bars in all"),
      asOf,
      ...spanOutput,
      ...pageOutput,
    },
    effect: "reads",
    deadline: "slow",
    toolset: "core",
    runs: "agent",
    paged: "bars",
    inTime: newestLast,
  }),
  ibkr_get_head_timestamp: defineTool({
    title: "Start of history",
    description:
      "The earliest instant for which TWS has data of an instrument. Use it before asking for long histories; the data itself comes from ibkr_get_historical_data.",
    input: {
      ...chartContractFields,
      whatToShow,
      useRTH,
    },
    output: {
      ...asked,
      headTimestamp: z.string().nullable().describe("First data, ISO 8601"),
      headTimestampText: z.string().describe("As TWS wrote it"),
      asOf,
    },
    effect: "reads",
    deadline: "slow",
    toolset: "full",
    runs: "agent",
  }),
  ibkr_get_histogram_data: defineTool({
    title: "Price histogram",
    description:
      "How much was traded at each price over a period up to now, lowest price first. Use it for volume profiles; for volume over time use ibkr_get_historical_data.",
    input: {
      ...contractFields,
      duration: z
        .string()
        .regex(/^[1-9]\d{0,2} (day|week|month|year)s?$/)
        .default("1 day")
        .describe("Period up to now: 3 days, 2 weeks, 1 month"),
      useRTH,
      ...pageInput,
    },
    output: {
      ...asked,
      histogram: z.array(z.object({ price: z.number(), size: z.number() })).describe("price, size"),
      count: z.int().describe("Prices in all"),
      asOf,
      ...pageOutput,
    },
    effect: "reads",
    deadline: "slow",
    toolset: "full",
    runs: "agent",
    paged: "histogram",
  }),
  ibkr_get_historical_ticks: defineTool({
    title: "Historical ticks",
    description:
      "Single trades, quotes or midpoints from an instant on, or up to one: at most 1000, and TWS completes the last second. Use it to look closely at a moment; for longer times use ibkr_get_historical_data, for the last ticks ibkr_get_tick_by_tick_data.",
    input: {
      ...contractFields,
      whatToShow: z
        .enum(["TRADES", "BID_ASK", "MIDPOINT"])
        .default("TRADES")
        .describe("Currencies have no TRADES: use BID_ASK"),
      startDateTime: z.iso
        .datetime({ offset: true })
        .optional()
        .describe("Ticks from here on, ISO 8601 with zone; not together with endDateTime"),
      endDateTime,
      numberOfTicks: z.int().min(1).max(1000).default(100).describe("How many"),
      useRTH,
      format,
      ...pageInput,
    },
    output: {
      ...asked,
      ticks,
      last: lastTick,
      count: z.int().describe("Ticks in all"),
      asOf,
      ...spanOutput,
      ...pageOutput,
    },
    effect: "reads",
    deadline: "slow",
    toolset: "full",
    runs: "agent",
    paged: "ticks",
    inTime: newestLast,
  }),
  ibkr_get_tick_by_tick_data: defineTool({
    title: "Last ticks",
    description:
      "The last ticks of an instrument up to now, at any hour. Last leaves out trades that the tape does not report, AllLast has them. For the price alone use ibkr_get_quotes, for another time ibkr_get_historical_ticks.",
    input: {
      ...contractFields,
      tickType: z
        .enum(["Last", "AllLast", "BidAsk", "MidPoint"])
        .default("Last")
        .describe("Currencies have BidAsk and MidPoint only"),
      numberOfTicks: z.int().min(1).max(1000).default(100).describe("How many at most"),
      format,
      ...pageInput,
    },
    output: {
      ...asked,
      tickType: z.string().describe("As asked"),
      ticks,
      last: lastTick,
      count: z.int().describe("Ticks in all"),
      asOf,
      ...spanOutput,
      ...pageOutput,
    },
    effect: "reads",
    deadline: "slow",
    toolset: "full",
    runs: "agent",
    paged: "ticks",
    inTime: newestLast,
  }),
  ibkr_get_trading_schedule: defineTool({
    title: "Trading schedule",
    description:
      "The trading sessions of past days up to today, oldest first; days without one are not listed. Use it to align bars or to see when a market was open. The hours of coming days are in ibkr_get_contract_details.",
    input: {
      ...contractFields,
      duration: z
        .string()
        .regex(/^[1-9]\d{0,2} [DWMY]$/)
        .default("1 M")
        .describe("How far back: 5 D, 2 W, 6 M, 1 Y"),
      useRTH,
      endDateTime,
      ...pageInput,
    },
    output: {
      ...asked,
      timeZone: z.string().describe("Zone of the venue"),
      sessions: z
        .array(
          z.object({
            date: z.string(),
            /** Null only if the zone is one that the agent does not know. */
            opensAt: z.string().nullable(),
            closesAt: z.string().nullable(),
          }),
        )
        .describe("date, opensAt, closesAt (ISO 8601)"),
      count: z.int().describe("Sessions in all"),
      asOf,
      ...spanOutput,
      ...pageOutput,
    },
    effect: "reads",
    deadline: "slow",
    toolset: "full",
    runs: "agent",
    paged: "sessions",
    inTime: { at: "date", newest: "last" },
  }),
} as const;

/** Other names that the same arguments go by. */
export const inputAliases: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ibkr_search_symbols: { query: "pattern", symbol: "pattern" },
  ibkr_get_matching_symbols: { query: "pattern", symbol: "pattern" },
  ibkr_get_historical_data: { durationStr: "duration", barSizeSetting: "barSize" },
};
