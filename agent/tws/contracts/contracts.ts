import { EventName } from "@stoqey/ib";
import { readingsOf, withDefaults } from "../../../shared/contract.ts";
import type { Contract, ContractSelector } from "../../../shared/contract.ts";
import { TwsError } from "../../../shared/errors.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { bondCandidate, maturesIn } from "./bond-facts.ts";
import { twsErrorFor } from "../session/errors.ts";
import { neighboursOf } from "./nearby-strikes.ts";
import { detailsFrom, selectorToTws } from "./translate.ts";
import type { ContractDetails } from "./translate.ts";

const dayMs = 86_400_000;
const kept = 2_000;
const mostCandidates = 25;

interface Known {
  readonly details: readonly ContractDetails[];
  readonly until: number;
  /** Asked for without an exchange: what a conId alone means too. */
  readonly isUsual: boolean;
}

/** Longer answers are whole option chains: a few are kept, for as long as one may go through their pages. */
const longestKept = 100;
const chainsKept = 3;
const chainKeptMs = 10 * 60_000;

interface ContractCache {
  /** What TWS answered, by selector; hours and tick sizes change daily, so nothing is older than a day. */
  readonly known: Map<string, Known>;
  /** The same for long answers. */
  readonly chains: Map<string, Known>;
}

const caches = new WeakMap<TwsSession, ContractCache>();

function contractCacheOf(session: TwsSession): ContractCache {
  const existing = caches.get(session);
  if (existing !== undefined) return existing;
  const cache: ContractCache = { known: new Map(), chains: new Map() };
  caches.set(session, cache);
  return cache;
}

/** Words for messages: "conId 265598", "MSFT STK SMART". */
export function describeSelector(selector: ContractSelector): string {
  if (selector.conId !== undefined) return `conId ${selector.conId}`;
  const { symbol, localSymbol, secId, secType, expiration, strike, right, exchange, currency } = selector;
  return [symbol ?? localSymbol ?? secId, secType, expiration, strike, right, exchange, currency]
    .filter((part) => part !== undefined)
    .join(" ");
}

const keyOf = (...readings: readonly ContractSelector[]): string =>
  JSON.stringify(readings.map((selector) => Object.entries(selector).sort(([a], [b]) => a.localeCompare(b))));

function remember(
  { known, chains }: ContractCache,
  key: string,
  details: readonly ContractDetails[],
  isUsual: boolean,
): void {
  // a whole option chain would push out everything else
  const isLong = details.length > longestKept;
  const [answers, most, ms] = isLong ? [chains, chainsKept, chainKeptMs] : [known, kept, dayMs];
  answers.delete(key);
  answers.set(key, { details, until: Date.now() + ms, isUsual });
  const oldest = answers.keys().next().value;
  if (answers.size > most && oldest !== undefined) answers.delete(oldest);
}

function rememberedAs({ known, chains }: ContractCache, key: string): readonly ContractDetails[] | null {
  const answer = known.get(key) ?? chains.get(key);
  return answer !== undefined && answer.until > Date.now() ? answer.details : null;
}

/** An option by its conId alone, which whoever has been shown a chain asks for next. */
function memberOfChain({ chains }: ContractCache, selector: ContractSelector): ContractDetails[] | null {
  const { conId } = selector;
  if (conId === undefined || keyOf(selector) !== keyOf({ conId })) return null;
  const current = [...chains.values()].filter(({ until, isUsual }) => isUsual && until > Date.now());
  const all = current.flatMap(({ details }) => details.filter(({ contract }) => contract.conId === conId));
  const [one] = byInstrument(all);
  return one === undefined ? null : [one];
}

/** TWS no longer knows an instrument (200): whatever was remembered of it is forgotten. */
export function forgetContract(session: TwsSession, conId: number): void {
  const { known, chains } = contractCacheOf(session);
  for (const answers of [known, chains])
    for (const [key, { details }] of answers)
      if (details.some(({ contract }) => contract.conId === conId)) answers.delete(key);
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
  requireName(selector);
  const cache = contractCacheOf(session);
  const readings = readingsOf(selector);
  const key = keyOf(...readings);
  const known = rememberedAs(cache, key) ?? memberOfChain(cache, readings[0]);
  if (known !== null) return known;
  let failure: TwsError | null = null;
  for (const reading of readings) {
    try {
      const details = await askDetails(session, reading, context);
      const isUsual = selector.exchange === undefined;
      remember(cache, key, details, isUsual);
      if (isUsual && details.length <= longestKept)
        for (const one of byInstrument(details)) rememberById(cache, one);
      return details;
    } catch (error) {
      if (!(error instanceof TwsError) || error.code !== "unknown_contract") throw error;
      failure ??= error;
    }
  }
  cache.known.delete(key);
  throw await withTheOtherWayRound(
    session,
    readings[0],
    failure ?? unknown(describeSelector(selector)),
    context,
  );
}

