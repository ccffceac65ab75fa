import type { Contract, ContractSelector } from "../../../shared/contract.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { expirationsOf, optionParams } from "./option-params.ts";
import type { OptionParams } from "./option-params.ts";

interface Neighbours {
  readonly message: string;
  readonly candidates: readonly Record<string, unknown>[];
}

/** Everything that matches a selector; rejects when nothing does. */
type LookUp = (selector: ContractSelector) => Promise<readonly { readonly contract: Contract }[]>;

const kept = 6;
const keptFutures = 3;

/** Where options have their underlying, the likeliest first. */
export const underlyingsOf = (symbol: string, currency: string | undefined): ContractSelector[] => [
  { symbol, secType: "STK", ...(currency !== undefined && { currency }) },
  { symbol, secType: "IND", ...(currency !== undefined && { currency }) },
];

/** What exists next to an option that does not: other strikes of its expiration, or other expirations. Null if unknown. */
export async function neighboursOf(
  session: TwsSession,
  wanted: ContractSelector,
  lookUp: LookUp,
  context: RequestContext,
): Promise<Neighbours | null> {
  const { symbol, expiration, strike, localSymbol: _exact, ...rest } = wanted;
  if (symbol === undefined || expiration === undefined) return null;
  const listed = strike === undefined ? [] : await lookUp({ ...rest, symbol, expiration }).catch(() => []);
  if (strike !== undefined && listed.length > 0)
    return nearStrikes(
      listed.map(({ contract }) => contract),
      { symbol, expiration, strike },
    );
  const rows =
    wanted.secType === "FOP"
      ? await paramsOnFutures(session, { ...wanted, symbol, expiration }, lookUp, context)
      : await paramsOnSymbol(session, { ...wanted, symbol }, lookUp, context);
  const ofClass = rows?.filter(({ tradingClass }) => tradingClass === wanted.tradingClass) ?? [];
  const expirations = rows === null ? null : expirationsOf(ofClass.length > 0 ? ofClass : rows);
  if (expirations === null || expirations.includes(expiration)) return null;
  return nearExpirations(expirations, { ...wanted, symbol, expiration });
}

/** Null where nothing of that name is known. */
async function paramsOnSymbol(
  session: TwsSession,
  { symbol, currency }: Pick<ContractSelector, "currency"> & { readonly symbol: string },
  lookUp: LookUp,
  context: RequestContext,
): Promise<OptionParams[] | null> {
  for (const selector of underlyingsOf(symbol, currency)) {
    const [found] = await lookUp(selector).catch(() => []);
    if (found !== undefined) return optionParams(session, found.contract, context);
  }
  return null;
}

/** Of the futures that expire nearest a date: a product may have a hundred, each with options of its own. */
async function paramsOnFutures(
  session: TwsSession,
  {
    symbol,
    currency,
    expiration,
  }: Pick<ContractSelector, "currency"> & { readonly symbol: string; readonly expiration: string },
  lookUp: LookUp,
  context: RequestContext,
): Promise<OptionParams[] | null> {
  const named = { symbol, secType: "FUT" as const, ...(currency !== undefined && { currency }) };
  const futures = await lookUp(named).catch(() => []);
  if (futures.length === 0) return null;
  const distance = ({ contract }: { readonly contract: Contract }): number =>
    Math.abs(dayOf(contract.expiration ?? "") - dayOf(expiration));
  const nearest = futures.toSorted((a, b) => distance(a) - distance(b)).slice(0, keptFutures);
  const rows = nearest.map(({ contract }) => optionParams(session, contract, context));
  return (await Promise.all(rows)).flat();
}

interface WantedStrike {
  readonly symbol: string;
  readonly expiration: string;
  readonly strike: number;
}

function nearStrikes(listed: readonly Contract[], { symbol, expiration, strike }: WantedStrike): Neighbours {
  const distance = (contract: Contract): number => Math.abs((contract.strike ?? 0) - strike);
  const nearest = [...new Map(listed.map((contract) => [contract.conId, contract])).values()]
    .sort((a, b) => distance(a) - distance(b))
    .slice(0, kept);
  const strikes = [...new Set(nearest.map((contract) => contract.strike))].sort(
    (a, b) => (a ?? 0) - (b ?? 0),
  );
  return {
    message: `${symbol} has no such option with a strike of ${strike} for ${expiration}; the nearest strikes are ${strikes.join(", ")}.`,
    candidates: nearest.map(optionCandidate),
  };
}

function optionCandidate(contract: Contract): Record<string, unknown> {
  const { conId, symbol, secType, exchange, currency, localSymbol, tradingClass } = contract;
  const { expiration, strike, right } = contract;
  return { conId, symbol, secType, exchange, currency, localSymbol, tradingClass, expiration, strike, right };
}

/** The listed expirations nearest the wanted one. `symbol` may be the name of a single future. */
export function nearExpirations(
  expirations: readonly string[],
  { symbol, secType, expiration, currency }: ContractSelector & { readonly expiration: string },
): Neighbours {
  if (expirations.length === 0)
    return { message: `TWS knows no options on ${String(symbol)}.`, candidates: [] };
  const distance = (date: string): number => Math.abs(dayOf(date) - dayOf(expiration));
  const nearest = [...expirations].sort((a, b) => distance(a) - distance(b)).slice(0, kept);
  return {
    message: `${String(symbol)} has no options that expire on ${expiration}; the nearest expirations are ${[...nearest].sort().join(", ")}.`,
    candidates: nearest.map((date) => ({ symbol, secType, currency, expiration: date })),
  };
}

/** Days since 1970; a month counts from its middle. */
function dayOf(date: string): number {
  const [year, month, day] = [date.slice(0, 4), date.slice(4, 6), date.slice(6, 8) || "15"].map(Number);
  return Date.UTC(year ?? 0, (month ?? 1) - 1, day ?? 15) / 86_400_000;
}
