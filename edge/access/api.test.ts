import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { hostOf } from "../config/bindings.ts";
import { statusUri } from "../../shared/resources.ts";
import { connectAgent, connectedStatus, inboxOf, socketOf } from "../host/host.fixture.ts";
import { modernRequest } from "../mcp/client.fixture.ts";
import {
  at,
  createBrowser,
  form,
  granted,
  mcp,
  obtainCode,
  publicUrl,
  registered,
  rpc,
} from "./access.fixture.ts";

const metadataUrl = `${publicUrl}/.well-known/oauth-protected-resource/api/v1/mcp`;
const access = () => env.ACCESS.getByName("access");
const upgrade = { Upgrade: "websocket" };
const withToken = (token: string, headers: Record<string, string> = {}): RequestInit => ({
  headers: { Authorization: `Bearer ${token}`, ...headers },
});

const ended: (() => void)[] = [];
afterEach(() => {
  for (const end of ended.splice(0)) end();
});

/** Lets the time that was agreed to run out. */
const expire = (grantId: string) =>
  runInDurableObject(access(), (_, { storage }) => {
    storage.sql.exec(
      `UPDATE consent SET expires_at = 1, policy = json_set(policy, '$.expiresAt', '2026-01-01T00:00:00.000Z')
       WHERE grant_id = ?`,
      grantId,
    );
  });

const runAlarm = async () => {
  // one is due some time: what matters is what it does
  await runInDurableObject(access(), (_, { storage }) => storage.setAlarm(Date.now() + 1));
  await runDurableObjectAlarm(access());
};

async function ticketFor(token: string, endpoint = "market-data"): Promise<string> {
  const answer = await at("/api/v1/tickets", {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify({ endpoint }),
  });
  expect(answer.status).toBe(201);
  const body: { ticket: string; expiresAt: string } = await answer.json();
  expect(Date.parse(body.expiresAt) - Date.now()).toBeLessThanOrEqual(30_000);
  return body.ticket;
}

const openWith = (ticket: string, stream = "market-data") =>
  at(`/api/v1/stream/${stream}?ticket=${encodeURIComponent(ticket)}`, { headers: upgrade });

describe("a request without a token", () => {
  test.each([
    ["/api/v1/mcp", { method: "POST", body: "not even JSON" }],
    ["/api/v1/mcp", {}],
    ["/api/v1/mcp", { method: "DELETE" }],
    ["/api/v1/tickets", { method: "POST", body: "{}" }],
    ["/api/v1/stream/market-data", { headers: upgrade }],
    ["/api/v1/stream/portfolio", {}],
    ["/api/v1/stream/news", { headers: upgrade }],
  ])("to %s (%j) is told where to get one, before anything of it is read", async (path, init) => {
    const answer = await at(path, init);
    expect(answer.status).toBe(401);
    expect(answer.headers.get("WWW-Authenticate")).toBe(
      `Bearer resource_metadata="${metadataUrl}", scope="tws:read"`,
    );
  });

  test("tokens in query strings and cookies: is not let in by a token in its address, in a cookie or in its body", async () => {
    const { tokens } = await granted();
    const { access_token: token } = tokens;
    const query = `?access_token=${encodeURIComponent(token)}&token=${encodeURIComponent(token)}`;
    const body = rpc("tools/list", { access_token: token });
    for (const path of ["/api/v1/mcp", `/api/v1/mcp${query}`]) {
      expect((await at(path, { ...body, headers: { Cookie: `access_token=${token}` } })).status).toBe(401);
    }
    const stream = await at(`/api/v1/stream/market-data${query}`, { headers: upgrade });
    expect([stream.status, stream.webSocket]).toEqual([401, null]);
  });

  test("is not let in by the owner's session", async () => {
    const browser = createBrowser();
    await browser.signIn();
    expect((await browser.get("/api/v1/mcp")).status).toBe(401);
  });
});

test.each([
  ["a word", "garbage"],
  ["the form of one", "a:b:c"],
  ["the form of a grant's", "g_AAAAAAAAAAAAAAAAAAAAAA:x:y"],
  ["5,000 characters", "x".repeat(5_000)],
  ["two words", "one two"],
])("a token of %s is refused as not valid", async (_, token) => {
  const answer = await mcp(token);
  expect(answer.status).toBe(401);
  expect(answer.headers.get("WWW-Authenticate")).toContain('error="invalid_token"');
});

