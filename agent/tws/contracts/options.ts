import type { Contract, ContractSelector } from "../../../shared/contract.ts";
import { TwsError } from "../../../shared/errors.ts";
import type { ChainRow } from "../../../shared/tools/options.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { matchingDetails, resolveDetails } from "./contracts.ts";
import { nearExpirations, underlyingsOf } from "./nearby-strikes.ts";
import { expirationsOf, optionParams } from "./option-params.ts";
import type { ContractDetails } from "./translate.ts";

/** An underlying as callers name it: without a type it is a stock, or else an index. */
interface UnderlyingSelector extends Pick<ContractSelector, "conId" | "symbol" | "currency"> {
  readonly secType?: "STK" | "IND" | "FUT" | undefined;
}

/** Throws unknown_contract, ambiguous_contract or invalid_input. */
async function resolveUnderlying(
  session: TwsSession,
  { conId, symbol, currency, secType }: UnderlyingSelector,
  context: RequestContext,
): Promise<Contract> {
  const resolve = async (selector: ContractSelector) =>
    (await resolveDetails(session, selector, context)).contract;
  if (conId !== undefined) return resolve({ conId });
  if (symbol === undefined)
    throw new TwsError("invalid_input", "symbol: name the underlying, or give its conId.");
  if (secType !== undefined) return resolve({ symbol, secType, ...(currency !== undefined && { currency }) });
  let failure: unknown = null;
  for (const selector of underlyingsOf(symbol, currency)) {
    try {
      return await resolve(selector);
    } catch (error) {
      if (!(error instanceof TwsError) || error.code !== "unknown_contract") throw error;
      // what is said of the likeliest type is said of all
      failure ??= error;
    }
  }
  throw failure;
}

interface Chain {
  readonly underlying: Contract;
  /** yyyymmdd */
  readonly expiration: string;
  /** Ascending by strike, a row for each strike and trading class. */
  readonly rows: readonly ChainRow[];
  readonly contracts: ReadonlyMap<number, Contract>;
}

interface ChainSelector extends UnderlyingSelector {
  readonly expiration: string;
  readonly exchange?: string | undefined;
  readonly tradingClass?: string | undefined;
  readonly right?: "C" | "P" | undefined;
}

/**
 * The options on an underlying that expire together. Futures of a product are found by the options: most dates have
 * those of one future only. Throws as resolveUnderlying does, unknown_contract with the nearest expirations, or
 * ambiguous_contract when several expirations are in the month, or several futures have options of the day.
 */
export async function optionsExpiring(
  session: TwsSession,
  asked: ChainSelector,
  context: RequestContext,
): Promise<Chain> {
  const { conId, symbol, secType, currency } = asked;
  if (secType === "FUT" && conId === undefined && symbol !== undefined) {
    const found = await matchingOptions(session, { symbol, currency, secType: "FOP" }, asked, context);
    const expiration = onlyExpiration(found, symbol, asked.expiration);
    const underlying = await onlyFuture(session, found, { symbol, expiration }, context);
    return chainOf(underlying, expiration, found);
  }
  const underlying = await resolveUnderlying(session, asked, context);
  const found = await optionsOn(session, underlying, asked, context);
  return chainOf(underlying, onlyExpiration(found, underlying.symbol, asked.expiration), found);
}

type Terms = Pick<ChainSelector, "expiration" | "exchange" | "tradingClass" | "right">;

function matchingOptions(
  session: TwsSession,
  { symbol, currency, secType }: Pick<ContractSelector, "symbol" | "currency" | "secType">,
  { expiration, exchange, tradingClass, right }: Terms,
  context: RequestContext,
): Promise<readonly ContractDetails[]> {
  const selector = {
    symbol,
    secType,
    expiration,
    ...(currency !== undefined && { currency }),
    ...(exchange !== undefined && { exchange }),
    ...(tradingClass !== undefined && { tradingClass }),
    ...(right !== undefined && { right }),
  };
  return matchingDetails(session, selector, context);
}

