import { EventName } from "@stoqey/ib";
import type { IBApi } from "@stoqey/ib";
import type { Contract } from "../../../shared/contract.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { selectorToTws } from "../contracts/translate.ts";
import { countOf, figureOf } from "../session/figures.ts";

/** What TWS computed for an option; null is "not computed". */
export interface OptionComputation {
  readonly optionPrice: number | null;
  /** Per year, as a fraction. */
  readonly impliedVolatility: number | null;
  readonly delta: number | null;
  readonly gamma: number | null;
  /** Change for one percentage point of volatility. */
  readonly vega: number | null;
  /** Change in one day. */
  readonly theta: number | null;
  readonly pvDividend: number | null;
  readonly underlyingPrice: number | null;
}

/** An option by every field that it has, since TWS's calculator reads the terms from the request. */
function optionToTws(contract: Contract) {
  const { conId, symbol, exchange, currency, expiration, strike, right, multiplier, tradingClass } = contract;
  return {
    ...selectorToTws({
      conId,
      symbol,
      exchange,
      currency,
      secType: contract.secType === "FOP" ? "FOP" : "OPT",
      ...(expiration !== null && { expiration }),
      ...(strike !== null && { strike }),
      ...(right !== null && { right }),
      ...(multiplier !== null && { multiplier }),
      ...(tradingClass !== null && { tradingClass }),
    }),
  };
}

/** Price and greeks of an option at a volatility (a fraction) and a price of the underlying. */
export function calculateOptionPrice(
  session: TwsSession,
  contract: Contract,
  { volatility, underlyingPrice }: { readonly volatility: number; readonly underlyingPrice: number },
  context: RequestContext,
): Promise<OptionComputation> {
  return compute(
    session,
    {
      what: `the price of ${contract.localSymbol ?? contract.symbol}`,
      start: (ib, reqId) =>
        ib.calculateOptionPrice(reqId, optionToTws(contract), volatility, underlyingPrice),
      cancel: (ib, reqId) => ib.cancelCalculateOptionPrice(reqId),
    },
    context,
  );
}

/** The volatility at which an option has a price; TWS leaves the greeks out. */
export function calculateImpliedVolatility(
  session: TwsSession,
  contract: Contract,
  { optionPrice, underlyingPrice }: { readonly optionPrice: number; readonly underlyingPrice: number },
  context: RequestContext,
): Promise<OptionComputation> {
  return compute(
    session,
    {
      what: `the implied volatility of ${contract.localSymbol ?? contract.symbol}`,
      start: (ib, reqId) =>
        ib.calculateImpliedVolatility(reqId, optionToTws(contract), optionPrice, underlyingPrice),
      cancel: (ib, reqId) => ib.cancelCalculateImpliedVolatility(reqId),
    },
    context,
  );
}

interface Calculation {
  readonly what: string;
  start(ib: IBApi, reqId: number): void;
  cancel(ib: IBApi, reqId: number): void;
}

function compute(
  session: TwsSession,
  calculation: Calculation,
  context: RequestContext,
): Promise<OptionComputation> {
  return session.request<OptionComputation>(
    {
      ...calculation,
      lane: "data",
      // TWS keeps the calculation open until it is withdrawn
      cancelAfter: true,
      on: {
        [EventName.tickOptionComputation]: (
          control,
          _id,
          _tick,
          _basis,
          impliedVolatility,
          delta,
          optionPrice,
          pvDividend,
          gamma,
          vega,
          theta,
          underlyingPrice,
        ) =>
          control.resolve({
            optionPrice: countOf(optionPrice),
            impliedVolatility: countOf(impliedVolatility),
            delta: figureOf(delta),
            gamma: figureOf(gamma),
            vega: figureOf(vega),
            theta: figureOf(theta),
            pvDividend: figureOf(pvDividend),
            underlyingPrice: figureOf(underlyingPrice),
          }),
      },
    },
    context,
  );
}
