import { z } from "zod";
import { Contract, contractFields } from "../contract.ts";
import { defineTool } from "./define.ts";

const search = {
  input: {
    pattern: z.string().trim().min(1).max(100).describe("Start of a symbol, or words of a company name"),
  },
  output: {
    results: z
      .array(
        Contract.partial().extend({ name: z.string().nullable(), derivativeSecTypes: z.array(z.string()) }),
      )
      .describe("Contracts: conId, symbol, secType, primaryExchange, currency, name"),
    count: z.int().describe("How many"),
  },
  effect: "reads",
  deadline: "normal",
  runs: "agent",
} as const;

export const contractTools = {
  ibkr_search_symbols: defineTool({
    ...search,
    title: "Search symbols",
    description:
      "Finds stocks, funds and indices by part of a symbol or company name. Use it when you do not know the exact symbol, then pass the conId on. For one known contract use ibkr_get_contract_details. TWS allows about one search a second.",
    toolset: "core",
  }),
  ibkr_get_matching_symbols: defineTool({
    ...search,
    title: "Matching symbols",
    description:
      "The same search as ibkr_search_symbols under its TWS name, reqMatchingSymbols. Prefer ibkr_search_symbols.",
    toolset: "full",
  }),
  ibkr_get_contract_details: defineTool({
    title: "Contract details",
    description:
      "Everything TWS knows of one instrument: ids, tick size, trading hours, exchanges, order types. Name it by conId or symbol; several matches answer ambiguous_contract with the candidates. To find a symbol use ibkr_search_symbols.",
    input: contractFields,
    output: {
      contract: Contract.describe("The resolved contract with its conId"),
      longName: z.string().nullable().describe("Company or product"),
      minTick: z.number().nullable().describe("Smallest price step; the market rule may be coarser"),
      timeZoneId: z.string().nullable().describe("Zone of the hours"),
      tradingHours: z.string().nullable().describe("All sessions, yyyymmdd:hhmm-yyyymmdd:hhmm;…"),
      liquidHours: z.string().nullable().describe("Regular sessions"),
      validExchanges: z.array(z.string()).describe("Where it trades"),
      marketRuleIds: z.array(z.int()).describe("Tick rules, parallel to validExchanges"),
      orderTypes: z.array(z.string()).describe("Order types allowed"),
      minSize: z.number().nullable().describe("Smallest quantity"),
      sizeIncrement: z.number().nullable().describe("Quantity step"),
      industry: z.string().nullable().describe("Industry"),
      category: z.string().nullable().describe("Category"),
      stockType: z.string().nullable().describe("COMMON, ETF…"),
      underlyingConId: z.int().nullable().describe("Of a derivative"),
      contractMonth: z.string().nullable().describe("yyyymm of a derivative"),
    },
    effect: "reads",
    deadline: "slow",
    toolset: "core",
    runs: "agent",
  }),
} as const;
