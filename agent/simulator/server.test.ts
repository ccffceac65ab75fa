import { Buffer } from "node:buffer";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  connectRaw,
  errorMessage,
  frame,
  message,
  messageBytes,
  type RawClient,
  startedClient,
} from "./test-support/raw-client.fixture.ts";
import { type Simulator, type SimulatorOptions, startSimulator } from "./server.ts";

let simulator: Simulator;
afterEach(() => simulator.close());

async function start(options: SimulatorOptions = {}): Promise<number> {
  simulator = await startSimulator({ seed: 7, ...options });
  return simulator.port;
}

const aapl = [265598, "", "", "", "", "", "", "SMART", "", "", "", ""];

function subscribe(client: RawClient, reqId: number): void {
  client.send(1, 11, reqId, ...aapl, 0, "", 0, 0, "");
}

async function isServed(client: RawClient): Promise<void> {
  const from = client.messages.length;
  client.send(49, 1);
  await client.waitFor(message(49), from);
}

describe("market data lines", () => {
  test("are counted over all clients and end with their connection", async () => {
    const port = await start();
    const [one, two] = [await startedClient(port, 193, 1), await startedClient(port, 193, 2)];
    subscribe(one, 1001);
    subscribe(one, 1002);
    subscribe(two, 1001);
    await one.waitFor(message(81, { 1: 1002 }));
    await two.waitFor(message(81));
    expect(simulator.subscriptions()).toBe(3);
    one.end();
    await vi.waitFor(() => expect(simulator.subscriptions()).toBe(1));
    two.send(2, 1, 1001);
    await isServed(two);
    expect(simulator.subscriptions()).toBe(0);
  });

  test("run out at the account's limit, whoever took them", async () => {
    const port = await start({ maxMarketDataLines: 2 });
    const [one, two] = [await startedClient(port, 193, 1), await startedClient(port, 193, 2)];
    subscribe(one, 1001);
    subscribe(one, 1002);
    await one.waitFor(message(81, { 1: 1002 }));
    subscribe(two, 1003);
    expect((await two.waitFor(errorMessage(1003, 101)))[4]).toBe("Max number of tickers has been reached");
    one.send(2, 1, 1001);
    await isServed(one);
    subscribe(two, 1004);
    await two.waitFor(message(81, { 1: 1004 }));
  });
});

