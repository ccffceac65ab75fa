import { TwsError } from "../errors.ts";
import type { ToolDefinition } from "./define.ts";

/** The most characters of JSON that the rows of one page may take. */
const pageCharacters = 18_000;

type Row = Readonly<Record<string, unknown>>;

const isRow = (value: unknown): value is Row =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The page that a call asks for, and what its handler says of it. */
export interface Page {
  /** The row it begins with, counted from 0. */
  readonly start: number;
  /** Rows at most; Infinity where the caller does not say. */
  readonly limit: number;
  /** What the page before kept; null on the first. A caller may have made it up. */
  readonly kept: string | null;
  /** Keeps for the next page what it needs to belong to this one, by the last row shown: letters, digits, `.:+/-`. */
  keep(text: (last: unknown) => string): void;
  /** The result holds rows from `start` on only, of so many in all. */
  partOf(total: number): void;
  readonly said: () => Said;
}

interface Said {
  readonly total: number | null;
  readonly keeping: ((last: unknown) => string) | null;
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
 * there are and how to go on. A tool that is not paged is returned as it is.
 */
export function paginate(tool: ToolDefinition, input: Row, output: Row, page = pageOf(input)): Row {
  if (tool.paged === null) return output;
  const all = output[tool.paged];
  if (!Array.isArray(all)) return output;
  const said = page.said();
  const rows: readonly unknown[] = said.total === null ? all.slice(page.start) : all;
  const total = said.total ?? all.length;
  if (page.start > total) throw wrongCursor();
  const isColumns = input["format"] === "columns";
  const shown = fill(rows, page.limit, isColumns);
  const end = page.start + shown.length;
  const kept = said.keeping === null || end >= total ? "" : `;${said.keeping(shown.at(-1))}`;
  return {
    ...output,
    [tool.paged]: isColumns ? toColumns(shown.filter(isRow)) : shown,
    returned: shown.length,
    total,
    truncated: end < total,
    ...(end < total && { next_cursor: `at:${end}${kept}` }),
  };
}

function fill(rows: readonly unknown[], limit: number, isColumns: boolean): readonly unknown[] {
  let characters = 0;
  let count = 0;
  while (count < rows.length && count < limit) {
    const row = rows[count];
    const text = JSON.stringify(isColumns && isRow(row) ? Object.values(row) : row);
    characters += text.length + 1;
    // a single row always goes out, however long: a page must make progress
    if (characters > pageCharacters && count > 0) break;
    count += 1;
  }
  return rows.slice(0, count);
}

function toColumns(rows: readonly Row[]): Record<string, unknown[]> {
  const keys = Object.keys(rows[0] ?? {});
  return Object.fromEntries(keys.map((key) => [key, rows.map((row) => row[key] ?? null)]));
}
