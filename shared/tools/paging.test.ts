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
    const page = paginate(
      tool,
      { format: "rows", ...(cursor !== undefined && { cursor }) },
      { bars, count: bars.length },
    );
    expect(JSON.stringify(page).length).toBeLessThanOrEqual(20_000);
    expect(page).toMatchObject({ total: 1000, truncated: "next_cursor" in page });
    if (Array.isArray(page["bars"])) seen.unshift(...page["bars"]);
    cursor = page["next_cursor"];
  } while (cursor !== undefined);
  expect(seen).toEqual(bars);
});

test("limit holds, and keeps the newest", () => {
  expect(paginate(tool, { limit: 3 }, { bars })).toMatchObject({
    bars: bars.slice(-3),
    returned: 3,
    truncated: true,
    next_cursor: "at:3",
  });
});

test("columns carry the same values in fewer characters, so that more rows fit", () => {
  const rows = paginate(tool, { format: "rows" }, { bars });
  const columns = paginate(tool, { format: "columns" }, { bars });
  expect(Number(columns["returned"])).toBeGreaterThan(Number(rows["returned"]));
  expect(columns["bars"]).toMatchObject({ open: expect.arrayContaining([997, 998, 999]) });
});

test("a row larger than a page still goes out, alone", () => {
  const page = paginate(tool, {}, { bars: [{ text: "y" }, { text: "x".repeat(30_000) }] });
  expect(page).toMatchObject({ returned: 1, truncated: true, next_cursor: "at:1" });
});

test("an empty list is a whole page", () => {
  expect(paginate(tool, {}, { bars: [] })).toMatchObject({ returned: 0, total: 0, truncated: false });
});

test.for(["", "at:-1", "at:1001", "50", "at:1e2"])("the cursor %j is refused by name", (cursor) => {
  expect(() => paginate(tool, { cursor }, { bars })).toThrow(/cursor/);
});

test("a handler that has the rows of its page alone says how many there are, and what its next page needs", () => {
  const positions = tools.ibkr_get_positions;
  const first = pageOf({ limit: 2 });
  expect([first.start, first.limit, first.kept]).toEqual([0, 2, null]);
  first.partOf(5);
  first.keep((last) => `after/${JSON.stringify(last).length}`);
  const answer = paginate(positions, {}, { positions: [10, 20, 300] }, first);
  expect(answer).toEqual({
    positions: [10, 20],
    returned: 2,
    total: 5,
    truncated: true,
    next_cursor: "at:2;after/2",
  });
  const second = pageOf({ cursor: answer["next_cursor"] });
  expect([second.start, second.limit, second.kept]).toEqual([2, Infinity, "after/2"]);
  second.partOf(5);
  expect(paginate(positions, {}, { positions: [300, 400, 500] }, second)).toEqual({
    positions: [300, 400, 500],
    returned: 3,
    total: 5,
    truncated: false,
  });
});

test("a list in the order of time goes back from its newest rows, and says how far it reaches", () => {
  const first = pageOf({ limit: 2 });
  first.keep((next) => JSON.stringify(next).replaceAll(/[^\d]/g, "").slice(0, 14));
  const answer = paginate(tool, {}, { bars: bars.slice(0, 5) }, first);
  expect(answer).toEqual({
    bars: bars.slice(3, 5),
    from: "1970-01-01T00:03:00.000Z",
    to: "1970-01-01T00:04:00.000Z",
    returned: 2,
    total: 5,
    truncated: true,
    next_cursor: "at:2;19700101000300",
  });
  const cursor = answer["next_cursor"];
  expect(paginate(tool, { cursor }, { bars: bars.slice(0, 5) })).toMatchObject({
    to: "1970-01-01T00:02:00.000Z",
    returned: 3,
    truncated: false,
  });
});

test("a year of daily bars is one answer: rows that do not fit are written as columns", () => {
  const year = Array.from({ length: 251 }, (_, index) => ({
    time: new Date(index * 86_400_000).toISOString().slice(0, 10),
    open: 1251.25,
    high: 1252.5,
    low: 1250.75,
    close: 1251.75,
    volume: 123_456_789,
    wap: 1251.437,
    count: 345_678,
  }));
  expect(paginate(tool, { format: "rows" }, { bars: year })).toMatchObject({ truncated: true });
  const answer = paginate(tool, {}, { bars: year });
  expect(answer).toMatchObject({ returned: 251, truncated: false, from: "1970-01-01", to: "1970-09-08" });
  expect(answer["bars"]).toMatchObject({ close: expect.any(Array) });
  expect(JSON.stringify(answer).length).toBeLessThanOrEqual(20_000);
  expect(paginate(tool, {}, { bars: year.slice(0, 20) })["bars"]).toHaveLength(20);
});

test("a list of which the newest comes first is cut at its end", () => {
  const articles = Array.from({ length: 9 }, (_, index) => ({
    time: `2026-11-0${9 - index}`,
    headline: "x",
  }));
  expect(paginate(tools.ibkr_get_news_articles, { limit: 2 }, { articles })).toMatchObject({
    articles: articles.slice(0, 2),
    from: "2026-11-08",
    to: "2026-11-09",
  });
});

test("a time that is not known is passed over in the span of a page", () => {
  const executions = [{ execution: { time: null } }, { execution: { time: "2026-11-20T15:00:00.000Z" } }];
  expect(paginate(tools.ibkr_get_executions, {}, { executions })).toMatchObject({
    from: "2026-11-20T15:00:00.000Z",
    to: "2026-11-20T15:00:00.000Z",
  });
  expect(paginate(tools.ibkr_get_executions, {}, { executions: [] })).toMatchObject({ from: null, to: null });
});
