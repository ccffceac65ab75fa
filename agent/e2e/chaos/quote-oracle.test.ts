import { expect, test } from "vitest";
import { emptyQuote } from "../../../shared/events.ts";
import { violationsOf, type Said } from "./quote-oracle.ts";
import type { Shown } from "../clients/watcher.ts";

/** TWS says 10, 11 and 12 on its first line, and 12 and 13 on the one after it. */
const said: Said = new Map([
  [
    "bid",
    [
      { at: 1_000, value: 10, line: 0 },
      { at: 2_000, value: 11, line: 0 },
      { at: 3_000, value: 12, line: 0 },
      { at: 6_000, value: 12, line: 1 },
      { at: 7_000, value: 13, line: 1 },
    ],
  ],
]);

/** "2000 live 11": a bid, as it was shown at that time. */
function shownAs(text: string): Shown {
  const [at = "", state = "", bid = ""] = text.split(" ");
  const quote = { ...emptyQuote, bid: Number(bid), time: bid };
  return { at: Number(at), symbol: "AAPL", state, reason: "", quote };
}

const violations = (shown: readonly string[], numbers: readonly number[] = []) =>
  violationsOf(
    { shown: shown.map(shownAs), numbers: new Map([["AAPL on connection 1", numbers]]) },
    "AAPL",
    said,
  );

test.for([
  [
    "every value",
    ["1010 live 10", "2010 live 11", "3010 live 12", "5000 stale 12", "6010 gap 12", "7010 live 13"],
  ],
  ["some of them", ["1010 live 10", "3010 live 12", "5000 stale 12", "7010 live 13"]],
  ["a value that was the same again after a break", ["3010 live 12", "5000 stale 12", "6010 live 12"]],
] as const)("%s is no violation", ([, shown]) => {
  expect(violations(shown)).toEqual([]);
});

test.for([
  ["what TWS never sent", ["1010 live 10", "1510 live 10.5"], /10\.5 at 1510 was never sent/],
  ["what TWS sends only later", ["1010 live 11"], /11 at 1010 was never sent/],
  ["an older value after a newer one", ["2010 live 11", "2020 live 10"], /10 at 2020 is older/],
  ["a new line without a word", ["3010 live 12", "7010 live 13"], /line 1 followed 0/],
  ["the value of before a break as live", ["3010 live 12", "5000 stale 12", "7500 live 12"], /value of 3010/],
] as const)("%s is a violation", ([, shown, words]) => {
  expect(violations(shown)).toEqual([expect.stringMatching(words)]);
});

test("numbers that do not rise are a violation", () => {
  expect(violations([], [1, 2, 2])).toEqual([expect.stringMatching(/2 .* does not rise/)]);
});
