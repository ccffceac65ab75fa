import { z } from "zod";
import { wrongCursor } from "../../shared/tools/paging.ts";
import type { Page } from "../../shared/tools/paging.ts";

const Timed = z.object({ time: z.string() });
type Timed = z.output<typeof Timed>;

/** What the pages of one answer share: later ones are asked for when there may be newer rows, and older ones are gone. */
export interface Shown {
  /** The time of the last row that the page before showed. */
  readonly upTo: string;
  /** The time of the last row of all. */
  readonly last: string;
}

const time = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d\.\d{3}Z)?$/;
const isTime = (text: string): boolean => time.test(text) && !Number.isNaN(Date.parse(text));

/** Null on the first page. Throws for what `keepShown` has not written. */
export function shownBefore({ kept }: Page): Shown | null {
  if (kept === null) return null;
  const [upTo = "", last = "", ...others] = kept.split("/");
  if (!isTime(upTo) || !isTime(last) || upTo > last || others.length > 0) throw wrongCursor();
  return { upTo, last };
}

/** The rows of this page and those after it, of the same answer as the pages before; rows ascend. */
export function restOf<T extends Timed>(rows: readonly T[], shown: Shown | null): readonly T[] {
  if (shown === null) return rows;
  const [first] = rows;
  // between what was shown and what there is now something may be missing
  if (first === undefined || first.time > shown.upTo)
    throw wrongCursor("belongs to a window that begins before what TWS gives now");
  return rows.filter((row) => row.time > shown.upTo && row.time <= shown.last);
}

/** Lets the next page go on from here. `rest` is what `restOf` gave. */
export function keepShown(page: Page, rest: readonly Timed[]): void {
  const last = rest.at(-1)?.time;
  page.partOf(page.start + rest.length);
  if (last !== undefined) page.keep((row) => `${Timed.parse(row).time}/${last}`);
}