/** Never empty: throws unknown_contract instead, which for a future names the expirations of its own options. */
async function optionsOn(
  session: TwsSession,
  underlying: Contract,
  terms: Terms,
  context: RequestContext,
): Promise<readonly ContractDetails[]> {
  const { conId, symbol, currency } = underlying;
  const isFuture = underlying.secType === "FUT";
  const named = { symbol, currency, secType: isFuture ? ("FOP" as const) : ("OPT" as const) };
  let found: readonly ContractDetails[] = [];
  try {
    found = await matchingOptions(session, named, terms, context);
  } catch (error) {
    // the neighbours it names may be of other futures
    if (!isFuture || !(error instanceof TwsError) || error.code !== "unknown_contract") throw error;
  }
  const own = found.filter(({ underlyingConId }) => underlyingConId === null || underlyingConId === conId);
  if (own.length > 0) return own;
  const listed = isFuture ? expirationsOf(await optionParams(session, underlying, context)) : [];
  const { expiration } = terms;
  const name = isFuture ? (underlying.localSymbol ?? symbol) : symbol;
  if (!isFuture || listed.includes(expiration))
    throw new TwsError(
      "unknown_contract",
      `TWS knows no such options on ${name} that expire on ${expiration}.`,
    );
  const { message, candidates } = nearExpirations(listed, { ...named, symbol: name, expiration });
  throw new TwsError("unknown_contract", message, {
    nextStep: "Choose one of these expirations, or see what exists with ibkr_get_option_chain_params.",
    candidates: candidates.map((candidate) => ({ ...candidate, symbol })),
  });
}

function onlyExpiration(found: readonly ContractDetails[], symbol: string, asked: string): string {
  const days = [...new Set(found.flatMap(({ contract }) => contract.expiration ?? []))].sort();
  const [day, ...others] = days;
  if (day === undefined)
    throw new TwsError("unknown_contract", `TWS knows no options on ${symbol} that expire on ${asked}.`);
  if (others.length === 0) return day;
  const currency = found[0]?.contract.currency;
  throw new TwsError("ambiguous_contract", `${days.length} expirations of ${symbol} are in ${asked}.`, {
    nextStep: "Choose one of the candidates and give its expiration as yyyymmdd.",
    candidates: days.map((expiration) => ({ symbol, currency, expiration })),
  });
}

/** The future that all of these options are on. */
async function onlyFuture(
  session: TwsSession,
  found: readonly ContractDetails[],
  { symbol, expiration }: { readonly symbol: string; readonly expiration: string },
  context: RequestContext,
): Promise<Contract> {
  const conIds = [...new Set(found.flatMap(({ underlyingConId }) => underlyingConId ?? []))];
  const [only, ...others] = await Promise.all(
    conIds.map(async (conId) => (await resolveDetails(session, { conId }, context)).contract),
  );
  // options whose future TWS does not tell: the caller has to name it
  if (only === undefined) return resolveUnderlying(session, { symbol, secType: "FUT" }, context);
  if (others.length === 0) return only;
  const classesOf = (future: Contract): string[] => [
    ...new Set(
      found.flatMap(({ underlyingConId, contract }) =>
        underlyingConId === future.conId ? (contract.tradingClass ?? []) : [],
      ),
    ),
  ];
  const futures = [only, ...others];
  throw new TwsError(
    "ambiguous_contract",
    `Options on ${futures.length} futures of ${symbol} expire on ${expiration}.`,
    {
      nextStep: "Give the conId of one of the candidates, or one of its optionClasses as tradingClass.",
      candidates: futures.map((future) => ({
        conId: future.conId,
        symbol,
        secType: future.secType,
        exchange: future.exchange,
        localSymbol: future.localSymbol,
        expiration: future.expiration,
        optionClasses: classesOf(future),
      })),
    },
  );
}

function chainOf(underlying: Contract, expiration: string, found: readonly ContractDetails[]): Chain {
  const options = found.map(({ contract }) => contract);
  const contracts = new Map(options.map((option) => [option.conId, option]));
  return { underlying, expiration, rows: rowsOf(options), contracts };
}

function rowsOf(options: readonly Contract[]): ChainRow[] {
  const rows = new Map<string, ChainRow>();
  for (const { conId, localSymbol, strike, right, tradingClass, multiplier } of options) {
    if (strike === null || right === null) continue;
    const key = `${strike}/${String(tradingClass)}/${String(multiplier)}`;
    const row = rows.get(key) ?? { strike, tradingClass, multiplier, call: null, put: null };
    rows.set(key, { ...row, [right === "C" ? "call" : "put"]: { conId, localSymbol } });
  }
  const name = ({ tradingClass }: ChainRow): string => tradingClass ?? "";
  return [...rows.values()].sort((a, b) => a.strike - b.strike || name(a).localeCompare(name(b)));
}
