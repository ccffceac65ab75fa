import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { parseStartConfig } from "../config/config.ts";
import { startLocal } from "../local/local.ts";
import { connectLegacy, connectModern, eventually, openSocket, plainCaller } from "./clients/clients.ts";
import { startSystem, type System } from "./rigs/system.ts";

let system: System;
beforeEach(async () => {
  system = await startSystem();
});
afterEach(async () => system.close());

const call: ReturnType<typeof plainCaller> = (name, input) => plainCaller(system.mcpUrl)(name, input);
const errorCode = (result: Record<string, unknown>) =>
  z.object({ error: z.object({ code: z.string() }) }).safeParse(result).data?.error.code;
const isUp = (result: Record<string, unknown>) => errorCode(result) === undefined;
/** The muted simulator has read a question about a contract, so the call is on its way. */
const requestReached = async () => {
  const isAsked = () => system.simulator.received().some(({ id }) => id === 9);
  await eventually(
    async () => isAsked(),
    (asked) => asked,
  );
};
const watch = async (symbol: string) => {
  const socket = await openSocket(`${system.wsUrl}/api/v1/stream/market-data`);
  socket.send({ action: "subscribe", symbol });
  await socket.next({ type: "market_data" });
  return socket;
};

test("an agent killed in mid call fails the call at once, and the next works after it is back", async () => {
  system.simulator.faults.mute(true);
  const startedAt = performance.now();
  const running = call("ibkr_get_historical_data", { symbol: "AAPL" });
  await requestReached();
  system.agent.kill();
  expect(errorCode(await running)).toBe("agent_offline");
  // far below every deadline: it failed because the agent went, not because time ran out
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  expect(errorCode(await call("ibkr_get_current_time"))).toBe("agent_offline");
  expect(await call("ibkr_get_status")).toMatchObject({ is_connected: false, agent: { state: "offline" } });
  system.simulator.faults.mute(false);
  system.agent.start();
  expect(await eventually(() => call("ibkr_get_current_time"), isUp)).toHaveProperty("timestamp");
});

test("an order in flight when the agent is killed has an unknown outcome, and is never sent again", async () => {
  system.simulator.faults.mute(true);
  const running = call("ibkr_place_order", { conId: 265_598, action: "BUY", quantity: 1 });
  await requestReached();
  system.agent.kill();
  expect(errorCode(await running)).toBe("outcome_unknown");
  system.simulator.faults.mute(false);
  system.agent.start();
  await eventually(() => call("ibkr_get_current_time"), isUp);
  expect(system.simulator.world.ledger.executions()).toEqual([]);
});

test("TWS drops: status says so, calls fail with tws_offline, then session and subscriptions come back", async () => {
  const socket = await watch("AAPL");
  await system.simulator.faults.refuse(true);
  system.simulator.faults.dropConnections();
  await socket.next({ type: "state", state: "stale" });
  const status = await eventually(
    () => call("ibkr_get_status"),
    (result) => result["is_connected"] === false,
  );
  expect(status).toMatchObject({ agent: { state: "connected" }, tws: { state: "connecting" } });
  expect(errorCode(await call("ibkr_get_positions"))).toBe("tws_offline");
  await system.simulator.faults.refuse(false);
  await socket.next({ type: "state", state: "live" });
  await socket.next({ type: "market_data" });
  expect(isUp(await call("ibkr_get_positions"))).toBe(true);
  expect(system.simulator.subscriptions()).toBe(1);
  socket.close();
  await eventually(
    async () => system.simulator.subscriptions(),
    (open) => open === 0,
  );
});

test("TWS accepts TCP and says nothing: the agent notices within its own timeout and comes back", async () => {
  const config = parseStartConfig({});
  const local = await startLocal({
    config: { ...config, server: { ...config.server, port: 0 } },
    persistTo: null,
    sessionTimes: { helloMs: 200, heartbeatMs: 100, retryFirstMs: 50, retryCapMs: 100 },
  });
  const status = () => plainCaller(local.mcpUrl)("ibkr_get_status");
  expect(await status()).toMatchObject({ is_connected: true });
  local.simulator?.faults.mute(true);
  const lost = await eventually(status, (result) => result["is_connected"] === false);
  expect(lost).toMatchObject({ agent: { state: "connected" }, tws: { state: "connecting" } });
  local.simulator?.faults.mute(false);
  await eventually(status, (result) => result["is_connected"] === true);
  await local.close();
});

test("TWS loses IBKR and finds it again with data lost: streams say it and are asked for anew", async () => {
  const socket = await watch("AAPL");
  system.simulator.faults.announce(1100);
  await socket.next({ type: "state", state: "stale" });
  expect(errorCode(await call("ibkr_place_order", { conId: 265_598, action: "BUY", quantity: 1 }))).toBe(
    "tws_upstream_down",
  );
  system.simulator.faults.announce(1101);
  await socket.next({ type: "state", state: "live" });
  await socket.next({ type: "market_data" });
  socket.close();
});

test("sessions, subscriptions and watchers of both eras carry on through a restart of the agent", async () => {
  const socket = await watch("AAPL");
  await call("ibkr_start_market_data_resource", { symbol: "MSFT" });
  const uri = "ibkr://market-data/MSFT";
  const modern = await connectModern(system.mcpUrl);
  const legacy = await connectLegacy(system.mcpUrl);
  await modern.client.listen({ resourceSubscriptions: [uri] });
  await legacy.client.subscribeResource({ uri });
  system.agent.kill();
  await socket.next({ type: "state", state: "stale" });
  const updated = Promise.all([
    new Promise<void>((resolve) =>
      modern.client.setNotificationHandler("notifications/resources/updated", () => resolve()),
    ),
    new Promise<void>((resolve) => {
      legacy.client.fallbackNotificationHandler = async ({ method }) => {
        if (method === "notifications/resources/updated") resolve();
      };
    }),
  ]);
  system.agent.start();
  await socket.next({ type: "state", state: "live" });
  expect(await updated).toHaveLength(2);
  await Promise.all([modern.client.close(), legacy.client.close()]);
  socket.close();
});
