import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { hostOf } from "../config/bindings.ts";
import { connectAgent } from "../host/host.fixture.ts";
import { lostAnswerMs } from "./oauth/refresh-families.ts";
import {
  at,
  authorizePath,
  callback,
  choice,
  createBrowser,
  exchange,
  form,
  granted,
  hidden,
  mcp,
  newProof,
  obtainCode,
  publicUrl,
  refresh,
  registered,
  type Tokens,
} from "./access.fixture.ts";

afterEach(() => {
  vi.useRealTimers();
});

const signedIn = async () => {
  const browser = createBrowser();
  await browser.signIn();
  return browser;
};

test("a client registers, the owner agrees, and the token opens the tools", async () => {
  const { tokens, clientId } = await granted();
  expect(tokens).toMatchObject({ token_type: "bearer", expires_in: 3600, scope: "tws:read" });
  expect((await mcp(tokens.access_token)).status).toBe(200);
  const renewed = await refresh(clientId, tokens.refresh_token);
  expect(renewed.status).toBe(200);
  const { access_token }: Tokens = await renewed.json();
  expect((await mcp(access_token)).status).toBe(200);
});

test("the answer to the client carries its state, the issuer and nothing of the owner", async () => {
  const browser = await signedIn();
  const { target } = await obtainCode(browser, await registered());
  expect(`${target.origin}${target.pathname}`).toBe(callback);
  expect([...target.searchParams.keys()].sort()).toEqual(["code", "iss", "state"]);
  expect(target.searchParams.get("iss")).toBe(publicUrl);
  expect(target.searchParams.get("state")).toBe("the-state");
});

test("a client that is denied is told so", async () => {
  const browser = await signedIn();
  const { target } = await obtainCode(browser, await registered(), { decision: "deny" });
  expect(target.searchParams.get("error")).toBe("access_denied");
  expect(target.searchParams.get("iss")).toBe(publicUrl);
});

describe("PKCE downgrade: proof of the code's owner", () => {
  test.each([
    ["no challenge", { code_challenge: "", code_challenge_method: "" }],
    ["the plain method", { code_challenge_method: "plain" }],
    ["no method", { code_challenge_method: "" }],
  ])("%s is refused before the owner is asked", async (_, changes) => {
    const browser = await signedIn();
    const { challenge } = await newProof();
    const answer = await browser.get(authorizePath(await registered(), challenge, changes));
    const location = answer.headers.get("Location");
    expect(await answer.text()).not.toContain("Give access?");
    // told to the client where its address is known to be its own, and to the owner otherwise
    const error = location === null ? answer.status : new URL(location).searchParams.get("error");
    expect([400, "invalid_request"]).toContain(error);
  });

  test("a client with a secret needs it as well", async () => {
    const browser = await signedIn();
    const clientId = await registered({ token_endpoint_auth_method: "client_secret_post" });
    const answer = await browser.get(
      authorizePath(clientId, "", { code_challenge: "", code_challenge_method: "" }),
    );
    expect(answer.status).toBe(400);
    expect(await answer.text()).not.toContain("Give access?");
  });

  test.each([
    ["wrong", "x".repeat(50)],
    ["missing", ""],
  ])("a %s verifier gets no token", async (_, verifier) => {
    const browser = await signedIn();
    const clientId = await registered();
    const { code } = await obtainCode(browser, clientId);
    expect((await exchange(clientId, code, verifier)).status).toBe(400);
  });
});

