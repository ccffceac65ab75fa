import { z } from "zod";
import { isInCalendar, noSuchDate } from "./calendar-date.ts";
import { cryptoVenues, currencyOfVenue, otherSpellings, pairIn, securityIdIn } from "./instrument-names.ts";

const traded = [
  "STK",
  "OPT",
  "FUT",
  "CASH",
  "FOP",
  "BOND",
  "CFD",
  "FUND",
  "CMDTY",
  "CRYPTO",
  "WAR",
  "IOPT",
] as const;
const quoted = [...traded, "IND"] as const;
const charted = [...quoted, "CONTFUT"] as const;

/** The security types that TWS knows and one contract can have. */
export const SecType = z.enum([...charted, "FUT+CONTFUT", "NEWS"]);
export type SecType = z.infer<typeof SecType>;

export const Right = z.enum(["C", "P"]);

const text = z.string().trim().min(1).max(64);
const typeWords = "STK (default), OPT, FUT, CASH, IND, FOP, BOND, CRYPTO…";

/** Securities are known by these ids beside their symbols. */
const SecIdType = z.enum(["ISIN", "CUSIP", "SEDOL", "FIGI"]);

/** The fields that name an instrument, the same in every tool; here with what has quotes. */
export const contractFields = {
  conId: z.int().positive().optional().describe("IBKR contract id; enough alone"),
  symbol: text.optional().describe("AAPL, BRK.B, ES, EUR.USD or an ISIN"),
  secType: z.enum(quoted).optional().describe(typeWords),
  exchange: text.optional().describe("Default SMART, or the usual venue"),
  currency: text.optional().describe("Default USD, or the venue's"),
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
  secIdType: SecIdType.optional().describe("Kind of secId"),
  secId: text.optional().describe("Instead of symbol"),
} as const;

/** The same with what can be ordered. */
export const orderContractFields = {
  ...contractFields,
  secType: z.enum(traded).optional().describe("STK (default), OPT, FUT, CASH, FOP, BOND, CRYPTO…"),
} as const;

/** The same with what has bars: continuous futures have nothing else. */
export const chartContractFields = {
  ...contractFields,
  secType: z.enum(charted).optional().describe("STK (default), OPT, FUT, CONTFUT, CASH, IND, FOP, BOND…"),
} as const;

/** The same with all that TWS has details of. */
export const anyContractFields = {
  ...contractFields,
  secType: SecType.optional().describe(typeWords),
} as const;

/** How a caller names an instrument: by conId, or by symbol and as much else as tells it apart. */
export const ContractSelector = z.object(anyContractFields);
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

/** A selector with TWS's routing defaults filled in; a conId is authoritative and gets none of them. */
export function withDefaults(selector: ContractSelector): ContractSelector {
  return readingsOf(selector)[0];
}

/**
 * What a selector can mean, the likeliest first, each with TWS's routing defaults filled in: TWS is asked for the next
 * one where it does not know the one before.
 */
export function readingsOf(selector: ContractSelector): [ContractSelector, ...ContractSelector[]] {
  const { conId, symbol, secType, exchange } = selector;
  if (conId !== undefined) {
    const { exchange: _route, ...routeless } = selector;
    // not all is routed by SMART, and TWS then knows the instrument at its own venue alone
    return exchange?.toUpperCase() === "SMART" ? [selector, routeless] : [selector];
  }
  if (selector.secId !== undefined) return [withRoute(selector, secType ?? "STK")];
  const named = symbol ?? "";
  const pair = pairIn(named);
  if (pair?.kind === "CMDTY" && (secType === undefined || secType === "CMDTY"))
    return [withRoute({ ...selector, symbol: `${pair.base}${pair.quote}`, currency: pair.quote }, "CMDTY")];
  if (pair !== null && (secType === undefined || secType === pair.kind))
    return routesOf({ ...selector, symbol: pair.base, currency: pair.quote }, pair.kind);
  const [, base, quote] = /^([A-Z]{3})[./]([A-Z]{3})$/.exec(named.toUpperCase()) ?? [];
  if (secType === "CASH" && base !== undefined && quote !== undefined)
    return [withRoute({ ...selector, symbol: base, currency: quote }, "CASH")];
  const byId = readingsOfId(selector);
  if (byId !== null) return byId;
  // only options have these
  const isOption = selector.strike !== undefined || selector.right !== undefined;
  const isBond = /^IBCID\d+$/i.test(named);
  const type = secType ?? (isOption ? "OPT" : isBond ? "BOND" : "STK");
  const [first, ...others] = routesOf(selector, type);
  if (!hasClasses.has(type)) return [first, ...others];
  return [first, ...others, ...otherSpellings(named).map((spelling) => ({ ...first, symbol: spelling }))];
}

