import { ContractSelector } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { OutputOf } from "../../shared/tools/define.ts";
import type { marketDataTools } from "../../shared/tools/market-data.ts";
import { describeSelector, resolveContract, resolveDetails } from "../tws/contracts/contracts.ts";
import { depthSnapshot } from "../tws/market-data/depth.ts";
import { fundamentalReport } from "../tws/market-data/fundamentals.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import { ageOf, changeOf } from "./quote-figures.ts";
import type { HandlersFor } from "./handlers-for.ts";

type QuoteRow = OutputOf<(typeof marketDataTools)["ibkr_get_quotes"]>["quotes"][number];

const maxQuotes = 50;
/** As many as fit into an answer, so that no line is opened for a quote that goes out with a later page. */
const quotesInPage = 20;
/** Each takes one of TWS's market-data lines while it runs, and streams need theirs. */
const atOnce = 10;
/** One silent instrument must not use up the time of the others. */
const quoteMs = 9_000;

/** Of a row; there may be twenty rows of them in an answer. */
const mostCandidates = 8;

/** A candidate without the fields that say nothing. */
const told = (candidate: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(candidate).filter(([, value]) => value !== null));

/** As TWS numbers them. */
const dataTypes = [
  [1, "live"],
  [2, "frozen"],
  [3, "delayed"],
  [4, "delayed-frozen"],
] as const;

/** Of one element of a report; the longest are descriptions of the business. */
const textCharacters = 1_000;

export function createMarketDataHandlers({
  session,
  quotes,
  now,
}: Pick<HandlerDeps, "session" | "quotes" | "now">) {
  const asOf = (): string => new Date(now()).toISOString();

  async function rowFor(selector: ContractSelector, context: CallContext): Promise<QuoteRow> {
    const symbol = selector.symbol ?? selector.localSymbol;
    const request = { ...requestOf(context), timeoutMs: Math.min(quoteMs, context.twsTimeoutMs) };
    let contract: QuoteRow["contract"] = null;
    try {
      const details = await resolveDetails(session, selector, request);
      ({ contract } = details);
      const { priceMagnifier } = details;
      const { quote, asOf } = await quotes.snapshot(contract, request);
      return {
        symbol: symbol ?? contract.symbol,
        contract,
        ...(priceMagnifier !== 1 && { priceMagnifier }),
        quote,
        asOf,
        ageMs: ageOf(quote),
        ...changeOf(quote),
        dataType: quote.dataType,
        error: null,
      };
    } catch (error) {
      // what ends the whole call is not the row's
      if (!(error instanceof TwsError) || context.signal.aborted) throw error;
      const { code, message, nextStep, candidates } = error.toBody();
      return {
        symbol: symbol ?? contract?.symbol ?? describeSelector(selector),
        contract,
        quote: null,
        asOf: null,
        ageMs: null,
        change: null,
        changePercent: null,
        dataType: null,
        error: {
          code,
          message,
          nextStep,
          ...(candidates !== undefined && { candidates: candidates.slice(0, mostCandidates).map(told) }),
        },
      };
    }
  }

  return {
    async ibkr_get_quotes({ symbols, contracts }, context) {
      const selectors: ContractSelector[] = [...symbols.map((symbol) => ({ symbol })), ...contracts];
      if (selectors.length === 0) {
        throw new TwsError("invalid_input", "symbols: name at least one instrument, here or in contracts.");
      }
      if (selectors.length > maxQuotes) {
        throw new TwsError(
          "invalid_input",
          `symbols: ${selectors.length} instruments with contracts; at most ${maxQuotes} in one call.`,
        );
      }
      // rejects when there is no session: then no row could be had
      await session.whenConnected(0);
      const { page } = context;
      const wanted = selectors.slice(page.start, page.start + Math.min(page.limit, quotesInPage));
      page.partOf(selectors.length);
      const rows = await mapConcurrently(wanted, atOnce, async (selector, done) => {
        const row = await rowFor(selector, context);
        context.progress(done(), wanted.length, `quote of ${row.symbol}`);
        return row;
      });
      return { quotes: rows, count: selectors.length };
    },

    async ibkr_get_market_depth(input, context) {
      const request = requestOf(context);
      const contract = await resolveContract(session, ContractSelector.parse(input), request);
      const { numberOfRows: rows, smartDepth } = input;
      // the book of one venue cannot be smart
      const isSmart = smartDepth && contract.exchange === "SMART";
      const { bids, asks } = await depthSnapshot(session, { contract, rows, isSmart }, request);
      return { symbol: contract.symbol, contract, bids, asks, dataType: "live", asOf: asOf() };
    },

    async ibkr_set_market_data_type({ marketDataType }) {
      const known = dataTypes.find(([number]) => number === marketDataType);
      if (known === undefined) throw new TwsError("invalid_input", "marketDataType: 1, 2, 3 or 4.");
      const [type, dataType] = known;
      await session.setMarketDataType(type);
      return { marketDataType: type, dataType, holdsFor: "every client of this TWS host", asOf: asOf() };
    },

    async ibkr_get_fundamental_data(input, context) {
      const request = requestOf(context);
      const contract = await resolveContract(session, ContractSelector.parse(input), request);
      const { reportType, section } = input;
      const report = await fundamentalReport(session, contract, reportType, request);
      const wanted = section?.toLowerCase() ?? "";
      const data = report
        .filter(({ path }) => path.toLowerCase().includes(wanted))
        .map(({ path, attributes, text }) => ({
          path,
          attributes,
          text: text?.slice(0, textCharacters) ?? null,
        }));
      return { symbol: contract.symbol, contract, reportType, data, count: data.length, asOf: asOf() };
    },
  } satisfies HandlersFor<typeof marketDataTools>;
}

/** The results in the order of the items, at most `limit` in work; `done` counts those that have ended. */
async function mapConcurrently<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, done: () => number) => Promise<R>,
): Promise<R[]> {
  const results = new Map<number, R>();
  const queue = items.entries();
  let count = 0;
  const done = () => (count += 1);
  const worker = async () => {
    for (const [index, item] of queue) results.set(index, await work(item, done));
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return [...results].sort(([a], [b]) => a - b).map(([, result]) => result);
}
