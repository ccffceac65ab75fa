import type { Contract as IbContract, ContractDetails as IbContractDetails } from "@stoqey/ib";
import type { BondFacts, Contract, ContractSelector } from "../../../shared/contract.ts";
import { figureOf } from "../session/figures.ts";

/** TWS calls Treasury bills BILL, and treats them as bonds. */
export const isBond = (secType: string | undefined): boolean => secType === "BOND" || secType === "BILL";

const textOrNull = (value: string | undefined): string | null =>
  value === undefined || value === "" ? null : value;

const dateOrNull = (value: string | undefined): string | null => /^\d{8}/.exec(value ?? "")?.[0] ?? null;

/** What TWS knows of a bond; null for anything else. */
export function bondFactsFrom(details: IbContractDetails): BondFacts | null {
  const { contract, secIdList = [] } = details;
  if (!isBond(contract.secType)) return null;
  const description = textOrNull(details.descAppend);
  const said = readDescription(description ?? "", new Date().getUTCFullYear());
  const maturity = dateOrNull(details.maturity);
  // without the right to the bond's reference data TWS sends a line of text, the ids, and nothing else
  const ifSent = <T>(value: T | null | undefined): T | null => (maturity === null ? null : (value ?? null));
  const idOf = (kind: string) => textOrNull(secIdList.find(({ tag }) => tag === kind)?.value);
  return {
    description,
    coupon: ifSent(figureOf(details.coupon)) ?? said.coupon,
    couponType: textOrNull(details.couponType),
    maturity: maturity ?? said.maturity,
    issueDate: dateOrNull(details.issueDate),
    // the field itself may hold TWS's own name instead
    cusip: idOf("CUSIP") ?? /^[0-9A-Z]{8}\d$/.exec(details.cusip ?? "")?.[0] ?? null,
    isin: idOf("ISIN"),
    ratings: textOrNull(details.ratings),
    bondType: textOrNull(details.bondType),
    callable: ifSent(details.callable),
    putable: ifSent(details.putable),
    convertible: ifSent(details.convertible),
    nextOptionDate: dateOrNull(details.nextOptionDate),
    nextOptionType: textOrNull(details.nextOptionType),
    notes: textOrNull(details.notes),
  };
}

interface Described {
  readonly coupon: number | null;
  readonly maturity: string | null;
}

/** "AAPL 3.85 05/04/43", "US-T 1 5/8 11/10/26": issuer, coupon in percent, and the maturity, month first. */
export function readDescription(text: string, thisYear: number): Described {
  const [, coupon = "", month = "", day = "", year = ""] =
    /^\S+ (?:(.+) )?(\d\d)\/(\d\d)\/(\d\d)\b/.exec(text) ?? [];
  if (year === "") return { coupon: null, maturity: null };
  const inThisCentury = Math.floor(thisYear / 100) * 100 + Number(year);
  // bonds of a hundred years exist, and nobody lists one that was due ten years ago
  const dueIn = inThisCentury < thisYear - 10 ? inThisCentury + 100 : inThisCentury;
  return { coupon: numberIn(coupon), maturity: `${dueIn}${month}${day}` };
}

function numberIn(text: string): number | null {
  const [, whole, numerator, denominator] = /^(\d*\.?\d+)(?: (\d+)\/(\d+))?$/.exec(text) ?? [];
  if (whole === undefined) return null;
  return Number(whole) + (numerator === undefined ? 0 : Number(numerator) / Number(denominator));
}

/** A bond has no symbol of its own: it goes by that of its issuer, and by the name that TWS makes of its id. */
export function bondNames({
  conId,
  symbol,
  tradingClass,
  localSymbol,
}: IbContract): Pick<Contract, "symbol" | "localSymbol"> {
  const name = textOrNull(localSymbol) ?? (conId === undefined || conId <= 0 ? null : `IBCID${conId}`);
  return { symbol: textOrNull(symbol) ?? textOrNull(tradingClass) ?? name ?? "", localSymbol: name };
}

/** Whether a bond goes by this word: its issuer's symbol, TWS's name for it, or one of its numbers. */
export function isBondCalled(
  { symbol, localSymbol }: Contract,
  bond: BondFacts | null,
  word: string,
): boolean {
  return [symbol, localSymbol, bond?.cusip, bond?.isin].includes(word.toUpperCase());
}

/** Whether it is one of the bonds that are asked for, which may be told by the day or the month of maturity. */
export function maturesIn(
  { contract, bond }: { readonly contract: Contract; readonly bond?: BondFacts | undefined },
  { conId, expiration }: ContractSelector,
): boolean {
  if (bond === undefined || conId !== undefined || expiration === undefined) return true;
  return contract.expiration?.startsWith(expiration) ?? false;
}

/** What tells one bond of an issuer from another. */
export function bondCandidate(contract: Contract, bond: BondFacts): Record<string, unknown> {
  const { conId, symbol, secType, exchange, currency, localSymbol, expiration } = contract;
  const { description, coupon, maturity, cusip, callable } = bond;
  return {
    conId,
    symbol,
    secType,
    exchange,
    currency,
    localSymbol,
    expiration,
    description,
    coupon,
    maturity,
    cusip,
    callable,
  };
}
