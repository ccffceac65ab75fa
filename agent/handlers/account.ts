import { TwsError } from "../../shared/errors.ts";
import { modeOf } from "../../shared/status.ts";
import type { accountTools } from "../../shared/tools/account.ts";
import { resolveAccount, visibleAccounts } from "../limits/limits.ts";
import { accountDownload, accountSummary, positions } from "../tws/account/account.ts";
import type { PortfolioRow, PositionRow } from "../tws/account/account.ts";
import { resolveContract } from "../tws/contracts/contracts.ts";
import { holdingsDailyPnl } from "../tws/account/holding-pnl.ts";
import { accountPnl, positionPnl } from "../tws/account/pnl.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import type { HandlersFor } from "./handlers-for.ts";

/** TWS ignores a tag it does not know, so they are checked here. */
const summaryTags = `
  AccountType NetLiquidation TotalCashValue SettledCash AccruedCash BuyingPower
  EquityWithLoanValue PreviousEquityWithLoanValue GrossPositionValue ReqTEquity ReqTMargin SMA
  InitMarginReq MaintMarginReq AvailableFunds ExcessLiquidity Cushion FullInitMarginReq
  FullMaintMarginReq FullAvailableFunds FullExcessLiquidity LookAheadNextChange
  LookAheadInitMarginReq LookAheadMaintMarginReq LookAheadAvailableFunds
  LookAheadExcessLiquidity HighestSeverity DayTradesRemaining Leverage
`
  .trim()
  .split(/\s+/);

const tagByName = new Map(summaryTags.map((tag) => [tag.toLowerCase(), tag]));

/** TWS's own spelling of the tags asked for. Throws invalid_input for one that does not exist. */
function tagsOf(text: string): string[] {
  const names = text.split(/[\s,]+/).filter((name) => name !== "");
  const tags = names.flatMap((name) => {
    if (name.toLowerCase() === "all") return summaryTags;
    if (/^\$LEDGER(:[A-Z]{3})?$/.test(name)) return name;
    const tag = tagByName.get(name.toLowerCase());
    if (tag !== undefined) return tag;
    throw new TwsError(
      "invalid_input",
      `tags: there is no ${name}. Allowed: All, ${summaryTags.join(", ")}, $LEDGER, $LEDGER:CUR, $LEDGER:ALL.`,
    );
  });
  if (tags.length === 0) throw new TwsError("invalid_input", "tags: name at least one, or All.");
  return [...new Set(tags)];
}

/** Of a summary: a ledger has two dozen figures for each currency that the account ever held. */
const mostCharacters = 18_000;

const tooLong = (figures: number): TwsError =>
  new TwsError("too_large", `These tags have ${figures} figures, more than one answer holds.`, {
    nextStep: "Ask for one currency, as $LEDGER:USD, or call ibkr_get_account_values, which has pages.",
  });

const numberOrText = (value: string): number | string =>
  /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;

type Deps = Pick<HandlerDeps, "session" | "limits" | "now">;

export function createAccountHandlers({ session, limits, now }: Deps) {
  const asOf = () => new Date(now()).toISOString();
  const accountOf = (requested: string, { caller }: CallContext) =>
    resolveAccount(requested, caller, session.accounts(), limits.onlyAccount);

  /** The holdings with their value and profit, as far as TWS gives them in time. */
  async function valued(account: string, rows: readonly PositionRow[], context: CallContext) {
    const request = requestOf(context);
    const conIds = rows.flatMap(({ contract }) => contract.conId ?? []);
    const [{ portfolio }, daily] = await Promise.all([
      accountDownload(session, account, request).catch((error: unknown) => {
        if (error instanceof TwsError && error.code === "timeout") return { portfolio: [] };
        throw error;
      }),
      holdingsDailyPnl(session, account, conIds, request),
    ]);
    return rows.map((row) => withValue(row, portfolio, daily));
  }

  return {
    async ibkr_get_account_summary(input, context) {
      const tags = tagsOf(input.tags);
      const account = accountOf(input.account, context);
      const rows = await accountSummary(session, tags.join(","), requestOf(context));
      const own = rows.filter((row) => row.account === account);
      const summary = Object.fromEntries(
        own.map(({ tag, value, currency }) => [
          // a ledger has the same tags once for each currency
          tags.includes(tag) ? tag : `${tag}:${currency ?? ""}`,
          { value: value === null ? null : numberOrText(value), currency },
        ]),
      );
      if (JSON.stringify(summary).length > mostCharacters) throw tooLong(own.length);
      return { account, mode: modeOf(account), summary, asOf: asOf() };
    },

    async ibkr_get_positions(input, context) {
      const { caller } = context;
      const accounts =
        input.account === ""
          ? visibleAccounts(caller, session.accounts())
          : [accountOf(input.account, context)];
      const held = await positions(session, requestOf(context));
      const found = [];
      for (const account of accounts) {
        const rows = held.filter((row) => row.account === account);
        if (rows.length > 0) found.push(...(await valued(account, rows, context)));
      }
      return { positions: found, count: found.length, asOf: asOf() };
    },

    async ibkr_get_account_values(input, context) {
      const account = accountOf(input.account, context);
      const { values } = await accountDownload(session, account, requestOf(context));
      return { account, mode: modeOf(account), values: [...values], count: values.length, asOf: asOf() };
    },

    async ibkr_get_pnl(input, context) {
      const account = accountOf(input.account, context);
      const pnl = await accountPnl(session, account, requestOf(context));
      return { account, mode: modeOf(account), ...pnl, asOf: asOf() };
    },

    async ibkr_get_pnl_single({ account: requested, ...input }, context) {
      const account = accountOf(requested, context);
      const conId = input.conId ?? (await resolveContract(session, input, requestOf(context))).conId;
      const pnl = await positionPnl(session, account, conId, requestOf(context));
      return { account, mode: modeOf(account), conId, ...pnl, asOf: asOf() };
    },
  } satisfies HandlersFor<typeof accountTools>;
}

function withValue(row: PositionRow, portfolio: readonly PortfolioRow[], daily: ReadonlyMap<number, number>) {
  const { account, contract, position, avgCost } = row;
  const holding = portfolio.find((one) => one.contract.conId === contract.conId);
  // a fill between the two answers: the value is of another quantity
  const isSame = holding?.position === position;
  return {
    account,
    mode: modeOf(account),
    contract,
    position,
    avgCost,
    marketPrice: holding?.marketPrice ?? null,
    marketValue: isSame ? holding.marketValue : null,
    dailyPnL: daily.get(contract.conId ?? 0) ?? null,
    unrealizedPnL: isSame ? holding.unrealizedPnL : null,
    realizedPnL: isSame ? holding.realizedPnL : null,
  };
}
