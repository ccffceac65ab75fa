import { BarSizeSetting, OptionType, SecType } from "@stoqey/ib";
import type {
  Contract as IbContract,
  ContractDescription,
  ContractDetails as IbContractDetails,
} from "@stoqey/ib";
import type { Contract, ContractSelector } from "../../../shared/contract.ts";
import { TwsError } from "../../../shared/errors.ts";
import type { contractTools } from "../../../shared/tools/contracts.ts";
import type { OutputOf } from "../../../shared/tools/define.ts";
import type { barSizes } from "../../../shared/tools/history.ts";
import { positiveOf } from "../session/figures.ts";
import { dayIn, readTime } from "../session/time-zone.ts";
import { bondFactsFrom, bondNames, isBond } from "./bond-facts.ts";

/** What TWS knows of one instrument. */
export type ContractDetails = OutputOf<(typeof contractTools)["ibkr_get_contract_details"]>;

/** One hit of a symbol search. */
export type SymbolMatch = OutputOf<(typeof contractTools)["ibkr_search_symbols"]>["results"][number];

export const textOrNull = (value: string | undefined): string | null =>
  value === undefined || value === "" ? null : value;

const listOf = (value: string | undefined): string[] =>
  (value ?? "")
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");

/** The fields that a contract of TWS has; positions and search results leave out some. */
export function partialContract(contract: IbContract): Partial<Contract> {
  return {
    ...(positiveOf(contract.conId) !== null && { conId: contract.conId }),
    symbol: contract.symbol ?? "",
    secType: contract.secType ?? "",
    exchange: contract.exchange ?? "",
    primaryExchange: textOrNull(contract.primaryExch),
    currency: contract.currency ?? "",
    localSymbol: textOrNull(contract.localSymbol),
    tradingClass: textOrNull(contract.tradingClass),
    // contract details may put the hour and its zone behind the date
    expiration: /^\d{6,8}/.exec(contract.lastTradeDateOrContractMonth ?? "")?.[0] ?? null,
    strike: positiveOf(contract.strike),
    right: rightOf(contract.right),
    multiplier: positiveOf(contract.multiplier),
    ...(isBond(contract.secType) && bondNames(contract)),
  };
}

/** What SMART routes; TWS knows the rest at its own venue alone. */
const smartRouted: ReadonlySet<string> = new Set(["STK", "OPT", "WAR", "IOPT", "CFD", "BOND", "BILL"]);

/**
 * A contract as positions and fills have it. The exchange in there is where a share is listed or an order was filled,
 * and an order for a copy of the contract would be routed to that venue alone; so it is given the route that its type
 * has by default. Where a fill was is told beside its contract.
 */
export function heldContract(wire: IbContract): Partial<Contract> {
  const contract = partialContract(wire);
  const { secType = "", exchange = "" } = contract;
  if (smartRouted.has(secType)) return { ...contract, exchange: "SMART" };
  if (secType === "CASH") return { ...contract, exchange: "IDEALPRO" };
  // IBKR's routing algorithm for futures
  return exchange === "QBALGO" ? { ...contract, exchange: "" } : contract;
}

/** The same of a position, in which TWS names the listing of a share. */
export function positionContract(wire: IbContract): Partial<Contract> {
  const contract = heldContract(wire);
  const listing = contract.secType === "STK" && wire.exchange !== "SMART" ? textOrNull(wire.exchange) : null;
  return { ...contract, primaryExchange: contract.primaryExchange ?? listing };
}

function rightOf(right: OptionType | undefined): "C" | "P" | null {
  switch (right) {
    case OptionType.Call:
      return "C";
    case OptionType.Put:
      return "P";
    case undefined:
      return null;
    default:
      return right satisfies never;
  }
}

/** Null for contract details without an id, which TWS does not send. */
export function detailsFrom(details: IbContractDetails): ContractDetails | null {
  const { contract } = details;
  const conId = positiveOf(contract.conId);
  if (conId === null) return null;
  const { symbol = "", secType = "", exchange = "", currency = "", ...rest } = partialContract(contract);
  const bond = bondFactsFrom(details);
  const lastTrade = lastTradeOf(details);
  const optional = {
    primaryExchange: rest.primaryExchange ?? null,
    localSymbol: rest.localSymbol ?? null,
    tradingClass: rest.tradingClass ?? null,
    expiration: lastTrade.day ?? rest.expiration ?? bond?.maturity ?? null,
    strike: rest.strike ?? null,
    right: rest.right ?? null,
    multiplier: rest.multiplier ?? null,
  };
  return {
    contract: { conId, symbol, secType, exchange, currency, ...optional },
    longName: textOrNull(details.longName),
    minTick: positiveOf(details.minTick),
    // details of a bond have none
    priceMagnifier: positiveOf(details.priceMagnifier) ?? 1,
    timeZoneId: textOrNull(details.timeZoneId),
    tradingHours: textOrNull(details.tradingHours),
    liquidHours: textOrNull(details.liquidHours),
    validExchanges: listOf(details.validExchanges),
    marketRuleIds: listOf(details.marketRuleIds).map(Number).filter(Number.isInteger),
    orderTypes: listOf(details.orderTypes),
    minSize: positiveOf(details.minSize),
    sizeIncrement: positiveOf(details.sizeIncrement),
    suggestedSizeIncrement: positiveOf(details.suggestedSizeIncrement),
    marketName: textOrNull(details.marketName),
    industry: textOrNull(details.industry),
    category: textOrNull(details.category),
    subcategory: textOrNull(details.subcategory),
    stockType: textOrNull(details.stockType),
    underlyingConId: positiveOf(details.underConId),
    contractMonth: textOrNull(details.contractMonth),
    lastTradeAt: lastTrade.at,
    lastTradeText: lastTrade.text,
    ...(bond !== null && { bond }),
  };
}

