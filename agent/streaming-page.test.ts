import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { streamReasons, StreamState } from "../shared/events.ts";

const page = readFileSync(new URL("../docs/streaming.md", import.meta.url), "utf8");

/** The cells of the table whose first column has this head. */
function rowsUnder(head: string): string[][] {
  const lines = page.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${head} `));
  const end = lines.indexOf("", start);
  return lines.slice(start + 2, end).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

test("docs/streaming.md has every reason with its state and its words, and something to do about it", () => {
  const rows = rowsUnder("reason");
  const told = Object.fromEntries(rows.map(([reason = "", state, message]) => [reason, { state, message }]));
  expect(told).toEqual(streamReasons);
  expect(rows.filter(([, , , advice]) => advice === "")).toEqual([]);
});

test("docs/streaming.md says of every state what to show", () => {
  expect(rowsUnder("state").map(([state]) => state)).toEqual(StreamState.options);
});
