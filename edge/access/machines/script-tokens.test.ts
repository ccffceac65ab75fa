import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { inboxOf, socketOf } from "../../host/host.fixture.ts";
import { mcp, publicUrl } from "../access.fixture.ts";
import { onPairPage, createMachine, errorOf, pairWith } from "./machine.fixture.ts";

afterEach(() => {
  vi.useRealTimers();
});

describe("tokens for scripts", () => {
  const paired = async () => {
    const machine = await createMachine();
    const { browser, hostId } = await pairWith(machine);
    return { machine, browser, hostId };
  };

  test("open the tools until they are revoked", async () => {
    const { machine } = await paired();
    const token = await machine.token();
    expect((await mcp(token)).status).toBe(401);
    // the Worker goes by what it has heard for a second
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 2_000 });
    const registered = await machine.register(token);
    expect(registered.status).toBe(201);
    const { id }: { id: string } = await registered.json();
    expect((await mcp(token)).status).toBe(200);
    const list = await machine.ask("/api/v1/tokens", "GET", await machine.proof("tokens"));
    expect(await list.json()).toMatchObject({ tokens: [{ id, name: "script", scopes: ["tws:read"] }] });
    const revoked = await machine.ask(`/api/v1/tokens/${id}`, "DELETE", await machine.proof("tokens"));
    expect(revoked.status).toBe(204);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 2_000 });
    expect((await mcp(token)).status).toBe(401);
    expect((await machine.register(token)).status).toBe(400);
  });

  test.each(["a\u202Eb", "a\u0007b", "a\u2028b"])("are not taken with the name %j", async (name) => {
    const { machine } = await paired();
    expect((await machine.register(await machine.token({ name }))).status).toBe(400);
  });

  test("end with the key that signed them", async () => {
    const { machine, browser } = await paired();
    const token = await machine.token();
    await machine.register(token);
    expect((await mcp(token)).status).toBe(200);
    const stream = inboxOf(
      socketOf(await mcp(token, { headers: { Upgrade: "websocket" } }, "/api/v1/stream/market-data")),
    );
    await onPairPage(browser, { do: "revoke", key: machine.keyId });
    expect(await stream.closed).toMatchObject({ code: 4401 });
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 2_000 });
    expect((await mcp(token)).status).toBe(401);
  });

  test("end at their time", async () => {
    const { machine } = await paired();
    const token = await machine.token();
    await machine.register(token);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_601_000 });
    const answer = await mcp(token);
    expect(answer.status).toBe(401);
    expect(await errorOf(answer)).toContain("expired");
  });

  test("close their sockets at their time, and leave nothing", async () => {
    const { machine } = await paired();
    const token = await machine.token();
    const { id }: { id: string } = await (await machine.register(token)).json();
    const open = async (bearer: string) =>
      inboxOf(socketOf(await mcp(bearer, { headers: { Upgrade: "websocket" } }, "/api/v1/stream/news")));
    const stream = await open(token);
    const iat = Math.floor(Date.now() / 1000);
    const longer = await machine.token({ iat, exp: iat + 7_200 });
    await machine.register(longer);
    const kept = await open(longer);
    await kept.next();
    const access = env.ACCESS.getByName("access");
    // the object comes back by itself when the first of them is over
    const dueAt = await runInDurableObject(access, (_, { storage }) => storage.getAlarm());
    expect(Number(dueAt) / 1000).toBeLessThanOrEqual(iat + 3_602);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_601_000 });
    await runDurableObjectAlarm(access);
    expect(await stream.closed).toMatchObject({ code: 4401 });
    const left = await runInDurableObject(access, (_, { storage }) =>
      storage.sql.exec("SELECT id FROM script_token WHERE id = ?", id).toArray(),
    );
    expect(left).toEqual([]);
    kept.socket.send(JSON.stringify({ action: "ping" }));
    expect(JSON.parse(String(await kept.next()))).toMatchObject({ type: "pong" });
    kept.socket.close(1000, "");
  });

  test.each([
    ["a life of less than a minute", { ttl: 59 }],
    ["a life of more than 30 days", { ttl: 30 * 86_400 + 1 }],
    ["another edge", { aud: "https://other.example/api/v1/mcp" }],
    ["an unknown scope", { scope: "tws:admin" }],
    ["no scope", { scope: "" }],
    ["an id that could be a grant's", { jti: "g_aaaaaaaaaaaaaaaaaaaaaa" }],
    ["another key's name", { iss: "a".repeat(43) }],
  ])("are not registered with %s", async (_, changes) => {
    const { machine } = await paired();
    const now = Math.floor(Date.now() / 1000);
    const { ttl, ...claims } = { ttl: 3600, ...changes };
    expect((await machine.register(await machine.token({ exp: now + ttl, ...claims }))).status).toBe(400);
  });

  test("of one machine are no business of another", async () => {
    const [{ machine: one }, { machine: other }] = [await paired(), await paired()];
    const token = await one.token();
    expect((await other.register(token)).status).toBe(400);
    const { id }: { id: string } = await (await one.register(token)).json();
    expect((await other.ask(`/api/v1/tokens/${id}`, "DELETE", await other.proof("tokens"))).status).toBe(404);
    expect((await mcp(token)).status).toBe(200);
  });

  test("for one address open no other", async () => {
    const { machine } = await paired();
    const token = await machine.token({ aud: `${publicUrl}/api/v1/agent` });
    expect((await machine.register(token)).status).toBe(201);
    expect(await errorOf(await mcp(token))).toContain("another service");
  });

  test("may do what their scopes say and no more", async () => {
    const { machine } = await paired();
    const token = await machine.token();
    await machine.register(token);
    const init = {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name: "ibkr_cancel_order", arguments: { order_id: 1 } },
      }),
    };
    expect((await mcp(token, init)).status).toBe(403);
  });
});
