import type { Contract, ContractSelector } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { ChainRow } from "../../shared/tools/options.ts";
import type { RequestContext, TwsSession } from "./api.ts";
import { matchingDetails, resolveDetails } from "./contracts.ts";
import { underlyingsOf } from "./option-neighbours.ts";

/** An underlying as callers name it: without a type it is a stock, or else an index. */
export interface UnderlyingSelector extends Pick<ContractSelector, "conId" | "symbol" | "currency"> {
  readonly secType?: "STK" | "IND" | "FUT" | undefined;
}

/** Throws unknown_contract, ambiguous_contract or invalid_input. */
export async function resolveUnderlying(
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
  /** yyyymmdd */
  readonly expiration: string;
  /** Ascending by strike, a row for each strike and trading class. */
  readonly rows: readonly ChainRow[];
  readonly contracts: ReadonlyMap<number, Contract>;
}

export interface ChainSelector {
  readonly expiration: string;
  readonly exchange?: string | undefined;
  readonly tradingClass?: string | undefined;
  readonly right?: "C" | "P" | undefined;
}

/**
 * The options on an underlying that expire together. Throws unknown_contract with the nearest expirations, or ambiguous_contract when several are in the month.
 */
export async function optionsExpiring(
  session: TwsSession,
  underlying: Contract,
  { expiration, exchange, tradingClass, right }: ChainSelector,
  context: RequestContext,
): Promise<Chain> {
  const { symbol, currency, conId } = underlying;
  const found = await matchingDetails(
    session,
    {
      symbol,
      currency,
      expiration,
      secType: underlying.secType === "FUT" ? "FOP" : "OPT",
      ...(exchange !== undefined && { exchange }),
      ...(tradingClass !== undefined && { tradingClass }),
      ...(right !== undefined && { right }),
    },
    context,
  );
  const options = found
    .filter(({ underlyingConId }) => underlyingConId === null || underlyingConId === conId)
    .map(({ contract }) => contract);
  const [date, ...others] = [...new Set(options.flatMap((option) => option.expiration ?? []))].sort();
  if (date === undefined)
    throw new TwsError("unknown_contract", `TWS knows no options on ${symbol} that expire on ${expiration}.`);
  if (others.length > 0)
    throw new TwsError(
      "ambiguous_contract",
      `${others.length + 1} expirations of ${symbol} are in ${expiration}.`,
      {
        nextStep: "Choose one of the candidates and give its expiration as yyyymmdd.",
        candidates: [date, ...others].map((day) => ({ symbol, currency, expiration: day })),
      },
    );
  return {
    expiration: date,
    rows: rowsOf(options),
    contracts: new Map(options.map((option) => [option.conId, option])),
  };
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
