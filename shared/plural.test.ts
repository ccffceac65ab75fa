import { expect, test } from "vitest";
import { plural } from "./plural.ts";

test.each([
  [0, "0 orders"],
  [1, "1 order"],
  [2, "2 orders"],
])("%i is told as %j", (count, words) => {
  expect(plural(count, "order")).toBe(words);
});

test("what has a plural of its own is told with it", () => {
  expect([plural(1, "entry", "entries"), plural(2, "entry", "entries")]).toEqual(["1 entry", "2 entries"]);
});
