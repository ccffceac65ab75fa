import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, test, vi, afterEach } from "vitest";
import { hostOf } from "../config/bindings.ts";
import { callOf, connectedStatus, inboxOf, rpc as hostRpc, socketOf } from "../host/host.fixture.ts";
import { encodeFrame, parseEdgeFrame } from "../../shared/protocol.ts";

import {
  at,
  createBrowser,
  exchange,
  form,
  granted,
  mcp,
  newProof,
  obtainCode,
  passphrase,
  publicUrl,
  refresh,
  register,
  registered,
  rpc,
} from "./access.fixture.ts";
import { createMachine, pairWith } from "./machines/machine.fixture.ts";

/**
 * Attacks by name, besides those that stand with what they attack: flow.test.ts has redirect-URI variants, PKCE
 * downgrade, code replay, refresh reuse and scope widening; pages.test.ts consent CSRF, open redirects, XSS,
 * clickjacking, metadata-document SSRF and guessing; agents.test.ts the agent's proofs; limits.test.ts floods and
 * sizes; races.test.ts what is revoked, moved or used while it is looked at; ../worker.test.ts local mode.
 */

afterEach(() => {
  vi.useRealTimers();
});

const access = () => env.ACCESS.getByName("access");
const upgrade = { Upgrade: "websocket" };
const streams = ["market-data", "portfolio", "news"] as const;
const bearer = (token: string, headers: Record<string, string> = {}): RequestInit => ({
  headers: { Authorization: `Bearer ${token}`, ...headers },
});

const signedIn = async () => {
  const browser = createBrowser();
  await browser.signIn();
  return browser;
};

/** Whether a bearer token is taken anywhere: by MCP, by any of the three sockets, or for a ticket. */
async function taken(token: string): Promise<string[]> {
  const answers: (readonly [string, Response])[] = [
    ["mcp", await mcp(token)],
    ["tickets", await at("/api/v1/tickets", { method: "POST", ...bearer(token) })],
  ];
  for (const stream of streams) {
    answers.push([stream, await at(`/api/v1/stream/${stream}`, bearer(token, upgrade))]);
  }
  for (const [, { webSocket }] of answers) {
    webSocket?.accept();
    webSocket?.close();
  }
  return answers.filter(([, { status }]) => status !== 401).map(([name]) => name);
}

test("expired access tokens are refused on MCP, on all three sockets and for tickets", async () => {
  const { tokens } = await granted();
  expect(await taken(tokens.access_token)).toEqual(["mcp", "tickets", ...streams]);
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_601_000 });
  expect(await taken(tokens.access_token)).toEqual([]);
});

