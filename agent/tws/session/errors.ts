import { TwsError } from "../../../shared/errors.ts";
import type { StreamReason } from "../../../shared/events.ts";
import type { TwsNotice } from "./api.ts";
import type { NoticeRow, NoticeKind, NoticeMeaning } from "./notice-table.ts";
import { remark, twsCodes, unlisted } from "./tws-codes.ts";

type Words = Pick<TwsNotice, "code" | "text">;

function rowOf({ code, text }: Words): NoticeRow {
  const listed = twsCodes.get(code);
  if (listed !== undefined) {
    if (!("read" in listed)) return listed;
    return listed.read.find(([words]) => words.test(text))?.[1] ?? listed.otherwise;
  }
  // 2100 to 2999 are warnings by IBKR's numbering, and some others say so in their text
  const isWarning = (code >= 2100 && code < 3000) || /\bwarning:/i.test(text);
  return isWarning ? remark : unlisted;
}

export function meaningOf(notice: Words): NoticeMeaning {
  return rowOf(notice).meaning;
}

/** Why a stream that TWS refuses now is asked for again later; null for a refusal that stands. */
export function waitReasonOf(notice: Words): StreamReason | null {
  switch (notice.code) {
    // a call without a line has failed; a stream can wait for one
    case 101:
      return "lines_exhausted";
    case 10_197:
      return "competing_session";
    default:
      return meaningOf(notice) === "retry" ? "pacing" : null;
  }
}

export function upstreamDown(): TwsError {
  return new TwsError("tws_upstream_down", "TWS is running but has lost its connection to IBKR.");
}

/** Whether the code is none that we know the meaning of. */
export const isUnlisted = (notice: Words): boolean => rowOf(notice) === unlisted;

/** Whether TWS says that its API takes no orders. */
export const isReadOnlyRefusal = (notice: Words): boolean => rowOf(notice).code === "read_only_api";

/** Whether a notice that names no request may be the answer to one without an id: TWS could not take it. */
export const mayAnswerWithoutId = ({ code }: Words): boolean => code >= 320 && code <= 322;

/** What a notice about an order means for it. */
export function noticeKind(notice: Words): NoticeKind {
  const { order, meaning } = rowOf(notice);
  return order ?? (meaning === "advisory" ? "warning" : "refused");
}

/**
 * The error that a notice of TWS is to a caller. `what` names what was asked for ("historical data of AAPL"); the
 * words of TWS are in the detail only.
 */
export function twsErrorFor(notice: Words, what: string): TwsError {
  const { code, message, nextStep, retryAfterMs } = rowOf(notice);
  const text = message(what);
  return new TwsError(code, text.charAt(0).toUpperCase() + text.slice(1), {
    tws: { code: notice.code, text: notice.text.slice(0, 1000) },
    ...(nextStep !== undefined && { nextStep }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}
