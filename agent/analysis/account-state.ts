import { TwsError } from "../../shared/errors.ts";
import { accountDownload } from "../tws/account/account.ts";
import type { AccountValue, PortfolioRow } from "../tws/account/account.ts";
import type { RequestContext, TwsSession } from "../tws/session/api.ts";

/** What an account holds and is worth, from one download. */
export interface AccountState {
  /** The account's own currency. */
  readonly currency: string;
  readonly netLiquidation: number;
  /** In the account's currency, all currencies together. */
  readonly cash: number;
  readonly holdings: readonly PortfolioRow[];
  /** What one unit of a currency is worth in the account's; null where TWS gives no rate. */
  rateOf(currency: string): number | null;
}

/** Throws tws_error when TWS leaves out a figure that everything else rests on. */
export async function accountState(
  session: TwsSession,
  account: string,
  request: RequestContext,
): Promise<AccountState> {
  const { values, portfolio } = await accountDownload(session, account, request);
  const net = figureOf(values, "NetLiquidation", account);
  const cash = figureOf(values, "TotalCashValue", account);
  const rates = new Map(
    values
      .filter(({ key }) => key === "ExchangeRate")
      .map(({ currency, value }) => [currency ?? "", Number(value ?? NaN)]),
  );
  return {
    currency: net.currency,
    netLiquidation: net.amount,
    cash: cash.amount,
    holdings: portfolio.filter(({ position }) => position !== 0),
    rateOf(currency) {
      if (currency === net.currency) return 1;
      const rate = rates.get(currency);
      return rate !== undefined && rate > 0 ? rate : null;
    },
  };
}

function figureOf(values: readonly AccountValue[], key: string, account: string) {
  const row = values.find((value) => value.key === key && value.currency !== "BASE");
  const amount = Number(row?.value ?? NaN);
  if (row?.currency != null && Number.isFinite(amount)) return { amount, currency: row.currency };
  throw new TwsError("tws_error", `TWS left ${key} out of the figures of account ${account}.`, {
    nextStep: "Try again in a few seconds.",
  });
}