describe("foreign tokens and token confusion:", () => {
  test("nothing but an access token is one, whatever else was given to the same client", async () => {
    const browser = await signedIn();
    const clientId = await registered();
    const { code, verifier } = await obtainCode(browser, clientId);
    expect(await taken(code)).toEqual([]);
    const tokens: { refresh_token: string; access_token: string } = await (
      await exchange(clientId, code, verifier)
    ).json();
    const answer = await at("/api/v1/tickets", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${tokens.access_token}` },
      body: '{"endpoint":"news"}',
    });
    const { ticket }: { ticket: string } = await answer.json();
    const [cookie = ""] = browser.cookies.values();
    for (const other of [tokens.refresh_token, ticket, cookie, clientId, passphrase]) {
      expect([other, await taken(other.replaceAll(" ", ""))]).toEqual([other, []]);
    }
    // and an access token is none of the others
    expect((await refresh(clientId, tokens.access_token)).ok).toBe(false);
    const asTicket = await at(`/api/v1/stream/news?ticket=${encodeURIComponent(tokens.access_token)}`, {
      headers: upgrade,
    });
    expect([asTicket.status, asTicket.webSocket]).toEqual([401, null]);
  });

  test("a part of one grant's token put into another's is no token", async () => {
    const [one, other] = [await granted(), await granted()];
    const [a = "", b = "", c = ""] = one.tokens.access_token.split(":");
    const [d = "", e = "", f = ""] = other.tokens.access_token.split(":");
    for (const mixed of [`${d}:${b}:${c}`, `${a}:${e}:${c}`, `${a}:${b}:${f}`, `${d}:${e}:${c}`]) {
      expect(await taken(mixed)).toEqual([]);
    }
  });

  test("a token of another edge is none here, though the same machine signed it", async () => {
    const machine = await createMachine();
    await pairWith(machine);
    expect(await taken(await machine.token({ aud: "https://other.example/api/v1/mcp" }))).toEqual([]);
    const elsewhere = await machine.token({ aud: `${publicUrl}/api/v1/other` });
    expect((await machine.register(elsewhere)).status).toBe(201);
    expect(await taken(elsewhere)).toEqual([]);
  });

  test("agent impersonation: no access token connects as an agent, and no agent's proof calls a tool", async () => {
    const machine = await createMachine();
    await pairWith(machine);
    const { tokens } = await granted();
    const script = await machine.token();
    await machine.register(script);
    for (const token of [
      tokens.access_token,
      script,
      await machine.proof("tokens"),
      await machine.proof("pair"),
    ]) {
      const answer = await machine.dial(token);
      expect([answer.status, answer.webSocket]).toEqual([401, null]);
    }
    for (const purpose of ["agent", "tokens", "pair"] as const) {
      expect(await taken(await machine.proof(purpose))).toEqual([]);
    }
  });
});

test("tokens in query strings and cookies are refused on MCP, on all three sockets and for tickets", async () => {
  const { tokens } = await granted();
  const token = encodeURIComponent(tokens.access_token);
  for (const name of ["access_token", "token", "bearer", "authorization"]) {
    const headers = { Cookie: `${name}=${token}; __Host-tws-edge-owner=${token}` };
    const paths = ["mcp", "tickets", ...streams.map((stream) => `stream/${stream}`)];
    for (const path of paths) {
      const isStream = path.startsWith("stream");
      const init = isStream ? { headers: { ...headers, ...upgrade } } : { ...rpc("tools/list"), headers };
      const answer = await at(`/api/v1/${path}?${name}=${token}`, init);
      expect([name, path, answer.status, answer.webSocket]).toEqual([name, path, 401, null]);
    }
  }
});

describe("PKCE downgrade:", () => {
  test("the challenge itself is not the verifier", async () => {
    const browser = await signedIn();
    const clientId = await registered();
    const { code } = await obtainCode(browser, clientId);
    const { challenge } = await newProof();
    expect((await exchange(clientId, code, challenge)).status).toBe(400);
  });

  test("no other way to a token is served than a code with a proof, and a refresh", async () => {
    const client_id = await registered();
    for (const grant_type of [
      "password",
      "client_credentials",
      "implicit",
      "urn:ietf:params:oauth:grant-type:device_code",
      "urn:ietf:params:oauth:grant-type:jwt-bearer",
      "urn:ietf:params:oauth:grant-type:token-exchange",
      "",
    ]) {
      const { tokens } = await granted();
      const fields = { grant_type, client_id, username: "owner", password: passphrase, assertion: "x" };
      for (const more of [
        {},
        { refresh_token: tokens.refresh_token },
        { subject_token: tokens.access_token },
      ]) {
        const answer = await at("/token", form({ ...fields, ...more }));
        expect([grant_type, answer.status]).toEqual([grant_type, 400]);
        expect(await answer.text()).not.toContain("access_token");
      }
    }
  });
});

describe("refresh reuse:", () => {
  test("of many that bring the same refresh token at once, none gets more than the grant", async () => {
    const { clientId, tokens } = await granted();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => refresh(clientId, tokens.refresh_token)),
    );
    const renewed: { scope: string }[] = await Promise.all(
      answers.filter(({ ok }) => ok).map((answer) => answer.json<{ scope: string }>()),
    );
    expect(renewed.every(({ scope }) => scope === "tws:read")).toBe(true);
  });

  test("after the grant was ended no token of it is taken or renewed", async () => {
    const { clientId, tokens, grantId } = await granted();
    await access().revokeGrant(grantId);
    expect((await refresh(clientId, tokens.refresh_token)).status).toBe(400);
    await expect.poll(() => taken(tokens.access_token), { timeout: 3_000 }).toEqual([]);
  });
});

describe("registration floods:", () => {
  test("what a client says of itself is bounded in size and number", async () => {
    for (const changes of [
      { client_name: "x".repeat(20_000) },
      { redirect_uris: Array.from({ length: 2_000 }, (_, index) => `https://client.example/${index}`) },
    ]) {
      expect((await register(changes)).status).toBe(413);
    }
  });

  test("guesses at unknown grants leave nothing behind", async () => {
    const count = () =>
      runInDurableObject(access(), (_, { storage }) =>
        ["record", "consent", "ticket", "session", "proof"].map(
          (table) => storage.sql.exec(`SELECT COUNT(*) AS n FROM ${table}`).one()["n"],
        ),
      );
    const before = await count();
    for (let index = 0; index < 20; index += 1) {
      await at("/token", form({ grant_type: "authorization_code", code: `g_${"A".repeat(22)}:${index}:x` }));
      await mcp(`g_${"B".repeat(22)}:${index}:x`);
      await at(`/api/v1/stream/news?ticket=${index}`, { headers: upgrade });
    }
    expect(await count()).toEqual(before);
  });
});