describe("code replay and race: a code", () => {
  test("works once, and using it again ends what it gave", async () => {
    const browser = await signedIn();
    const clientId = await registered();
    const { code, verifier } = await obtainCode(browser, clientId);
    const { access_token }: Tokens = await (await exchange(clientId, code, verifier)).json();
    expect((await mcp(access_token)).status).toBe(200);
    expect((await exchange(clientId, code, verifier)).status).toBe(400);
    await expect.poll(async () => (await mcp(access_token)).status, { timeout: 3_000 }).toBe(401);
  });

  test("gives tokens to one of many that come at the same time", async () => {
    const browser = await signedIn();
    const clientId = await registered();
    const { code, verifier } = await obtainCode(browser, clientId);
    const answers = await Promise.all(Array.from({ length: 10 }, () => exchange(clientId, code, verifier)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test("is of no use to another client", async () => {
    const browser = await signedIn();
    const { code, verifier } = await obtainCode(browser, await registered());
    expect((await exchange(await registered(), code, verifier)).ok).toBe(false);
  });

  test("is of no use with another redirect address", async () => {
    const browser = await signedIn();
    const clientId = await registered();
    const { code, verifier } = await obtainCode(browser, clientId);
    const answer = await exchange(clientId, code, verifier, { redirect_uri: `${callback}/other` });
    expect(answer.status).toBe(400);
  });
});

test.each([
  `${callback}/`,
  `${callback}?x=1`,
  `${callback}/../evil`,
  "https://client.example.evil.example/callback",
  "https://client.example@evil.example/callback",
  "http://client.example/callback",
  "https://CLIENT.example/Callback",
  "javascript:alert(1)",
  "//client.example/callback",
])(
  "redirect-URI variants: the redirect address %s, which is not registered, is never gone to",
  async (redirect_uri) => {
    const browser = await signedIn();
    const { challenge } = await newProof();
    const answer = await browser.get(authorizePath(await registered(), challenge, { redirect_uri }));
    expect(answer.headers.has("Location")).toBe(false);
    expect(answer.status).toBe(400);
  },
);

describe("refresh reuse: a refresh token", () => {
  const renew = async (clientId: string, token: string): Promise<Tokens> =>
    await (await refresh(clientId, token)).json();

  test("is replaced, and one that is older than the last ends the whole grant at once", async () => {
    const { browser, clientId, tokens, grantId } = await granted();
    const second = await renew(clientId, tokens.refresh_token);
    const third = await renew(clientId, second.refresh_token);
    expect(new Set([tokens, second, third].map((one) => one.refresh_token)).size).toBe(3);
    const reused = await refresh(clientId, tokens.refresh_token);
    expect([reused.status, await reused.json()]).toEqual([
      400,
      expect.objectContaining({
        error: "invalid_grant",
        error_description: expect.stringContaining("ended"),
      }),
    ]);
    expect((await refresh(clientId, third.refresh_token)).status).toBe(400);
    for (const { access_token } of [tokens, second, third]) {
      await expect.poll(async () => (await mcp(access_token)).status, { timeout: 3_000 }).toBe(401);
    }
    expect(await (await browser.get("/grants")).text()).not.toContain(`value="${grantId}"`);
  });

  test("is taken again within seconds by a client that lost the answer, and not later", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const [quick, slow] = [await granted(), await granted()];
    for (const { clientId, tokens } of [quick, slow]) await renew(clientId, tokens.refresh_token);
    vi.setSystemTime(Date.now() + lostAnswerMs - 1_000);
    const again = await renew(quick.clientId, quick.tokens.refresh_token);
    expect((await refresh(quick.clientId, again.refresh_token)).status).toBe(200);
    vi.setSystemTime(Date.now() + 2_000);
    expect((await refresh(slow.clientId, slow.tokens.refresh_token)).status).toBe(400);
    expect((await mcp(slow.tokens.access_token)).status).toBe(401);
  });

  test("does not begin its seconds anew with each repetition", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { clientId, tokens } = await granted();
    const statuses: number[] = [];
    for (let count = 0; count < 4; count += 1) {
      statuses.push((await refresh(clientId, tokens.refresh_token)).status);
      vi.setSystemTime(Date.now() + 12_000);
    }
    expect(statuses).toEqual([200, 200, 200, 400]);
  });

  test("that a repetition has replaced ends the grant: two hold the family", async () => {
    const { clientId, tokens } = await granted();
    const victim = await renew(clientId, tokens.refresh_token);
    const thief = await renew(clientId, tokens.refresh_token);
    expect((await refresh(clientId, victim.refresh_token)).status).toBe(400);
    expect((await refresh(clientId, thief.refresh_token)).status).toBe(400);
  });

  test("that was never given ends nothing, nor does one beside the field that counts", async () => {
    const [mine, other] = [await granted(), await granted()];
    const { clientId, tokens, grantId } = mine;
    const second = await renew(clientId, tokens.refresh_token);
    const [, name = ""] = tokens.refresh_token.split(":");
    expect((await refresh(clientId, `${grantId}:${name}:made-up`)).status).toBe(400);
    const code = other.tokens.refresh_token;
    await at("/token", form({ grant_type: "refresh_token", client_id: clientId, code, refresh_token: "x" }));
    expect((await refresh(clientId, second.refresh_token)).status).toBe(200);
    // a spent one is found out also where another grant is named first
    await refresh(clientId, tokens.refresh_token, { code });
    expect((await mcp(other.tokens.access_token)).status).toBe(200);
    await expect.poll(async () => (await mcp(tokens.access_token)).status, { timeout: 3_000 }).toBe(401);
  });

  test("cannot widen what was agreed to (scope widening)", async () => {
    const { clientId, tokens } = await granted();
    const answer = await refresh(clientId, tokens.refresh_token, { scope: "tws:read tws:trade" });
    const body: Partial<Tokens> = await answer.json();
    expect(body.scope ?? "").not.toContain("tws:trade");
    const call = await mcp(body.access_token ?? tokens.access_token, callOf("ibkr_place_order"));
    expect(call.status).toBe(403);
  });

  test("is of no use to another client, nor for another resource", async () => {
    const { clientId, tokens } = await granted();
    expect((await refresh(await registered(), tokens.refresh_token)).ok).toBe(false);
    const other = await refresh(clientId, tokens.refresh_token, { resource: "https://other.example/mcp" });
    expect(await other.json()).toMatchObject({ error: "invalid_target" });
  });
});

const callOf = (name: string): RequestInit => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params: { name, arguments: {} } }),
});

