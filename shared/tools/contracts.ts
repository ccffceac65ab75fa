import { z } from "zod";
import { anyContractFields, BondFacts, Contract, contractFields } from "../contract.ts";
import { defineTool, pageInput, pageOutput } from "./define.ts";

const search = {
  input: {
    pattern: z
      .string()
      .trim()
      .min(1)
      .max(100)
      .describe("Start of a symbol, a word of a company name, or an ISIN"),
  },
  output: {
    results: z
      .array(
        Contract.partial().extend({ name: z.string().nullable(), derivativeSecTypes: z.array(z.string()) }),
      )
      .describe("Contracts: conId, symbol, secType, primaryExchange, currency, name"),
    count: z.int().describe("How many"),
    nextStep: z.string().optional().describe("Where nothing was found"),
  },
  effect: "reads",
  deadline: "normal",
  runs: "agent",
} as const;

const details = {
  longName: z.string().nullable().describe("Company or product"),
  minTick: z.number().nullable().describe("Smallest price step; the market rule may be coarser"),
  priceMagnifier: z.number().describe("Parts of the currency that prices count: 100 for pence, 1 usually"),
  timeZoneId: z.string().nullable().describe("Zone of the hours"),
  tradingHours: z.string().nullable().describe("All sessions, yyyymmdd:hhmm-yyyymmdd:hhmm;…"),
  liquidHours: z.string().nullable().describe("Regular sessions"),
  validExchanges: z.array(z.string()).describe("Where it trades"),
  marketRuleIds: z.array(z.int()).describe("Tick rules, parallel to validExchanges"),
  orderTypes: z.array(z.string()).describe("Order types allowed"),
  minSize: z.number().nullable().describe("Smallest quantity"),
  sizeIncrement: z.number().nullable().describe("Quantity step"),
  suggestedSizeIncrement: z.number().nullable().describe("Step TWS offers"),
  marketName: z.string().nullable().describe("TWS's name of the market"),
  industry: z.string().nullable().describe("Industry"),
  category: z.string().nullable().describe("Category"),
  subcategory: z.string().nullable().describe("Subcategory"),
  stockType: z.string().nullable().describe("COMMON, ETF…"),
  underlyingConId: z.int().nullable().describe("Of a derivative"),
  contractMonth: z.string().nullable().describe("yyyymm of a derivative"),
  lastTradeAt: z.string().nullable().describe("Last trading day or instant, ISO 8601"),
  lastTradeText: z.string().nullable().describe("As TWS wrote it"),
  bond: BondFacts.optional().describe(
    "Of a bond: coupon, maturity, cusip, ratings, callable…; prices are percent of par",
  ),
} as const;

const OptionParams = z.object({
  exchange: z.string(),
  underlyingConId: z.int(),
  tradingClass: z.string(),
  multiplier: z.number().nullable(),
  expirations: z.array(z.string()),
  strikes: z.array(z.number()),
});

export const contractTools = {
  ibkr_search_symbols: defineTool({
    ...search,
    title: "Search symbols",
    description:
      "Finds stocks, funds and indices by part of a symbol or company name. Use it when you do not know the exact symbol, then pass the conId on, or an issuer of bonds by symbol and secType BOND. For one known contract use ibkr_get_contract_details. TWS allows about one search a second.",
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
      "Everything TWS knows of one instrument: ids, tick size, trading hours, exchanges, order types. Name it by conId or symbol (a bond by CUSIP, ISIN or issuer); several matches answer ambiguous_contract with the candidates. To find a symbol use ibkr_search_symbols.",
    input: anyContractFields,
    output: { contract: Contract.describe("The resolved contract with its conId"), ...details },
    effect: "reads",
    deadline: "slow",
    toolset: "core",
    runs: "agent",
  }),
  ibkr_get_security_definition_by_conid: defineTool({
    title: "Contract by conId",
    description:
      "The contract that a conId names, with everything TWS knows of it. Use it for a conId from positions, orders or a search. For a symbol use ibkr_get_contract_details, which answers the same.",
    input: { conId: z.int().positive().describe("IBKR contract id") },
    output: {
      contract: Contract.describe("The contract, fit to be passed on"),
      details: z
        .object(details)
        .describe("As ibkr_get_contract_details: minTick, hours, exchanges, order types…"),
    },
    effect: "reads",
    deadline: "slow",
    toolset: "full",
    runs: "agent",
  }),
  ibkr_get_market_rule: defineTool({
    title: "Price increments",
    description:
      "The price steps of a market rule: from which price on which step holds. An order's price must be a whole number of its step. Take the id from marketRuleIds of ibkr_get_contract_details.",
    input: { marketRuleId: z.int().nonnegative().max(2_147_483_646).describe("Such as 26") },
    output: {
      marketRuleId: z.int().describe("The id asked for"),
      priceIncrements: z
        .array(z.object({ lowEdge: z.number(), increment: z.number() }))
        .describe("lowEdge: from this price on; increment: the step"),
      count: z.int().describe("How many"),
    },
    effect: "reads",
    deadline: "normal",
    toolset: "full",
    runs: "agent",
  }),
  ibkr_get_option_chain_params: defineTool({
    title: "Option expirations and strikes",
    description:
      "Which expirations and strikes the options on an underlying have, by venue and trading class. Use it to choose an expiration, then list its contracts with ibkr_get_option_chain: not every strike exists for every expiration. The underlying's conId comes from ibkr_get_contract_details.",
    input: {
      underlyingConId: z.int().positive().describe("conId of the stock, index or future"),
      exchange: z.string().trim().min(1).max(20).optional().describe("Only this venue; SMART is usual"),
      ...pageInput,
    },
    output: {
      chains: z
        .array(OptionParams)
        .describe(
          "SMART first: exchange, tradingClass, multiplier, expirations (yyyymmdd), strikes; more than 500 strikes go over several rows",
        ),
      count: z.int().describe("Venues and classes in all; 0: it has no options"),
      ...pageOutput,
    },
    effect: "reads",
    deadline: "slow",
    toolset: "full",
    runs: "agent",
    paged: "chains",
  }),
  ibkr_get_smart_components: defineTool({
    title: "SMART venues",
    description:
      "The venues among which SMART routes, with the letters that stand for them in quotes. Name a group by bboExchange, or an instrument whose group it is. The venues of one instrument as names are in validExchanges of ibkr_get_contract_details.",
    input: {
      bboExchange: z
        .string()
        .trim()
        .min(1)
        .max(20)
        .optional()
        .describe("Code of a group, such as 9c0001; instead of an instrument"),
      ...contractFields,
    },
    output: {
      bboExchange: z.string().describe("The group"),
      components: z
        .array(z.object({ bit: z.int(), exchange: z.string(), letter: z.string() }))
        .describe("bit, exchange, letter; empty while the venues are closed"),
      count: z.int().describe("How many"),
    },
    effect: "reads",
    deadline: "normal",
    toolset: "full",
    runs: "agent",
  }),
} as const;
