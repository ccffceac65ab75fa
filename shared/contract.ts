import { z } from "zod";

/** The security types that TWS knows. */
export const SecType = z.enum([
  "STK",
  "OPT",
  "FUT",
  "CASH",
  "IND",
  "FOP",
  "BOND",
  "CFD",
  "FUND",
  "CMDTY",
  "CRYPTO",
  "WAR",
  "CONTFUT",
  "NEWS",
  "BAG",
]);
export type SecType = z.infer<typeof SecType>;

export const Right = z.enum(["C", "P"]);

const text = z.string().trim().min(1).max(64);

/** The fields that name an instrument, the same in every tool. */
export const contractFields = {
  conId: z.int().positive().optional().describe("IBKR contract id; enough alone"),
  symbol: text.optional().describe("AAPL, ES, EUR or EUR.USD"),
  secType: SecType.optional().describe("STK (default), OPT, FUT, CASH, IND, FOP, FUND, CRYPTO…"),
  exchange: text.optional().describe("Default SMART, or the usual venue"),
  currency: text.optional().describe("Default USD"),
  primaryExchange: text.optional().describe("Listing venue"),
  localSymbol: text.optional().describe("Venue's own, such as ESZ6"),
  expiration: z
    .string()
    .regex(/^\d{6}(\d{2})?$/)
    .optional()
    .describe("yyyymmdd or yyyymm"),
  strike: z.number().positive().optional().describe("Of an option"),
  right: Right.optional().describe("C call, P put"),
  multiplier: z.number().positive().optional().describe("Multiplier"),
  tradingClass: text.optional().describe("Such as SPXW"),
} as const;

/** How a caller names an instrument: by conId, or by symbol and as much else as tells it apart. */
export const ContractSelector = z.object(contractFields);
export type ContractSelector = z.infer<typeof ContractSelector>;

/** A contract as TWS resolved it; every field is TWS's own. Absent is null. */
export const Contract = z.object({
  conId: z.int().positive(),
  symbol: z.string(),
  secType: z.string(),
  exchange: z.string(),
  primaryExchange: z.string().nullable(),
  currency: z.string(),
  localSymbol: z.string().nullable(),
  tradingClass: z.string().nullable(),
  expiration: z.string().nullable(),
  strike: z.number().nullable(),
  right: Right.nullable(),
  multiplier: z.number().nullable(),
});
export type Contract = z.infer<typeof Contract>;

/** A selector with TWS's routing defaults filled in; a conId is authoritative and gets none of them. */
export function withDefaults(selector: ContractSelector): ContractSelector {
  if (selector.conId !== undefined) return selector;
  const pair = /^([A-Z]{3})[./]([A-Z]{3})$/.exec(selector.symbol?.toUpperCase() ?? "");
  if (pair !== null && (selector.secType === undefined || selector.secType === "CASH")) {
    return {
      ...selector,
      secType: "CASH",
      symbol: pair[1],
      currency: pair[2],
      exchange:
        selector.exchange === undefined || selector.exchange === "SMART" ? "IDEALPRO" : selector.exchange,
    };
  }
  // only options have these
  const isOption = selector.strike !== undefined || selector.right !== undefined;
  const secType = selector.secType ?? (isOption ? "OPT" : "STK");
  const currency = selector.currency ?? "USD";
  switch (secType) {
    case "STK":
    case "OPT":
    case "WAR":
    case "CFD":
    case "BAG":
    case "BOND":
      return { ...selector, secType, currency, exchange: selector.exchange ?? "SMART" };
    case "CASH":
      return {
        ...selector,
        secType,
        currency,
        exchange:
          selector.exchange === undefined || selector.exchange === "SMART" ? "IDEALPRO" : selector.exchange,
      };
    case "CRYPTO":
      return { ...selector, secType, currency, exchange: selector.exchange ?? "PAXOS" };
    // these trade at their own venue only: SMART would match nothing
    case "FUT":
    case "CONTFUT":
    case "FOP":
    case "IND":
    case "FUND":
    case "CMDTY":
    case "NEWS": {
      const { exchange, ...rest } = selector;
      return {
        ...rest,
        secType,
        currency,
        ...(exchange !== undefined && exchange !== "SMART" && { exchange }),
      };
    }
    default:
      return secType satisfies never;
  }
}

/** The id of a market-data resource: the symbol, `EUR.USD` for a pair, the local symbol for what expires. */
export function resourceIdOf(contract: Contract): string {
  if (contract.secType === "CASH") return `${contract.symbol}.${contract.currency}`;
  if (contract.expiration !== null)
    return (contract.localSymbol ?? String(contract.conId)).replaceAll(" ", "");
  return contract.symbol;
}
