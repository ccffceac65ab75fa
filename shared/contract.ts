import { z } from "zod";
import { isInCalendar, noSuchDate } from "./calendar-date.ts";

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
  secType: SecType.optional().describe("STK (default), OPT, FUT, CASH, IND, FOP, BOND, CRYPTO…"),
  exchange: text.optional().describe("Default SMART, or the usual venue"),
  currency: text.optional().describe("Default USD"),
  primaryExchange: text.optional().describe("Listing venue"),
  localSymbol: text.optional().describe("Venue's own, such as ESZ6"),
  expiration: z
    .string()
    .regex(/^\d{6}(\d{2})?$/)
    .refine(isInCalendar, noSuchDate)
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

/** The same as a row of a list, in which a word that is none of these is refused. */
export const ContractRow = z.strictObject(contractFields);

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

/** What TWS says of a bond besides. Coupon in percent a year, dates yyyymmdd; null is what TWS does not say. */
export const BondFacts = z.object({
  /** Issuer, coupon and maturity in a line, as "IBM 3 1/2 05/15/29". */
  description: z.string().nullable(),
  coupon: z.number().nullable(),
  couponType: z.string().nullable(),
  maturity: z.string().nullable(),
  issueDate: z.string().nullable(),
  cusip: z.string().nullable(),
  isin: z.string().nullable(),
  ratings: z.string().nullable(),
  bondType: z.string().nullable(),
  callable: z.boolean().nullable(),
  putable: z.boolean().nullable(),
  convertible: z.boolean().nullable(),
  /** When the bond may be called or put next, and which of both. */
  nextOptionDate: z.string().nullable(),
  nextOptionType: z.string().nullable(),
  notes: z.string().nullable(),
});
export type BondFacts = z.infer<typeof BondFacts>;

/** Only bonds go by names like these: a CUSIP, an ISIN, or TWS's own. */
const bondName = /^(\d{3}[0-9A-Z]{5}\d|[A-Z]{2}[0-9A-Z]{9}\d|IBCID\d+)$/i;

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
  const isBond = bondName.test(selector.symbol ?? "");
  const secType = selector.secType ?? (isOption ? "OPT" : isBond ? "BOND" : "STK");
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

/**
 * The id of a market-data resource: the symbol, `EUR.USD` for a pair, the local symbol for what expires, and TWS's own
 * name for a bond, whose symbol is that of its issuer's stock.
 */
export function resourceIdOf(contract: Contract): string {
  if (contract.secType === "BOND") return `IBCID${contract.conId}`;
  if (contract.secType === "CASH") return `${contract.symbol}.${contract.currency}`;
  if (contract.expiration !== null)
    return (contract.localSymbol ?? String(contract.conId)).replaceAll(" ", "");
  return contract.symbol;
}
