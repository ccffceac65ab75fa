import { EventName, ScanCode } from "@stoqey/ib";
import type { ScannerSubscription } from "@stoqey/ib";
import { TwsError } from "../../../shared/errors.ts";
import type { OutputOf } from "../../../shared/tools/define.ts";
import type { scannerTools } from "../../../shared/tools/scanner.ts";
import type { RequestContext, TwsNotice, TwsSession } from "../session/api.ts";
import { twsErrorFor } from "../session/errors.ts";
import { textFigureOf } from "../session/figures.ts";
import { lineOf } from "../news/news-text.ts";
import { scannerCatalog } from "./scanner-catalog.ts";
import type { ScannerCatalog } from "./scanner-catalog.ts";
import { partialContract } from "../contracts/translate.ts";

export interface Scan {
  readonly scanCode: string;
  readonly instrument: string;
  readonly locationCode: string;
  readonly numberOfRows: number;
  readonly abovePrice?: number | undefined;
  readonly belowPrice?: number | undefined;
  readonly aboveVolume?: number | undefined;
  readonly marketCapAbove?: number | undefined;
  readonly marketCapBelow?: number | undefined;
  readonly stockTypeFilter?: string | undefined;
}

export type ScanRow = Pick<
  OutputOf<(typeof scannerTools)["ibkr_run_market_scanner"]>["results"][number],
  "rank" | "contract" | "distance" | "benchmark" | "projection"
>;

interface Known {
  readonly catalog: ScannerCatalog;
  readonly connection: number;
  readonly at: number;
}

const dayMs = 86_400_000;
const known = new WeakMap<TwsSession, Known>();

/** What TWS can scan, and when it said so: megabytes, so it is kept for the session and at most a day. */
export async function scannerParameters(
  session: TwsSession,
  context: RequestContext,
): Promise<{ readonly catalog: ScannerCatalog; readonly at: number }> {
  const before = known.get(session);
  if (before?.connection === session.connection && before.at > Date.now() - dayMs) return before;
  const xml = await session.request<string>(
    {
      lane: "data",
      what: "the scanner parameters",
      start: (ib) => ib.reqScannerParameters(),
      on: { [EventName.scannerParameters]: (control, text) => control.resolve(text) },
    },
    context,
  );
  const catalog = scannerCatalog(xml);
  if (catalog === null)
    throw new TwsError("tws_error", "TWS sent the scanner parameters in a form that cannot be read.", {
      nextStep: "Try again; the usual codes work in ibkr_run_market_scanner without them.",
    });
  const answer = { catalog, connection: session.connection, at: Date.now() };
  known.set(session, answer);
  return answer;
}

/** Runs a scan once. No rows is an answer; throws invalid_input, pacing (ten scans run already) or tws_error. */
export function runScan(
  session: TwsSession,
  scan: Scan,
  context: RequestContext,
): Promise<{ readonly rows: ScanRow[]; readonly isPrecise: boolean }> {
  const rows: ScanRow[] = [];
  let isPrecise = true;
  const what = `the scan ${scan.scanCode}`;
  return session.request(
    {
      lane: "data",
      what,
      start: (ib, reqId) => ib.reqScannerSubscription(reqId, subscriptionOf(scan), [], []),
      cancel: (ib, reqId) => ib.cancelScannerSubscription(reqId),
      // TWS would repeat it for ever
      cancelAfter: true,
      on: {
        [EventName.scannerData]: (_control, _id, rank, { contract }, distance, benchmark, projection) => {
          const [far, than, ahead] = [distance, benchmark, projection].map(wordsOrNull);
          rows.push({
            rank,
            contract: partialContract(contract),
            distance: far ?? null,
            benchmark: than ?? null,
            projection: ahead ?? null,
          });
        },
        [EventName.scannerDataEnd]: (control) => control.resolve({ rows, isPrecise }),
      },
      notice: (notice, control) => {
        if (notice.code === 492) isPrecise = false;
        else if (notice.code === 165 && /no items/i.test(notice.text)) control.resolve({ rows, isPrecise });
        else if ([162, 165, 321].includes(notice.code)) control.reject(refusalOf(notice, what));
        else return false;
        return true;
      },
    },
    context,
  );
}

const wordsOrNull = (text: string | undefined): string | null => {
  const words = lineOf(text ?? "", 100);
  return words === "" ? null : textFigureOf(words);
};

function refusalOf(notice: TwsNotice, what: string): TwsError {
  const tws = { code: notice.code, text: notice.text.slice(0, 1000) };
  if (/simultaneous/i.test(notice.text))
    return new TwsError("pacing", `TWS runs as many scans as it allows, so it did not start ${what}.`, {
      retryAfterMs: 5_000,
      tws,
    });
  const error = twsErrorFor(notice, what);
  if (error.code !== "tws_error") return error;
  return new TwsError("invalid_input", `TWS does not run ${what} so.`, {
    nextStep: "Check scanCode, instrument and locationCode with ibkr_get_scanner_parameters.",
    tws,
  });
}

/** Free places in the library's list of scan codes. It writes a message within a second, so they can be used again. */
const firstPlace = 1_000_000;
const places = 1024;
let nextPlace = 0;

/**
 * The library takes a number and sends the code that its own list has for it, and the list knows some of TWS's codes
 * only. A code that it lacks is put into the list first; passed as text it would go out as a number.
 */
function scanCodeNumber(code: string): number {
  const listed: unknown = Reflect.get(ScanCode, code);
  if (typeof listed === "number") return listed;
  const place = firstPlace + (nextPlace % places);
  nextPlace += 1;
  Reflect.set(ScanCode, place, code);
  return place;
}

function subscriptionOf(scan: Scan): ScannerSubscription {
  const { scanCode: code, instrument, locationCode, ...filters } = scan;
  const subscription: ScannerSubscription = { scanCode: ScanCode.TOP_PERC_GAIN };
  for (const [name, value] of Object.entries(filters))
    if (value !== undefined) Reflect.set(subscription, name, value);
  // TWS has more of all three than the library's enumerations
  return Object.assign(subscription, { scanCode: scanCodeNumber(code), instrument, locationCode });
}
