import { createExecutionContext, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { bodyWithinMs, formWithinMs } from "../http/body.ts";
import { hostOf } from "../config/bindings.ts";
import { callOf, connectAgent, rpc as hostRpc } from "../host/host.fixture.ts";
import { hostRates } from "../host/relay/rate-limits.ts";
import { ownerOfLocalMode } from "../../shared/caller.ts";
import { handleMcp } from "../mcp/endpoint.ts";
import { addressRates } from "../http/address-limits.ts";
import { at, createBrowser, granted, mcp, passphrase, publicUrl, register, rpc } from "./access.fixture.ts";
import { createMachine, pairWith } from "./machines/machine.fixture.ts";

afterEach(() => {
  vi.useRealTimers();
});

const access = () => env.ACCESS.getByName("access");
const from = (address: string, headers: Record<string, string> = {}) => ({
  headers: { "CF-Connecting-IP": address, ...headers },
});
const call = (name: string, input: unknown = {}) => rpc("tools/call", { name, arguments: input });
const callFrom = (address: string, init: RequestInit) => ({
  ...init,
  headers: { "Content-Type": "application/json", "CF-Connecting-IP": address },
});

describe("an address that sends too many requests", () => {
  const flood = async (address: string) => {
    for (let count = 0; count < addressRates.requests.burst; count += 1) {
      await at("/.well-known/oauth-protected-resource", from(address));
    }
  };

  test("is refused everywhere with how long to wait, others are served, and cancelling orders goes on", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { tokens } = await granted({ permission: "trade" });
    const address = crypto.randomUUID();
    await flood(address);
    for (const path of ["/health", "/", "/sign-in", "/token", "/.well-known/oauth-authorization-server"]) {
      const answer = await at(path, from(address));
      expect([path, answer.status, answer.headers.get("Retry-After")]).toEqual([path, 429, "1"]);
      expect(await answer.json()).toMatchObject({
        error: { code: "rate_limited", nextStep: expect.stringContaining("Wait") },
      });
    }
    const socket = await at("/api/v1/stream/news", from(address, { Upgrade: "websocket" }));
    expect([socket.status, socket.webSocket]).toEqual([429, null]);
    const refused = await mcp(tokens.access_token, callFrom(address, call("ibkr_get_status")));
    expect([refused.status, refused.headers.get("Retry-After")]).toEqual([429, "1"]);
    expect(await refused.json()).toMatchObject({
      jsonrpc: "2.0",
      id: 1,
      error: {
        code: -32_000,
        message: expect.stringContaining("too many requests"),
        data: { code: "rate_limited", retryAfterMs: expect.any(Number) },
      },
    });
    expect((await at("/health", from(crypto.randomUUID()))).status).toBe(200);
    const agent = await connectAgent(hostOf(env));
    const cancelled = mcp(tokens.access_token, callFrom(address, call("ibkr_cancel_order", { orderId: 1 })));
    expect(await agent.expect("call")).toMatchObject({ tool: "ibkr_cancel_order" });
    agent.socket.close(1000, "");
    expect((await cancelled).status).toBe(200);
    vi.setSystemTime(Date.now() + 1_000);
    expect((await at("/health", from(address))).status).toBe(200);
  });
});

describe("an address that guesses tokens", () => {
  const guess = (address: string, token: string) => mcp(token, callFrom(address, rpc("tools/list")));

  test("is refused before anyone is asked about more, and whoever shares it and has a good one is not", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const address = crypto.randomUUID();
    const { tokens } = await granted();
    expect((await guess(address, tokens.access_token)).status).toBe(200);
    for (let count = 0; count < addressRates.refusals.burst; count += 1) {
      expect((await guess(address, `g_AAAAAAAAAAAAAAAAAAAAAA:a:${count}`)).status).toBe(401);
    }
    const refused = await guess(address, "g_AAAAAAAAAAAAAAAAAAAAAA:a:more");
    expect([refused.status, refused.headers.get("Retry-After")]).toEqual([429, "1"]);
    expect((await guess(address, tokens.access_token)).status).toBe(200);
    // also after the Worker has to ask about it anew
    vi.setSystemTime(Date.now() + 1_001);
    for (let count = 0; count < 5; count += 1) await guess(address, `g_AAAAAAAAAAAAAAAAAAAAAA:b:${count}`);
    expect((await guess(address, tokens.access_token)).status).toBe(200);
    expect((await guess(crypto.randomUUID(), "g_AAAAAAAAAAAAAAAAAAAAAA:c:1")).status).toBe(401);
  });

  test("is not asked about tickets or proofs either", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const address = crypto.randomUUID();
    const machine = await createMachine();
    const dial = async () =>
      await at("/api/v1/agent", {
        headers: {
          Upgrade: "websocket",
          "Sec-WebSocket-Protocol": "tws-edge.v1",
          "CF-Connecting-IP": address,
          Authorization: `Bearer ${await machine.proof("agent")}`,
        },
      });
    const open = () => at("/api/v1/stream/news?ticket=wrong", from(address, { Upgrade: "websocket" }));
    const statuses = new Set<number>();
    for (let count = 0; count <= addressRates.refusals.burst; count += 1) {
      statuses.add((await (count % 2 === 0 ? open() : dial())).status);
    }
    expect([...statuses][0]).toBe(401);
    expect([(await open()).status, (await dial()).status]).toEqual([429, 429]);
  });

  test("is not asked about script tokens either, and a machine that shares the address and has proved itself is", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const [machine, stranger] = [await createMachine(), await createMachine()];
    await pairWith(machine);
    const address = crypto.randomUUID();
    const list = async (proof: string) =>
      (
        await at("/api/v1/tokens", {
          headers: { Authorization: `Bearer ${proof}`, "CF-Connecting-IP": address },
        })
      ).status;
    expect(await list(await machine.proof("tokens"))).toBe(200);
    for (let count = 0; count < addressRates.refusals.burst; count += 1) {
      expect(await list(await stranger.proof("tokens"))).toBe(401);
    }
    expect(await list(await stranger.proof("tokens"))).toBe(429);
    expect(await list("garbage")).toBe(429);
    expect(await list(await machine.proof("tokens"))).toBe(200);
    const remove = await at("/api/v1/tokens/t_x", { method: "DELETE", ...from(address) });
    expect(remove.status).toBe(429);
  });

  test("guessing tokens at the health address counts, and looking there does not", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const [looker, guesser] = [crypto.randomUUID(), crypto.randomUUID()];
    const look = (address: string, headers: Record<string, string> = {}) =>
      at("/health", { headers: { "CF-Connecting-IP": address, ...headers } });
    const guess = (address: string) => look(address, { Authorization: `Bearer ${crypto.randomUUID()}` });
    for (let count = 0; count <= addressRates.refusals.burst; count += 1) {
      expect((await look(looker)).status).toBe(200);
      await guess(guesser);
    }
    expect([(await guess(looker)).status, (await guess(guesser)).status]).toEqual([200, 429]);
  });
});

