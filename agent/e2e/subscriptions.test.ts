import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { connectLegacy, connectModern, eventually, openSocket, plainCaller } from "./clients/clients.ts";
import { startSystem, type System } from "./rigs/system.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => system.close());

const noLines = () =>
  eventually(
    async () => system.simulator.subscriptions(),
    (open) => open === 0,
  );
const Read = z.object({ contents: z.array(z.object({ text: z.string(), uri: z.string() })).length(1) });
const Resource = z.object({
  data: z.object({ bid: z.number(), time: z.string() }),
  state: z.string(),
  seq: z.int(),
});
const readQuote = (result: unknown) => Resource.parse(JSON.parse(Read.parse(result).contents[0]?.text ?? ""));

/** Counts updates, and lets a test wait for one more. */
function counter() {
  let count = 0;
  const waiting: (() => void)[] = [];
  return {
    hit: () => {
      count += 1;
      for (const wake of waiting.splice(0)) wake();
    },
    count: () => count,
    next: () => new Promise<void>((resolve) => waiting.push(resolve)),
  };
}

test("on 2026-07-28 a started resource is listened to, read and stopped, and no market-data line stays open", async () => {
  const { client, call } = await connectModern(system.mcpUrl);
  const updates = counter();
  client.setNotificationHandler("notifications/resources/updated", updates.hit);
  const { resource_uri: uri, resource_id: id } = await call("ibkr_start_market_data_resource", {
    symbol: "AAPL",
  });
  expect([uri, id]).toEqual(["ibkr://market-data/AAPL", "AAPL"]);
  const subscription = await client.listen({ resourceSubscriptions: ["ibkr://market-data/AAPL"] });
  await updates.next();
  const first = readQuote(await client.readResource({ uri: "ibkr://market-data/AAPL" }));
  await updates.next();
  await updates.next();
  const later = await eventually(
    async () => readQuote(await client.readResource({ uri: "ibkr://market-data/AAPL" })),
    (quote) => quote.seq > first.seq,
  );
  expect(later.state).toBe("live");
  expect((await client.listResources()).resources.map((one) => one.uri)).toContain("ibkr://market-data/AAPL");
  await subscription.close();
  expect(await call("ibkr_stop_market_data_resource", { resource_id: "aapl" })).toMatchObject({
    status: "stopped",
  });
  expect(await noLines()).toBe(0);
  await client.close();
});

test("on 2025-11-25 a GET stream brings the updates of a subscription until it is unsubscribed", async () => {
  const { client, transport, call } = await connectLegacy(system.mcpUrl);
  const updates = counter();
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, updates.hit);
  await call("ibkr_start_market_data_resource", { symbol: "EUR.USD" });
  const uri = "ibkr://market-data/EUR.USD";
  await client.subscribeResource({ uri });
  await updates.next();
  await updates.next();
  expect(readQuote(await client.readResource({ uri })).state).toBe("live");
  await client.unsubscribeResource({ uri });
  await call("ibkr_stop_market_data_resource", { resource_id: "EUR.USD" });
  expect(await noLines()).toBe(0);
  await transport.terminateSession();
  await client.close();
});

test("a client that vanishes leaves no subscription behind", async () => {
  const call = plainCaller(system.mcpUrl);
  await call("ibkr_start_market_data_resource", { symbol: "MSFT" });
  const { client } = await connectModern(system.mcpUrl);
  const updates = counter();
  client.setNotificationHandler("notifications/resources/updated", updates.hit);
  await client.listen({ resourceSubscriptions: ["ibkr://market-data/MSFT"] });
  await updates.next();
  await client.close();
  await call("ibkr_stop_market_data_resource", { resource_id: "MSFT" });
  expect(await noLines()).toBe(0);
});

test("a resource that nobody started says what to call first", async () => {
  const { client } = await connectModern(system.mcpUrl);
  await expect(client.readResource({ uri: "ibkr://market-data/NVDA" })).rejects.toThrow(
    /ibkr_start_market_data_resource/,
  );
  await expect(client.readResource({ uri: "ibkr://nothing" })).rejects.toMatchObject({ code: -32_602 });
  await client.close();
});

const stream = () => openSocket(`${system.wsUrl}/api/v1/stream/market-data`);