/** What is issued in classes, or is on a share that is. */
const hasClasses: ReadonlySet<SecType> = new Set(["STK", "OPT", "CFD", "WAR", "IOPT"] as const);

/** An ISIN or CUSIP in the place of a symbol; null for anything else. TWS takes those of bonds as symbols. */
function readingsOfId(selector: ContractSelector): [ContractSelector, ...ContractSelector[]] | null {
  const { symbol = "", secType, ...rest } = selector;
  const found = securityIdIn(symbol);
  if (found === null) return null;
  const { type, id, looksLike } = found;
  const asBond = withRoute({ ...selector, symbol }, "BOND");
  const asType = (kind: SecType) => withRoute({ ...rest, secIdType: type, secId: id }, kind);
  if (secType !== undefined) return [secType === "BOND" ? asBond : asType(secType)];
  return looksLike === "bond" ? [asBond, asType("STK")] : [asType("STK"), asBond];
}

/** At each venue where a type trades, unless the caller names one. */
function routesOf(selector: ContractSelector, secType: SecType): [ContractSelector, ...ContractSelector[]] {
  const route = selector.exchange?.toUpperCase() ?? "SMART";
  if (secType !== "CRYPTO" || route !== "SMART") return [withRoute(selector, secType)];
  const [first, second] = cryptoVenues;
  return [
    withRoute({ ...selector, exchange: first }, secType),
    withRoute({ ...selector, exchange: second }, secType),
  ];
}

function withRoute(selector: ContractSelector, secType: SecType): ContractSelector {
  const { exchange, ...rest } = selector;
  const currency = currencyOf(selector, secType);
  const filled = { ...rest, secType, ...(currency !== undefined && { currency }) };
  const isSmart = exchange === undefined || exchange.toUpperCase() === "SMART";
  switch (secType) {
    case "STK":
    case "OPT":
    case "WAR":
    case "IOPT":
    case "CFD":
    case "BOND":
      return { ...filled, exchange: exchange ?? "SMART" };
    case "CASH":
      return { ...filled, exchange: isSmart ? "IDEALPRO" : exchange };
    case "CRYPTO":
      return { ...filled, exchange: isSmart ? cryptoVenues[0] : exchange };
    // these trade at their own venue only: SMART would match nothing
    case "FUT":
    case "CONTFUT":
    case "FUT+CONTFUT":
    case "FOP":
    case "IND":
    case "FUND":
    case "CMDTY":
    case "NEWS":
      return { ...filled, ...(!isSmart && { exchange }) };
    default:
      return secType satisfies never;
  }
}

/** Undefined leaves it to TWS, where neither the venue nor the id says one: several are then told apart by the caller. */
function currencyOf(selector: ContractSelector, secType: SecType): string | undefined {
  const { currency, exchange, primaryExchange, secId } = selector;
  if (currency !== undefined) return currency;
  if (secType === "CASH" || secType === "CRYPTO") return "USD";
  const route = exchange?.toUpperCase() === "SMART" ? undefined : exchange;
  const venue = route ?? primaryExchange;
  if (venue !== undefined) return currencyOfVenue(venue) ?? undefined;
  // what has an id may be listed in several countries, and a CUSIP belongs to the United States and Canada
  return secId === undefined || secId.toUpperCase().startsWith("US") || selector.secIdType === "CUSIP"
    ? "USD"
    : undefined;
}

/**
 * The id of a market-data resource: the symbol, `EUR.USD` or `BTC.USD` for a pair, the local symbol for what expires, and TWS's own
 * name for a bond, whose symbol is that of its issuer's stock.
 */
export function resourceIdOf(contract: Contract): string {
  if (contract.secType === "BOND") return `IBCID${contract.conId}`;
  if (contract.secType === "CASH" || contract.secType === "CRYPTO")
    return `${contract.symbol}.${contract.currency}`;
  if (contract.expiration !== null)
    return (contract.localSymbol ?? String(contract.conId)).replaceAll(" ", "");
  return contract.symbol;
}
