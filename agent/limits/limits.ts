import { TwsError } from "../../shared/errors.ts";
import type { ApprovalPlace, BrokenLimit } from "../../shared/errors.ts";
import type { OrderType } from "../../shared/order.ts";
import type { Caller } from "../../shared/caller.ts";
import { modeOf } from "../../shared/status.ts";
import type { ApprovalPolicy } from "../../shared/status.ts";

/** How far an order may go. Null is no limit; money is in the currency of the order's account. */
export interface Bounds {
  /** The accounts that are traded. */
  readonly accounts: readonly string[] | null;
  readonly secTypes: readonly string[] | null;
  /** As TWS writes them, an option's by its underlying, a pair's as EUR.USD. */
  readonly symbols: readonly string[] | null;
  readonly symbolsDenied: readonly string[] | null;
  readonly orderTypes: readonly OrderType[] | null;
  /** Of one order, in its own units. */
  readonly orderQuantity: number | null;
  /** Of one order, or of one call that places several. */
  readonly orderValue: number | null;
  /** Of limits and stops from the market, up or down. */
  readonly priceDistancePercent: number | null;
  /** What the orders of a day may come to, filled or not. */
  readonly dayValue: number | null;
  /** Placed and changed, over all accounts. */
  readonly ordersPerMinute: number;
  /** Working at once in an account, whoever placed them. */
  readonly openOrders: number | null;
  /** At this loss of a day no order is taken any more, in any account. */
  readonly dayLoss: number | null;
  readonly approval: ApprovalPolicy;
  /** Orders of more than this need approval whatever `approval` says. */
  readonly approvalAbove: number | null;
  /** How far back `approvalAbove` counts what a grant has placed without approval; null is to the last midnight. */
  readonly approvalWindowMs: number | null;
  /** Whether the owner's word counts on a page of the edge as well, or on this host alone. */
  readonly approvalAt: ApprovalPlace;
}

/** What the owner of the TWS host lets anyone trade, whatever the edge says; what is left out is as in `usualBounds`. */
export interface Limits extends Partial<Bounds> {
  /** `paper` trades paper accounts only, `live` both. Which one an account is, its id says. */
  readonly trading: "off" | "paper" | "live";
  /** When set, no other account is traded. */
  readonly onlyAccount: string | null;
}

export const usualBounds: Bounds = {
  accounts: null,
  secTypes: null,
  symbols: null,
  symbolsDenied: null,
  orderTypes: null,
  orderQuantity: null,
  orderValue: null,
  priceDistancePercent: null,
  dayValue: null,
  // several baskets of thirty, and far less than a program that runs wild
  ordersPerMinute: 120,
  openOrders: null,
  dayLoss: null,
  approval: "live",
  approvalAbove: null,
  approvalWindowMs: null,
  approvalAt: "page",
};

export const boundsOf = (limits: Limits): Bounds => ({ ...usualBounds, ...limits });

/** The variable that sets each limit, which is its name in refusals. */
export const limitNames = {
  trading: "TRADING",
  onlyAccount: "TWS_PAPER_ACCOUNT",
  accounts: "LIMIT_ACCOUNTS",
  secTypes: "LIMIT_SEC_TYPES",
  symbols: "LIMIT_SYMBOLS",
  symbolsDenied: "LIMIT_SYMBOLS_DENIED",
  orderTypes: "LIMIT_ORDER_TYPES",
  orderQuantity: "LIMIT_ORDER_QUANTITY",
  orderValue: "LIMIT_ORDER_VALUE",
  priceDistancePercent: "LIMIT_PRICE_DISTANCE",
  dayValue: "LIMIT_DAY_VALUE",
  ordersPerMinute: "LIMIT_ORDERS_PER_MINUTE",
  openOrders: "LIMIT_OPEN_ORDERS",
  dayLoss: "LIMIT_DAY_LOSS",
  approvalAbove: "APPROVAL_ABOVE",
  approvalWindowMs: "APPROVAL_WINDOW",
} as const satisfies { readonly [Name in Exclude<keyof Limits, "approval" | "approvalAt">]-?: string };

/** One limit, and how an order stands to it. */
export interface Finding extends BrokenLimit {
  readonly ok: boolean;
  /** What is wrong, for people; unused while `ok`. */
  readonly sentence: string;
  /** When the same order may be within the limit by itself. */
  readonly retryAfterMs?: number;
}

