import { z } from "zod";
import { Contract, contractFields } from "../contract.ts";
import { defineTool, pageInput, pageOutput } from "./define.ts";

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

/** Prices in the contract's currency. Volume, wap and count are null where TWS has none (MIDPOINT, BID, ASK). */
export const Bar = z.object({
  /** ISO 8601 start of the bar; yyyy-mm-dd for daily and longer bars. */
  time: z.string(),
  open: z.number(),
  high: z.number(),
  low: z.number(),
  close: z.number(),
  volume: z.number().nullable(),
  wap: z.number().nullable(),
  count: z.int().nullable(),
});
export type Bar = z.infer<typeof Bar>;

export const historyTools = {
  ibkr_get_historical_data: defineTool({
    title: "Historical bars",
    description:
      "Bars of open, high, low, close and volume, oldest first, up to now or to endDateTime. Use it for charts and statistics; for the price now use ibkr_get_quotes. Long periods need larger bars; format=columns halves the size.",
    input: {
      ...contractFields,
      duration: z
        .string()
        .regex(/^[1-9]\d{0,5} [SDWMY]$/)
        .default("1 D")
        .describe("How far back: 3600 S, 5 D, 2 W, 6 M, 1 Y"),
      barSize: z.enum(barSizes).default("1 hour").describe("Length of a bar"),
      whatToShow: z
        .enum(["TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK", "ADJUSTED_LAST"])
        .default("TRADES")
        .describe("Currencies have no TRADES: use MIDPOINT"),
      useRTH: z.boolean().default(true).describe("Regular trading hours only"),
      endDateTime: z.iso
        .datetime({ offset: true })
        .optional()
        .describe("End, ISO 8601 with zone; default now"),
      format: z.enum(["rows", "columns"]).default("rows").describe("columns: one array per field"),
      ...pageInput,
    },
    output: {
      symbol: z.string().describe("Symbol"),
      contract: Contract.describe("What was asked for"),
      bars: z
        .union([z.array(Bar), z.record(z.string(), z.array(z.union([z.string(), z.number(), z.null()])))])
        .describe("Bars: time, open, high, low, close, volume, wap, count"),
      count: z.int().describe("Bars in all"),
      asOf: z.string().describe("When TWS answered, ISO 8601"),
      ...pageOutput,
    },
    effect: "reads",
    deadline: "slow",
    toolset: "core",
    runs: "agent",
    paged: "bars",
  }),
} as const;

/** Other names that the same arguments go by. */
export const inputAliases: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ibkr_get_historical_data: { durationStr: "duration", barSizeSetting: "barSize" },
};
