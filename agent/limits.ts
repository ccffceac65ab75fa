import { TwsError } from "../shared/errors.ts";
import type { Caller } from "../shared/scopes.ts";
import { modeOf } from "../shared/status.ts";

/** What the owner of the TWS host lets anyone trade, whatever the edge says. */
export interface Limits {
  /** `paper` trades paper accounts only, `live` both. Which one an account is, its id says. */
  readonly trading: "off" | "paper" | "live";
  /** When set, no other account is traded. */
  readonly onlyAccount: string | null;
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
  const { trading, onlyAccount } = limits;
  if (trading === "off") throw new TwsError("trading_refused", "Trading is switched off on this TWS host.");
  if (trading === "paper" && modeOf(account) === "live") {
    throw new TwsError(
      "trading_refused",
      `${account} is a live account, and this TWS host trades paper accounts only.`,
    );
  }
  if (onlyAccount !== null && account !== onlyAccount) {
    throw new TwsError("trading_refused", `This TWS host trades the account ${onlyAccount} only.`);
  }
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
