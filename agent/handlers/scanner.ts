import { Contract } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { ScannerParameter, scannerTools } from "../../shared/tools/scanner.ts";
import { runScan, scannerParameters } from "../tws/scanner/scanner.ts";
import type { ScanRow } from "../tws/scanner/scanner.ts";
import { resolveContract } from "../tws/contracts/contracts.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import { mapConcurrently } from "../call/concurrent-map.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import type { HandlersFor } from "./handlers-for.ts";
import { ageOf, changeOf } from "./quote-figures.ts";

/** Each takes one of TWS's market-data lines while it runs, and streams need theirs. */
const quotedAtOnce = 10;
/** All quotes of a scan together: what comes later is left out. */
const quotesMs = 6_000;

const unquoted = { last: null, change: null, changePercent: null, dataType: null, ageMs: null } as const;

export function createScannerHandlers({
  session,
  quotes,
  now,
}: Pick<HandlerDeps, "session" | "quotes" | "now">) {
  async function quoteOf({ contract }: ScanRow, context: CallContext, endsAt: number) {
    const timeoutMs = Math.min(endsAt - performance.now(), context.twsTimeoutMs);
    const request = { ...requestOf(context), timeoutMs };
    const { conId } = contract;
    if (timeoutMs <= 0 || conId === undefined) return unquoted;
    try {
      const whole = Contract.safeParse(contract).data ?? (await resolveContract(session, { conId }, request));
      const { quote } = await quotes.snapshot(whole, request);
      return { last: quote.last, ...changeOf(quote), dataType: quote.dataType, ageMs: ageOf(quote) };
    } catch (error) {
      // a row without a quote is a row of the scan
      if (!(error instanceof TwsError) || context.signal.aborted || error.code === "tws_offline") throw error;
      return unquoted;
    }
  }

  return {
    async ibkr_get_scanner_parameters({ section, query, instrument }, context) {
      const { catalog, at } = await scannerParameters(session, requestOf(context));
      const parameters = catalog[section].filter((row) => isWanted(row, query, instrument));
      return {
        parameters,
        count: parameters.length,
        section,
        sections: Object.fromEntries(Object.entries(catalog).map(([name, rows]) => [name, rows.length])),
        asOf: new Date(at).toISOString(),
      };
    },
    async ibkr_run_market_scanner({ limit: _limit, cursor: _cursor, withQuotes, ...asked }, context) {
      const { abovePrice, belowPrice, marketCapAbove, marketCapBelow } = asked;
      const scanCode = codeIn("scanCode", asked.scanCode.replaceAll(/[\s-]+/g, "_"));
      const instrument = codeIn("instrument", asked.instrument);
      const locationCode = codeIn("locationCode", asked.locationCode);
      ordered("abovePrice", abovePrice, "belowPrice", belowPrice);
      ordered("marketCapAbove", marketCapAbove, "marketCapBelow", marketCapBelow);
      const scan = { ...asked, scanCode, instrument, locationCode };
      const { rows, isPrecise } = await runScan(session, scan, requestOf(context));
      const asOf = new Date(now()).toISOString();
      const endsAt = performance.now() + quotesMs;
      let done = 0;
      const quoted = async (row: ScanRow) => {
        const figures = withQuotes ? await quoteOf(row, context, endsAt) : unquoted;
        done += 1;
        if (withQuotes) context.progress(done, rows.length, `quote of rank ${row.rank}`);
        return { ...row, ...figures };
      };
      const results = await mapConcurrently(rows, quotedAtOnce, quoted);
      return { results, count: rows.length, scanCode, isPrecise, asOf };
    },
  } satisfies HandlersFor<typeof scannerTools>;
}

/** Every word must be in the code or the name; the parts of a code are words too. */
function isWanted({ code, name, instruments }: ScannerParameter, query: string, instrument: string): boolean {
  const wanted = instrument.toUpperCase();
  const fits = wanted === "" || instruments.includes(wanted) || code === wanted;
  const text = `${code} ${code.replaceAll("_", " ")} ${name}`.toLowerCase();
  return (
    fits &&
    query
      .toLowerCase()
      .split(/\s+/)
      .every((word) => text.includes(word))
  );
}

/** Codes are capitals but for some names of measures in them (SCAN_marketCap_DESC), so only small letters alone are raised. */
function codeIn(name: string, text: string): string {
  const code = text === text.toLowerCase() ? text.toUpperCase() : text;
  if (/^[A-Z0-9][A-Z0-9_.+]*$/i.test(code)) return code;
  throw new TwsError("invalid_input", `${name}: a code of TWS has letters, digits, dots and underscores.`, {
    nextStep: "Call ibkr_get_scanner_parameters for the codes.",
  });
}

function ordered(low: string, above: number | undefined, high: string, below: number | undefined): void {
  if (above !== undefined && below !== undefined && above > below)
    throw new TwsError("invalid_input", `${low}: it must not be more than ${high}.`);
}
