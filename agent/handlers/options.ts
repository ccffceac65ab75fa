import { ContractSelector } from "../../shared/contract.ts";
import type { Contract } from "../../shared/contract.ts";
import { plural } from "../../shared/plural.ts";
import { TwsError } from "../../shared/errors.ts";
import type { Quote } from "../../shared/events.ts";
import type { InputOf } from "../../shared/tools/define.ts";
import { mostQuotedStrikes } from "../../shared/tools/options.ts";
import type { ChainRow, Leg, optionTools } from "../../shared/tools/options.ts";
import { wrongCursor } from "../../shared/tools/paging.ts";
import { calculateImpliedVolatility, calculateOptionPrice } from "../tws/market-data/calculations.ts";
import type { OptionComputation } from "../tws/market-data/calculations.ts";
import { resolveContract } from "../tws/contracts/contracts.ts";
import { optionsExpiring } from "../tws/contracts/options.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import type { HandlersFor } from "./handlers-for.ts";

type ChainInput = InputOf<(typeof optionTools)["ibkr_get_option_chain"]>;

type Contracts = ReadonlyMap<number, Contract>;

/** Each quote takes one of TWS's market-data lines while it runs, and streams need theirs. */
const atOnce = 10;
const quoteMs = 5_000;
const usualQuotedStrikes = 10;

export function createOptionHandlers({
  session,
  quotes,
  now,
}: Pick<HandlerDeps, "session" | "quotes" | "now">) {
  const asOf = () => new Date(now()).toISOString();

  const quoteOf = async (contract: Contract, context: CallContext): Promise<Quote> => {
    const request = requestOf(context);
    const timeoutMs = Math.min(quoteMs, request.timeoutMs);
    return (await quotes.snapshot(contract, { ...request, timeoutMs })).quote;
  };

  async function withQuote(leg: Leg | null, contracts: Contracts, context: CallContext): Promise<Leg | null> {
    const contract = contracts.get(leg?.conId ?? 0);
    if (leg === null || contract === undefined) return leg;
    try {
      const { bid, ask, last, volume, ...rest } = await quoteOf(contract, context);
      const { impliedVolatility, delta, gamma, vega, theta, dataType } = rest;
      const openInterest = rest.openInterest ?? null;
      const sizes = { volume, openInterest };
      const quote = { bid, ask, last, ...sizes, impliedVolatility, delta, gamma, vega, theta, dataType };
      return { ...leg, quote };
    } catch (error) {
      return { ...leg, quote: null, error: rowError(error, context).code };
    }
  }

  async function withQuotes(
    rows: readonly ChainRow[],
    contracts: Contracts,
    context: CallContext,
  ): Promise<ChainRow[]> {
    const quoted: ChainRow[] = [];
    const rowsAtOnce = atOnce / 2;
    for (let from = 0; from < rows.length; from += rowsAtOnce) {
      const next = rows.slice(from, from + rowsAtOnce).map(async (row) => {
        const [call, put] = await Promise.all([
          withQuote(row.call, contracts, context),
          withQuote(row.put, contracts, context),
        ]);
        return { ...row, call, put };
      });
      quoted.push(...(await Promise.all(next)));
      context.progress(quoted.length, rows.length, `quotes of ${plural(quoted.length, "strike")}`);
    }
    return quoted;
  }

  /** The price that strikes are near to, or why it is not known. */
  async function priceOf(contract: Contract, context: CallContext): Promise<number | TwsError> {
    try {
      const { last, bid, ask, close } = await quoteOf(contract, context);
      return last ?? (bid !== null && ask !== null ? (bid + ask) / 2 : close) ?? noPrice(contract);
    } catch (error) {
      return rowError(error, context);
    }
  }

  const resolveOption = async (input: unknown, context: CallContext): Promise<Contract> => {
    const selector = ContractSelector.parse(input);
    const isNamed = selector.conId !== undefined || selector.secType !== undefined;
    const wanted = isNamed ? selector : { ...selector, secType: "OPT" as const };
    const contract = await resolveContract(session, wanted, requestOf(context));
    if (contract.secType === "OPT" || contract.secType === "FOP") return contract;
    throw new TwsError(
      "invalid_input",
      `${contract.symbol} is of type ${contract.secType} and not an option.`,
      {
        nextStep: "Name an option by conId, or by symbol, expiration, strike and right.",
      },
    );
  };

  return {
    async ibkr_get_option_chain(input, context) {
      const { underlying, ...found } = await optionsExpiring(session, input, requestOf(context));
      const { page } = context;
      // the order of the rows hangs on the price, so that of the first page holds for all
      const price = page.kept === null ? await priceOf(underlying, context) : priceIn(page.kept, underlying);
      page.keep(() => (typeof price === "number" ? String(price) : unpriced));
      const wanted = selectStrikes(found.rows, input, price);
      const shown = wanted.slice(page.start, page.start + page.limit);
      page.partOf(wanted.length);
      const chain = input.withQuotes ? await withQuotes(shown, found.contracts, context) : [...shown];
      return {
        underlying,
        underlyingPrice: typeof price === "number" ? price : null,
        expiration: found.expiration,
        chain,
        strikeCount: wanted.length,
        strikesListed: found.rows.length,
        asOf: asOf(),
      };
    },

    async ibkr_calculate_option_price(input, context) {
      const contract = await resolveOption(input, context);
      const { underlyingPrice } = input;
      const volatility = input.volatility ?? marketVolatility(contract, await quoteOf(contract, context));
      const computed = await calculateOptionPrice(
        session,
        contract,
        { volatility, underlyingPrice },
        requestOf(context),
      );
      if (computed.optionPrice === null) throw notComputed("no price", "volatility and underlyingPrice");
      return {
        ...shown(contract, computed),
        impliedVolatility: computed.impliedVolatility ?? volatility,
        underlyingPrice,
        volatilityFrom: input.volatility === undefined ? ("market" as const) : ("argument" as const),
        asOf: asOf(),
      };
    },

    async ibkr_calculate_implied_volatility(input, context) {
      const contract = await resolveOption(input, context);
      const { optionPrice, underlyingPrice } = input;
      const request = requestOf(context);
      const { impliedVolatility } = await calculateImpliedVolatility(
        session,
        contract,
        { optionPrice, underlyingPrice },
        request,
      );
      if (impliedVolatility === null || impliedVolatility <= 0) {
        throw notComputed("no volatility", "optionPrice, which must be above what exercising would bring,");
      }
      // TWS answers with the volatility alone; the greeks at it are a second question
      const at = await calculateOptionPrice(
        session,
        contract,
        { volatility: impliedVolatility, underlyingPrice },
        request,
      );
      return { ...shown(contract, at), optionPrice, impliedVolatility, underlyingPrice, asOf: asOf() };
    },
  } satisfies HandlersFor<typeof optionTools>;
}

