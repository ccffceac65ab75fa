import type { TwsNotice } from "./api.ts";

/** What a notice about an order means for it. */
export type NoticeKind =
  /** The order lives on; TWS has something to say about it. */
  | "warning"
  /** 202: the order is cancelled, as asked or by TWS. */
  | "cancelled"
  /** TWS knows no such order. */
  | "not_found"
  /** The order has ended, so it cannot be cancelled. */
  | "not_cancellable"
  /** TWS says that the id is taken: this may be our own order. */
  | "duplicate_id"
  /** What was asked is refused. */
  | "refused";

/** 399 order message, 404 locating shares, 10167 delayed data, 10349 preset time in force. */
const warnings = new Set([399, 404, 10_167, 10_349]);

export function noticeKind({ code, text }: Pick<TwsNotice, "code" | "text">): NoticeKind {
  switch (code) {
    case 202:
      return "cancelled";
    case 135:
    case 10_147:
      return "not_found";
    case 161:
    case 10_148:
      return "not_cancellable";
    case 103:
      return "duplicate_id";
    default: {
      // 2100 to 2999 are warnings by IBKR's numbering
      const isWarning = warnings.has(code) || (code >= 2100 && code < 3000) || /\bwarning:/i.test(text);
      return isWarning ? "warning" : "refused";
    }
  }
}
