import { TwsError } from "../../shared/errors.ts";
import { accountState } from "../analysis/account-state.ts";
import type { QuoteStreams, RequestContext, TwsSession } from "../tws/session/api.ts";
import { resolveContract } from "../tws/contracts/contracts.ts";
import { askOf } from "./worst-price.ts";

/** What money is worth in an account. */
export interface Money {
  /** The account's own currency. */
  readonly currency: string;
  /** What one unit of a currency is worth in the account's own; null where TWS gives no rate. */
  rateOf(currency: string): Promise<number | null>;
}

interface Kept {
  readonly connection: number;
  readonly at: number;
  readonly currency: string;
  readonly ofAccount: (currency: string) => number | null;
  /** Rates that come from the market, because the account holds nothing in the currency. */
  readonly ofMarket: Map<string, number>;
}

interface MoneyDeps {
  readonly session: TwsSession;
  readonly quotes: Pick<QuoteStreams, "snapshot">;
  readonly now: () => number;
}

/** TWS shows one account at a time to each client, and rates move slowly. */
const keptMs = 60_000;

/** Reads what money is worth in each account, and remembers it for a minute of one connection. */
export function createMoney({ session, quotes, now }: MoneyDeps) {
  const kept = new Map<string, Kept>();

  async function read(account: string, context: RequestContext): Promise<Kept> {
    const known = kept.get(account);
    const { connection } = session;
    if (known !== undefined && known.connection === connection && now() - known.at < keptMs) return known;
    const state = await accountState(session, account, context);
    const { currency } = state;
    const ofAccount = (other: string) => state.rateOf(other);
    const fresh: Kept = { connection, at: now(), currency, ofAccount, ofMarket: new Map() };
    kept.set(account, fresh);
    return fresh;
  }

  /** By the pair, either way round; null when TWS has neither, or no price of it. */
  async function marketRate(from: string, to: string, context: RequestContext): Promise<number | null> {
    const priceOf = async (symbol: string): Promise<{ ask: number; bid: number } | null> => {
      try {
        const contract = await resolveContract(session, { symbol, secType: "CASH" }, context);
        const { quote } = await quotes.snapshot(contract, context);
        const ask = askOf(quote);
        return ask === null ? null : { ask, bid: quote.bid !== null && quote.bid > 0 ? quote.bid : ask };
      } catch (error) {
        if (error instanceof TwsError && noRate.has(error.code)) return null;
        throw error;
      }
    };
    const direct = await priceOf(`${from}.${to}`);
    if (direct !== null) return direct.ask;
    const inverse = await priceOf(`${to}.${from}`);
    return inverse === null ? null : 1 / inverse.bid;
  }

  return async (account: string, context: RequestContext): Promise<Money> => {
    const { currency: own, ofAccount, ofMarket } = await read(account, context);
    return {
      currency: own,
      async rateOf(currency) {
        const known = ofAccount(currency) ?? ofMarket.get(currency);
        if (known !== undefined) return known;
        const rate = currency === "" ? null : await marketRate(currency, own, context);
        if (rate !== null) ofMarket.set(currency, rate);
        return rate;
      },
    };
  };
}

const noRate: ReadonlySet<string> = new Set([
  "unknown_contract",
  "ambiguous_contract",
  "no_market_data",
  "no_data",
  "timeout",
]);
