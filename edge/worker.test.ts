import { createExecutionContext } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { subprotocol } from "../shared/protocol.ts";
import type { AgentStatus } from "../shared/status.ts";
import { type Env, hostOf } from "./config/bindings.ts";
import { connectAgent, connectedStatus, inboxOf, socketOf } from "./host/host.fixture.ts";
import worker from "./worker.ts";

const at = (path: string, init?: RequestInit) => exports.default.fetch(`http://localhost:8000${path}`, init);

/** The Worker with other variables than those of this test run. */
const withVariables = (
  changes: Partial<Env>,
  path: string,
  init: RequestInit<IncomingRequestCfProperties> = {},
) =>
  worker.fetch(
    new Request<unknown, IncomingRequestCfProperties>(`http://localhost:8000${path}`, init),
    { ...env, ...changes },
    createExecutionContext(),
  );

const brokenHost = new Proxy(env.TWS_HOST_OBJECT, {
  get: () => () => {
    throw new Error("no object");
  },
});

const upgrade = { Upgrade: "websocket" };
const asAgent = { ...upgrade, "Sec-WebSocket-Protocol": subprotocol };

const routes = ["/", "/health", "/api/v1/mcp", "/api/v1/agent", "/api/v1/stream/market-data", "/nothing"];
const requests = routes.flatMap((path) => [
  { path, init: {} },
  { path, init: { method: "POST", body: "{}", headers: { "Content-Type": "application/json" } } },
  { path, init: { method: "OPTIONS" } },
  { path, init: { headers: asAgent } },
]);

const withHeaders = (init: RequestInit, headers: Record<string, string>): RequestInit => ({
  ...init,
  headers: { ...Object.fromEntries(new Headers(init.headers)), ...headers },
});

