import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  connectLegacy,
  connectModern,
  eventually,
  openSocket,
  plainCaller,
  type Socket,
} from "./clients/clients.ts";
import { startProxy } from "./rigs/proxy.ts";
import { startSystem, type System } from "./rigs/system.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.close());

const lines = () => system.simulator.subscriptions();
const linesAre = (wanted: number) =>
  eventually(
    async () => lines(),
    (open) => open === wanted,
  );
const path = "/api/v1/stream/market-data";

async function watch(wsUrl = system.wsUrl): Promise<Socket> {
  const socket = await openSocket(`${wsUrl}${path}`);
  socket.send({ action: "subscribe", symbol: "AAPL" });
  await socket.next({ type: "market_data" });
  return socket;
}

/** Ways to watch AAPL; each resolves, once a line is open at TWS for it, with its way to leave. */
const watchers: Readonly<Record<string, () => Promise<() => unknown>>> = {
  async "that unsubscribes"() {
    const socket = await watch();
    return () => socket.send({ action: "unsubscribe", symbol: "AAPL" });
  },
  async "that closes its socket"() {
    const socket = await watch();
    return () => socket.close();
  },
  async "whose connection is reset"() {
    const network = await startProxy(Number(new URL(system.url).port));
    await watch(`ws://127.0.0.1:${network.port}`);
    return () => network.close();
  },
  async "that leaves before its subscription is answered"() {
    const socket = await openSocket(`${system.wsUrl}${path}`);
    socket.send({ action: "subscribe", symbol: "AAPL" });
    await linesAre(1);
    return () => socket.close();
  },
  async "whose process is killed"() {
    const program = fileURLToPath(new URL("../../docs/examples/watch.js", import.meta.url));
    const child = spawn(process.execPath, [program, "AAPL", "--url", system.wsUrl], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    for await (const line of createInterface(child.stdout)) if (/^AAPL +live +bid \d/.test(line)) break;
    return async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    };
  },
  async "whose MCP call is cancelled"() {
    const { client } = await connectModern(system.mcpUrl);
    const leaving = new AbortController();
    const call = client
      .callTool(
        { name: "ibkr_stream_market_data", arguments: { symbol: "AAPL", duration_seconds: 60 } },
        { signal: leaving.signal },
      )
      .catch(() => null);
    await linesAre(1);
    return async () => {
      leaving.abort();
      await call;
      await client.close();
    };
  },
  async "whose plain call is cut off"() {
    const network = await startProxy(Number(new URL(system.url).port));
    const look = { symbol: "AAPL", duration_seconds: 60 };
    const call = plainCaller(`http://127.0.0.1:${network.port}/api/v1/mcp`)("ibkr_stream_market_data", look);
    const over = call.catch(() => null);
    await linesAre(1);
    return async () => {
      await network.close();
      await over;
    };
  },
  async "that listened on 2026-07-28 and stopped what it started"() {
    const call = plainCaller(system.mcpUrl);
    await call("ibkr_start_market_data_resource", { symbol: "AAPL" });
    const { client } = await connectModern(system.mcpUrl);
    await client.listen({ resourceSubscriptions: ["ibkr://market-data/AAPL"] });
    await linesAre(1);
    return async () => {
      await client.close();
      await call("ibkr_stop_market_data_resource", { resource_id: "AAPL" });
    };
  },
  async "that subscribed on 2025-11-25, whose event stream broke off"() {
    const network = await startProxy(Number(new URL(system.url).port));
    const { client } = await connectLegacy(`http://127.0.0.1:${network.port}/api/v1/mcp`);
    await client.callTool({ name: "ibkr_start_market_data_resource", arguments: { symbol: "AAPL" } });
    await client.subscribeResource({ uri: "ibkr://market-data/AAPL" });
    await linesAre(1);
    return async () => {
      await network.close();
      await client.close();
      await plainCaller(system.mcpUrl)("ibkr_stop_market_data_resource", { resource_id: "AAPL" });
    };
  },
};

test.for(Object.entries(watchers))("a watcher %s leaves no line open at TWS", async ([, start]) => {
  const leave = await start();
  expect(lines()).toBe(1);
  await leave();
  expect(await linesAre(0)).toBe(0);
});