describe("clients that misbehave", () => {
  test("a length beyond all messages ends only that connection", async () => {
    const port = await start();
    const [good, bad] = [await startedClient(port, 193, 1), await startedClient(port, 193, 2)];
    bad.write(Buffer.from([0x7f, 0xff, 0xff, 0xff, 1, 2, 3]));
    await bad.closed;
    await isServed(good);
    await vi.waitFor(() => expect(simulator.clients()).toHaveLength(1));
  });

  test("unknown and unreadable messages get error 320 and the stream stays in step", async () => {
    const client = await startedClient(await start(), 193, 1);
    const nonsense = [["999", "1"], ["hello"], ["1", "11", "abc"], ["20", "1005"], ["3", "17", "x"]];
    for (const fields of nonsense) client.send(...fields);
    client.write(frame(""));
    client.write(frame("no terminator"));
    await client.waitFor(errorMessage(1005, 320));
    await client.waitFor(errorMessage(17, 320));
    await isServed(client);
    expect(client.messages.filter((fields) => fields[0] === "4" && fields[3] === "320")).toHaveLength(7);
  });

  test("random bytes in frames harm nobody", async () => {
    const port = await start({ maxMessagesPerSecond: 100_000 });
    const [good, bad] = [await startedClient(port, 193, 1), await startedClient(port, 170, 2)];
    let state = 12_345;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    const words = [
      "",
      "0",
      "1",
      "-1",
      "7",
      "AAPL",
      "STK",
      "SMART",
      "1.7976931348623157E308",
      "BAG",
      "é",
      "1e400",
    ];
    for (let i = 0; i < 3000; i++) {
      const fields = Array.from({ length: random(40) }, () => words[random(words.length)] ?? "");
      bad.write(messageBytes(1 + random(110), ...fields));
    }
    await isServed(bad);
    await isServed(good);
    expect(simulator.clients()).toHaveLength(2);
  });

  test("more than 50 messages in a second bring a complaint, and the third ends the connection", async () => {
    const client = await startedClient(await start(), 193, 1);
    for (let i = 0; i < 51; i++) client.send(49, 1);
    const complaint = await client.waitFor(errorMessage(-1, 100));
    expect(complaint[4]).toBe("Max rate of messages per second has been exceeded:max=50 rec=51 (1)");
    for (let i = 0; i < 110; i++) client.send(49, 1);
    await client.closed;
    expect(client.messages.filter(errorMessage(-1, 100)).map((fields) => fields[4]?.slice(-3))).toEqual([
      "(1)",
      "(2)",
      "(3)",
    ]);
  });

  test("a client that asked to be paced is not complained about", async () => {
    const client = await connectRaw(await start());
    client.hello("v100..193 +PACEAPI");
    client.send(71, 2, 1, "");
    for (let i = 0; i < 200; i++) client.send(49, 1);
    await vi.waitFor(() => expect(client.messages.filter(message(49))).toHaveLength(200));
  });

  test("one that does not read is neither waited for nor written to without bound", async () => {
    const port = await start({ maxMessagesPerSecond: 10_000 });
    const [slow, bystander] = [await startedClient(port, 193, 1), await startedClient(port, 193, 2)];
    const unsent = (): number => simulator.clients().find(({ clientId }) => clientId === 1)?.unsentBytes ?? 0;
    const asked = (): number => simulator.received().filter(({ id }) => id === 9).length;
    subscribe(slow, 1001);
    subscribe(bystander, 1001);
    slow.socket.pause();
    const chain = ["", "AAPL", "OPT", "", "", "", "", "SMART", "", "USD", "", "", 0, "", "", ""];
    for (let i = 0; i < 100; i++) slow.send(9, 8, 2000 + i, ...chain);
    await vi.waitFor(() => expect(unsent()).toBeGreaterThan(1_000_000), { timeout: 10_000 });
    const held = unsent();
    const from = bystander.messages.length;
    await bystander.waitFor(() => bystander.messages.slice(from).filter(message(2)).length >= 4, from);
    // the kernel may still take some of it; what must not happen is growth.
    expect(unsent()).toBeLessThanOrEqual(held);
    expect(held).toBeLessThan(4_000_000);
    expect(asked()).toBeLessThan(100);
    slow.socket.resume();
    await vi.waitFor(() => expect(slow.messages.filter(message(52))).toHaveLength(100), { timeout: 20_000 });
  });
});

describe("requests outside its repertoire", () => {
  test.each([
    ["advisor data", [18, 1, 1], -1, 321],
    ["an exercise of options", [21, 2, 1001], 1001, 321],
    ["a verification", [65, 1, "name", "1"], -1, 321],
    ["display groups", [67, 1, 1002], 1002, 321],
    ["a change of a display group", [69, 1, 1003, "265598@SMART"], 1003, 321],
    ["a message of no protocol", [4711, 1, 2], -1, 320],
    ["a message of a newer protocol", [204, "\u0008\u0001"], -1, 320],
  ])("answers %s with an error instead of silence", async (_what, fields, id, code) => {
    const client = await startedClient(await start(), 193, 1);
    client.send(...fields);
    expect((await client.waitFor(errorMessage(id, code)))[4]).not.toBe("");
  });
});

test("keeps a log of what came in", async () => {
  const client = await startedClient(await start(), 193, 6);
  client.send(8, 1, 1);
  await client.waitFor(message(9), 3);
  expect(simulator.received()).toMatchObject([
    { clientId: 6, id: 71 },
    { clientId: 6, id: 8, fields: ["8", "1", "1"] },
  ]);
});
