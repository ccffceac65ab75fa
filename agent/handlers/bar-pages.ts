import { z } from "zod";
import { wrongCursor } from "../../shared/tools/paging.ts";
import type { Page } from "../../shared/tools/paging.ts";

const Timed = z.object({ time: z.string() });
type Timed = z.output<typeof Timed>;

/** What the pages of one answer share: later ones are asked for when there may be newer rows, and older ones are gone. */
export interface Shown {
  /** The time of the oldest row that the page before showed. */
  readonly downTo: string;
  /** The time of the last row of all. */
  readonly last: string;
}

const time = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d\.\d{3}Z)?$/;
const isTime = (text: string): boolean => time.test(text) && !Number.isNaN(Date.parse(text));

/** Null on the first page. Throws for what `keepShown` has not written. */
export function shownBefore({ kept }: Page): Shown | null {
  if (kept === null) return null;
  const [downTo = "", last = "", ...others] = kept.split("/");
  if (!isTime(downTo) || !isTime(last) || downTo > last || others.length > 0) throw wrongCursor();
  return { downTo, last };
}

/** The rows before those that the pages before have shown, of the same answer; rows ascend. */
export function restOf<T extends Timed>(rows: readonly T[], shown: Shown | null): readonly T[] {
  return shown === null ? rows : rows.filter((row) => row.time < shown.downTo);
}

/** Lets the next page go on from here. `rest` is what `restOf` gave, `last` the newest row of the whole answer. */
export function keepShown(page: Page, rest: readonly Timed[], last: Timed | null): void {
  page.partOf(page.start + rest.length);
  if (last !== null) page.keep((row) => `${Timed.parse(row).time}/${last.time}`);
}
