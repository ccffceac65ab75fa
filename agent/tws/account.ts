import { EventName } from "@stoqey/ib";
import type { IBApi } from "@stoqey/ib";
import type { Contract } from "../../shared/contract.ts";
import type { RequestContext, TwsSession } from "./api.ts";
import type { TwsEvents } from "./events.ts";
import { numberOrNull, partialContract, textOrNull } from "./translate.ts";
import { createTurns } from "./turns.ts";
import type { Turns } from "./turns.ts";

export interface SummaryRow {
  readonly account: string;
  readonly tag: string;
  /** As TWS words it. */
  readonly value: string;
  readonly currency: string | null;
}

export interface AccountValue {
  readonly account: string;
  readonly key: string;
  readonly value: string;
  readonly currency: string | null;
}

export interface PositionRow {
  readonly account: string;
  readonly contract: Partial<Contract>;
  /** Units, negative when short. */
  readonly position: number;
  /** For one unit, commissions and multiplier included. */
  readonly avgCost: number;
}

/** A holding with its value, in the contract's currency. */
export interface PortfolioRow extends PositionRow {
  readonly marketPrice: number | null;
  readonly marketValue: number | null;
  readonly unrealizedPnL: number | null;
  readonly realizedPnL: number | null;
}

export interface AccountDownload {
  readonly values: readonly AccountValue[];
  readonly portfolio: readonly PortfolioRow[];
}

interface Desk {
  readonly summaries: Turns;
  readonly downloads: Turns;
  readonly positions: Turns;
  /** Downloads that wait for their turn. */
  waiting: number;
  /** Ends the hold on account updates as soon as it has been shown the account. */
  makeWay: (() => void) | null;
}

const desks = new WeakMap<TwsSession, Desk>();

function deskOf(session: TwsSession): Desk {
  const existing = desks.get(session);
  if (existing !== undefined) return existing;
  const desk: Desk = {
    summaries: createTurns(),
    downloads: createTurns(),
    positions: createTurns(),
    waiting: 0,
    makeWay: null,
  };
  desks.set(session, desk);
  return desk;
}

/** Figures of every account of the login. TWS allows two summaries at once to all its clients; we ask one by one. */
export function accountSummary(
  session: TwsSession,
  tags: string,
  context: RequestContext,
): Promise<SummaryRow[]> {
  const what = "the account summary";
  return deskOf(session).summaries(what, context, (own) => {
    const rows: SummaryRow[] = [];
    return session.request<SummaryRow[]>(
      {
        lane: "account",
        what,
        start: (ib, reqId) => ib.reqAccountSummary(reqId, "All", tags),
        cancel: (ib, reqId) => ib.cancelAccountSummary(reqId),
        // otherwise it goes on every three minutes
        cancelAfter: true,
        on: {
          [EventName.accountSummary]: (_control, _id, account, tag, value, currency) => {
            rows.push({ account, tag, value, currency: textOrNull(currency) });
          },
          [EventName.accountSummaryEnd]: (control) => control.resolve(rows),
        },
      },
      own,
    );
  });
}

/** What TWS shows of one account, by row, since a change sends a row again. */
function collectRows(account: string, onRow: () => void = () => {}) {
  const values = new Map<string, AccountValue>();
  const portfolio = new Map<string, PortfolioRow>();
  return {
    rows: (): AccountDownload => ({ values: [...values.values()], portfolio: [...portfolio.values()] }),
    on: {
      [EventName.updateAccountValue]: (
        _control: unknown,
        ...[key, value, currency, owner]: TwsEvents[EventName.updateAccountValue]
      ) => {
        if (owner !== account) return;
        values.set(`${key}/${currency}`, { account, key, value, currency: textOrNull(currency) });
        onRow();
      },
      [EventName.updatePortfolio]: (
        _control: unknown,
        ...[wire, position, price, value, cost, open, real, owner]: TwsEvents[EventName.updatePortfolio]
      ) => {
        if (owner !== account) return;
        const contract = partialContract(wire);
        portfolio.set(holdingKey(contract), {
          account,
          contract,
          position: position ?? 0,
          avgCost: cost ?? 0,
          marketPrice: numberOrNull(price),
          marketValue: numberOrNull(value),
          unrealizedPnL: numberOrNull(open),
          realizedPnL: numberOrNull(real),
        });
        onRow();
      },
    },
  };
}