describe("local mode", () => {
  it.each([
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "10.0.0.1:8000",
    "localhost@evil.example",
  ])("DNS rebinding: answers nothing to the Host %j, on any route or upgrade", async (Host) => {
    for (const { path, init } of requests) {
      const response = await at(path, withHeaders(init, { Host }));
      expect([path, response.status]).toEqual([path, 403]);
      expect(response.webSocket).toBeNull();
    }
  });

  it("takes the address for the Host where there is no such header", async () => {
    expect((await exports.default.fetch("http://evil.example/health")).status).toBe(403);
  });

  it.each(["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]", "[::1]:8000"])(
    "answers to the Host %s",
    async (Host) => {
      expect((await at("/health", { headers: { Host } })).status).toBe(200);
    },
  );

  it.each([
    "https://evil.example",
    "null",
    "http://localhost.evil.example",
    "http://localhost:8000.evil.example",
    "file://",
  ])("cross-origin posts: refuses the Origin %s, on any route or upgrade", async (Origin) => {
    for (const { path, init } of requests) {
      const response = await at(path, withHeaders(init, { Origin }));
      expect([path, response.status]).toEqual([path, 403]);
      expect(response.headers.has("Access-Control-Allow-Origin")).toBe(false);
    }
  });

  it.each(["http://localhost:5173", "http://127.0.0.1", "https://[::1]:1"])(
    "serves pages of %s",
    async (Origin) => {
      const response = await at("/health", { headers: { Origin } });
      expect([response.status, response.headers.get("Access-Control-Allow-Origin")]).toEqual([200, Origin]);
    },
  );

  it("serves pages of a listed origin and of no other", async () => {
    const variables = { ALLOWED_ORIGINS: "https://app.example, https://other.example" };
    const of = async (Origin: string) =>
      (await withVariables(variables, "/health", { headers: { Origin } })).status;
    expect([await of("https://app.example"), await of("https://app.example:444")]).toEqual([200, 403]);
  });

  it("answers a preflight without credentials, naming what is allowed", async () => {
    const response = await at("/api/v1/mcp", {
      method: "OPTIONS",
      headers: { Origin: "http://localhost:5173", "Access-Control-Request-Method": "POST" },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get("Access-Control-Allow-Methods")).toBe("POST, GET, DELETE, OPTIONS");
    for (const name of [
      "Authorization",
      "Mcp-Method",
      "Mcp-Name",
      "MCP-Protocol-Version",
      "Mcp-Session-Id",
      "Last-Event-ID",
      "Content-Type",
    ]) {
      expect(response.headers.get("Access-Control-Allow-Headers")).toContain(name);
    }
    expect(response.headers.get("Access-Control-Expose-Headers")).toContain("Mcp-Session-Id");
  });
});

const hash = `pbkdf2$100000$${"A".repeat(22)}$${"A".repeat(43)}`;

describe("a configuration that is not complete", () => {
  it.each([
    [{ AUTH: "on" }, ["PUBLIC_URL", "OWNER_PASSPHRASE_HASH"]],
    [{ AUTH: "on", PUBLIC_URL: "https://tws.example" }, ["OWNER_PASSPHRASE_HASH"]],
    [{ AUTH: "on", PUBLIC_URL: "http://tws.example", OWNER_PASSPHRASE_HASH: hash }, ["PUBLIC_URL"]],
    [{ AUTH: "on", PUBLIC_URL: "https://tws.example/x", OWNER_PASSPHRASE_HASH: hash }, ["PUBLIC_URL"]],
    [
      { AUTH: "on", PUBLIC_URL: "https://tws.example", OWNER_PASSPHRASE_HASH: "my passphrase" },
      ["OWNER_PASSPHRASE_HASH"],
    ],
    [
      {
        AUTH: "on",
        PUBLIC_URL: "https://tws.example",
        // so few that it can be guessed
        OWNER_PASSPHRASE_HASH: hash.replace("100000", "1000"),
      },
      ["OWNER_PASSPHRASE_HASH"],
    ],
    [{ AUTH: "" }, ["AUTH"]],
    [{ AUTH: "of" }, ["AUTH"]],
    [
      {
        AUTH: "no",
        AGENT_TOKEN: "short",
        ALLOWED_ORIGINS: "example.com",
        PUBLIC_URL: "https://a.example/path",
      },
      ["AUTH", "AGENT_TOKEN", "ALLOWED_ORIGINS", "PUBLIC_URL"],
    ],
  ])("serves nothing for %o but says everything that is wrong", async (variables, names) => {
    for (const { path, init } of requests.filter(({ path }) => path !== "/health")) {
      const response = await withVariables(variables, path, init);
      expect([path, response.status]).toEqual([path, 503]);
      const { problems } = await response.json<{ problems: string[] }>();
      expect(problems.map((problem) => problem.split(":")[0])).toEqual(names);
    }
    expect(await (await withVariables(variables, "/health")).json()).toEqual({
      status: "misconfigured",
      version: expect.any(String),
    });
  });
});

describe("routes", () => {
  it("answer health with every hop and its next step", async () => {
    expect(await (await at("/health")).json()).toMatchObject({
      status: "unavailable",
      asOf: expect.stringMatching(/Z$/),
      version: expect.any(String),
      hops: {
        edge: { state: "running", asOf: expect.stringMatching(/Z$/), nextStep: "" },
        agent: { state: "never_connected", nextStep: expect.stringMatching(/./) },
        tws: { state: "unknown" },
        farms: [],
      },
    });
  });

  it("answer health even when the host's object fails", async () => {
    const response = await withVariables({ TWS_HOST_OBJECT: brokenHost }, "/health");
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      status: "unavailable",
      hops: { edge: { state: "degraded" } },
    });
  });

  it("say on the landing page what this is, how it stands and what to do next, with addresses to copy", async () => {
    const response = await at("/");
    expect([response.status, response.headers.get("Content-Type")]).toEqual([
      200,
      expect.stringMatching(/^text\/plain/),
    ]);
    const page = await response.text();
    expect(page).toMatch(/^ {2}agent +never connected\n +Start the agent on the computer where TWS runs/m);
    expect(page).toContain("claude mcp add --transport http tws-edge http://localhost:8000/api/v1/mcp\n");
    expect(page).toContain("ws://localhost:8000/api/v1/stream/market-data");
    const named = await at("/", { headers: { Host: "127.0.0.1:9000" } });
    expect(await named.text()).toContain("http://127.0.0.1:9000/health");
    const head = await at("/", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  it("name on the landing page the address that the owner gave", async () => {
    const response = await withVariables({ PUBLIC_URL: "https://tws.example" }, "/");
    const page = await response.text();
    expect(page).toContain("wss://tws.example/api/v1/stream/market-data");
    expect(page).not.toContain("localhost");
  });

  it("have a landing page also when the host's object fails", async () => {
    const response = await withVariables({ TWS_HOST_OBJECT: brokenHost }, "/");
    expect(await response.text()).toMatch(/edge +degraded\n +The host's object does not answer/);
  });

  it("reach MCP with a plain POST", async () => {
    const params = { name: "ibkr_get_status", arguments: {} };
    const response = await at("/api/v1/mcp", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", method: "tools/call", params, id: 1 }),
    });
    expect([response.status, response.headers.get("Content-Type")]).toEqual([200, "application/json"]);
    expect(await response.json()).toMatchObject({
      id: 1,
      result: { structuredContent: { is_connected: false } },
    });
  });

  it.each([
    ["market-data", "market_data"],
    ["portfolio", "portfolio"],
    ["news", "news"],
  ])("open the stream %s", async (path, stream) => {
    const inbox = inboxOf(socketOf(await at(`/api/v1/stream/${path}`, { headers: upgrade })));
    expect(JSON.parse(String(await inbox.next()))).toMatchObject({ type: "connected", stream });
  });

  it("ask for an upgrade where there is none", async () => {
    const stream = await at("/api/v1/stream/market-data");
    expect([stream.status, stream.headers.get("Upgrade")]).toEqual([426, "websocket"]);
    const agent = await at("/api/v1/agent", { headers: upgrade });
    expect([agent.status, agent.headers.get("Sec-WebSocket-Protocol")]).toEqual([426, subprotocol]);
    expect(
      (await at("/api/v1/agent", { headers: { ...upgrade, "Sec-WebSocket-Protocol": "tws-edge.v0" } }))
        .status,
    ).toBe(426);
  });

  it("open the agent's link in the protocol's version", async () => {
    const response = await at("/api/v1/agent", {
      headers: { ...asAgent, "Sec-WebSocket-Protocol": `other, ${subprotocol}` },
    });
    expect([response.status, response.headers.get("Sec-WebSocket-Protocol")]).toEqual([101, subprotocol]);
    inboxOf(socketOf(response)).socket.close(1000, "");
  });

  it("take no web page for the agent, not even one of this computer", async () => {
    expect(
      (await at("/api/v1/agent", { headers: { ...asAgent, Origin: "http://localhost:8000" } })).status,
    ).toBe(403);
  });

  it("hold the agent to its token", async () => {
    const AGENT_TOKEN = "a-token-of-the-test";
    const status = async (headers: Record<string, string>) =>
      (await withVariables({ AGENT_TOKEN }, "/api/v1/agent", { headers: { ...asAgent, ...headers } })).status;
    expect(await status({})).toBe(401);
    expect(await status({ Authorization: "Bearer a-token-of-the-tesT" })).toBe(401);
    expect(await status({ Authorization: `Basic ${AGENT_TOKEN}` })).toBe(401);
    expect(await status({ Authorization: `Bearer ${AGENT_TOKEN}` })).toBe(101);
  });

  it.each([
    ["DELETE", "/health", "GET, HEAD, OPTIONS"],
    ["POST", "/", "GET, HEAD, OPTIONS"],
    ["PUT", "/api/v1/mcp", "POST, GET, DELETE, OPTIONS"],
    ["HEAD", "/api/v1/mcp", "POST, GET, DELETE, OPTIONS"],
    ["POST", "/api/v1/agent", "GET, OPTIONS"],
    ["TRACE", "/api/v1/stream/market-data", "GET, OPTIONS"],
  ])("refuse %s %s and say what is allowed", async (method, path, allow) => {
    const response = await withVariables({}, path, { method });
    expect([response.status, response.headers.get("Allow")]).toEqual([405, allow]);
  });

  it.each([
    "//evil",
    "/%E0%A4%A",
    "/%",
    "/api/v1/",
    "/api/v1/mcp/",
    "/health/..%2f",
    "/%00",
    "/api/v1/stream/%2e%2e",
    "/__proto__",
    "/?%",
    "/health?%E0%A4%A",
  ])("answer %s and never with a fault of ours", async (path) => {
    for (const method of ["GET", "POST", "TRACE"]) {
      expect((await withVariables({}, path, { method })).status).toBeLessThan(500);
    }
  });

  it("answer 404 as JSON where there is nothing", async () => {
    const response = await at("/api/v2/mcp");
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({
      error: { code: "unknown_resource", nextStep: expect.any(String) },
    });
  });

  it("carry security headers, whatever they answer", async () => {
    for (const path of routes) {
      const { headers } = await at(path);
      expect([path, headers.get("X-Content-Type-Options")]).toEqual([path, "nosniff"]);
      expect([path, headers.get("Content-Security-Policy")]).toEqual([
        path,
        expect.stringContaining("default-src 'none'"),
      ]);
      expect([path, headers.get("Cache-Control")]).toEqual([
        path,
        expect.stringMatching(/no-store|no-cache/),
      ]);
    }
  });
});

// last: the agent that it connects stays known to the host
describe("health", () => {
  it("tells the worst hop in the first word, and answers 200 all the same", async () => {
    const agent = await connectAgent(hostOf(env));
    const healthWhile = async (status: AgentStatus) => {
      agent.send({ type: "status", status });
      await vi.waitFor(async () => expect(await hostOf(env).health()).toMatchObject(hopsOf(status)));
      const response = await at("/health");
      expect(response.status).toBe(200);
      return await response.json();
    };
    const hopsOf = ({ tws, farms }: AgentStatus) => ({ tws: { state: tws.state }, farms });
    const twsIs = (state: AgentStatus["tws"]["state"]): AgentStatus => ({
      ...connectedStatus,
      tws: { ...connectedStatus.tws, state },
    });
    const farm = { name: "usfarm", kind: "market data", since: new Date(0).toISOString() } as const;
    expect(await healthWhile(twsIs("connected"))).toMatchObject({ status: "healthy" });
    for (const state of ["connecting", "upstream_down", "stopped"] as const) {
      expect(await healthWhile(twsIs(state))).toMatchObject({ status: "unavailable" });
    }
    for (const [state, status] of [
      ["broken", "degraded"],
      ["connecting", "degraded"],
      ["inactive", "healthy"],
    ] as const) {
      const farms = [{ ...farm, state }];
      expect(await healthWhile({ ...connectedStatus, farms })).toMatchObject({ status });
    }
  });
});
