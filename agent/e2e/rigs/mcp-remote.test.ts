import { afterAll, beforeAll, expect, test } from "vitest";
import type { Local } from "../../local/local.ts";
import { createHome, type McpRemote } from "./mcp-remote.ts";
import { consent, startWithSignIn } from "./owner-browser.ts";

/** mcp-remote as a client: it registers, listens on loopback for the way back, and speaks MCP over stdio. */

let local: Local;
const home = createHome();
const running: McpRemote[] = [];

beforeAll(async () => {
  local = await startWithSignIn();
});
afterAll(async () => {
  for (const one of running) await one.close();
  home.remove();
  await local.close();
});

const start = (): McpRemote => {
  const remote = home.start(local.mcpUrl);
  running.push(remote);
  return remote;
};

const isAuthorize = /^(http:\/\/127\.0\.0\.1:\d+\/authorize\?\S+)/;

test("signs in by its own callback, reads, and places an order that is filled", async () => {
  const remote = start();
  const [, address = ""] = await remote.line(isAuthorize);
  const back = await consent(new URL(address), { permission: "trade" });
  expect(["localhost", "127.0.0.1"]).toContain(back.hostname);
  expect(back.searchParams.get("iss")).toBe(local.url);
  // what the browser does with the redirect
  expect((await fetch(back)).status).toBe(200);
  await remote.connected;

  const { client } = remote;
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["ibkr_get_quotes", "ibkr_place_order"]),
  );
  expect(await client.callTool({ name: "ibkr_get_quotes", arguments: { symbols: ["AAPL"] } })).toMatchObject({
    structuredContent: { quotes: [{ quote: { bid: expect.any(Number), ask: expect.any(Number) } }] },
  });
  expect(
    await client.callTool({
      name: "ibkr_place_order",
      arguments: { symbol: "AAPL", action: "BUY", quantity: 1 },
    }),
  ).toMatchObject({ structuredContent: { status: "Filled", filled: 1 } });
  await remote.close();
});

test("started again it is let in by what it kept, and nobody is asked", async () => {
  const remote = start();
  await remote.connected;
  expect(await remote.client.callTool({ name: "ibkr_get_managed_accounts", arguments: {} })).toMatchObject({
    structuredContent: { accounts: ["DU1234567"] },
  });
  await remote.close();
});

test("is told when the owner says no, and gets nothing", async () => {
  const other = createHome();
  const remote = other.start(local.mcpUrl);
  running.push(remote);
  const outcome = remote.connected.then(() => "connected", String);
  const [, address = ""] = await remote.line(isAuthorize);
  const back = await consent(new URL(address), { permission: "trade", decision: "deny" });
  expect(back.searchParams.get("error")).toBe("access_denied");
  expect(back.searchParams.get("code")).toBeNull();
  await fetch(back);
  await remote.close();
  expect(await outcome).toMatch(/access_denied|closed/i);
  other.remove();
});
