import type { Contract } from "../../shared/contract.ts";
import { plural } from "../../shared/plural.ts";
import type { TwsError } from "../../shared/errors.ts";
import { type Condition, emptyQuote, live, type Quote } from "../../shared/events.ts";
import { type Portfolio, type PortfolioChange, portfolioChanges } from "../../shared/portfolio.ts";
import { modeOf } from "../../shared/status.ts";
import type { OutputOf } from "../../shared/tools/define.ts";
import type { watchTools } from "../../shared/tools/watches.ts";
import { resolveAccount } from "../limits/limits.ts";
import { bulletinItem } from "../streams/topic-sources.ts";
import { resolveContract } from "../tws/contracts/contracts.ts";
import { watchBulletins } from "../tws/news/news-streams.ts";
import { watchPortfolio } from "../tws/account/portfolio.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import type { HandlersFor } from "./handlers-for.ts";

const sampleSize = 20;
/** Characters of a result's sample, which must leave room for the rest of it. */
const sampleLength = 15_000;

type Deps = Pick<HandlerDeps, "session" | "quotes" | "limits">;

/** Calls that look on for a while and return what they saw. */
export function createWatchHandlers({ session, quotes, limits }: Deps) {
  return {
    async ibkr_stream_market_data({ duration_seconds, ...selector }, context) {
      await session.whenConnected(0);
      const contract = await resolveContract(session, selector, requestOf(context));
      const record = recordQuotes(contract, duration_seconds);
      let refusal: TwsError | null = null;
      const seen = await look(duration_seconds, context, record.words, (emit, end) =>
        quotes.watch(contract, (event) => {
          if (event.kind === "quote") return record.take(event.quote);
          emit(event);
          // a line that may become free would take as long as the look
          if (event.state !== "ended" && event.reason !== "lines_exhausted") return undefined;
          refusal = event.error;
          return end();
        }),
      );
      const outcome = record.result();
      // nothing was seen, so the reason is the answer
      if (refusal !== null && outcome.count === 0) throw refusal;
      return { ...outcome, ...seen };
    },

    async ibkr_stream_account_updates({ duration_seconds, account: asked }, context) {
      await session.whenConnected(0);
      const account = resolveAccount(asked, context.caller, session.accounts(), limits.onlyAccount);
      const record = recordAccount();
      const seen = await look(duration_seconds, context, record.words, (emit) =>
        watchPortfolio(session, account, (event) => {
          if (event.kind === "portfolio") record.take(event.data);
          else emit(event);
        }),
      );
      return { account, mode: modeOf(account), ...record.result(), ...seen };
    },

    async ibkr_stream_news_bulletins({ duration_seconds }, context) {
      await session.whenConnected(0);
      const record = recordBulletins();
      const seen = await look(duration_seconds, context, record.words, (emit) =>
        watchBulletins(session, true, (event) => {
          if (event.kind === "item") record.take(bulletinItem(event.item));
          else emit(event);
        }),
      );
      return { ...record.result(), ...seen };
    },
  } satisfies HandlersFor<typeof watchTools>;
}

/** Watches for so many seconds, or until `end` is called, and tells the caller every second. Rejects when the call is aborted. */
async function look(
  seconds: number,
  context: CallContext,
  words: () => string,
  watch: (emit: (condition: Condition) => void, end: () => void) => () => void,
) {
  const { signal } = context;
  const startedAt = new Date().toISOString();
  const over = Promise.withResolvers<void>();
  let condition = live;
  let done = 0;
  const abort = () => over.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  const stop = watch(
    (emit) => (condition = emit),
    () => over.resolve(),
  );
  const clock = setInterval(() => {
    done += 1;
    context.progress(done, seconds, words());
    if (done >= seconds) over.resolve();
  }, 1_000);
  try {
    await over.promise;
  } finally {
    clearInterval(clock);
    signal.removeEventListener("abort", abort);
    stop();
  }
  const { state, reason, message } = condition;
  return { startedAt, asOf: new Date().toISOString(), state, reason, message };
}