test("session ids of another grant are as unknown as any, and so are made-up ones", async () => {
  const [one, other] = [await granted(), await granted()];
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } };
  const begun = await mcp(one.tokens.access_token, rpc("initialize", params));
  const id = begun.headers.get("Mcp-Session-Id") ?? "";
  const ask = async (token: string, sessionId: string) => {
    const answer = await mcp(token, {
      ...rpc("tools/list"),
      headers: { "Content-Type": "application/json", "Mcp-Session-Id": sessionId },
    });
    return [answer.status, answer.status === 200 ? "" : await answer.text()];
  };
  expect((await ask(one.tokens.access_token, id))[0]).toBe(200);
  const refused = await ask(other.tokens.access_token, id);
  expect(refused[0]).toBe(404);
  for (const made of [`${id}x`, id.slice(0, -1), id.replace(/^./, "_"), "x", id.toUpperCase()]) {
    expect(await ask(one.tokens.access_token, made)).toEqual(refused);
  }
});

test("frame replay: a host's answer ends only its own host's call, and only once", async () => {
  const [mine, evil] = await Promise.all([createMachine("mine"), createMachine("evil")]);
  const { hostId } = await pairWith(mine);
  await pairWith(evil);
  const connect = async (machine: typeof mine) => {
    const inbox = inboxOf(socketOf(await machine.dial()));
    inbox.socket.send(
      encodeFrame({
        type: "hello",
        agentVersion: "0",
        instanceId: crypto.randomUUID(),
        machine: machine.name,
        status: connectedStatus,
      }),
    );
    expect(parseEdgeFrame(await inbox.next()).type).toBe("welcome");
    return inbox;
  };
  const [agent, attacker] = [await connect(mine), await connect(evil)];
  const ask = () => hostRpc(hostOf(env, hostId)).call(callOf("ibkr_get_current_time"));
  const said = async () => {
    const frame = parseEdgeFrame(await agent.next());
    if (frame.type !== "call") throw new Error(frame.type);
    return frame.id;
  };
  const answer = (id: string, server_time: string) =>
    encodeFrame({ type: "result", id, output: { server_time } });
  const first = ask();
  const id = await said();
  attacker.socket.send(answer(id, "forged"));
  attacker.socket.send("ping");
  expect(await attacker.next()).toBe("pong");
  agent.socket.send(answer(id, "true"));
  expect(await first).toEqual({ ok: true, output: { server_time: "true" } });
  const second = ask();
  const next = await said();
  expect(next).not.toBe(id);
  // recorded and sent again
  agent.socket.send(answer(id, "replayed"));
  agent.socket.send(answer(next, "new"));
  expect(await second).toEqual({ ok: true, output: { server_time: "new" } });
  for (const { socket } of [agent, attacker]) socket.close(1000, "");
});