/**
 * When it trades last, if TWS says an hour, which it may write on the clock of its own machine: in Asia that is the day
 * after that of the venue. `day` is the venue's, null where the text says no more than a date.
 */
function lastTradeOf(details: IbContractDetails) {
  const date = textOrNull(details.contract.lastTradeDateOrContractMonth);
  const text = date === null ? null : [date, details.lastTradeTime ?? ""].join(" ").trim();
  const at = text === null ? null : readTime(text, details.timeZoneId ?? null);
  const isInstant = at?.includes("T") === true;
  const zone = textOrNull(details.timeZoneId);
  return { at, text, day: isInstant && zone !== null ? dayIn(zone, at) : null };
}

/**
 * Null for a hit that names nothing. Search results carry few fields; what they lack is absent, not null. An issuer of
 * bonds has no conId: TWS's id of it stands in the place of a symbol, and is taken there.
 */
export function matchFrom({ contract, derivativeSecTypes }: ContractDescription): SymbolMatch | null {
  const conId = positiveOf(contract?.conId);
  const issuerId = textOrNull(contract?.issuerId);
  if (issuerId !== null)
    return {
      symbol: issuerId,
      secType: "BOND",
      name: textOrNull(contract?.description),
      derivativeSecTypes: [],
    };
  if (contract === undefined || conId === null) return null;
  return {
    conId,
    symbol: contract.symbol ?? "",
    secType: contract.secType ?? "",
    primaryExchange: textOrNull(contract.primaryExch),
    currency: contract.currency ?? "",
    name: textOrNull(contract.description),
    derivativeSecTypes: (derivativeSecTypes ?? []).map(String),
  };
}

/** The library's words, and the one that it lacks. */
const secTypes: ReadonlySet<string> = new Set([...Object.values(SecType), "FUT+CONTFUT"]);

const isWireSecType = (text: string): text is SecType => secTypes.has(text);

const secTypeField = (secType: string | undefined): Pick<IbContract, "secType"> =>
  secType !== undefined && isWireSecType(secType) ? { secType } : {};

const rightField = (right: "C" | "P" | null | undefined): Pick<IbContract, "right"> => {
  switch (right) {
    case "C":
      return { right: OptionType.Call };
    case "P":
      return { right: OptionType.Put };
    default:
      return {};
  }
};

/** A selector as reqContractDetails takes it: only what was given. */
export function selectorToTws(selector: ContractSelector): IbContract {
  const issuerId = issuerIdIn(selector);
  if (issuerId !== null) return { issuerId };
  const { conId, symbol, exchange, currency, localSymbol, strike, multiplier, tradingClass } = selector;
  const { secIdType, secId } = selector;
  return {
    ...(secIdType !== undefined && secId !== undefined && { secIdType, secId }),
    ...(conId !== undefined && { conId }),
    ...(symbol !== undefined && { symbol }),
    ...secTypeField(selector.secType),
    ...(exchange !== undefined && { exchange }),
    ...(currency !== undefined && { currency }),
    ...(localSymbol !== undefined && { localSymbol }),
    ...(strike !== undefined && { strike }),
    ...rightField(selector.right),
    ...(multiplier !== undefined && { multiplier }),
    ...(tradingClass !== undefined && { tradingClass }),
    // TWS is not known to look at a bond's maturity: the answer is sieved instead
    ...(selector.expiration !== undefined &&
      selector.secType !== "BOND" && { lastTradeDateOrContractMonth: selector.expiration }),
    ...(selector.primaryExchange !== undefined && { primaryExch: selector.primaryExchange }),
  };
}

/** The id of an issuer of bonds, which a search gives as a symbol; null where none is named. */
function issuerIdIn({ conId, symbol, secType }: ContractSelector): string | null {
  const isIssuer = conId === undefined && secType === "BOND" && /^e\d+$/i.test(symbol ?? "");
  return isIssuer ? (symbol?.toLowerCase() ?? null) : null;
}

/** A resolved contract as every other request takes it: its id names it, the exchange routes it. */
export function contractToTws(contract: Contract): IbContract {
  const { conId, symbol, exchange, currency } = contract;
  // a bond's symbol is its issuer's, and TWS may not have said its currency
  if (isBond(contract.secType)) return { conId, ...secTypeField(contract.secType), exchange };
  return { conId, symbol, ...secTypeField(contract.secType), exchange, currency };
}

const barSettings = new Map<string, BarSizeSetting>(
  Object.values(BarSizeSetting).map((setting) => [setting, setting]),
);

export function barSizeToTws(barSize: (typeof barSizes)[number]): BarSizeSetting {
  const setting = barSettings.get(barSize);
  if (setting === undefined) throw new TwsError("invalid_input", `TWS has no bars of ${barSize}.`);
  return setting;
}
