import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TwsError } from "../../../shared/errors.ts";
import { runAs } from "./fair-share.ts";
import type { Lane } from "./api.ts";
import { createPacer, twsPacing } from "./pacing.ts";
import type { Pacer } from "./pacing.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const offline = new TwsError("tws_offline", "gone");

/** Submits `count` messages and returns where their names land when written. */
function submitMany(pacer: Pacer, lane: Lane, count: number, written: string[]): void {
  for (let index = 0; index < count; index += 1)
    pacer.submit(
      lane,
      () => written.push(`${lane}${index}`),
      () => {},
    );
}

test("never sends more than TWS allows in any second, and sends everything", () => {
  const pacer = createPacer(twsPacing);
  const times: number[] = [];
  for (let index = 0; index < 200; index += 1)
    pacer.submit(
      "data",
      () => times.push(performance.now()),
      () => {},
    );
  vi.advanceTimersByTime(10_000);
  expect(times).toHaveLength(200);
  const busiest = Math.max(...times.map((from) => times.filter((t) => t >= from && t < from + 1000).length));
  expect(busiest).toBeLessThanOrEqual(40);
  expect(Number(times.at(-1)) - Number(times[0])).toBeLessThan(6_500);
});

test("stays within what TWS allows where TWS reads late what has come meanwhile", () => {
  const pacer = createPacer(twsPacing);
  const times: number[] = [];
  for (let index = 0; index < 200; index += 1)
    pacer.submit(
      "data",
      () => times.push(performance.now()),
      () => {},
    );
  vi.advanceTimersByTime(10_000);
  const delayMs = 300;
  const readAtOnce = times.map(
    (from) => times.filter((at) => at >= from - delayMs && at < from + 1_000).length,
  );
  expect(Math.max(...readAtOnce)).toBeLessThanOrEqual(50);
});

test("slows down when TWS says so, and still sends data requests", () => {
  const pacer = createPacer(twsPacing);
  const written: string[] = [];
  submitMany(pacer, "data", 200, written);
  vi.advanceTimersByTime(500);
  const inTime = (ms: number) => {
    const before = written.length;
    vi.advanceTimersByTime(ms);
    return written.length - before;
  };
  pacer.slowDown();
  // the bucket fills first
  inTime(250);
  expect(Math.abs(inTime(1_000) - 16)).toBeLessThanOrEqual(1);
  pacer.slowDown();
  pacer.slowDown();
  inTime(500);
  expect(Math.abs(inTime(1_000) - 8)).toBeLessThanOrEqual(1);
});

test("sends cancels before orders, orders before account requests, and data last", () => {
  const pacer = createPacer(twsPacing);
  const written: string[] = [];
  submitMany(pacer, "cancel", 30, []);
  for (const lane of ["data", "account", "order", "cancel"] as const) submitMany(pacer, lane, 2, written);
  vi.advanceTimersByTime(60_000);
  expect(written).toEqual([
    "cancel0",
    "cancel1",
    "order0",
    "order1",
    "account0",
    "account1",
    "data0",
    "data1",
  ]);
});

test("sends an order at once although data requests have used up their share", () => {
  const pacer = createPacer(twsPacing);
  const written: string[] = [];
  submitMany(pacer, "data", 100, []);
  submitMany(pacer, "order", 1, written);
  submitMany(pacer, "cancel", 1, written);
  expect(written).toEqual(["order0", "cancel0"]);
});

test("lets the grants of a lane take turns, each in its own order", () => {
  const pacer = createPacer(twsPacing);
  for (const lane of ["cancel", "account", "data"] as const) {
    const written: string[] = [];
    runAs("flood", () => submitMany(pacer, lane, 200, written));
    const before = written.length;
    runAs("other", () =>
      ["first", "second"].forEach((name) =>
        pacer.submit(
          lane,
          () => written.push(name),
          () => {},
        ),
      ),
    );
    vi.advanceTimersByTime(60_000);
    const rest = written.slice(before);
    expect(rest.indexOf("first")).toBeLessThanOrEqual(1);
    expect(rest.indexOf("second") - rest.indexOf("first")).toBe(2);
    const own = written.filter((name) => name.startsWith(lane));
    expect(own).toEqual(Array.from({ length: 200 }, (_, index) => `${lane}${index}`));
  }
});