describe("what was agreed to", () => {
  const namesFor = async (token: string, path = "/api/v1/mcp") => {
    const answer: { result: { tools: { name: string }[] } } = await (
      await mcp(token, undefined, path)
    ).json();
    return answer.result.tools.map(({ name }) => name);
  };

  test("reading lists no tool that trades, and calling one asks for more", async () => {
    const { tokens } = await granted();
    const names = await namesFor(tokens.access_token);
    expect(names).toContain("ibkr_get_status");
    expect(names).not.toContain("ibkr_place_order");
    const answer = await mcp(tokens.access_token, callOf("ibkr_place_order"));
    expect(answer.status).toBe(403);
    expect(answer.headers.get("WWW-Authenticate")).toBe(
      `Bearer error="insufficient_scope", resource_metadata="${publicUrl}/.well-known/oauth-protected-resource/api/v1/mcp", scope="tws:read tws:trade"`,
    );
    expect(await answer.json()).toMatchObject({ id: 7 });
  });

  test("trading lists them", async () => {
    const { tokens } = await granted({ permission: "trade" });
    expect(tokens.scope).toBe("tws:read tws:trade");
    expect(await namesFor(tokens.access_token)).toContain("ibkr_place_order");
  });

  test("the small set of tools stays small whatever the address asks for", async () => {
    const { tokens } = await granted({ permission: "trade", toolset: "core" });
    const core = await namesFor(tokens.access_token);
    expect(core.length).toBeLessThanOrEqual(25);
    expect(await namesFor(tokens.access_token, "/api/v1/mcp?toolset=full")).toEqual(core);
  });

  test("some accounts hide the others", async () => {
    const agent = await connectAgent(hostOf(env));
    try {
      const { tokens } = await granted({ "every-account": "no", account: "DU2" });
      const answer = await (await mcp(tokens.access_token, callOf("ibkr_get_status"))).json();
      expect(answer).toMatchObject({ result: { structuredContent: { accounts: ["DU2"] } } });
    } finally {
      agent.socket.close();
    }
  });

  test.each([
    ["a host that there is not", { host: "other" }],
    ["an account that there is not", { "every-account": "no", account: "DU999" }],
    ["no account", { "every-account": "no" }],
    ["another length of time", { days: "3650" }],
  ])("%s is refused", async (_, changes) => {
    const browser = await signedIn();
    const { challenge } = await newProof();
    const page = await (await browser.get(authorizePath(await registered(), challenge))).text();
    const fields = { ...choice, csrf: hidden(page, "csrf"), handle: hidden(page, "handle"), ...changes };
    const answer = await browser.submit("/authorize", fields);
    expect([answer.status, answer.headers.get("Location")]).toEqual([400, null]);
  });
});

test.each(["https://other.example/mcp", `${publicUrl}/api/v1/mcp/`, `${publicUrl}/api/v1/other`])(
  "audience confusion: no access is given for the resource %s",
  async (resource) => {
    const browser = await signedIn();
    const { challenge } = await newProof();
    const answer = await browser.get(authorizePath(await registered(), challenge, { resource }));
    expect(await answer.text()).not.toContain("Give access?");
  },
);

test("a client ends its own grant", async () => {
  const { clientId, tokens } = await granted();
  const answer = await at("/token", form({ client_id: clientId, token: tokens.refresh_token }));
  expect(answer.status).toBe(200);
  expect((await refresh(clientId, tokens.refresh_token)).status).toBe(400);
  await expect.poll(async () => (await mcp(tokens.access_token)).status, { timeout: 3_000 }).toBe(401);
});
