import type { AccountValue, Ledger } from "../model/ledger.ts";

/** Values TWS keeps for each currency, which only the $LEDGER tag returns. */
const ledgerKeys: ReadonlySet<string> = new Set([
  "AccountOrGroup",
  "AccruedCash",
  "AccruedDividend",
  "CashBalance",
  "CorporateBondValue",
  "Currency",
  "ExchangeRate",
  "FundValue",
  "FutureOptionValue",
  "FuturesPNL",
  "FxCashBalance",
  "IssuerOptionValue",
  "MoneyMarketFundValue",
  "MutualFundValue",
  "NetDividend",
  "NetLiquidationByCurrency",
  "OptionMarketValue",
  "RealCurrency",
  "RealizedPnL",
  "StockMarketValue",
  "TBillValue",
  "TBondValue",
  "TotalCashBalance",
  "UnrealizedPnL",
  "WarrantValue",
]);

export interface SummaryRow {
  readonly account: string;
  readonly value: AccountValue;
}

/** "$LEDGER" is the base currency's, "$LEDGER:USD" one currency's, "$LEDGER:ALL" everyone's. */
function ledgerCurrency(tags: readonly string[]): string | null {
  const tag = tags.find((name) => name === "$LEDGER" || name.startsWith("$LEDGER:"));
  return tag === undefined ? null : (tag.split(":")[1] ?? "BASE").toUpperCase();
}

function isAsked(value: AccountValue, tags: ReadonlySet<string>, ledger: string | null): boolean {
  if (tags.has(value.key) && value.currency !== "BASE") return true;
  return ledger !== null && ledgerKeys.has(value.key) && (ledger === "ALL" || value.currency === ledger);
}

/** The rows of one summary, ordered by account and tag as a gateway sends them. */
export function summaryRows(
  ledger: Ledger,
  accounts: readonly string[],
  tags: readonly string[],
): SummaryRow[] {
  const wanted = new Set(tags);
  const currency = ledgerCurrency(tags);
  return accounts.flatMap((account) =>
    ledger
      .accountValues(account)
      .filter((value) => isAsked(value, wanted, currency))
      .sort((a, b) => a.key.localeCompare(b.key) || a.currency.localeCompare(b.currency))
      .map((value) => ({ account, value })),
  );
}
