import type { Contract } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import { modeOf } from "../../shared/status.ts";
import type { analysisTools } from "../../shared/tools/analysis.ts";
import type { InputOf, OutputOf } from "../../shared/tools/define.ts";
import { accountState } from "../analysis/account-state.ts";
import type { AccountState } from "../analysis/account-state.ts";
import { mapConcurrently } from "../call/concurrent-map.ts";
import { dailyCloses } from "../analysis/closes.ts";
import { assess, leastDays } from "../analysis/portfolio-risk.ts";
import type { Candidate, Excluded } from "../analysis/portfolio-risk.ts";
import { resolveAccount } from "../limits/limits.ts";
import { resolveContract, resolveDetails } from "../tws/contracts/contracts.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import type { HandlerDeps } from "./handler-deps.ts";

type Tool = (typeof analysisTools)["ibkr_assess_risk"];
type Input = InputOf<Tool>;

const atOnce = 6;
const seriesMs = 15_000;
const mostHoldings = 30;

/** Their value does not move in proportion to a price. */
const nonLinear: ReadonlySet<string> = new Set(["OPT", "FOP", "WAR", "BAG"]);

const method = {
  returns:
    "simple daily returns of closes (stocks: adjusted for splits and dividends), on the days that all included holdings and the benchmark have, today left out",
  gains: "gain of day t = sum of market value now × return on day t",
  historical: "−(1 − confidence) quantile of the gains summed over each run of horizonDays days",
  expectedShortfall: "mean loss of the runs at or beyond the historical value at risk",
  parametric: "z(confidence) × standard deviation of the daily gains × √horizonDays, mean taken as 0",
  beta: "covariance(gains ÷ net liquidation, benchmark) ÷ variance(benchmark), n − 1 in both",
  volatilityPercent: "standard deviation of gains ÷ net liquidation × √252",
  concentration: "hhi = sum of squared shares of gross market value; effectiveHoldings = 1 ÷ hhi",
  stress: "benchmark shocks: sum of market value × beta × shock; the others are days of the window",
} as const;

type Deps = Pick<HandlerDeps, "session" | "limits" | "now">;

