import { expect, test } from "vitest";
import { isInCalendar } from "./calendar-date.ts";

test.for([
  ["20261218", true],
  ["202612", true],
  ["20280229", true],
  ["20260229", false],
  ["20260230", false],
  ["20260431", false],
  ["20261345", false],
  ["202613", false],
  ["202600", false],
  ["20261200", false],
] as const)("whether the calendar has %s: %s", ([text, is]) => {
  expect(isInCalendar(text)).toBe(is);
});