describe("health", () => {
  const healthOf = async (init?: RequestInit): Promise<unknown> => {
    const response = await at("/health", init);
    expect(response.status).toBe(200);
    return await response.json();
  };

  test("tells a caller of every hop, and a stranger how the worst one is and no more", async () => {
    const plain = await healthOf();
    expect(Object.keys(Object(plain)).sort()).toEqual(["asOf", "status", "version"]);
    const { tokens } = await granted();
    expect(await healthOf(withToken(tokens.access_token))).toMatchObject({
      status: "unavailable",
      hops: { agent: { state: "never_connected" } },
    });
  });

  test("says to strangers and callers alike when TWS cannot be reached, and when it can again", async () => {
    const { tokens } = await granted();
    const agent = await connectAgent(hostOf(env));
    const both = async (status: string) => {
      // strangers are told what was true a moment ago
      await vi.waitFor(async () => {
        expect(await healthOf(withToken(tokens.access_token))).toMatchObject({ status });
        expect(await healthOf()).toMatchObject({ status });
      }, 10_000);
    };
    await both("healthy");
    agent.send({
      type: "status",
      status: { ...connectedStatus, tws: { ...connectedStatus.tws, state: "connecting" } },
    });
    await both("unavailable");
    agent.send({ type: "status", status: connectedStatus });
    await both("healthy");
  });
});

describe("metadata", () => {
  test("describes the MCP endpoint and its issuer by PUBLIC_URL", async () => {
    for (const path of [new URL(metadataUrl).pathname, "/.well-known/oauth-protected-resource"]) {
      expect(await (await at(path)).json()).toMatchObject({
        resource: `${publicUrl}/api/v1/mcp`,
        authorization_servers: [publicUrl],
        bearer_methods_supported: ["header"],
        scopes_supported: ["tws:read", "tws:trade"],
      });
    }
    expect(await (await at("/.well-known/oauth-authorization-server")).json()).toMatchObject({
      issuer: publicUrl,
      authorization_endpoint: `${publicUrl}/authorize`,
      token_endpoint: `${publicUrl}/token`,
      registration_endpoint: `${publicUrl}/register`,
      code_challenge_methods_supported: ["S256"],
      response_types_supported: ["code"],
      authorization_response_iss_parameter_supported: true,
      client_id_metadata_document_supported: true,
    });
  });

  test.each(["evil.example", "tws.example.evil.example", "tws.example:8443", "localhost", "x@tws.example"])(
    "nothing is served under the name %s",
    async (Host) => {
      for (const path of [
        "/.well-known/oauth-authorization-server",
        new URL(metadataUrl).pathname,
        "/grants",
      ]) {
        const answer = await at(path, { headers: { Host } });
        expect(answer.status).toBe(403);
        expect(await answer.text()).not.toContain(Host);
      }
    },
  );
});

test("cross-origin posts: pages of other origins are refused, before and after sign-in", async () => {
  const { tokens } = await granted();
  const answer = await at("/api/v1/mcp", withToken(tokens.access_token, { Origin: "https://evil.example" }));
  expect(answer.status).toBe(403);
  expect((await at("/token", { method: "POST", headers: { Origin: "https://evil.example" } })).status).toBe(
    403,
  );
});

