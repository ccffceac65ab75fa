import { TwsError } from "../errors.ts";
import type { InTime, ToolDefinition } from "./define.ts";

/** The most characters of JSON that one result may take. */
const resultCharacters = 20_000;
/** Characters left for what a page says of itself: its cursor, its span, the names of columns. */
const besideCharacters = 500;

type Row = Readonly<Record<string, unknown>>;

const isRow = (value: unknown): value is Row =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The page that a call asks for, and what its handler says of it. */
export interface Page {
  /** The rows that the pages before have shown. */
  readonly start: number;
  /** Rows at most; Infinity where the caller does not say. */
  readonly limit: number;
  /** What the page before kept; null on the first. A caller may have made it up. */
  readonly kept: string | null;
  /**
   * Keeps for the next page what it needs to belong to this one, by the row shown that is next to its own: letters,
   * digits, `.:+/-`.
   */
  keep(text: (next: unknown) => string): void;
  /** The result holds only the rows that no page before has shown, of so many in all. */
  partOf(total: number): void;
  readonly said: () => Said;
}

interface Said {
  readonly total: number | null;
  readonly keeping: ((next: unknown) => string) | null;
}

/** Throws invalid_input for a cursor that no tool has returned. */
export function pageOf({ cursor, limit }: Row): Page {
  const match = typeof cursor === "string" ? /^at:(\d{1,9})(?:;([\w.:+/-]{1,80}))?$/.exec(cursor) : null;
  if (cursor !== undefined && match === null) throw wrongCursor();
  let said: Said = { total: null, keeping: null };
  return {
    start: Number(match?.[1] ?? 0),
    limit: typeof limit === "number" ? limit : Infinity,
    kept: match?.[2] ?? null,
    keep(keeping) {
      said = { ...said, keeping };
    },
    partOf(total) {
      said = { ...said, total };
    },
    said: () => said,
  };
}

/** The error for a cursor whose page cannot be had. */
export function wrongCursor(why = "is not one that this tool returned for the same question"): TwsError {
  return new TwsError("invalid_input", `cursor ${why}.`, {
    nextStep: "Leave cursor out to start from the first page.",
  });
}

/**
 * One page of a tool's result: as many rows as the caller's `limit` and the bound on a result allow, with how many
 * there are and how to go on. A list whose newest rows come last is read from its end. A tool that is not paged is
 * returned as it is.
 */
export function paginate(tool: ToolDefinition, input: Row, output: Row, page = pageOf(input)): Row {
  if (tool.paged === null) return output;
  const { [tool.paged]: all, ...rest } = output;
  if (!Array.isArray(all)) return output;
  const said = page.said();
  const isFromEnd = tool.inTime?.newest === "last";
  const total = said.total ?? all.length;
  if (page.start > total) throw wrongCursor();
  const left = said.total === null ? withoutShown(all, page.start, isFromEnd) : all;
  const format = formatOf(tool, input);
  const room = resultCharacters - besideCharacters - JSON.stringify(rest).length;
  const { shown, isColumns } = fit(left, {
    limit: page.limit,
    room,
    isFromEnd,
    format,
    isFirst: page.start === 0,
  });
  const end = page.start + shown.length;
  const lastShown = isFromEnd ? shown[0] : shown.at(-1);
  const kept = said.keeping === null || end >= total ? "" : `;${said.keeping(lastShown)}`;
  return {
    ...output,
    [tool.paged]: isColumns ? toColumns(shown.filter(isRow)) : shown,
    ...(tool.inTime !== null && spanOf(shown, tool.inTime)),
    returned: shown.length,
    total,
    truncated: end < total,
    ...(end < total && { next_cursor: `at:${end}${kept}` }),
  };
}

const withoutShown = (all: readonly unknown[], shown: number, isFromEnd: boolean): readonly unknown[] =>
  isFromEnd ? all.slice(0, all.length - shown) : all.slice(shown);

type Format = "rows" | "columns" | "shortest";

/** The tools that take no format have rows alone. */
function formatOf(tool: ToolDefinition, { format }: Row): Format {
  if (!Object.hasOwn(tool.input.shape, "format")) return "rows";
  return format === "rows" || format === "columns" ? format : "shortest";
}

interface Fit {
  readonly limit: number;
  readonly room: number;
  readonly isFromEnd: boolean;
  readonly format: Format;
  readonly isFirst: boolean;
}

/** Rows that do not fit as rows are written as columns, unless the caller asks for rows; so are the pages after them. */
function fit(left: readonly unknown[], { limit, room, isFromEnd, format, isFirst }: Fit) {
  const take = (isColumns: boolean) => ({
    shown: fill(left, { limit, room, isFromEnd, isColumns }),
    isColumns,
  });
  if (format !== "shortest") return take(format === "columns");
  const rows = take(false);
  const fitsAll = rows.shown.length === Math.min(left.length, limit);
  return fitsAll && (isFirst || limit < Infinity) ? rows : take(true);
}

function fill(
  rows: readonly unknown[],
  {
    limit,
    room,
    isFromEnd,
    isColumns,
  }: { limit: number; room: number; isFromEnd: boolean; isColumns: boolean },
): readonly unknown[] {
  let characters = 0;
  let count = 0;
  while (count < rows.length && count < limit) {
    const row = isFromEnd ? rows.at(-1 - count) : rows[count];
    characters += isColumns && isRow(row) ? columnCharacters(row) : JSON.stringify(row).length + 1;
    // a single row always goes out, however long: a page must make progress
    if (characters > room && count > 0) break;
    count += 1;
  }
  return isFromEnd ? rows.slice(rows.length - count) : rows.slice(0, count);
}

/** The values of a row and the commas behind them. */
const columnCharacters = (row: Row): number =>
  Object.values(row).reduce<number>((sum, value) => sum + JSON.stringify(value ?? null).length + 1, 0);

/** A row may lack what others have; the first row's keys come first. */
function toColumns(rows: readonly Row[]): Record<string, unknown[]> {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return Object.fromEntries(keys.map((key) => [key, rows.map((row) => row[key] ?? null)]));
}

/** From when to when the rows shown reach; a time that is not known is passed over. */
function spanOf(shown: readonly unknown[], { at }: InTime): { from: string | null; to: string | null } {
  const timeOf = (row: unknown) =>
    at.split(".").reduce((value, key) => (isRow(value) ? value[key] : null), row);
  const times = shown.map(timeOf).filter((time) => typeof time === "string");
  const sorted = times.toSorted();
  return { from: sorted[0] ?? null, to: sorted.at(-1) ?? null };
}
