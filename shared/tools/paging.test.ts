import { expect, test } from "vitest";
import { tools } from "./index.ts";
import { pageOf, paginate } from "./paging.ts";

const bars = Array.from({ length: 1000 }, (_, index) => ({
  time: new Date(index * 60_000).toISOString(),
  open: index,
  close: index + 0.5,
}));
const tool = tools.ibkr_get_historical_data;

test("pages follow one another without loss or repetition, each within its bound", () => {
  const seen: unknown[] = [];
  let cursor: unknown;
  do {
    const page = paginate(tool, cursor === undefined ? {} : { cursor }, { bars, count: bars.length });
    expect(JSON.stringify(page).length).toBeLessThanOrEqual(20_000);
    expect(page).toMatchObject({ total: 1000, truncated: "next_cursor" in page });
    if (Array.isArray(page["bars"])) seen.push(...page["bars"]);
    cursor = page["next_cursor"];
  } while (cursor !== undefined);
  expect(seen).toEqual(bars);
});

test("limit holds", () => {
  expect(paginate(tool, { limit: 3 }, { bars })).toMatchObject({
    returned: 3,
    truncated: true,
    next_cursor: "at:3",
  });
});

test("columns carry the same values in fewer characters, so that more rows fit", () => {
  const rows = paginate(tool, {}, { bars });
  const columns = paginate(tool, { format: "columns" }, { bars });
  expect(Number(columns["returned"])).toBeGreaterThan(Number(rows["returned"]));
  expect(columns["bars"]).toMatchObject({ open: expect.arrayContaining([0, 1, 2]) });
});

test("a row larger than a page still goes out, alone", () => {
  const page = paginate(tool, {}, { bars: [{ text: "x".repeat(30_000) }, { text: "y" }] });
  expect(page).toMatchObject({ returned: 1, truncated: true, next_cursor: "at:1" });
});

test("an empty list is a whole page", () => {
  expect(paginate(tool, {}, { bars: [] })).toMatchObject({ returned: 0, total: 0, truncated: false });
});

test.for(["", "at:-1", "at:1001", "50", "at:1e2"])("the cursor %j is refused by name", (cursor) => {
  expect(() => paginate(tool, { cursor }, { bars })).toThrow(/cursor/);
});

test("a handler that has the rows of its page alone says how many there are, and what its next page needs", () => {
  const first = pageOf({ limit: 2 });
  expect([first.start, first.limit, first.kept]).toEqual([0, 2, null]);
  first.partOf(5);
  first.keep((last) => `after/${JSON.stringify(last).length}`);
  const answer = paginate(tool, {}, { bars: [10, 20, 300] }, first);
  expect(answer).toEqual({
    bars: [10, 20],
    returned: 2,
    total: 5,
    truncated: true,
    next_cursor: "at:2;after/2",
  });
  const second = pageOf({ cursor: answer["next_cursor"] });
  expect([second.start, second.limit, second.kept]).toEqual([2, Infinity, "after/2"]);
  second.partOf(5);
  expect(paginate(tool, {}, { bars: [300, 400, 500] }, second)).toEqual({
    bars: [300, 400, 500],
    returned: 3,
    total: 5,
    truncated: false,
  });
});