test("a grant that asks too much is answered 429 with JSON-RPC that says when to try again", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const { tokens, grantId } = await granted();
  const ask = () => mcp(tokens.access_token, callFrom(crypto.randomUUID(), call("ibkr_get_status")));
  // at the host itself, which is quicker
  const status = callOf("ibkr_get_status", {}, { ...ownerOfLocalMode, grantId });
  for (let count = 0; count < hostRates.grant.burst; count += 200) {
    await Promise.all(Array.from({ length: 200 }, () => hostRpc(hostOf(env)).call(status)));
  }
  const refused = await ask();
  expect([refused.status, refused.headers.get("Retry-After")]).toEqual([429, "1"]);
  expect(await refused.json()).toMatchObject({
    id: 1,
    error: { code: -32_000, data: { code: "rate_limited", retryable: true } },
  });
  const read = await mcp(
    tokens.access_token,
    callFrom(crypto.randomUUID(), rpc("resources/read", { uri: "ibkr://status" })),
  );
  expect(read.status).toBe(429);
});

describe("a body that does not come to its end", () => {
  /** Sends what it has, and then nothing more. */
  const trickle = (text: string) =>
    new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode(text)),
    });

  const trickling = (path: string, type: string, headers: Record<string, string> = {}) =>
    new Request(`${publicUrl}${path}`, {
      method: "POST",
      headers: {
        "Content-Type": type,
        "CF-Connecting-IP": crypto.randomUUID(),
        Origin: publicUrl,
        ...headers,
      },
      body: trickle("a"),
    });

  /** Answers once the time is up. The clock is that of whoever reads, so both are in one context. */
  async function afterTheTime(answered: Promise<Response>, withinMs: number = formWithinMs): Promise<number> {
    let status: number | null = null;
    const settled = answered.then((answer) => (status = answer.status));
    await vi.advanceTimersByTimeAsync(withinMs - 1);
    expect(status).toBeNull();
    await vi.advanceTimersByTimeAsync(1);
    return await settled;
  }

  test.each([
    ["/token", "application/x-www-form-urlencoded", 408],
    ["/register", "application/json", 408],
    ["/sign-in", "application/x-www-form-urlencoded", 403],
  ])("is given up at %s", async (path, type, status) => {
    await runInDurableObject(access(), async (instance) => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      expect(await afterTheTime(instance.fetch(trickling(path, type)))).toBe(status);
    });
  });

  test("is given up where a machine pairs and makes tokens", async () => {
    const machine = await createMachine();
    const bearer = { Authorization: `Bearer ${await machine.proof("pair")}` };
    await runInDurableObject(access(), async (instance) => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const request = trickling("/api/v1/pair", "application/json", bearer);
      request.headers.delete("Origin");
      expect(await afterTheTime(instance.fetch(request))).toBe(504);
    });
  });

  test("is given up by MCP", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const request = trickling("/api/v1/mcp", "application/json");
    const answered = handleMcp(request, env, createExecutionContext(), ownerOfLocalMode);
    expect(await afterTheTime(answered, bodyWithinMs)).toBe(408);
  });
});

describe("a body that is too large", () => {
  const endless = () => {
    let sent = 0;
    const chunk = new TextEncoder().encode("x".repeat(16_384));
    return {
      sent: () => sent,
      body: new ReadableStream<Uint8Array>({
        pull(controller) {
          sent += chunk.length;
          controller.enqueue(chunk);
          if (sent > 20_000_000) controller.close();
        },
      }),
    };
  };

  test.each([
    ["/token", "application/x-www-form-urlencoded", 413],
    ["/register", "application/json", 413],
    ["/sign-in", "application/x-www-form-urlencoded", 413],
    ["/api/v1/pair", "application/json", 413],
  ])("is read no further at %s, though it names no length", async (path, type, status) => {
    const { body, sent } = endless();
    const answer = await at(path, {
      method: "POST",
      headers: { "Content-Type": type, "CF-Connecting-IP": crypto.randomUUID(), Origin: publicUrl },
      body,
    });
    expect(answer.status).toBe(status);
    expect(sent()).toBeLessThan(2_000_000);
  });
});

test("a sign-in whose form is whole is taken, whatever else is under way", async () => {
  const browser = createBrowser();
  const answer = await browser.submit("/sign-in", { passphrase, next: "/grants" });
  expect(answer.status).toBe(303);
  expect((await register()).status).toBe(201);
});