test("writes orders in the order in which they came, whose ever they are", () => {
  const pacer = createPacer(twsPacing);
  const written: string[] = [];
  const grants = ["one", "other", "one", "one", "other", "third"];
  const submitted = Array.from({ length: 60 }, (_, index) => `${grants[index % grants.length]} ${index}`);
  for (const name of submitted)
    runAs(name.split(" ")[0] ?? "", () =>
      pacer.submit(
        "order",
        () => written.push(name),
        () => {},
      ),
    );
  vi.advanceTimersByTime(60_000);
  expect(written).toEqual(submitted);
});

test("drops what waits when the connection ends, and all that comes later", () => {
  const pacer = createPacer(twsPacing);
  const written: string[] = [];
  const dropped: unknown[] = [];
  for (let index = 0; index < 20; index += 1)
    pacer.submit(
      "data",
      () => written.push("w"),
      (error) => dropped.push(error),
    );
  const before = written.length;
  pacer.close(offline);
  vi.advanceTimersByTime(60_000);
  pacer.submit(
    "cancel",
    () => written.push("late"),
    (error) => dropped.push(error),
  );
  expect(written).toHaveLength(before);
  expect(dropped).toHaveLength(20 - before + 1);
  expect(dropped.every((error) => error === offline)).toBe(true);
});

test("refuses with pacing when too many wait already", () => {
  const pacer = createPacer({ ...twsPacing, queueLimit: 3 });
  const dropped: unknown[] = [];
  for (let index = 0; index < 20; index += 1)
    pacer.submit(
      "data",
      () => {},
      (error) => dropped.push(error),
    );
  expect(dropped.length).toBeGreaterThan(0);
  expect(dropped[0]).toMatchObject({ code: "pacing" });
});

test("leaves room for another grant, however much one asks", () => {
  const pacer = createPacer({ perSecond: 40, burst: 8, queueLimit: 30 });
  const written: string[] = [];
  const refused: string[] = [];
  const submit = (who: string) =>
    runAs(who, () =>
      pacer.submit(
        "data",
        () => written.push(who),
        () => refused.push(who),
      ),
    );
  for (let index = 0; index < 100; index += 1) submit("greedy");
  for (let index = 0; index < 5; index += 1) submit("modest");
  submit("third");
  expect(new Set(refused)).toEqual(new Set(["greedy"]));
  vi.advanceTimersByTime(60_000);
  // five went at once
  expect(written.slice(5, 9)).toEqual(["greedy", "modest", "third", "greedy"]);
  expect(written.filter((who) => who !== "greedy")).toHaveLength(6);
  // two thirds of the queue, and what went at once
  expect(written.filter((who) => who === "greedy").length).toBeLessThanOrEqual(20 + 8);
});

test("refuses no message that cancels an order or ends a request, however many wait", () => {
  const pacer = createPacer({ perSecond: 40, burst: 8, queueLimit: 30 });
  const written: string[] = [];
  const refused: unknown[] = [];
  submitMany(pacer, "data", 100, []);
  for (const lane of ["cancel", "release"] as const)
    for (let index = 0; index < 100; index += 1)
      pacer.submit(
        lane,
        () => written.push(lane),
        (error) => refused.push(error),
      );
  vi.advanceTimersByTime(60_000);
  expect(refused).toEqual([]);
  expect(written).toEqual([...Array<string>(100).fill("cancel"), ...Array<string>(100).fill("release")]);
});

test("does not write what was withdrawn while it waited", () => {
  const pacer = createPacer(twsPacing);
  const written: string[] = [];
  submitMany(pacer, "data", 20, []);
  const withdraw = pacer.submit(
    "data",
    () => written.push("withdrawn"),
    () => {},
  );
  withdraw();
  vi.advanceTimersByTime(10_000);
  expect(written).toEqual([]);
});

test("hands what a write throws to its own sender and goes on with the next", () => {
  const pacer = createPacer(twsPacing);
  const written: string[] = [];
  const dropped: unknown[] = [];
  const failure = new Error("cannot encode");
  pacer.submit(
    "data",
    () => {
      throw failure;
    },
    (error) => dropped.push(error),
  );
  submitMany(pacer, "data", 1, written);
  expect(dropped).toEqual([failure]);
  expect(written).toEqual(["data0"]);
});
