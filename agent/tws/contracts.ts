import { setTimeout as delay } from "node:timers/promises";
import { EventName } from "@stoqey/ib";
import { withDefaults } from "../../shared/contract.ts";
import type { Contract, ContractSelector } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { RequestContext, TwsSession } from "./api.ts";
import { twsErrorFor } from "./errors.ts";
import { neighboursOf } from "./option-neighbours.ts";
import { detailsFrom, matchFrom, selectorToTws } from "./translate.ts";
import type { ContractDetails, SymbolMatch } from "./translate.ts";

const dayMs = 86_400_000;
const kept = 2_000;
const searchEveryMs = 1_000;

interface Known {
  readonly details: readonly ContractDetails[];
  readonly until: number;
}

/** Longer answers are not kept. */
const longestKept = 100;

interface Desk {
  /** What TWS answered, by selector; hours and tick sizes change daily, so nothing is older than a day. */
  readonly known: Map<string, Known>;
  /** When the next search may be sent. */
  searchAt: number;
}

const desks = new WeakMap<TwsSession, Desk>();

function deskOf(session: TwsSession): Desk {
  const existing = desks.get(session);
  if (existing !== undefined) return existing;
  const desk: Desk = { known: new Map(), searchAt: 0 };
  desks.set(session, desk);
  return desk;
}

/** Words for messages: "conId 265598", "MSFT STK SMART". */
export function describeSelector(selector: ContractSelector): string {
  if (selector.conId !== undefined) return `conId ${selector.conId}`;
  const { symbol, localSymbol, secType, expiration, strike, right, exchange, currency } = selector;
  return [symbol ?? localSymbol, secType, expiration, strike, right, exchange, currency]
    .filter((part) => part !== undefined)
    .join(" ");
}

const keyOf = (selector: ContractSelector): string =>
  JSON.stringify(Object.entries(selector).sort(([a], [b]) => a.localeCompare(b)));

function remember({ known }: Desk, key: string, details: readonly ContractDetails[]): void {
  known.delete(key);
  // a whole option chain would push out everything else
  if (details.length > longestKept) return;
  known.set(key, { details, until: Date.now() + dayMs });
  const oldest = known.keys().next().value;
  if (known.size > kept && oldest !== undefined) known.delete(oldest);
}

/** TWS no longer knows an instrument (200): whatever was remembered of it is forgotten. */
export function forgetContract(session: TwsSession, conId: number): void {
  const { known } = deskOf(session);
  for (const [key, { details }] of known)
    if (details.some(({ contract }) => contract.conId === conId)) known.delete(key);
}

/**
 * Everything that matches the selector, its defaults filled in. Never empty: throws unknown_contract instead, and
 * invalid_input if the selector names nothing.
 */
export async function contractDetails(
  session: TwsSession,
  selector: ContractSelector,
  context: RequestContext,
): Promise<readonly ContractDetails[]> {
  if (selector.conId === undefined && selector.symbol === undefined && selector.localSymbol === undefined)
    throw new TwsError("invalid_input", "Name the instrument by conId, symbol or localSymbol.");
  const desk = deskOf(session);
  const wanted = withDefaults(selector);
  const key = keyOf(wanted);
  const known = desk.known.get(key);
  if (known !== undefined && known.until > Date.now()) return known.details;
  try {
    const details = await askDetails(session, wanted, context);
    remember(desk, key, details);
    // a conId alone means the usual routing, which an asked-for exchange need not be
    if (selector.exchange === undefined)
      for (const one of byInstrument(details)) remember(desk, keyOf({ conId: one.contract.conId }), [one]);
    return details;
  } catch (error) {
    if (error instanceof TwsError && error.code === "unknown_contract") desk.known.delete(key);
    throw error;
  }
}

function askDetails(
  session: TwsSession,
  wanted: ContractSelector,
  context: RequestContext,
): Promise<ContractDetails[]> {
  const what = describeSelector(wanted);
  const rows: ContractDetails[] = [];
  const take = (details: ContractDetails | null): void => {
    if (details !== null) rows.push(details);
  };
  return session.request<ContractDetails[]>(
    {
      lane: "data",
      what: `contract details of ${what}`,
      start: (ib, reqId) => ib.reqContractDetails(reqId, selectorToTws(wanted)),
      on: {
        [EventName.contractDetails]: (_control, _id, details) => take(detailsFrom(details)),
        [EventName.bondContractDetails]: (_control, _id, details) => take(detailsFrom(details)),
        [EventName.contractDetailsEnd]: (control) => {
          if (rows.length > 0) control.resolve(rows);
          else control.reject(unknown(what));
        },
      },
      // 200 also says "ambiguous", and no end of the list follows it
      notice: (notice, control) => {
        if (notice.code !== 200) return false;
        control.reject(twsErrorFor(notice, what));
        return true;
      },
    },
    context,
  );
}

