import { z } from "zod";
import { Contract } from "../contract.ts";
import { defineTool, pageInput, pageOutput } from "./define.ts";

export const scannerSections = ["scanCodes", "instruments", "locations", "filters"] as const;

/** One thing that a scan may be made of. Names are TWS's own. */
export const ScannerParameter = z.object({
  /** Pass it on as scanCode, instrument or locationCode. */
  code: z.string(),
  name: z.string(),
  /** The instruments that it goes with; those of a filter are the ones that name it. */
  instruments: z.array(z.string()),
  /** The location around this one, or the category of a filter. */
  group: z.string().nullable(),
});
export type ScannerParameter = z.infer<typeof ScannerParameter>;

const price = z.number().positive().optional();

export const scannerTools = {
  ibkr_get_scanner_parameters: defineTool({
    title: "Scanner parameters",
    description:
      "The catalog of what ibkr_run_market_scanner takes. Narrow it with section, query and instrument. Names are TWS's own words.",
    input: {
      section: z.enum(scannerSections).default("scanCodes").describe("Which part"),
      query: z.string().trim().max(64).default("").describe("Words in code or name: gain"),
      instrument: z.string().trim().max(32).default("").describe("Only what goes with it: STK"),
      ...pageInput,
    },
    output: {
      parameters: z.array(ScannerParameter).describe("Rows: code, name, instruments, group"),
      count: z.int().describe("Rows in all"),
      section: z.string().describe("The part shown"),
      sections: z.record(z.string(), z.int()).describe("Size of each part"),
      asOf: z.string().describe("When TWS answered"),
      ...pageOutput,
    },
    effect: "reads",
    deadline: "slow",
    toolset: "full",
    runs: "agent",
    paged: "parameters",
  }),
  ibkr_run_market_scanner: defineTool({
    title: "Market scanner",
    description:
      "Ranks a whole market by one measure, such as gain or volume. The codes come from ibkr_get_scanner_parameters; for bid and ask of what is found use ibkr_get_quotes.",
    input: {
      scanCode: z.string().trim().min(1).max(64).describe("TOP_PERC_GAIN, MOST_ACTIVE, HOT_BY_VOLUME…"),
      instrument: z.string().trim().min(1).max(32).default("STK").describe("Kind of instrument"),
      locationCode: z.string().trim().min(1).max(64).default("STK.US.MAJOR").describe("Market"),
      numberOfRows: z.int().min(1).max(50).default(50).describe("At most 50"),
      abovePrice: price.describe("Price at least"),
      belowPrice: price.describe("Price at most"),
      aboveVolume: z.int().min(0).optional().describe("Volume at least"),
      marketCapAbove: price.describe("Market value at least, millions"),
      marketCapBelow: price.describe("Market value at most"),
      stockTypeFilter: z
        .enum(["ALL", "STOCK", "ETF", "CORP", "ADR", "REIT", "CEF"])
        .optional()
        .describe("Stocks of one type"),
      withQuotes: z.boolean().default(true).describe("Add price and change of the day"),
      ...pageInput,
    },
    output: {
      results: z
        .array(
          z.object({
            rank: z.int(),
            contract: Contract.partial(),
            distance: z.string().nullable(),
            benchmark: z.string().nullable(),
            projection: z.string().nullable(),
            last: z.number().nullable(),
            change: z.number().nullable(),
            changePercent: z.number().nullable(),
            dataType: z.string().nullable(),
            ageMs: z.number().nullable(),
          }),
        )
        .describe(
          "rank (from 0), contract, distance, benchmark, projection; last, change and changePercent from the previous close, dataType and ageMs, null where TWS gave no quote in time",
        ),
      count: z.int().describe("How many"),
      scanCode: z.string().describe("The scan"),
      isPrecise: z.boolean().describe("False: TWS calls its precision low"),
      asOf: z.string().describe("When TWS answered"),
      ...pageOutput,
    },
    effect: "reads",
    deadline: "normal",
    toolset: "core",
    runs: "agent",
    paged: "results",
  }),
} as const;
