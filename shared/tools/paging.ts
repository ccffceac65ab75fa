import { TwsError } from "../errors.ts";
import type { ToolDefinition } from "./define.ts";

/** The most characters of JSON that the rows of one page may take. */
const pageCharacters = 18_000;

type Row = Readonly<Record<string, unknown>>;

const isRow = (value: unknown): value is Row =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * One page of a tool's result: as many rows as the caller's `limit` and the bound on a result allow, with how many
 * there are and how to go on. A tool that is not paged is returned as it is.
 */
export function paginate(tool: ToolDefinition, input: Row, output: Row): Row {
  if (tool.paged === null) return output;
  const all = output[tool.paged];
  if (!Array.isArray(all)) return output;
  const rows: readonly unknown[] = all;
  const start = readCursor(input["cursor"], rows.length);
  const isColumns = input["format"] === "columns";
  const page = fill(rows, start, typeof input["limit"] === "number" ? input["limit"] : Infinity, isColumns);
  const end = start + page.length;
  return {
    ...output,
    [tool.paged]: isColumns ? toColumns(page.filter(isRow)) : page,
    returned: page.length,
    total: rows.length,
    truncated: end < rows.length,
    ...(end < rows.length && { next_cursor: `at:${end}` }),
  };
}

function readCursor(cursor: unknown, total: number): number {
  if (cursor === undefined) return 0;
  const match = typeof cursor === "string" ? /^at:(\d{1,9})$/.exec(cursor) : null;
  const start = match === null ? NaN : Number(match[1]);
  if (start <= total) return start;
  throw new TwsError("invalid_input", "cursor is not one that this tool returned for the same question.", {
    nextStep: "Leave cursor out to start from the first page.",
  });
}

function fill(
  rows: readonly unknown[],
  start: number,
  limit: number,
  isColumns: boolean,
): readonly unknown[] {
  let characters = 0;
  let end = start;
  while (end < rows.length && end - start < limit) {
    const row = rows[end];
    const text = JSON.stringify(isColumns && isRow(row) ? Object.values(row) : row);
    characters += text.length + 1;
    // a single row always goes out, however long: a page must make progress
    if (characters > pageCharacters && end > start) break;
    end += 1;
  }
  return rows.slice(start, end);
}

function toColumns(rows: readonly Row[]): Record<string, unknown[]> {
  const keys = Object.keys(rows[0] ?? {});
  return Object.fromEntries(keys.map((key) => [key, rows.map((row) => row[key] ?? null)]));
}