function shown(contract: Contract, { optionPrice, delta, gamma, vega, theta }: OptionComputation) {
  return { contract, optionPrice, delta, gamma, vega, theta };
}

function notComputed(what: string, check: string): TwsError {
  return new TwsError("no_data", `TWS computed ${what} for these values.`, {
    nextStep: `Check ${check} against the option's strike and type, then call again.`,
  });
}

function marketVolatility(contract: Contract, { impliedVolatility }: Quote): number {
  if (impliedVolatility !== null && impliedVolatility > 0) return impliedVolatility;
  throw new TwsError(
    "no_market_data",
    `TWS has no implied volatility of ${contract.localSymbol ?? contract.symbol} now.`,
    {
      nextStep: "Give volatility, per year as a fraction: 0.3 for 30 %.",
    },
  );
}

const unpriced = "unpriced";

/** The price that an earlier page was made with. */
function priceIn(kept: string, underlying: Contract): number | TwsError {
  if (kept === unpriced) return noPrice(underlying);
  const price = Number(kept);
  if (Number.isFinite(price)) return price;
  throw wrongCursor();
}

function noPrice({ symbol }: Contract): TwsError {
  return new TwsError("no_market_data", `TWS has no price of ${symbol} now.`);
}

/** What is one instrument's failure; whatever ends the whole call is thrown on. */
function rowError(error: unknown, { signal }: CallContext): TwsError {
  if (!(error instanceof TwsError) || signal.aborted || error.code === "tws_offline") throw error;
  return error;
}

/** The strikes wanted, nearest the price first; throws why there is no price when "nearest" needs one. */
function selectStrikes(
  rows: readonly ChainRow[],
  { minStrike = 0, maxStrike = Infinity, strikeRange, withQuotes }: ChainInput,
  price: number | TwsError,
): readonly ChainRow[] {
  if (minStrike > maxStrike) throw new TwsError("invalid_input", "minStrike: it is above maxStrike.");
  const inside = rows.filter(({ strike }) => strike >= minStrike && strike <= maxStrike);
  const most = withQuotes ? Math.min(strikeRange ?? usualQuotedStrikes, mostQuotedStrikes) : strikeRange;
  if (typeof price === "number") {
    const distance = ({ strike }: ChainRow): number => Math.abs(strike - price);
    return inside.toSorted((a, b) => distance(a) - distance(b) || a.strike - b.strike).slice(0, most);
  }
  if (most === undefined || inside.length <= most) return inside;
  throw new TwsError(price.code, `${price.message} So the strikes nearest to it are not known.`, {
    ...price.detail,
    nextStep: `Give minStrike and maxStrike so that at most ${most} strikes are left, or leave strikeRange and withQuotes out.`,
  });
}
