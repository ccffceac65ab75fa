import { setTimeout as delay } from "node:timers/promises";
import { EventName } from "@stoqey/ib";
import type { ContractSelector } from "../../../shared/contract.ts";
import { TwsError } from "../../../shared/errors.ts";
import { otherSpellings, pairIn, securityIdIn } from "../../../shared/instrument-names.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { perSession } from "../session/shared-reads.ts";
import { contractDetails } from "./contracts.ts";
import { matchFrom } from "./translate.ts";
import type { SymbolMatch } from "./translate.ts";

const searchEveryMs = 1_000;
const mostFound = 16;

/** When the next search may be sent. */
const pace = perSession(() => ({ nextAt: 0 }));

interface Found {
  readonly results: readonly SymbolMatch[];
  /** The words that were looked for, in the order in which they were. */
  readonly searched: readonly string[];
}

/**
 * Contracts that a word resembles: as a symbol or a company name, and where that finds nothing as TWS may spell it.
 * A pair or an id of a security is looked up, since TWS's search knows neither.
 */
export async function findInstruments(
  session: TwsSession,
  pattern: string,
  context: RequestContext,
): Promise<Found> {
  const isName = securityIdIn(pattern) !== null || pairIn(pattern) !== null;
  const named = isName ? await lookUp(session, { symbol: pattern }, context) : [];
  if (named.length > 0) return { results: named, searched: [pattern] };
  const searched: string[] = [];
  for (const words of [pattern, ...otherPatterns(pattern)]) {
    searched.push(words);
    const results = await searchSymbols(session, words, context);
    if (results.length > 0) return { results, searched };
  }
  return { results: [], searched };
}

/** TWS allows one search a second, so only the likeliest are tried. */
function otherPatterns(pattern: string): string[] {
  const [spelling] = otherSpellings(pattern);
  const [root] = spelling?.split(/[ .]/) ?? [];
  return spelling === undefined || root === undefined ? [] : [spelling, root];
}

/** What a caller can do who found nothing. */
export function nextStepAfter({ searched }: Found): string {
  const words = searched.map((one) => JSON.stringify(one)).join(", ");
  return `Nothing of TWS's stocks, funds, indices and issuers begins with ${words}. Search for the first letters of the symbol or for one word of the company's name. What trades elsewhere, options, futures and funds are found by ibkr_get_contract_details with symbol, secType, exchange and currency; pairs are written EUR.USD or BTC.USD, and ISIN and CUSIP stand in the place of a symbol.`;
}

async function lookUp(
  session: TwsSession,
  selector: ContractSelector,
  context: RequestContext,
): Promise<SymbolMatch[]> {
  try {
    const details = await contractDetails(session, selector, context);
    return details.slice(0, mostFound).map(({ contract, longName }) => ({
      ...contract,
      name: longName,
      derivativeSecTypes: [],
    }));
  } catch (error) {
    if (error instanceof TwsError && error.code === "unknown_contract") return [];
    throw error;
  }
}

/** Contracts whose symbol or company name resembles `pattern`; TWS allows one such question a second, so it may wait. */
export async function searchSymbols(
  session: TwsSession,
  pattern: string,
  context: RequestContext,
): Promise<SymbolMatch[]> {
  const own = pace(session);
  const startAt = Math.max(Date.now(), own.nextAt);
  const waitMs = startAt - Date.now();
  if (waitMs >= context.timeoutMs)
    throw new TwsError("pacing", "TWS allows one symbol search a second, and many are waiting.", {
      retryAfterMs: waitMs,
    });
  own.nextAt = startAt + searchEveryMs;
  try {
    await delay(waitMs, undefined, { signal: context.signal });
  } catch {
    throw new TwsError("cancelled", "The symbol search was cancelled.");
  }
  return session.request<SymbolMatch[]>(
    {
      lane: "data",
      what: `the symbol search for ${JSON.stringify(pattern)}`,
      start: (ib, reqId) => ib.reqMatchingSymbols(reqId, pattern),
      on: {
        [EventName.symbolSamples]: (control, _id, matches) =>
          control.resolve(matches.map(matchFrom).filter((match) => match !== null)),
      },
    },
    { ...context, timeoutMs: context.timeoutMs - waitMs },
  );
}
