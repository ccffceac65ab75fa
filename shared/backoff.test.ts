import { expect, test } from "vitest";
import { createBackoff } from "./backoff.ts";

const make = (random: number) =>
  createBackoff({ firstMs: 1000, capMs: 30_000, stableAfterMs: 60_000, random: () => random });

test("each wait doubles up to the cap", () => {
  const backoff = make(1);
  expect([0, 0, 0, 0, 0, 0, 0].map((uptime) => backoff.next(uptime))).toEqual([
    1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
  ]);
});

test("jitter takes at most half of a wait away", () => {
  expect(make(0).next(0)).toBe(500);
});

test("a connection that stayed up starts again at the first wait, a short one does not", () => {
  const backoff = make(1);
  backoff.next(0);
  backoff.next(0);
  expect(backoff.next(59_999)).toBe(4000);
  expect(backoff.next(60_000)).toBe(1000);
});
