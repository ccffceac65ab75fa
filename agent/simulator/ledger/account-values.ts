import type { Book } from "./positions.ts";
import { baseCurrency, valueOf } from "./positions.ts";
import type { AccountValue } from "../model/ledger.ts";
import { sumCents, toCents } from "./money.ts";
import type { Marks, Worth } from "./valuation.ts";
import { worthOf } from "./valuation.ts";

/** Funds that margin leaves buy this many times their value of stock. */
const leverage = 4;

export interface AccountFigures {
  readonly book: Book;
  readonly marks: Marks;
  /** Of today, in the base currency. */
  readonly realized: number;
  readonly unrealized: number;
  /** Equity with loan value when the day began. */
  readonly previousEquity: number;
}

/** Every value of an account by the gateway's keys, for account updates and summaries alike. */
export function accountValuesOf(figures: AccountFigures): AccountValue[] {
  const { book, marks, realized, unrealized, previousEquity } = figures;
  const worth = worthOf(book, marks);
  const available = sumCents([worth.loanable, -worth.initial]);
  const excess = sumCents([worth.loanable, -worth.maintenance]);
  const money = (key: string, amount: number): AccountValue => ({
    key,
    value: amount.toFixed(2),
    currency: baseCurrency,
  });
  const plain = (key: string, value: string): AccountValue => ({ key, value, currency: "" });
  const lookAhead = ["", "Full", "LookAhead"].flatMap((prefix) => [
    money(`${prefix}AvailableFunds`, available),
    money(`${prefix}ExcessLiquidity`, excess),
    money(`${prefix}InitMarginReq`, worth.initial),
    money(`${prefix}MaintMarginReq`, worth.maintenance),
  ]);
  return [
    plain("AccountCode", book.account),
    plain("AccountReady", "true"),
    plain("AccountType", "INDIVIDUAL"),
    plain("Cushion", (worth.net <= 0 ? 0 : Math.max(0, excess / worth.net)).toFixed(6)),
    plain("DayTradesRemaining", "-1"),
    plain("HighestSeverity", "0"),
    plain("Leverage", (worth.net <= 0 ? 0 : worth.gross / worth.net).toFixed(2)),
    plain("LookAheadNextChange", "0"),
    money("NetLiquidation", worth.net),
    money("TotalCashValue", worth.cash),
    money("SettledCash", worth.cash),
    money("AccruedCash", 0),
    money("AccruedDividend", 0),
    money("EquityWithLoanValue", worth.loanable),
    money("PreviousDayEquityWithLoanValue", previousEquity),
    money("PreviousEquityWithLoanValue", previousEquity),
    money("GrossPositionValue", worth.gross),
    money("BuyingPower", Math.max(0, sumCents([available * leverage]))),
    money("RegTEquity", worth.loanable),
    money("RegTMargin", sumCents([Math.abs(worth.stocks) / 2])),
    money("SMA", Math.max(0, sumCents([worth.loanable, -Math.abs(worth.stocks) / 2]))),
    ...lookAhead,
    ...ledgerRows(book, marks, worth, realized, unrealized),
  ];
}

/** One block for each currency and one for all in the base currency, named BASE. */
function ledgerRows(
  book: Book,
  marks: Marks,
  worth: Worth,
  realized: number,
  unrealized: number,
): AccountValue[] {
  const currencies = new Set([baseCurrency, ...book.cash.keys()]);
  for (const { instrument } of book.holdings.values()) currencies.add(instrument.currency);
  const native: Marks = { ...marks, rate: () => 1 };
  const total = { ...worth, realized, unrealized };
  const rows = block("BASE", total, 1);
  for (const currency of currencies) {
    const cash = book.cash.get(currency) ?? 0;
    const holdings = [...book.holdings].filter(([, { instrument }]) => instrument.currency === currency);
    const part = { account: book.account, cash: new Map([[currency, cash]]), holdings: new Map(holdings) };
    const held = holdings.map(([, holding]) => holding);
    const own = {
      ...worthOf(part, native),
      realized: sumCents(held.map((holding) => toCents(holding.realized))),
      unrealized: sumCents(
        held.map(({ instrument, quantity, cost }) =>
          toCents(valueOf(instrument, quantity, marks.price(instrument)) - cost),
        ),
      ),
    };
    rows.push(...block(currency, own, marks.rate(currency)));
  }
  return rows;
}

function block(
  currency: string,
  worth: Worth & { readonly realized: number; readonly unrealized: number },
  rate: number,
): AccountValue[] {
  const amounts = {
    CashBalance: worth.cash,
    TotalCashBalance: worth.cash,
    StockMarketValue: worth.stocks,
    OptionMarketValue: worth.options,
    CorporateBondValue: worth.corporateBonds,
    TBondValue: worth.treasuries,
    FuturesPNL: worth.futures,
    FutureOptionValue: worth.futureOptions,
    NetLiquidationByCurrency: worth.net,
    UnrealizedPnL: worth.unrealized,
    RealizedPnL: worth.realized,
    NetDividend: 0,
  };
  return [
    { key: "Currency", value: currency, currency },
    ...Object.entries(amounts).map(([key, amount]) => ({ key, value: amount.toFixed(2), currency })),
    { key: "ExchangeRate", value: rate.toFixed(6), currency },
  ];
}
