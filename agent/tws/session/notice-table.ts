import type { ErrorCode } from "../../../shared/errors.ts";

/** What a code of TWS means for the request, stream or order whose id it carries. */
export type NoticeMeaning =
  /** It has ended and nothing more will come. */
  | "fatal"
  /** Something worth knowing; it goes on. */
  | "advisory"
  /** What was asked for has happened, or there was nothing left to do. */
  | "confirmation"
  /** It has ended for now; the same again later can work. */
  | "retry";

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

export interface NoticeRow {
  readonly meaning: NoticeMeaning;
  readonly code: ErrorCode;
  /** `what` names what was asked for: "historical data of AAPL". */
  readonly message: (what: string) => string;
  /** Absent where the next step of the error's own code says it. */
  readonly nextStep?: string;
  /** Of `retry`: so long from now the same can work. */
  readonly retryAfterMs?: number;
  /** Absent where it follows from the meaning. */
  readonly order?: NoticeKind;
}

/** One code for several things, told apart by TWS's words: the first that matches, else `otherwise`. */
export interface ReadTheText {
  readonly read: readonly (readonly [words: RegExp, row: NoticeRow])[];
  readonly otherwise: NoticeRow;
}

export type Entry = readonly [codes: readonly number[], what: NoticeRow | ReadTheText];

export type Says = NoticeRow["message"];

export const ends = (code: ErrorCode, message: Says, nextStep?: string): NoticeRow => ({
  meaning: "fatal",
  code,
  message,
  ...(nextStep !== undefined && { nextStep }),
});

export const later = (
  code: ErrorCode,
  retryAfterMs: number,
  message: Says,
  nextStep?: string,
): NoticeRow => ({
  meaning: "retry",
  code,
  retryAfterMs,
  message,
  ...(nextStep !== undefined && { nextStep }),
});

export const goesOn = (code: ErrorCode, message: Says, nextStep: string): NoticeRow => ({
  meaning: "advisory",
  code,
  message,
  nextStep,
});

export const done = (code: ErrorCode, message: Says, nextStep: string, order?: NoticeKind): NoticeRow => ({
  meaning: "confirmation",
  code,
  message,
  nextStep,
  ...(order !== undefined && { order }),
});
