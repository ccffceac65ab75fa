import { expect, it } from "vitest";
import { createTokenBuckets } from "./token-bucket.ts";

const rate = { burst: 3, perSecond: 2 };

it("a token bucket gives so many at once, says how long until the next, and gives it then", () => {
  const buckets = createTokenBuckets(rate, 10);
  const take = (now: number) => buckets.take("a", now);
  expect([take(0), take(0), take(0), take(0)]).toEqual([0, 0, 0, 500]);
  expect([take(499), take(500), take(500)]).toEqual([1, 0, 500]);
  // never more than the burst, however long nothing was asked
  expect([take(1e9), take(1e9), take(1e9), take(1e9)]).toEqual([0, 0, 0, 500]);
});

it("a token bucket is each one's own", () => {
  const buckets = createTokenBuckets(rate, 10);
  for (let count = 0; count < 9; count += 1) buckets.take("a", 0);
  expect([buckets.waitMs("a", 0), buckets.take("b", 0)]).toEqual([500, 0]);
  expect([buckets.share("a", 0), buckets.share("b", 0)]).toEqual([0, 2 / 3]);
});

it("asking again and again does not put off the end of the wait", () => {
  const buckets = createTokenBuckets(rate, 10);
  for (let count = 0; count < 3; count += 1) buckets.take("a", 0);
  for (let now = 0; now < 500; now += 1) expect(buckets.take("a", now)).toBeGreaterThan(0);
  expect(buckets.take("a", 501)).toBe(0);
});

it("a clock that is set back gives nothing away and locks nobody out", () => {
  const buckets = createTokenBuckets(rate, 10);
  for (let count = 0; count < 3; count += 1) buckets.take("a", 1_000_000);
  expect(buckets.take("a", 0)).toBe(500);
  expect(buckets.take("a", 500)).toBe(0);
});

it("who has been quiet for longest is forgotten first, so that memory stays bounded", () => {
  const buckets = createTokenBuckets(rate, 2);
  for (const who of ["quiet", "busy"]) {
    for (let count = 0; count < 3; count += 1) buckets.take(who, 0);
  }
  expect(buckets.waitMs("quiet", 0)).toBe(500);
  for (let count = 0; count < 100; count += 1) {
    buckets.take("busy", 0);
    buckets.take(`other ${count}`, 0);
  }
  expect(buckets.waitMs("busy", 0)).toBe(500);
  expect(buckets.waitMs("quiet", 0)).toBe(0);
});
