import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import type { Local } from "../local/local.ts";
import { consent, openConsent, startWithSignIn } from "./rigs/owner-browser.ts";
import { type Signed, signInLegacy, signInModern, signIns } from "./clients/signed-clients.ts";

/** Real MCP clients sign in at an edge with AUTH=on. */

let local: Local;

beforeAll(async () => {
  local = await startWithSignIn();
});
afterAll(() => local.close());

const accounts = { structuredContent: { accounts: ["DU1234567"] } };

describe.each(signIns)("a real client of %s", (_, signIn) => {
  test("finds out where to sign in, is let in by the owner, and calls tools", async () => {
    const { names, call, close } = await signIn(local.mcpUrl, "trade");
    expect(names).toContain("ibkr_place_order");
    expect(await call("ibkr_get_managed_accounts")).toMatchObject(accounts);
    await close();
  });

  test("that may read is shown no tool that trades", async () => {
    const { names, close } = await signIn(local.mcpUrl, "read");
    expect(names).toContain("ibkr_get_positions");
    expect(names).not.toContain("ibkr_place_order");
    await close();
  });

  test("renews an access token that is not taken any more, and asks nobody", async () => {
    const { call, provider, close } = await signIn(local.mcpUrl, "read");
    const sentTo = provider.sentTo();
    provider.forgetAccessToken();
    expect(await call("ibkr_get_managed_accounts")).toMatchObject(accounts);
    expect(provider.sentTo()).toBe(sentTo);
    await close();
  });
});

const order = { symbol: "AAPL", action: "BUY", quantity: 1 };
const filled = { structuredContent: { status: "Filled", filled: 1 } };

/** What a client was let in for once more, after it had been refused a call. */
async function letTrade({ provider, finish }: Signed): Promise<void> {
  const address = provider.sentTo();
  expect(address.searchParams.get("scope")?.split(" ")).toEqual(
    expect.arrayContaining(["tws:read", "tws:trade"]),
  );
  expect(address.searchParams.get("resource")).toBe(local.mcpUrl);
  const { page } = await openConsent(address);
  expect(page).toMatch(/value="trade" +checked/);
  await finish(await consent(address, { permission: "trade" }));
}

describe("a client that may read and calls a tool that trades", () => {
  test("of 2026-07-28 goes back to the owner for more, and the call works then", async () => {
    const signed = await signInModern(local.mcpUrl, "read");
    const before = signed.provider.sentTo();
    await expect(signed.call("ibkr_place_order", order)).rejects.toThrow(/unauthorized/i);
    expect(signed.provider.sentTo()).not.toBe(before);
    await letTrade(signed);
    expect(await signed.call("ibkr_place_order", order)).toMatchObject(filled);
    await signed.close();
  });

  // SDK 1.x renews its token, which cannot widen it, and asks nobody
  test("of 2025-11-25 says that it may not, and goes to the owner when it signs in anew", async () => {
    const signed = await signInLegacy(local.mcpUrl, "read");
    const before = signed.provider.sentTo();
    await expect(signed.call("ibkr_place_order", order)).rejects.toThrow("403 after trying upscoping");
    expect(signed.provider.sentTo()).toBe(before);
    expect(await signed.call("ibkr_get_managed_accounts")).toMatchObject(accounts);

    signed.provider.forgetRefreshToken();
    await expect(signed.call("ibkr_place_order", order)).rejects.toThrow(/unauthorized/i);
    await letTrade(signed);
    expect(await signed.call("ibkr_place_order", order)).toMatchObject(filled);
    await signed.close();
  });

  test("is refused all the same when the owner lets it read only", async () => {
    const signed = await signInModern(local.mcpUrl, "read");
    await expect(signed.call("ibkr_place_order", order)).rejects.toThrow(/unauthorized/i);
    await signed.finish(await consent(signed.provider.sentTo(), { permission: "read" }));
    await expect(signed.call("ibkr_place_order", order)).rejects.toThrow(/unauthorized/i);
    expect(await signed.call("ibkr_get_managed_accounts")).toMatchObject(accounts);
    await signed.close();
  });

  test("gets the answer that names what it needs, and places nothing", async () => {
    const { provider, call, close } = await signInModern(local.mcpUrl, "read");
    const answer = await fetch(local.mcpUrl, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Authorization: `Bearer ${provider.tokens()?.access_token ?? ""}`,
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 7,
        method: "tools/call",
        params: { name: "ibkr_place_order", arguments: { ...order, symbol: "IBM" } },
      }),
    });
    expect(answer.status).toBe(403);
    expect(answer.headers.get("WWW-Authenticate")).toBe(
      `Bearer error="insufficient_scope", resource_metadata="${local.url}/.well-known/oauth-protected-resource/api/v1/mcp", scope="tws:read tws:trade"`,
    );
    expect(await answer.json()).toMatchObject({ id: 7, error: { code: -32_000 } });
    expect(JSON.stringify(await call("ibkr_get_positions"))).not.toContain("IBM");
    await close();
  });
});

test("a page gets a ticket for its token, and opens a stream with it", async () => {
  const { provider, close } = await signInModern(local.mcpUrl, "read");
  const answer = await fetch(`${local.url}/api/v1/tickets`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Authorization: `Bearer ${provider.tokens()?.access_token ?? ""}`,
    },
    body: JSON.stringify({ endpoint: "market-data" }),
  });
  const { ticket } = z.object({ ticket: z.string() }).parse(await answer.json());
  const address = `${local.url.replace(/^http/, "ws")}/api/v1/stream/market-data?ticket=${ticket}`;
  const socket = new WebSocket(address);
  const [data] = await once(socket, "message");
  expect(JSON.parse(String(data))).toMatchObject({ type: "connected" });
  socket.terminate();
  await close();
});
