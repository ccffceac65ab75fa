import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { errorMessage, message, type RawClient, startedClient } from "../test-support/raw-client.fixture.ts";
import { requestKinds } from "./scripted-replies.ts";
import { playScenario, scenariosHelp } from "./scenarios.ts";
import { type Simulator, startSimulator } from "../server.ts";

let simulator: Simulator;
let client: RawClient;
beforeEach(async () => {
  simulator = await startSimulator({ seed: 7 });
  client = await startedClient(simulator.port, 193, 1);
});
afterEach(() => simulator.close());

const play = (line: string): Promise<void> => playScenario(simulator.faults, line);
const aapl = [265598, "", "", "", "", "", "", "SMART", "", "", "", ""];
const quote = (reqId: number): void => client.send(1, 11, reqId, ...aapl, 0, "", 0, 0, "");
const book = (reqId: number): void => client.send(10, 5, reqId, ...aapl, 5, 0, "");
const ticks = (reqId: number): void => client.send(97, reqId, ...aapl, "BidAsk", 0, 0);
const bars = (reqId: number): void => client.send(50, 3, reqId, ...aapl, 5, "TRADES", 1, "");
const history = (reqId: number): void =>
  client.send(20, reqId, ...aapl, 0, "", "1 min", "600 S", 0, "TRADES", 1, 1, "");

/** The codes under the id of all that has come by the time that TWS answers something else. */
async function codesOf(reqId: number): Promise<number[]> {
  const from = client.messages.length;
  client.send(49, 1);
  await client.waitFor(message(49), from);
  return client.messages
    .filter(([id, , about]) => id === "4" && about === String(reqId))
    .map((row) => Number(row[3]));
}

describe("replies", () => {
  test("refuse a request with TWS's usual words and nothing else, until they are ended", async () => {
    await play("reply marketData refuse 10089");
    quote(1001);
    const error = await client.waitFor(errorMessage(1001, 10089));
    expect(error[4]).toMatch(/^Requested market data requires additional subscription/);
    expect(simulator.subscriptions()).toBe(0);
    await play("reply marketData answer");
    quote(1002);
    await client.waitFor(message(81, { 1: 1002 }));
  });

  test("remark on a request ahead of its answer, in words of one's own", async () => {
    await play("reply marketData remark 12345 Mind the gap, please");
    quote(1001);
    expect((await client.waitFor(errorMessage(1001, 12345)))[4]).toBe("Mind the gap, please");
    await client.waitFor(message(81, { 1: 1001 }));
  });

  test("ignore a request", async () => {
    await play("reply marketData ignore");
    quote(1001);
    expect(await codesOf(1001)).toEqual([]);
    expect(simulator.subscriptions()).toBe(0);
  });

  test("are given so many times only", async () => {
    simulator.faults.reply("marketData", { does: "refuse", code: 354, times: 2 });
    for (const reqId of [1001, 1002, 1003]) quote(reqId);
    await client.waitFor(message(81, { 1: 1003 }));
    expect(await codesOf(1001)).toEqual([354]);
    expect(await codesOf(1002)).toEqual([354]);
  });

  test("name the order they are about, and no request where there is no id", async () => {
    await play("reply cancelOrder refuse 10147");
    await play("reply openOrders refuse 321");
    client.send(4, 77, "", "", "");
    expect((await client.waitFor(errorMessage(77, 10147)))[4]).toContain("OrderId 77 that");
    client.send(5, 1);
    await client.waitFor(errorMessage(-1, 321));
  });
});

test.each([
  ["marketData", quote, 10197],
  ["marketDepth", book, 316],
  ["tickByTick", ticks, 10189],
  ["realTimeBars", bars, 10225],
  ["historicalData", history, 10182],
] as const)(
  "end %s ends the stream with an error under its id, after which it is unknown",
  async (kind, ask, code) => {
    ask(1001);
    expect(await codesOf(1001)).toEqual([]);
    await play(`end ${kind} ${code}`);
    await client.waitFor(errorMessage(1001, code));
    const cancel = { marketData: 2, marketDepth: 11, tickByTick: 98, realTimeBars: 51, historicalData: 25 }[
      kind
    ];
    client.send(cancel, ...(kind === "tickByTick" ? [] : [1]), 1001, ...(kind === "marketDepth" ? [0] : []));
    const unknown = {
      marketData: 300,
      marketDepth: 310,
      tickByTick: 300,
      realTimeBars: 300,
      historicalData: 366,
    }[kind];
    await client.waitFor(errorMessage(1001, unknown));
  },
);

test("announce sends a system message, and permissions take away and give back", async () => {
  await play("announce 2105");
  expect((await client.waitFor(errorMessage(-1, 2105)))[4]).toBe(
    "HMDS data farm connection is broken:ushmds",
  );
  await play("permissions quotes=none,depth=no");
  quote(1001);
  await client.waitFor(errorMessage(1001, 354));
  book(1002);
  await client.waitFor(errorMessage(1002, 10092));
  await play("permissions");
  quote(1003);
  await client.waitFor(message(81, { 1: 1003 }));
});

test.each([
  ["jump", "There is no scenario 'jump'."],
  ["mute", "mute needs on or off."],
  ["announce soon", "announce needs a code."],
  ["slow-hello -1", "slow-hello needs milliseconds."],
  ["permissions quotes=some", "permissions does not know 'quotes=some'."],
  ["permissions depth=live", "permissions does not know 'depth=live'."],
  ["permissions hello=no", "permissions does not know 'hello=no'."],
  ["reply quotes refuse 354", "reply does not know the request 'quotes'."],
  ["reply marketData refuse", "reply needs a code."],
  ["reply marketData shout 1", "reply needs refuse, remark, ignore or answer."],
  ["end news 1", "end does not know the stream 'news'."],
  ["list-ends never", "list-ends needs late, lost or in-time."],
  ["list-ends late", "list-ends needs milliseconds."],
  ["orders drop=now", "--order-faults does not know 'drop=now'"],
  ["correct 1.2 5", "There is no fill '1.2' of today."],
])("%s is refused in one sentence", async (line, complaint) => {
  await expect(play(line)).rejects.toThrow(complaint);
});

test("the help has every request a reply can be about, and only lines that play", async () => {
  for (const kind of requestKinds) expect(scenariosHelp).toMatch(new RegExp(`\\b${kind}\\b`));
  const [scenarios = ""] = scenariosHelp.split("Without a text");
  const named = scenarios.split("\n").flatMap((line) => /^ {4}([a-z-]+) .*/.exec(line)?.[1] ?? []);
  expect(named.length).toBeGreaterThan(10);
  const complaints = await Promise.allSettled(named.map(play));
  const texts = complaints.map((one) => (one.status === "rejected" ? String(one.reason) : ""));
  expect(texts.filter((text) => text.includes("There is no scenario"))).toEqual([]);
});