test("the WebSocket shows AAPL moving, the latest value first, with rising sequence numbers", async () => {
  const socket = await stream();
  expect(await socket.next()).toMatchObject({ type: "connected", stream: "market_data" });
  socket.send({ action: "subscribe", symbol: "AAPL" });
  expect(await socket.next({ type: "subscribed" })).toMatchObject({ symbol: "AAPL" });
  const prices = new Set<number>();
  let seq = 0;
  while (prices.size < 4) {
    const message = z
      .object({
        symbol: z.string(),
        timestamp: z.int(),
        seq: z.int(),
        data: z.object({ last: z.number().nullable() }),
      })
      .parse(await socket.next({ type: "market_data" }));
    expect(message.seq).toBeGreaterThan(seq);
    seq = message.seq;
    if (message.data.last !== null) prices.add(message.data.last);
  }
  socket.send({ action: "list" });
  expect(await socket.next({ type: "subscriptions" })).toMatchObject({ symbols: ["AAPL"], count: 1 });
  socket.send({ action: "unsubscribe", symbol: "AAPL" });
  await socket.next({ type: "unsubscribed" });
  expect(await noLines()).toBe(0);
  socket.close();
});

test("two watchers share one market-data line, and it closes when both are gone, however they went", async () => {
  const [first, second] = await Promise.all([stream(), stream()]);
  for (const socket of [first, second]) {
    socket.send({ action: "subscribe", symbol: "NVDA" });
    await socket.next({ type: "market_data" });
  }
  expect(system.simulator.subscriptions()).toBe(1);
  first.close();
  await second.next({ type: "market_data" });
  second.close();
  expect(await noLines()).toBe(0);
});

test("an account is started, read with its orders, followed on the WebSocket and stopped", async () => {
  const call = plainCaller(system.mcpUrl);
  const { resource_id: account, orders_uri: ordersUri } = await call("ibkr_start_portfolio_resource");
  const { client } = await connectModern(system.mcpUrl);
  const textOf = async (uri: string) =>
    Read.parse(await client.readResource({ uri })).contents[0]?.text ?? "";
  const portfolio: unknown = JSON.parse(await textOf(`ibkr://portfolio/${String(account)}`));
  expect(portfolio).toMatchObject({ account, mode: "paper", state: "live", positions: expect.any(Array) });
  expect(JSON.parse(await textOf(String(ordersUri)))).toMatchObject({ account, orders: expect.any(Array) });
  const socket = await openSocket(`${system.wsUrl}/api/v1/stream/portfolio`);
  socket.send({ action: "subscribe", account });
  expect(await socket.next({ type: "subscribed" })).toMatchObject({ type: "subscribed", account });
  expect(await socket.next({ type: "portfolio" })).toMatchObject({
    account,
    update: { type: "account_value" },
  });
  socket.close();
  expect(await call("ibkr_stop_portfolio_resource", { account })).toEqual({ status: "stopped", account });
  await client.close();
});

test("news are followed on the WebSocket, and a bounded look at a quote reports progress", async () => {
  const socket = await openSocket(`${system.wsUrl}/api/v1/stream/news`);
  socket.send({ action: "subscribe", feed: "broadtape" });
  await socket.next({ type: "subscribed", feed: "broadtape" });
  socket.send({ action: "list" });
  expect(await socket.next({ type: "subscriptions" })).toMatchObject({ feeds: ["broadtape"], count: 1 });
  socket.close();
  const { client } = await connectModern(system.mcpUrl);
  const progress: number[] = [];
  const result = await client.callTool(
    { name: "ibkr_stream_market_data", arguments: { symbol: "AAPL", duration_seconds: 2 } },
    { onprogress: (one) => progress.push(one.progress) },
  );
  expect(result.structuredContent).toMatchObject({ symbol: "AAPL", basis: "last", state: "live" });
  expect(progress[0]).toBe(1);
  await client.close();
  expect(await noLines()).toBe(0);
});

test("nonsense on the socket is answered, and the socket stays open", async () => {
  const socket = await stream();
  for (const nonsense of [
    "{",
    "[]",
    { action: "fly" },
    { action: "subscribe" },
    { action: "subscribe", symbol: 7 },
  ]) {
    socket.send(nonsense);
    expect(await socket.next({ type: "error" })).toHaveProperty("valid_actions");
  }
  socket.send({ action: "subscribe", symbol: "NOSUCHX" });
  await socket.next({ type: "error" });
  socket.send({ action: "ping" });
  expect(await socket.next({ type: "pong" })).toHaveProperty("timestamp");
  socket.close();
});
