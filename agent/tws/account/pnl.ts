import { EventName } from "@stoqey/ib";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { createRead, perSession } from "../session/shared-reads.ts";
import { figureOf } from "../session/figures.ts";

/** In the account's base currency; null where TWS has not worked a figure out. */
export interface Pnl {
  readonly dailyPnL: number | null;
  readonly unrealizedPnL: number | null;
  readonly realizedPnL: number | null;
}

export interface PositionPnl extends Pnl {
  /** Units held, negative when short. */
  readonly position: number | null;
  /** Market value. */
  readonly value: number | null;
}

/** Equal reads are shared by all who ask at once: see `createRead`. */
const pnlReadsOf = perSession((session) => ({
  accounts: createRead<Pnl>(session),
  positions: createRead<PositionPnl>(session),
}));

/** Today's profit of one account. TWS repeats it every second, so it is withdrawn after the first answer. */
export function accountPnl(session: TwsSession, account: string, context: RequestContext): Promise<Pnl> {
  const what = `the profit of account ${account}`;
  return pnlReadsOf(session).accounts({ key: account, what }, context, ({ written, ...shared }) =>
    session.request<Pnl>(
      {
        lane: "account",
        what,
        start: (ib, reqId) => {
          written();
          ib.reqPnL(reqId, account);
        },
        cancel: (ib, reqId) => ib.cancelPnL(reqId),
        cancelAfter: true,
        on: {
          [EventName.pnl]: (control, _id, daily, unrealized, realized) =>
            control.resolve(pnlFrom(daily, unrealized, realized)),
        },
      },
      shared,
    ),
  );
}

/** As accountPnl, of one holding. TWS answers position 0 and no figures for what is not held. */
export function positionPnl(
  session: TwsSession,
  account: string,
  conId: number,
  context: RequestContext,
): Promise<PositionPnl> {
  const what = `the profit of conId ${conId} in account ${account}`;
  return pnlReadsOf(session).positions({ key: what, what }, context, ({ written, ...shared }) =>
    session.request<PositionPnl>(
      {
        lane: "account",
        what,
        start: (ib, reqId) => {
          written();
          ib.reqPnLSingle(reqId, account, "", conId);
        },
        cancel: (ib, reqId) => ib.cancelPnLSingle(reqId),
        cancelAfter: true,
        on: {
          [EventName.pnlSingle]: (control, _id, position, daily, unrealized, realized, value) =>
            control.resolve({
              position: figureOf(position),
              ...pnlFrom(daily, unrealized, realized),
              value: figureOf(value),
            }),
        },
      },
      shared,
    ),
  );
}

function pnlFrom(
  daily: number | undefined,
  unrealized: number | undefined,
  realized: number | undefined,
): Pnl {
  return {
    dailyPnL: figureOf(daily),
    unrealizedPnL: figureOf(unrealized),
    realizedPnL: figureOf(realized),
  };
}
