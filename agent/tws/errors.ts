import { TwsError } from "../../shared/errors.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import type { TwsNotice } from "./api.ts";

/** What a notice of TWS means for the request, stream or order whose id it carries. */
type NoticeMeaning =
  /** It has ended and nothing more will come. */
  | "fatal"
  /** Something worth knowing; it goes on. */
  | "advisory"
  /** What was asked for has happened, or there was nothing left to do. */
  | "confirmation"
  /** It has ended for now; the same again later can work. */
  | "retry";

interface NoticeRow {
  readonly meaning: NoticeMeaning;
  readonly code: ErrorCode;
  readonly message: (what: string) => string;
  readonly nextStep?: string;
  readonly retryAfterMs?: number;
}

type Row = readonly [codes: readonly number[], row: NoticeRow];

const goesOn = (codes: readonly number[]): Row => [
  codes,
  { meaning: "advisory", code: "tws_error", message: (what) => `TWS has a remark on ${what}.` },
];

const nothingLeft = (codes: readonly number[]): Row => [
  codes,
  { meaning: "confirmation", code: "tws_error", message: (what) => `${what} had ended already.` },
];

const fatal = (
  codes: readonly number[],
  code: ErrorCode,
  message: NoticeRow["message"],
  nextStep?: string,
): Row => [codes, { meaning: "fatal", code, message, ...(nextStep !== undefined && { nextStep }) }];

const rows: readonly Row[] = [
  // orders
  [[202], { meaning: "confirmation", code: "tws_error", message: (what) => `${what} is cancelled.` }],
  goesOn([399, 404, 10_349]),
  fatal([103], "outcome_unknown", (what) => `TWS knows the order id of ${what} already.`),
  fatal([104, 105], "order_not_changeable", (what) => `TWS cannot make this change to ${what}.`),
  fatal([161, 10_148], "order_not_changeable", (what) => `${what} has ended and cannot be cancelled.`),
  fatal([135, 10_147], "order_not_found", (what) => `TWS has no open order for ${what}.`),
  fatal(
    [107, 109, 110, 201, 203, 387, 388, 434, 435, 460, 10_006, 10_149],
    "order_rejected",
    (what) => `TWS rejected ${what}.`,
  ),

  // instruments
  fatal([200], "unknown_contract", (what) => `TWS knows no single instrument for ${what}.`),

  // market data
  goesOn([317]),
  // these come with delayed data, or with the parts that need no subscription; if nothing follows, this was why
  [
    [10_089, 10_090, 10_091, 10_167],
    {
      meaning: "advisory",
      code: "no_market_data",
      message: (what) => `The account has no live data for ${what}.`,
    },
  ],
  fatal([354, 10_168, 10_186], "no_market_data", (what) => `The account has no market data for ${what}.`),
  fatal([10_092], "no_market_data", (what) => `There is no market depth for ${what}.`),
  fatal([10_187, 10_189], "no_market_data", (what) => `TWS has no ticks for ${what}.`),
  [
    [10_197],
    {
      meaning: "retry",
      code: "no_market_data",
      message: (what) =>
        `Another session of the same login has the market data, so TWS sends none for ${what} here.`,
      nextStep:
        "Log out elsewhere (phone, web, another TWS); data comes back by itself within a minute after that.",
    },
  ],
  fatal(
    [101, 309, 10_190],
    "pacing",
    (what) => `All market-data lines of this TWS are in use, so none is free for ${what}.`,
    "Stop a stream that is no longer needed with ibkr_stop_market_data_resource, then call again.",
  ),
  [[102, 322], { meaning: "retry", code: "tws_error", message: (what) => `TWS could not start ${what}.` }],

  // the end of what had ended
  nothingLeft([300, 310, 366, 10_185]),

  // other data
  goesOn([492]),
  fatal([165], "no_data", (what) => `TWS has nothing for ${what}.`),
  fatal([430, 10_358], "no_market_data", (what) => `The account has no fundamental data for ${what}.`),
  fatal([10_276], "no_market_data", (what) => `The account has no news feed for ${what}.`),
  fatal([10_314], "invalid_input", (what) => `TWS cannot read the date given for ${what}.`),
  fatal([320, 321], "tws_error", (what) => `TWS refused the request for ${what}.`),
  fatal([503], "tws_error", (what) => `This TWS is too old for ${what}.`, "Update TWS or IB Gateway."),
  [
    [100],
    {
      meaning: "retry",
      code: "pacing",
      message: () => "TWS says that it was asked too often.",
      retryAfterMs: 5_000,
    },
  ],
];

const byCode: ReadonlyMap<number, NoticeRow> = new Map(
  rows.flatMap(([codes, row]) => codes.map((code) => [code, row] as const)),
);

/** 162 is one code for five things, told apart only by its text. */
function historyRow(text: string): NoticeRow {
  if (/pacing violation/i.test(text))
    return {
      meaning: "retry",
      code: "pacing",
      message: (what) => `TWS limits how much history may be asked for, so it gave no ${what}.`,
      retryAfterMs: 15_000,
    };
  if (/time length exceed/i.test(text))
    return {
      meaning: "fatal",
      code: "invalid_input",
      message: (what) => `TWS gives no ${what} with such short bars over so long a time.`,
      nextStep: "Ask for larger bars or a shorter duration.",
    };
  if (/no data|no items/i.test(text))
    return { meaning: "fatal", code: "no_data", message: (what) => `TWS has no ${what} as asked.` };
  if (/cancel/i.test(text))
    return { meaning: "confirmation", code: "cancelled", message: (what) => `${what} was cancelled.` };
  if (/permission/i.test(text))
    return {
      meaning: "fatal",
      code: "no_market_data",
      message: (what) => `The account has no data subscription for ${what}.`,
    };
  if (/different IP/i.test(text))
    return {
      meaning: "retry",
      code: "no_market_data",
      message: (what) => `The same login is in use elsewhere, so TWS gives no ${what} here.`,
      nextStep: "Log out elsewhere (phone, web, another TWS), then call again.",
    };
  return { meaning: "fatal", code: "tws_error", message: (what) => `TWS could not give ${what}.` };
}

const remark: NoticeRow = {
  meaning: "advisory",
  code: "tws_error",
  message: (what) => `TWS has a remark on ${what}.`,
};
const unlisted: NoticeRow = {
  meaning: "fatal",
  code: "tws_error",
  message: (what) => `TWS refused the request for ${what}.`,
};

function rowOf({ code, text }: Pick<TwsNotice, "code" | "text">): NoticeRow {
  if (code === 162) return historyRow(text);
  // 2100 to 2999 are warnings by IBKR's numbering, and some others say so in their text
  const isWarning = (code >= 2100 && code < 3000) || /\bwarning:/i.test(text);
  return byCode.get(code) ?? (isWarning ? remark : unlisted);
}

export function meaningOf(notice: Pick<TwsNotice, "code" | "text">): NoticeMeaning {
  return rowOf(notice).meaning;
}

/**
 * The error that a notice of TWS is to a caller. `what` names what was asked for ("historical data of AAPL"); the
 * words of TWS are in the detail only.
 */
export function twsErrorFor(notice: Pick<TwsNotice, "code" | "text">, what: string): TwsError {
  const { code, message, nextStep, retryAfterMs } = rowOf(notice);
  const text = message(what);
  return new TwsError(code, text.charAt(0).toUpperCase() + text.slice(1), {
    tws: { code: notice.code, text: notice.text.slice(0, 1000) },
    ...(nextStep !== undefined && { nextStep }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}