function unknown(what: string): TwsError {
  return new TwsError("unknown_contract", `TWS knows no instrument for ${what}.`);
}

/**
 * The one instrument that a selector names. Throws unknown_contract, or ambiguous_contract with the candidates; it
 * never picks one of several.
 */
export async function resolveContract(
  session: TwsSession,
  selector: ContractSelector,
  context: RequestContext,
): Promise<Contract> {
  return (await resolveDetails(session, selector, context)).contract;
}

/** As resolveContract, with all that TWS knows of it. */
export async function resolveDetails(
  session: TwsSession,
  selector: ContractSelector,
  context: RequestContext,
): Promise<ContractDetails> {
  const found = await matchingDetails(session, selector, context);
  const [only] = found;
  const what = describeSelector(withDefaults(selector));
  if (only === undefined) throw unknown(what);
  if (found.length === 1) return only;
  throw new TwsError("ambiguous_contract", `${found.length} instruments match ${what}.`, {
    candidates: found.slice(0, 25).map(({ contract }) => candidate(contract)),
  });
}

/** As contractDetails; for an option that does not exist, unknown_contract names the nearest that do. */
async function existingDetails(
  session: TwsSession,
  selector: ContractSelector,
  context: RequestContext,
): Promise<readonly ContractDetails[]> {
  const lookUp = (other: ContractSelector) => contractDetails(session, other, context);
  try {
    return await lookUp(selector);
  } catch (error) {
    const wanted = withDefaults(selector);
    const isOption = wanted.conId === undefined && (wanted.secType === "OPT" || wanted.secType === "FOP");
    if (!(error instanceof TwsError) || error.code !== "unknown_contract" || !isOption) throw error;
    const near = await neighboursOf(session, wanted, lookUp, context).catch(() => null);
    if (near === null) throw error;
    throw new TwsError("unknown_contract", near.message, {
      ...error.detail,
      nextStep: "Choose one of the candidates, or see what exists with ibkr_get_option_chain_params.",
      candidates: near.candidates,
    });
  }
}

/** Each instrument that a selector matches, once. Throws unknown_contract as resolveDetails does. */
export async function matchingDetails(
  session: TwsSession,
  selector: ContractSelector,
  context: RequestContext,
): Promise<readonly ContractDetails[]> {
  return byInstrument(await existingDetails(session, selector, context));
}

/** TWS lists an instrument once for each venue when no exchange is given: SMART is taken if there, else the first. */
function byInstrument(details: readonly ContractDetails[]): ContractDetails[] {
  const found = new Map<number, ContractDetails>();
  for (const one of details) {
    const known = found.get(one.contract.conId);
    // QBALGO is IBKR's routing algorithm for futures; the real venue is listed beside it
    const isBetter = one.contract.exchange === "SMART" || known?.contract.exchange === "QBALGO";
    if (known === undefined || isBetter) found.set(one.contract.conId, one);
  }
  return [...found.values()];
}

function candidate(contract: Contract): Record<string, unknown> {
  const { conId, symbol, secType, exchange, primaryExchange, currency } = contract;
  const { localSymbol, expiration, strike, right } = contract;
  return {
    conId,
    symbol,
    secType,
    exchange,
    primaryExchange,
    currency,
    localSymbol,
    expiration,
    strike,
    right,
  };
}

/** Contracts whose symbol or company name resembles `pattern`; TWS allows one such question a second, so it may wait. */
export async function searchSymbols(
  session: TwsSession,
  pattern: string,
  context: RequestContext,
): Promise<SymbolMatch[]> {
  const desk = deskOf(session);
  const startAt = Math.max(Date.now(), desk.searchAt);
  const waitMs = startAt - Date.now();
  if (waitMs >= context.timeoutMs)
    throw new TwsError("pacing", "TWS allows one symbol search a second, and many are waiting.", {
      retryAfterMs: waitMs,
    });
  desk.searchAt = startAt + searchEveryMs;
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
