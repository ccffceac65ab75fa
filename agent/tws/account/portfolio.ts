import { TwsError } from "../../../shared/errors.ts";
import { type Condition, conditionOf, live, type StreamReason } from "../../../shared/events.ts";
import type { Holding, Portfolio } from "../../../shared/portfolio.ts";
import { modeOf } from "../../../shared/status.ts";
import { holdAccount } from "./account.ts";
import type { AccountDownload, PortfolioRow } from "./account.ts";
import type { TwsSession } from "../session/api.ts";

export type PortfolioEvent =
  | { readonly kind: "portfolio"; readonly data: Portfolio }
  | ({ readonly kind: "state" } & Condition);

type Listener = (event: PortfolioEvent) => void;

interface Followed {
  readonly account: string;
  readonly listeners: Set<Listener>;
  last: Portfolio | null;
  state: (PortfolioEvent & { readonly kind: "state" }) | null;
  /** Rows that came since the listeners were last told. */
  rows: AccountDownload | null;
  timer: NodeJS.Timeout | null;
}

interface Keeper {
  /** By account; the first has its turn next. */
  readonly followed: Map<string, Followed>;
  /** The subscription of now. */
  held: { readonly account: string; readonly release: AbortController } | null;
}

/** TWS sends what changed row by row; it is told as one picture. */
const mergeMs = 100;
/** TWS serves one account at a time; several that are followed take turns. */
const turnMs = 10_000;
const shownWithinMs = 15_000;
const retryMs = 2_000;
const longestHoldMs = 24 * 3_600_000;
const mostPositions = 500;

const keepers = new WeakMap<TwsSession, Keeper>();

/**
 * Figures and holdings of one account: the whole picture at once when there is one, and after each change. TWS itself
 * refreshes them every three minutes and after each fill. Returns the way to stop.
 */
export function watchPortfolio(session: TwsSession, account: string, listener: Listener): () => void {
  const keeper = keeperOf(session);
  const own: Listener = (event) => listener(event);
  const known = keeper.followed.get(account);
  const entry = known ?? { account, listeners: new Set(), last: null, state: null, rows: null, timer: null };
  entry.listeners.add(own);
  if (known === undefined) {
    // it has not been shown yet, so its turn is next
    const others = [...keeper.followed];
    keeper.followed.clear();
    for (const [name, one] of [[account, entry] as const, ...others]) keeper.followed.set(name, one);
    const { state } = session.status().tws;
    if (state !== "connected")
      setState(entry, conditionOf(state === "upstream_down" ? "tws_upstream_down" : "tws_offline"));
    // one that is being shown for the first time ends by itself then
    if (keeper.held !== null && keeper.followed.get(keeper.held.account)?.last !== null) {
      keeper.held.release.abort(new TwsError("cancelled", "Another account is to be shown."));
    }
    keep(session, keeper);
  } else {
    if (entry.last !== null) own({ kind: "portfolio", data: entry.last });
    if (entry.state !== null && entry.state.state !== "live") own(entry.state);
  }
  return () => {
    if (!entry.listeners.delete(own) || entry.listeners.size > 0) return;
    if (keeper.followed.get(account) === entry) keeper.followed.delete(account);
    if (entry.timer !== null) clearTimeout(entry.timer);
    if (keeper.held?.account !== account) return;
    keeper.held.release.abort(new TwsError("cancelled", "Nobody follows this account any more."));
  };
}

function keeperOf(session: TwsSession): Keeper {
  const existing = keepers.get(session);
  if (existing !== undefined) return existing;
  const keeper: Keeper = { followed: new Map(), held: null };
  keepers.set(session, keeper);
  const emitStateToAll = (reason: StreamReason): void => {
    for (const entry of keeper.followed.values()) setState(entry, conditionOf(reason));
  };
  session.onConnected(() => {
    emitStateToAll("new_session");
    keep(session, keeper);
  });
  session.onDisconnected(() => emitStateToAll("tws_offline"));
  let wasUpstreamDown = false;
  session.onStatus(({ tws }) => {
    const isDown = tws.state === "upstream_down";
    if (isDown && !wasUpstreamDown) emitStateToAll("tws_upstream_down");
    if (tws.state === "connected" && wasUpstreamDown) emitStateToAll("ok");
    wasUpstreamDown = isDown;
  });
  return keeper;
}