/** First, last, highest and lowest of what was taken; all null when nothing was. */
function createRange() {
  let range: { first: number; last: number; high: number; low: number } | null = null;
  return {
    take(value: number | null): void {
      if (value === null) return;
      range = {
        first: range?.first ?? value,
        last: value,
        high: Math.max(range?.high ?? value, value),
        low: Math.min(range?.low ?? value, value),
      };
    },
    get: () => range ?? { first: null, last: null, high: null, low: null },
  };
}

type QuoteRow = OutputOf<(typeof watchTools)["ibkr_stream_market_data"]>["sample"][number];

function recordQuotes(contract: Contract, seconds: number) {
  const trades = createRange();
  const midpoints = createRange();
  const everyMs = (seconds * 1000) / sampleSize;
  const sample: QuoteRow[] = [];
  let latest: Quote = emptyQuote;
  let count = 0;
  let sampledAt = -Infinity;
  const isTraded = () => trades.get().last !== null;
  return {
    take(quote: Quote): void {
      latest = quote;
      count += 1;
      const { time, last, bid, ask, volume } = quote;
      trades.take(last);
      midpoints.take(bid === null || ask === null ? null : (bid + ask) / 2);
      // the first tick of a line is often no price yet
      const hasPrice = last !== null || bid !== null || ask !== null;
      if (!hasPrice || Date.now() - sampledAt < everyMs) return;
      sampledAt = Date.now();
      sample.push({ time: time ?? new Date().toISOString(), last, bid, ask, volume });
    },
    words: () =>
      `${plural(count, "update")} of ${contract.symbol}, last ${latest.last ?? midpoints.get().last ?? "unknown"}`,
    result: () => ({
      symbol: contract.symbol,
      contract,
      dataType: count === 0 ? null : latest.dataType,
      basis: isTraded() ? ("last" as const) : ("midpoint" as const),
      ...(isTraded() ? trades : midpoints).get(),
      count,
      sample: sample.slice(-sampleSize),
    }),
  };
}

function recordAccount() {
  const worth = createRange();
  let currency: string | null = null;
  let before: Portfolio | null = null;
  let count = 0;
  /** The latest change of each row. */
  const changed = new Map<string, { readonly time: string; readonly change: PortfolioChange }>();
  return {
    take(portfolio: Portfolio): void {
      const net = portfolio.values.find(({ key }) => key === "NetLiquidation");
      const value = Number(net?.value ?? "");
      if (net !== undefined && net.value !== "" && Number.isFinite(value)) worth.take(value);
      currency = net?.currency ?? currency;
      const changes = before === null ? [] : portfolioChanges(before, portfolio);
      before = portfolio;
      count += changes.length;
      for (const change of changes) {
        changed.delete(change.key);
        changed.set(change.key, { time: portfolio.time, change });
      }
    },
    words: () => `${plural(count, "row")} changed, NetLiquidation ${worth.get().last ?? "unknown"}`,
    result: () => ({
      ...worth.get(),
      currency,
      count,
      sample: newestWithin(
        [...changed.values()].map(({ time, change: { type, data } }) => ({ time, type, data: { ...data } })),
      ),
    }),
  };
}

type BulletinRow = OutputOf<(typeof watchTools)["ibkr_stream_news_bulletins"]>["sample"][number];

function recordBulletins() {
  const rows: BulletinRow[] = [];
  return {
    take(item: ReturnType<typeof bulletinItem>): void {
      if (item.kind !== "bulletin") return;
      const { time, msgId, msgType, message, origin } = item;
      rows.push({ time: time, msgId, msgType, text: { source: "bulletin", text: message }, origin });
    },
    words: () => plural(rows.length, "bulletin"),
    result: () => ({
      first: rows[0]?.time ?? null,
      last: rows.at(-1)?.time ?? null,
      count: rows.length,
      sample: newestWithin(rows),
    }),
  };
}

/** The newest rows, oldest of them first, as many as a result may hold. */
function newestWithin<T>(rows: readonly T[]): T[] {
  const kept: T[] = [];
  let length = 0;
  for (const row of rows.toReversed()) {
    length += JSON.stringify(row).length;
    if (kept.length >= sampleSize || length > sampleLength) break;
    kept.unshift(row);
  }
  return kept;
}
