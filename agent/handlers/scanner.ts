import { TwsError } from "../../shared/errors.ts";
import type { ScannerParameter, scannerTools } from "../../shared/tools/scanner.ts";
import { runScan, scannerParameters } from "../tws/scanner/scanner.ts";
import { requestOf } from "../call/call-context.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import type { HandlersFor } from "./handlers-for.ts";

export function createScannerHandlers({ session, now }: Pick<HandlerDeps, "session" | "now">) {
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
    async ibkr_run_market_scanner({ limit: _limit, cursor: _cursor, ...asked }, context) {
      const { abovePrice, belowPrice, marketCapAbove, marketCapBelow } = asked;
      const scanCode = codeIn("scanCode", asked.scanCode.replaceAll(/[\s-]+/g, "_"));
      const instrument = codeIn("instrument", asked.instrument);
      const locationCode = codeIn("locationCode", asked.locationCode);
      ordered("abovePrice", abovePrice, "belowPrice", belowPrice);
      ordered("marketCapAbove", marketCapAbove, "marketCapBelow", marketCapBelow);
      const scan = { ...asked, scanCode, instrument, locationCode };
      const { rows, isPrecise } = await runScan(session, scan, requestOf(context));
      return { results: rows, count: rows.length, scanCode, isPrecise, asOf: new Date(now()).toISOString() };
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
