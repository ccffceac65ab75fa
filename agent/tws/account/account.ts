import { EventName } from "@stoqey/ib";
import type { IBApi } from "@stoqey/ib";
import type { Contract } from "../../../shared/contract.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import type { TwsEvents } from "../session/event-types.ts";
import { createListKind } from "../session/list-requests.ts";
import type { AskList } from "../session/list-requests.ts";
import { createRead, perSession } from "../session/shared-reads.ts";
import type { Read } from "../session/shared-reads.ts";
import { positionContract, textOrNull } from "../contracts/translate.ts";
import { figureOf, textFigureOf } from "../session/figures.ts";
import { readTime } from "../session/time-zone.ts";
import { createTurns } from "../session/serial-queue.ts";
import type { Turns } from "../session/serial-queue.ts";

export interface SummaryRow {
  readonly account: string;
  readonly tag: string;
  /** As TWS words it, a time as ISO 8601; null where TWS has set none. */
  readonly value: string | null;
  readonly currency: string | null;
}

export interface AccountValue {
  readonly account: string;
  readonly key: string;
  readonly value: string | null;
  readonly currency: string | null;
}

export interface PositionRow {
  readonly account: string;
  readonly contract: Partial<Contract>;
  /** Units, negative when short. */
  readonly position: number;
  /** For one unit, commissions and multiplier included. */
  readonly avgCost: number | null;
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

/** What one session is asked about accounts. Equal reads are shared by all who ask at once: see `createRead`. */
interface AccountReads {
  readonly time: Read<number>;
  readonly summaries: Read<readonly SummaryRow[]>;
  readonly downloads: Read<AccountDownload>;
  readonly positions: Read<readonly PositionRow[]>;
  readonly askPositions: AskList;
  /** By account. */
  readonly askDownload: Map<string, AskList>;
  readonly summaryTurns: Turns;
  readonly downloadTurns: Turns;
  /** Downloads that wait for their turn. */
  waiting: number;
  /** Ends the hold on account updates as soon as it has been shown the account. */
  makeWay: (() => void) | null;
}

const accountReadsOf = perSession((session): AccountReads => ({
  time: createRead(session),
  summaries: createRead(session),
  downloads: createRead(session),
  positions: createRead(session),
  askPositions: createListKind(session, EventName.positionEnd),
  askDownload: new Map(),
  summaryTurns: createTurns(),
  downloadTurns: createTurns(),
  waiting: 0,
  makeWay: null,
}));

function downloadOf(session: TwsSession, account: string): AskList {
  const { askDownload } = accountReadsOf(session);
  const ask = askDownload.get(account) ?? createListKind(session, EventName.accountDownloadEnd, account);
  askDownload.set(account, ask);
  return ask;
}

/** Figures of every account of the login. TWS allows two summaries at once to all its clients; we ask one by one. */
export function accountSummary(
  session: TwsSession,
  tags: string,
  context: RequestContext,
): Promise<readonly SummaryRow[]> {
  const what = "the account summary";
  const { summaries, summaryTurns } = accountReadsOf(session);
  return summaries({ key: tags, what }, context, ({ written, ...shared }) =>
    summaryTurns(what, shared, (own) => {
      const rows: SummaryRow[] = [];
      return session.request<readonly SummaryRow[]>(
        {
          lane: "account",
          what,
          start: (ib, reqId) => {
            written();
            ib.reqAccountSummary(reqId, "All", tags);
          },
          cancel: (ib, reqId) => ib.cancelAccountSummary(reqId),
          // otherwise it goes on every three minutes
          cancelAfter: true,
          on: {
            [EventName.accountSummary]: (_control, _id, account, tag, value, currency) => {
              rows.push({ account, tag, value: valueOf(tag, value), currency: textOrNull(currency) });
            },
            [EventName.accountSummaryEnd]: (control) => control.resolve(rows),
          },
        },
        own,
      );
    }),
  );
}

/** When the margins change next, in seconds since 1970; 0 is "none". */
const nextChangeTag = "LookAheadNextChange";

function valueOf(tag: string, text: string): string | null {
  if (tag !== nextChangeTag) return textFigureOf(text);
  return Number(text) === 0 ? null : (readTime(text, "UTC") ?? textFigureOf(text));
}

/** What TWS shows of one account, by row, since a change sends a row again. */
function collectRows(account: string, onRow: () => void = () => {}) {
  const values = new Map<string, AccountValue>();
  const portfolio = new Map<string, PortfolioRow>();
  return {
    rows: (): AccountDownload => ({ values: [...values.values()], portfolio: [...portfolio.values()] }),
    forget: (): void => {
      values.clear();
      portfolio.clear();
    },
    on: {
      [EventName.updateAccountValue]: (
        _control: unknown,
        ...[key, value, currency, owner]: TwsEvents[EventName.updateAccountValue]
      ) => {
        if (owner !== account) return;
        values.set(`${key}/${currency}`, {
          account,
          key,
          value: valueOf(key, value),
          currency: textOrNull(currency),
        });
        onRow();
      },
      [EventName.updatePortfolio]: (
        _control: unknown,
        ...[wire, position, price, value, cost, open, real, owner]: TwsEvents[EventName.updatePortfolio]
      ) => {
        if (owner !== account) return;
        const contract = positionContract(wire);
        portfolio.set(holdingKey(contract), {
          account,
          contract,
          position: heldOf(position),
          avgCost: figureOf(cost),
          marketPrice: figureOf(price),
          marketValue: figureOf(value),
          unrealizedPnL: figureOf(open),
          realizedPnL: figureOf(real),
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
export function accountDownload(
  session: TwsSession,
  account: string,
  context: RequestContext,
): Promise<AccountDownload> {
  const reads = accountReadsOf(session);
  const spec = updatesOf(account);
  return reads.downloads({ key: account, what: spec.what }, context, async ({ written, ...shared }) => {
    reads.waiting += 1;
    reads.makeWay?.();
    try {
      return await reads.downloadTurns(spec.what, shared, (own) => {
        const { rows, forget, on } = collectRows(account);
        return downloadOf(session, account)<AccountDownload>(
          {
            ...spec,
            start: (ib) => {
              written();
              spec.start(ib);
            },
            on,
            forget,
            whole: (control) => control.resolve(rows()),
          },
          own,
        );
      });
    } finally {
      reads.waiting -= 1;
    }
  });
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
  const reads = accountReadsOf(session);
  const spec = updatesOf(account);
  return reads.downloadTurns(spec.what, context, (own) => {
    let isShown = false;
    const { rows, forget, on } = collectRows(account, () => {
      if (isShown) onRows(rows());
    });
    const held = downloadOf(session, account)<void>(
      {
        ...spec,
        on,
        forget,
        whole: (control) => {
          isShown = true;
          onRows(rows());
          reads.makeWay = () => control.resolve();
          if (reads.waiting > 0) control.resolve();
        },
      },
      own,
    );
    return held.finally(() => {
      reads.makeWay = null;
    });
  });
}

/** The holdings of every account of the login, without their value; closed ones (position 0) are left out. */
export function positions(session: TwsSession, context: RequestContext): Promise<readonly PositionRow[]> {
  const what = "positions";
  const reads = accountReadsOf(session);
  return reads.positions({ key: "", what }, context, ({ written, ...shared }) => {
    const rows = new Map<string, PositionRow>();
    return reads.askPositions<readonly PositionRow[]>(
      {
        lane: "account",
        what,
        start: (ib) => {
          written();
          ib.reqPositions();
        },
        cancel: (ib) => ib.cancelPositions(),
        cancelAfter: true,
        on: {
          [EventName.position]: (_control, account, wire, held, cost) => {
            const contract = positionContract(wire);
            rows.set(`${account}/${holdingKey(contract)}`, {
              account,
              contract,
              position: heldOf(held),
              avgCost: figureOf(cost),
            });
          },
        },
        forget: () => rows.clear(),
        whole: (control) => control.resolve([...rows.values()].filter(({ position }) => position !== 0)),
      },
      shared,
    );
  });
}

/** Throws for a holding of unknown size: left out, or told as none, it would make the list untrue. */
function heldOf(position: number | undefined): number {
  const held = figureOf(position);
  if (held === null) throw new Error("TWS has set no size of a holding");
  return held;
}

const holdingKey = ({ conId, localSymbol, symbol }: Partial<Contract>): string =>
  String(conId ?? localSymbol ?? symbol);

/** The clock of TWS in Unix seconds. */
export function currentTime(session: TwsSession, context: RequestContext): Promise<number> {
  const what = "the time of TWS";
  return accountReadsOf(session).time({ key: "", what }, context, ({ written, ...shared }) =>
    session.request<number>(
      {
        lane: "account",
        what,
        start: (ib) => {
          written();
          ib.reqCurrentTime();
        },
        on: { [EventName.currentTime]: (control, seconds) => control.resolve(seconds) },
      },
      shared,
    ),
  );
}