describe("a ticket", () => {
  test("opens the one stream that it is for, once", async () => {
    const { tokens } = await granted();
    const ticket = await ticketFor(tokens.access_token);
    const first = await openWith(ticket);
    expect(first.status).toBe(101);
    const inbox = inboxOf(socketOf(first));
    ended.push(() => inbox.socket.close());
    expect(JSON.parse(String(await inbox.next()))).toMatchObject({ type: "connected" });
    expect((await openWith(ticket)).status).toBe(401);
  });

  test("opens one of many sockets that come at the same time", async () => {
    const { tokens } = await granted();
    const ticket = await ticketFor(tokens.access_token);
    const answers = await Promise.all(Array.from({ length: 8 }, () => openWith(ticket)));
    for (const { webSocket } of answers) {
      webSocket?.accept();
      ended.push(() => webSocket?.close());
    }
    expect(answers.filter(({ status }) => status === 101)).toHaveLength(1);
  });

  test("opens no other stream, and is used up by the attempt", async () => {
    const { tokens } = await granted();
    const ticket = await ticketFor(tokens.access_token, "news");
    expect((await openWith(ticket, "portfolio")).status).toBe(401);
    expect((await openWith(ticket, "news")).status).toBe(401);
  });

  test("is over after its time, and with its grant", async () => {
    const { tokens, grantId } = await granted();
    const [late, revoked] = [await ticketFor(tokens.access_token), await ticketFor(tokens.access_token)];
    await runInDurableObject(access(), (_, { storage }) => {
      const rows = storage.sql
        .exec<{ hash: string }>("SELECT hash FROM ticket ORDER BY rowid LIMIT 1")
        .toArray();
      storage.sql.exec("UPDATE ticket SET expires_at = 1 WHERE hash = ?", rows[0]?.hash ?? "");
    });
    expect((await openWith(late)).status).toBe(401);
    await access().revokeGrant(grantId);
    expect((await openWith(revoked)).status).toBe(401);
  });

  test("there is none for another kind of endpoint, nor without a token", async () => {
    const { tokens } = await granted();
    const answer = await at("/api/v1/tickets", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${tokens.access_token}` },
      body: '{"endpoint":"agent"}',
    });
    expect(answer.status).toBe(400);
  });
});

describe("access that ends", () => {
  const open = async (token: string) => {
    const inbox = inboxOf(socketOf(await at("/api/v1/stream/market-data", withToken(token, upgrade))));
    await inbox.next();
    return inbox;
  };

  test("by the owner's word closes its sockets at once, and no other's", async () => {
    const [mine, other] = [await granted(), await granted()];
    const [socket, kept] = [await open(mine.tokens.access_token), await open(other.tokens.access_token)];
    ended.push(() => kept.socket.close());
    const startedAt = Date.now();
    await access().revokeGrant(mine.grantId);
    expect((await socket.closed).code).toBe(4401);
    expect(Date.now() - startedAt).toBeLessThan(1_000);
    kept.socket.send(JSON.stringify({ action: "ping" }));
    expect(JSON.parse(String(await kept.next()))).toMatchObject({ type: "pong" });
  });

  test("by the client's own word closes them too", async () => {
    const { clientId, tokens } = await granted();
    const socket = await open(tokens.access_token);
    await at("/token", form({ client_id: clientId, token: tokens.refresh_token }));
    expect((await socket.closed).code).toBe(4401);
  });

  test.each([
    ["something", [statusUri]],
    ["nothing", []],
  ])("ends the event stream of a session of the 2025 revisions that follows %s", async (_, uris) => {
    const { tokens, grantId } = await granted();
    const both = { Accept: "application/json, text/event-stream", "Content-Type": "application/json" };
    const params = {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "test", version: "1" },
    };
    const begun = await mcp(tokens.access_token, { ...rpc("initialize", params), headers: both });
    const session = { ...both, "Mcp-Session-Id": begun.headers.get("Mcp-Session-Id") ?? "" };
    for (const uri of uris) {
      await mcp(tokens.access_token, { ...rpc("resources/subscribe", { uri }), headers: session });
    }
    const stream = await mcp(tokens.access_token, { headers: session });
    expect(stream.status).toBe(200);
    const watches = () => runInDurableObject(hostOf(env), (_, state) => state.getWebSockets("watch").length);
    await expect.poll(watches).toBeGreaterThan(0);
    await access().revokeGrant(grantId);
    await stream.text();
  });

  test("when its time is up closes them as well, and leaves nothing", async () => {
    const { tokens, grantId } = await granted();
    const socket = await open(tokens.access_token);
    await expire(grantId);
    await runAlarm();
    expect((await socket.closed).code).toBe(4401);
    const left = await runInDurableObject(access(), (_, { storage }) =>
      storage.sql
        .exec(
          "SELECT key FROM record WHERE instr(key, ?) UNION ALL SELECT grant_id FROM consent WHERE grant_id = ?",
          grantId,
          grantId,
        )
        .toArray(),
    );
    expect(left).toEqual([]);
  });

  test("is over for MCP when its time is up, before anyone has cleaned up", async () => {
    const { tokens, grantId } = await granted();
    await expire(grantId);
    const answer = await mcp(tokens.access_token);
    expect(answer.status).toBe(401);
    expect(answer.headers.get("WWW-Authenticate")).toContain('error="invalid_token"');
  });

  test("ends the streams that it has started", async () => {
    const agent = await connectAgent(hostOf(env));
    ended.push(() => agent.socket.close());
    const { tokens, grantId } = await granted();
    await runInDurableObject(hostOf(env), (_, { storage }) => {
      storage.sql.exec(
        "INSERT INTO started (grant_id, kind, resource_id, topic, contract, started_at) VALUES (?, 'news-bulletins', '', 'bulletins', NULL, '2026-01-01T00:00:00.000Z')",
        grantId,
      );
    });
    // as after an eviction, it knows what it has written down
    await runInDurableObject(hostOf(env), (_, state) => state.abort("restart")).catch(() => undefined);
    expect(await (await mcp(tokens.access_token, rpc("resources/list"))).text()).toContain("bulletins");
    await access().revokeGrant(grantId);
    const left = await runInDurableObject(hostOf(env), (_, { storage }) =>
      storage.sql.exec("SELECT * FROM started WHERE grant_id = ?", grantId).toArray(),
    );
    expect(left).toEqual([]);
  });

  test("ends the event streams that follow resources, and they do not come back", async () => {
    const { tokens, grantId } = await granted();
    const { headers, body } = modernRequest("subscriptions/listen", {
      notifications: { resourceSubscriptions: [statusUri] },
    });
    const answer = await mcp(tokens.access_token, {
      method: "POST",
      headers: Object.fromEntries(headers),
      body: await new Response(body).text(),
    });
    expect(answer.headers.get("content-type")).toContain("text/event-stream");
    const watches = () => runInDurableObject(hostOf(env), (_, state) => state.getWebSockets("watch").length);
    await expect.poll(watches).toBeGreaterThan(0);
    await access().revokeGrant(grantId);
    // ends, so that reading to the end returns
    await answer.text().catch(() => "");
    await expect.poll(watches).toBe(0);
  });
});

test("a code that nobody used leaves no grant behind", async () => {
  const browser = createBrowser();
  await browser.signIn();
  const { code } = await obtainCode(browser, await registered());
  const [grantId = ""] = code.split(":", 1);
  await runInDurableObject(access(), (_, { storage }) => {
    storage.sql.exec("UPDATE record SET expires_at = 1 WHERE instr(key, ?) = 1", `grant:${grantId}:`);
  });
  await runAlarm();
  // an alarm that was due by itself may be at it still
  await vi.waitFor(async () => expect(await (await browser.get("/grants")).text()).not.toContain(grantId));
});

test("a client that nobody agreed to is forgotten after a day, and one in use is not", async () => {
  const [unused, { clientId: used }] = [await registered(), await granted()];
  await runInDurableObject(access(), (_, { storage }) => {
    storage.sql.exec(
      "UPDATE record SET value = json_set(value, '$.registrationDate', ?) WHERE key IN (?, ?)",
      Math.floor(Date.now() / 1000) - 86_401,
      `client:${unused}`,
      `client:${used}`,
    );
  });
  await runAlarm();
  const keys = await runInDurableObject(access(), (_, { storage }) =>
    storage.sql
      .exec<{ key: string }>(
        "SELECT key FROM record WHERE key IN (?, ?)",
        `client:${unused}`,
        `client:${used}`,
      )
      .toArray(),
  );
  expect(keys).toEqual([{ key: `client:${used}` }]);
});

test("nothing secret is kept as it is", async () => {
  const { tokens, browser } = await granted();
  const ticket = await ticketFor(tokens.access_token);
  const kept = await runInDurableObject(access(), (_, { storage }) =>
    JSON.stringify(
      ["record", "consent", "session", "attempt", "ticket"].map((table) =>
        storage.sql.exec(`SELECT * FROM ${table}`).toArray(),
      ),
    ),
  );
  for (const secret of [tokens.access_token, tokens.refresh_token, ticket, ...browser.cookies.values()]) {
    expect(kept).not.toContain(secret);
  }
});