/** As it travels. */
export const brokenLimit = ({ name, limit, asked }: BrokenLimit): BrokenLimit => ({
  name,
  limit: limit.slice(0, 200),
  asked: asked.slice(0, 200),
});

function refusalOf({ sentence, retryAfterMs, ...finding }: Finding): TwsError {
  const broken = brokenLimit(finding);
  if (retryAfterMs === undefined) return new TwsError("trading_refused", sentence, { limit: broken });
  const nextStep = "Nothing was placed. Wait, then call again.";
  return new TwsError("trading_refused", sentence, { limit: broken, retryAfterMs, nextStep });
}

/** Throws for the first that is not kept. */
export function requireAll(findings: readonly Finding[]): void {
  const broken = findings.find(({ ok }) => !ok);
  if (broken !== undefined) throw refusalOf(broken);
}

/** Whether the owner lets an account be traded at all. */
export function accountFindings(limits: Limits, account: string): Finding[] {
  const { trading, onlyAccount } = limits;
  const { accounts } = boundsOf(limits);
  const mode = modeOf(account);
  const findings: Finding[] = [
    {
      name: limitNames.trading,
      limit: trading,
      asked: `${mode} account`,
      ok: trading === "live" || trading === mode,
      sentence:
        trading === "off"
          ? "Trading is switched off on this TWS host."
          : `${account} is a live account, and this TWS host trades paper accounts only.`,
    },
  ];
  if (onlyAccount !== null) {
    findings.push({
      name: limitNames.onlyAccount,
      limit: onlyAccount,
      asked: account,
      ok: account === onlyAccount,
      sentence: `This TWS host trades the account ${onlyAccount} only.`,
    });
  }
  if (accounts !== null) {
    findings.push({
      name: limitNames.accounts,
      limit: accounts.join(", "),
      asked: account,
      ok: accounts.includes(account),
      sentence: `This TWS host does not trade the account ${account}.`,
    });
  }
  return findings;
}

/** Throws forbidden unless the caller may change orders of the account at all; all that a cancellation needs. */
export function requireTrader(caller: Caller, account: string): void {
  if (!caller.scopes.includes("tws:trade")) {
    throw new TwsError("forbidden", "This client may look but not trade: it lacks the scope tws:trade.");
  }
  if (!mayUse(caller, account)) {
    throw new TwsError("forbidden", `This client may not use the account ${account}.`);
  }
}

/** Throws forbidden, or trading_refused when the owner's settings do not allow an order in the account. */
export function requireTrading(limits: Limits, caller: Caller, account: string): void {
  requireTrader(caller, account);
  requireAll(accountFindings(limits, account));
}

/** Whether the caller's grant covers the account. */
export const mayUse = ({ accounts }: Caller, account: string): boolean =>
  accounts === null || accounts.includes(account);

/** The accounts of TWS that the caller may know of. */
export const visibleAccounts = (caller: Caller, accounts: readonly string[]): string[] =>
  accounts.filter((account) => mayUse(caller, account));

/**
 * The account that a call is about: the one named, else the configured or the only one. Throws tws_offline before
 * TWS has named its accounts, forbidden, or invalid_input with the accounts to choose from.
 */
export function resolveAccount(
  requested: string,
  caller: Caller,
  accounts: readonly string[],
  configured: string | null,
): string {
  if (accounts.length === 0) throw new TwsError("tws_offline", "TWS has not told its accounts yet.");
  const visible = visibleAccounts(caller, accounts);
  if (requested !== "") {
    if (visible.includes(requested)) return requested;
    if (!mayUse(caller, requested)) {
      throw new TwsError("forbidden", `This client may not use the account ${requested}.`);
    }
    throw new TwsError(
      "invalid_input",
      `account: TWS has no account ${requested}; choose one of ${visible.join(", ")}.`,
    );
  }
  const [first, ...others] = visible;
  if (first === undefined) throw new TwsError("forbidden", "This client may use none of the accounts.");
  if (configured !== null && visible.includes(configured)) return configured;
  if (others.length === 0) return first;
  throw new TwsError("invalid_input", `account: name one of ${visible.join(", ")}.`);
}
