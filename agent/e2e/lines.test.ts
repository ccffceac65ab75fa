import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openSocket, plainCaller, type Socket } from "./clients/clients.ts";
import { type StreamingSystem, startStreamingSystem } from "./rigs/streaming-system.ts";

let streaming: StreamingSystem;
beforeAll(async () => {
  streaming = await startStreamingSystem({ simulator: { maxMarketDataLines: 2 } });
});
afterEach(async () => void (await streaming.end()));
afterAll(() => streaming.close());

test("who comes when all lines of the account are taken is told so, and served when one is free", async () => {
  const [first, second] = [streaming.watcher(), streaming.watcher()];
  first.follow("AAPL", "MSFT");
  await Promise.all([first.live("AAPL"), first.live("MSFT")]);
  second.follow("NVDA");
  const told = await second.until(
    "NVDA",
    ({ reason }) => reason === "lines_exhausted" || reason === "pacing",
  );
  expect(told).toMatchObject({ state: "stale", quote: null });
  first.leave("MSFT");
  await second.live("NVDA");
  await streaming.settled(second);
  expect(await streaming.end()).toEqual([]);
});

/** Subscribes and unsubscribes so many times, all in one go, and takes in every answer. */
async function changeMind(socket: Socket, pairs: number): Promise<string[]> {
  for (let id = 0; id < 2 * pairs; id += 2) {
    socket.send({ action: "subscribe", symbol: "AAPL", id });
    socket.send({ action: "unsubscribe", symbol: "AAPL", id: id + 1 });
  }
  const answers: string[] = [];
  while (answers.length < 2 * pairs) {
    const { id, type } = await socket.next();
    if (typeof id === "number") answers.push(`${String(type)} ${id}`);
  }
  return answers;
}

const cleanAnswers = (pairs: number): string[] =>
  Array.from({ length: pairs }, (_, pair) => [
    `subscribed ${2 * pair}`,
    `unsubscribed ${2 * pair + 1}`,
  ]).flat();

test("a thousand quick changes of mind are each answered once, and leave no line open", async () => {
  // while somebody watches, the edge knows the line and need not ask TWS each time
  const steady = streaming.watcher();
  steady.follow("AAPL");
  await steady.live("AAPL");
  const socket = await openSocket(`${streaming.system.wsUrl}/api/v1/stream/market-data`);
  const pairs = 50;
  for (let round = 0; round < 10; round += 1)
    expect(await changeMind(socket, pairs)).toEqual(cleanAnswers(pairs));
  steady.close();
  // and with nobody else there
  expect(await changeMind(socket, 5)).toEqual(cleanAnswers(5));
  socket.send({ action: "list" });
  expect(await socket.next({ type: "subscriptions" })).toMatchObject({ count: 0 });
  expect(await streaming.end()).toEqual([]);
  socket.close();
});

test("an order is valued while watchers hold every line, and the watcher who made room is served again", async () => {
  const watcher = streaming.watcher();
  watcher.follow("AAPL", "MSFT");
  await Promise.all([watcher.live("AAPL"), watcher.live("MSFT")]);
  const call = plainCaller(streaming.system.mcpUrl);
  const order = { symbol: "NVDA", action: "BUY", quantity: 10 };
  expect(await call("ibkr_preview_order", order)).toMatchObject({
    value: expect.stringMatching(/^about [\d,.]+ USD/),
  });
  expect(await call("ibkr_place_order", order)).toMatchObject({
    status: expect.stringMatching(/Filled|Submitted/),
  });
  await Promise.all([watcher.live("AAPL"), watcher.live("MSFT")]);
  await streaming.settled(watcher);
  expect(await streaming.end()).toEqual([]);
});