/** ibkr_assess_risk: reads holdings and bars from TWS, and leaves the sums to analysis. */
export function createRiskAssessor({ session, limits, now }: Deps) {
  const closesOf = (contract: Contract, input: Input, context: CallContext) =>
    dailyCloses(session, contract, input.windowDays, now(), {
      ...requestOf(context),
      timeoutMs: Math.min(seriesMs, context.twsTimeoutMs),
    });

  /** An index that the account has no data of must not cost it everything else. */
  async function benchmarkOf(input: Input, context: CallContext) {
    const contract = await findBenchmark(input.benchmark, (selector) =>
      resolveContract(session, selector, requestOf(context)),
    );
    const { symbol, conId } = contract;
    try {
      return { symbol, conId, error: null, closes: await closesOf(contract, input, context) };
    } catch (error) {
      if (!isOfOne(error) || context.signal.aborted) throw error;
      return { symbol, conId, error: `${error.message} Another, such as SPY, may have bars.`, closes: null };
    }
  }

  async function candidateFor(
    holding: Valued,
    input: Input,
    context: CallContext,
  ): Promise<Candidate | Excluded> {
    const { contract: partial } = holding;
    const leave = (reason: string): Excluded => ({ kind: "excluded", ...named(holding), reason });
    if (nonLinear.has(partial.secType ?? ""))
      return leave("an option does not gain in proportion to a price; look at its greeks");
    if (holding.value === null) return leave("TWS gives no value, or no exchange rate, for it");
    try {
      const { contract, bond } = await resolveDetails(session, { conId: partial.conId }, requestOf(context));
      const closes = await closesOf(contract, input, context);
      const symbol = bond?.description ?? named(holding).symbol;
      return { kind: "candidate", ...named(holding), symbol, marketValue: holding.value, closes };
    } catch (error) {
      if (!isOfOne(error) || context.signal.aborted) throw error;
      return leave(error.message);
    }
  }

  return async (input: Input, context: CallContext): Promise<OutputOf<Tool>> => {
    const account = resolveAccount(input.account, context.caller, session.accounts(), limits.onlyAccount);
    const state = await accountState(session, account, requestOf(context));
    const { closes, ...benchmark } = await benchmarkOf(input, context);
    const holdings = state.holdings
      .map((holding) => ({ ...holding, value: valueOf(holding, state) }))
      .toSorted((a, b) => Math.abs(b.value ?? 0) - Math.abs(a.value ?? 0));
    let done = 0;
    const found = await mapConcurrently(holdings.slice(0, mostHoldings), atOnce, async (holding) => {
      const one = await candidateFor(holding, input, context);
      context.progress((done += 1), Math.min(mostHoldings, holdings.length), `bars of ${one.symbol}`);
      return one;
    });
    const smaller = holdings.slice(mostHoldings, 2 * mostHoldings).map((holding) => ({
      kind: "excluded" as const,
      ...named(holding),
      reason: `it is smaller than the ${mostHoldings} largest`,
    }));
    const result = assess({
      candidates: found.filter((one) => one.kind === "candidate"),
      benchmark: closes,
      netLiquidation: state.netLiquidation,
      values: holdings.flatMap((holding, index) =>
        holding.value === null ? [] : [{ symbol: shortNameOf(holding, found[index]), value: holding.value }],
      ),
      windowDays: input.windowDays,
      confidence: input.confidence,
      horizonDays: input.horizonDays,
    });
    const excluded = [...found.filter((one) => one.kind === "excluded"), ...smaller, ...result.excluded];
    return {
      account,
      mode: modeOf(account),
      currency: state.currency,
      netLiquidation: state.netLiquidation,
      benchmark,
      ...result,
      excluded: excluded.map(({ kind: _kind, ...row }) => row),
      asOf: new Date(now()).toISOString(),
      method: { ...method },
      assumptions: [
        "Holdings stay as they are now; cash does not move, and neither do exchange rates.",
        "The past window is taken for the future: losses can be larger than any figure here.",
        `Figures need at least ${leastDays} common days; below that they are null.`,
        ...(holdings.some(isBondHolding) ? [bondAssumption] : []),
      ],
    };
  };
}

const bondAssumption =
  "Bonds gain by their mid prices alone: interest that accrues or is paid is left out, and default is what the past had of it.";

const isBondHolding = ({ contract }: Pick<Valued, "contract">): boolean => contract.secType === "BOND";

interface Valued {
  readonly contract: Partial<Contract>;
  /** In the account's currency. */
  readonly value: number | null;
}

function valueOf(
  { contract, marketValue }: AccountState["holdings"][number],
  state: AccountState,
): number | null {
  const rate = state.rateOf(contract.currency ?? "");
  return marketValue === null || rate === null ? null : marketValue * rate;
}

/** A bond has the symbol of its issuer's stock, so it goes by the name that was found for it. */
const shortNameOf = (holding: Valued, found: { readonly symbol: string } | undefined): string =>
  (found ?? named(holding)).symbol;

const named = ({ contract, value }: Valued) => ({
  symbol: contract.localSymbol ?? contract.symbol ?? "",
  conId: contract.conId ?? null,
  secType: contract.secType ?? "",
  marketValue: value,
});

/** Errors that concern one instrument and leave the others alone. */
function isOfOne(error: unknown): error is TwsError {
  if (!(error instanceof TwsError)) return false;
  return ["no_data", "no_market_data", "unknown_contract", "tws_error", "timeout", "pacing"].includes(
    error.code,
  );
}

type Find = (selector: { conId?: number; symbol?: string; secType?: "IND" | "STK" }) => Promise<Contract>;

/** A conId, an index, or else a stock of that symbol. */
async function findBenchmark(text: string, find: Find): Promise<Contract> {
  if (/^\d+$/.test(text)) return find({ conId: Number(text) });
  const symbol = text.toUpperCase();
  try {
    return await find({ symbol, secType: "IND" });
  } catch (error) {
    if (!(error instanceof TwsError && error.code === "unknown_contract")) throw error;
    return find({ symbol, secType: "STK" });
  }
}
