import { EventName } from "@stoqey/ib";
import type { Contract } from "../../../shared/contract.ts";
import type { contractTools } from "../../../shared/tools/contracts.ts";
import type { OutputOf } from "../../../shared/tools/define.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { figureOf, positiveOf } from "../session/figures.ts";

/** The options on an underlying at one venue, of one trading class. Not every strike exists for every expiration. */
export type OptionParams = OutputOf<(typeof contractTools)["ibkr_get_option_chain_params"]>["chains"][number];

/** One row for each venue and trading class, SMART first; empty when there are no options on it. */
export function optionParams(
  session: TwsSession,
  underlying: Contract,
  context: RequestContext,
): Promise<OptionParams[]> {
  const { conId, symbol, secType, exchange } = underlying;
  const rows: OptionParams[] = [];
  return session.request<OptionParams[]>(
    {
      lane: "data",
      what: `the options on ${symbol}`,
      // TWS takes the venue of a future's options, and none for any other's
      start: (ib, reqId) =>
        ib.reqSecDefOptParams(reqId, symbol, secType === "FUT" ? exchange : "", secType, conId),
      on: {
        [EventName.securityDefinitionOptionParameter]: (
          _control,
          _id,
          venue,
          underlyingConId,
          tradingClass,
          multiplier,
          expirations,
          strikes,
        ) => {
          rows.push({
            exchange: venue,
            underlyingConId,
            tradingClass,
            multiplier: positiveOf(multiplier),
            expirations: [...expirations].sort(),
            strikes: [...strikes].filter((strike) => figureOf(strike) !== null).sort((a, b) => a - b),
          });
        },
        [EventName.securityDefinitionOptionParameterEnd]: (control) =>
          control.resolve(rows.sort((a, b) => rankOf(a) - rankOf(b))),
      },
    },
    context,
  );
}

/** A row for at most so many dates and strikes: a few of them fit into an answer. */
const mostDates = 100;
const mostStrikes = 500;

/** The row as several where its lists are long, each with part of them; every strike is with every date, as before. */
export function inParts(row: OptionParams): OptionParams[] {
  return parts(row.expirations, mostDates).flatMap((expirations) =>
    parts(row.strikes, mostStrikes).map((strikes) => ({ ...row, expirations, strikes })),
  );
}

function parts<T>(list: readonly T[], most: number): T[][] {
  const count = Math.max(1, Math.ceil(list.length / most));
  return Array.from({ length: count }, (_, index) => list.slice(index * most, (index + 1) * most));
}

const rankOf = ({ exchange }: OptionParams): number => (exchange === "SMART" ? 0 : 1);

/** Every date on which options of these rows expire, ascending. */
export function expirationsOf(rows: readonly OptionParams[]): string[] {
  return [...new Set(rows.flatMap(({ expirations }) => expirations))].sort();
}