/** A continuous future has the conId of the future that leads, which is what the conId alone means. */
function rememberById(cache: ContractCache, one: ContractDetails): void {
  const { conId, secType } = one.contract;
  if (secType !== "CONTFUT") remember(cache, keyOf({ conId }), [one], true);
}

function requireName({ conId, symbol, localSymbol, secIdType, secId }: ContractSelector): void {
  if ((secId === undefined) !== (secIdType === undefined))
    throw new TwsError("invalid_input", "secId: secIdType and secId are given together.");
  const names = [conId, symbol, localSymbol, secId];
  if (names.every((name) => name === undefined))
    throw new TwsError("invalid_input", "Name the instrument by conId, symbol or localSymbol.");
}

/** What is said of a currency pair that TWS has the other way round. */
async function withTheOtherWayRound(
  session: TwsSession,
  { symbol, secType, currency, exchange }: ContractSelector,
  failure: TwsError,
  context: RequestContext,
): Promise<TwsError> {
  if (secType !== "CASH" || symbol === undefined || currency === undefined) return failure;
  const inverse = {
    symbol: currency,
    secType,
    currency: symbol.toUpperCase(),
    ...(exchange !== undefined && { exchange }),
  };
  const found = await askDetails(session, inverse, context).catch(() => []);
  const [one] = found;
  if (one === undefined) return failure;
  const pair = `${one.contract.symbol}.${one.contract.currency}`;
  return new TwsError(
    "unknown_contract",
    `TWS has no pair ${symbol.toUpperCase()}.${currency}: it trades as ${pair}, the other way round.`,
    {
      ...failure.detail,
      nextStep: `Name ${pair}; its price is the reciprocal, and to buy ${symbol.toUpperCase()} is to sell ${pair}.`,
      candidates: [candidate(one.contract)],
    },
  );
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
          const matching = rows.filter((row) => maturesIn(row, wanted));
          if (matching.length > 0) control.resolve(matching);
          else control.reject(rows.length > 0 ? otherMaturities(what, rows) : unknown(what));
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

/** For bonds of an issuer none of which matures when it was said to. */
function otherMaturities(what: string, rows: readonly ContractDetails[]): TwsError {
  const maturities = [...new Set(rows.flatMap(({ contract }) => contract.expiration ?? []))].sort();
  const shown = maturities.slice(0, mostCandidates).join(", ");
  return new TwsError(
    "unknown_contract",
    `TWS knows no bond for ${what}; those of this issuer mature on ${shown}.`,
    {
      nextStep: "Give one of these as expiration, or leave it out.",
    },
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
  throw ambiguous(what, found);
}

function ambiguous(what: string, found: readonly ContractDetails[]): TwsError {
  const areBonds = found.every(({ bond }) => bond !== undefined);
  const ordered = areBonds
    ? found.toSorted((a, b) => (a.contract.expiration ?? "").localeCompare(b.contract.expiration ?? ""))
    : found;
  const isCut = found.length > mostCandidates;
  const shown = isCut ? `; these are the first ${mostCandidates}` : "";
  return new TwsError("ambiguous_contract", `${found.length} instruments match ${what}${shown}.`, {
    ...(isCut && {
      nextStep: "Say more of it: expiration, strike, right and tradingClass tell options apart.",
    }),
    ...(areBonds && {
      nextStep: "Pass the conId of a candidate, or the month of its maturity as expiration.",
    }),
    candidates: ordered
      .slice(0, mostCandidates)
      .map(({ contract, bond }) =>
        bond === undefined ? candidate(contract) : bondCandidate(contract, bond),
      ),
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
  const found = new Map<string, ContractDetails>();
  for (const one of details) {
    const key = `${one.contract.conId} ${one.contract.secType}`;
    const known = found.get(key);
    // QBALGO is IBKR's routing algorithm for futures; the real venue is listed beside it
    const isBetter = one.contract.exchange === "SMART" || known?.contract.exchange === "QBALGO";
    if (known === undefined || isBetter) found.set(key, one);
  }
  return [...found.values()];
}

function candidate(contract: Contract): Record<string, unknown> {
  const { conId, symbol, secType, exchange, primaryExchange, currency } = contract;
  const { localSymbol, expiration, strike, right, tradingClass, multiplier } = contract;
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
    // of one day and strike several classes may be listed, each on its own underlying
    ...(strike !== null && { tradingClass, multiplier }),
  };
}
