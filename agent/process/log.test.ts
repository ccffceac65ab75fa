import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createLog, type LogLevel } from "./log.ts";

function capture(level: LogLevel = "debug", secrets: string[] = []) {
  const lines: string[] = [];
  const log = createLog({ level, secrets, write: (line) => lines.push(line), now: () => 0 });
  return { log, lines, last: (): unknown => JSON.parse(lines.at(-1) ?? "null") };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("writes one line of JSON for an event", () => {
  const { log, lines, last } = capture();
  log.info("call", { tool: "ibkr_get_status", ms: 3 });
  expect(lines).toHaveLength(1);
  expect(lines[0]?.endsWith("\n")).toBe(true);
  expect(last()).toEqual({
    at: "1970-01-01T00:00:00.000Z",
    level: "info",
    event: "call",
    tool: "ibkr_get_status",
    ms: 3,
  });
});

test("is silent below its level", () => {
  const { log, lines } = capture("warn");
  log.debug("a");
  log.info("b");
  log.warn("c");
  log.error("d");
  expect(lines.map((line) => /"event":"(.)"/.exec(line)?.[1])).toEqual(["c", "d"]);
});

test.each([
  "token",
  "agentToken",
  "clientSecret",
  "passphrase",
  "password",
  "Authorization",
  "privateKey",
  "cookie",
])("hides what is called %s, however deep", (name) => {
  const { log, lines } = capture();
  log.info("event", { [name]: "plain", outer: { inner: [{ [name]: { a: "plain" } }] } });
  expect(lines[0]).not.toContain("plain");
  expect(lines[0]).toContain("[hidden]");
});

test("hides the value of a configured secret wherever it turns up, errors and causes included", () => {
  const { log, lines } = capture("debug", ["s3cret-s3cret-s3cret"]);
  log.error("event", {
    url: "wss://x/?t=s3cret-s3cret-s3cret",
    error: new Error("bad s3cret-s3cret-s3cret", { cause: new Error("s3cret-s3cret-s3cret again") }),
  });
  expect(lines[0]).not.toContain("s3cret");
  expect(lines[0]).toContain("bad [hidden]");
});

test("keeps the stack of an error and of its cause", () => {
  const { log, lines } = capture();
  log.error("event", { error: new Error("outer", { cause: new Error("inner") }) });
  expect(lines[0]).toContain("Error: outer");
  expect(lines[0]).toContain("Error: inner");
  expect(lines[0]).toContain("log.test.ts");
});

test("cuts long text and says how long it was", () => {
  const { log, last } = capture();
  log.info("event", { text: "x".repeat(10_000) });
  expect(last()).toMatchObject({ text: `${"x".repeat(2_000)}… (10000 characters)` });
});

test("survives a circle, a bigint and a function", () => {
  const { log, last } = capture();
  const circle: Record<string, unknown> = { big: 10n, call: () => 1 };
  circle["self"] = circle;
  log.info("event", { circle });
  expect(last()).toMatchObject({ circle: { big: "10", call: "function", self: { big: "10" } } });
});

test("writes a line that repeats itself three times a second, and then how often it came", () => {
  const { log, lines, last } = capture();
  for (let count = 0; count < 90; count += 1) log.warn("tws.notice", { code: 505, text: "garbage" });
  expect(lines).toHaveLength(3);
  vi.advanceTimersByTime(1_000);
  expect(lines).toHaveLength(4);
  expect(last()).toMatchObject({
    level: "warn",
    event: "tws.notice",
    code: 505,
    text: "garbage",
    repeated: "… repeated 87 times",
  });
  vi.advanceTimersByTime(60_000);
  expect(lines).toHaveLength(4);
  log.warn("tws.notice", { code: 505, text: "garbage" });
  expect(lines).toHaveLength(5);
});

test("a flood of lines that differ is cut too, and lets other events through", () => {
  const { log, lines, last } = capture();
  for (let count = 0; count < 10_000; count += 1) log.warn("tws.notice", { text: `garbage ${count}` });
  expect(lines).toHaveLength(100);
  log.error("order.failed");
  expect(last()).toMatchObject({ event: "order.failed" });
  vi.advanceTimersByTime(1_000);
  expect(lines).toHaveLength(102);
  expect(last()).toEqual({
    at: "1970-01-01T00:00:00.000Z",
    level: "warn",
    event: "tws.notice",
    repeated: "… repeated 9900 times",
  });
});

test("a flood of one code in ever new words is written ten times a second, and counted", () => {
  const { log, lines, last } = capture();
  for (let count = 0; count < 90; count += 1)
    log.info("tws.notice", { id: -1, code: 2100, text: `garbage ${count}` });
  log.info("tws.notice", { id: -1, code: 1100, text: "lost" });
  expect(lines).toHaveLength(11);
  vi.advanceTimersByTime(1_000);
  expect(lines).toHaveLength(12);
  expect(last()).toMatchObject({ event: "tws.notice", code: 2100, repeated: "… repeated 80 times" });
});

test("a flood of long lines that differ in everything fills no more than some kilobytes a second", () => {
  const { log, lines } = capture();
  for (let count = 0; count < 10_000; count += 1)
    log.info("tws.notice", { code: count, text: `${count} ${"x".repeat(2_000)}` });
  vi.advanceTimersByTime(1_000);
  expect(lines.join("").length).toBeLessThan(12_000);
  expect(lines.at(-1)).toContain("repeated 9996 times");
});

test("a count of repetitions shows no secret", () => {
  const { log, lines } = capture("debug", ["s3cret-s3cret-s3cret"]);
  for (let count = 0; count < 10; count += 1) log.warn("event", { text: "s3cret-s3cret-s3cret" });
  vi.advanceTimersByTime(1_000);
  expect(lines).toHaveLength(4);
  expect(lines.join()).not.toContain("s3cret");
});