const updatesOf = (account: string) =>
  ({
    lane: "account",
    what: `the figures of account ${account}`,
    start: (ib: IBApi) => ib.reqAccountUpdates(true, account),
    cancel: (ib: IBApi) => ib.reqAccountUpdates(false, account),
    cancelAfter: true,
  }) as const;

/**
 * Every figure and holding of one account. TWS serves one account at a time to each client and its answers carry no
 * id, so downloads take turns and end their subscription.
 */
export async function accountDownload(
  session: TwsSession,
  account: string,
  context: RequestContext,
): Promise<AccountDownload> {
  const desk = deskOf(session);
  const spec = updatesOf(account);
  desk.waiting += 1;
  desk.makeWay?.();
  try {
    return await desk.downloads(spec.what, context, (own) => {
      const { rows, on } = collectRows(account);
      return session.request<AccountDownload>(
        {
          ...spec,
          on: {
            ...on,
            [EventName.accountDownloadEnd]: (control, owner) => {
              if (owner === account) control.resolve(rows());
            },
          },
        },
        own,
      );
    });
  } finally {
    desk.waiting -= 1;
  }
}

interface Hold {
  readonly account: string;
  /** The whole account, once TWS has shown all of it, and after each change. */
  readonly onRows: (rows: AccountDownload) => void;
  readonly context: RequestContext;
}

/**
 * Stays subscribed to one account until somebody else needs the only subscription that TWS gives, and then at least
 * until the account has been shown once. Resolves when it has made way.
 */
export function holdAccount(session: TwsSession, { account, onRows, context }: Hold): Promise<void> {
  const desk = deskOf(session);
  const spec = updatesOf(account);
  return desk.downloads(spec.what, context, (own) => {
    let isShown = false;
    const { rows, on } = collectRows(account, () => {
      if (isShown) onRows(rows());
    });
    const held = session.request<void>(
      {
        ...spec,
        on: {
          ...on,
          [EventName.accountDownloadEnd]: (control, owner) => {
            if (owner !== account || isShown) return;
            isShown = true;
            onRows(rows());
            desk.makeWay = () => control.resolve();
            if (desk.waiting > 0) control.resolve();
          },
        },
      },
      own,
    );
    return held.finally(() => {
      desk.makeWay = null;
    });
  });
}

/** The holdings of every account of the login, without their value; closed ones (position 0) are left out. */
export function positions(session: TwsSession, context: RequestContext): Promise<PositionRow[]> {
  const what = "positions";
  return deskOf(session).positions(what, context, (own) => {
    const rows = new Map<string, PositionRow>();
    return session.request<PositionRow[]>(
      {
        lane: "account",
        what,
        start: (ib) => ib.reqPositions(),
        cancel: (ib) => ib.cancelPositions(),
        cancelAfter: true,
        on: {
          [EventName.position]: (_control, account, wire, position = 0, avgCost = 0) => {
            const contract = partialContract(wire);
            rows.set(`${account}/${holdingKey(contract)}`, { account, contract, position, avgCost });
          },
          [EventName.positionEnd]: (control) =>
            control.resolve([...rows.values()].filter(({ position }) => position !== 0)),
        },
      },
      own,
    );
  });
}

const holdingKey = ({ conId, localSymbol, symbol }: Partial<Contract>): string =>
  String(conId ?? localSymbol ?? symbol);

/** The clock of TWS in Unix seconds. */
export function currentTime(session: TwsSession, context: RequestContext): Promise<number> {
  return session.request<number>(
    {
      lane: "account",
      what: "the time of TWS",
      start: (ib) => ib.reqCurrentTime(),
      on: { [EventName.currentTime]: (control, seconds) => control.resolve(seconds) },
    },
    context,
  );
}