function isUp(session: TwsSession): boolean {
  const { state } = session.status().tws;
  return state === "connected" || state === "upstream_down";
}

/** Shows the account whose turn it is, and then the next, for as long as anyone follows one. */
function keep(session: TwsSession, keeper: Keeper): void {
  const [entry] = keeper.followed.values();
  if (entry === undefined || keeper.held !== null || !isUp(session)) return;
  const { account } = entry;
  // who has had a turn goes to the end
  keeper.followed.delete(account);
  keeper.followed.set(account, entry);
  const release = new AbortController();
  keeper.held = { account, release };
  const over = (): void => release.abort(new TwsError("cancelled", "Its turn is over."));
  let turn = setTimeout(over, shownWithinMs);
  let isShown = false;
  const shown = (): void => {
    if (isShown) return;
    isShown = true;
    clearTimeout(turn);
    const others = [...keeper.followed.values()].filter((other) => other !== entry);
    if (others.some(({ last }) => last === null)) over();
    else if (others.length > 0) turn = setTimeout(over, turnMs);
  };
  const ended = (isInOrder: boolean): void => {
    clearTimeout(turn);
    keeper.held = null;
    if (isInOrder || release.signal.aborted) keep(session, keeper);
    else setTimeout(() => keep(session, keeper), retryMs).unref();
  };
  holdAccount(session, {
    account,
    onRows(rows) {
      takeRows(entry, rows);
      shown();
    },
    context: { timeoutMs: longestHoldMs, signal: release.signal },
  }).then(
    () => ended(true),
    () => ended(false),
  );
}

function takeRows(entry: Followed, rows: AccountDownload): void {
  entry.rows = rows;
  // the first picture is waited for
  if (entry.last === null || entry.state?.state === "gap") emitRows(entry);
  else entry.timer ??= setTimeout(() => emitRows(entry), mergeMs);
}

function emitRows(entry: Followed): void {
  if (entry.timer !== null) clearTimeout(entry.timer);
  entry.timer = null;
  const { rows, last, account, listeners } = entry;
  if (rows === null || listeners.size === 0) return;
  entry.rows = null;
  if (entry.state?.state === "gap") setState(entry, live);
  const data = pictureOf(account, rows);
  if (last !== null && JSON.stringify({ ...data, time: "" }) === JSON.stringify({ ...last, time: "" }))
    return;
  entry.last = data;
  for (const listener of listeners) listener({ kind: "portfolio", data });
}

function setState(entry: Followed, condition: Condition): void {
  if (entry.state?.state === condition.state || (entry.state === null && condition.state === "live")) return;
  entry.state = { kind: "state", ...condition };
  for (const listener of entry.listeners) listener(entry.state);
}

function pictureOf(account: string, { values, portfolio }: AccountDownload): Portfolio {
  const worth = ({ marketValue }: Holding) => Math.abs(marketValue ?? 0);
  const positions = portfolio.map(holdingOf);
  return {
    account,
    mode: modeOf(account),
    time: new Date().toISOString(),
    values: values.map(({ key, value, currency }) => ({ key, value, currency })),
    positions:
      positions.length <= mostPositions
        ? positions
        : positions.toSorted((a, b) => worth(b) - worth(a)).slice(0, mostPositions),
    positionsTotal: positions.length,
  };
}

const holdingOf = (row: PortfolioRow): Holding => ({
  contract: row.contract,
  position: row.position,
  avgCost: row.avgCost,
  marketPrice: row.marketPrice,
  marketValue: row.marketValue,
  unrealizedPnL: row.unrealizedPnL,
  realizedPnL: row.realizedPnL,
});
