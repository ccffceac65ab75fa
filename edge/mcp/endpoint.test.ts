import { createExecutionContext } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { ownerOfLocalMode } from "../../shared/caller.ts";
import { tools } from "../../shared/tools/index.ts";
import {
  answerOf,
  bothKinds,
  messageOf,
  mcpUrl,
  modern,
  modernRequest,
  modernVersion,
  openSession,
  post,
} from "./client.fixture.ts";
import { handleMcp } from "./endpoint.ts";

const statusOf = async (response: Promise<Response>) => (await response).status;
const initialize = (protocolVersion: string) =>
  messageOf("initialize", {
    protocolVersion,
    capabilities: {},
    clientInfo: { name: "test", version: "1" },
  });

describe("a plain POST", () => {
  it("with a Content-Type alone is answered with one JSON-RPC response", async () => {
    const response = await post(messageOf("tools/call", { name: "ibkr_get_status", arguments: {} }, 7));
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(await response.json()).toMatchObject({
      jsonrpc: "2.0",
      id: 7,
      result: { structuredContent: { is_connected: false } },
    });
  });

  it.each([
    ["that is not JSON", "{", 400, -32_700],
    ["that is empty", "", 400, -32_700],
    ["that is not UTF-8", new Uint8Array([0x22, 0xff, 0x22]), 400, -32_700],
    ["that is an empty batch", [], 400, -32_600],
    ["that is a batch of what is no message", [messageOf("ping"), 7], 400, -32_600],
    ["that is a batch of too many", Array.from({ length: 21 }, () => messageOf("ping")), 400, -32_600],
    ["that is a batch with initialize", [initialize("2025-03-26")], 400, -32_600],
    ["that is no object", "7", 400, -32_600],
    ["that is no JSON-RPC", { id: 1 }, 400, -32_600],
    ["nested too deeply", `${"[".repeat(5000)}${"]".repeat(5000)}`, 400, -32_600],
    ["over one MiB", `"${"x".repeat(1024 * 1024)}"`, 413, -32_000],
  ])("%s is refused", async (_, body, status, code) => {
    const response = await post(body);
    expect([response.status, await response.json()]).toMatchObject([
      status,
      { jsonrpc: "2.0", error: { code } },
    ]);
  });

  it.each(["2025", "modern"])("with null for arguments has none: %s", async (era) => {
    for (const params of [
      { name: "ibkr_get_status", arguments: null },
      { name: "ibkr_get_status", arguments: null, _meta: {} },
    ]) {
      const answer = await answerOf(
        await (era === "modern" ? modern("tools/call", params) : post(messageOf("tools/call", params))),
      );
      expect(answer).toMatchObject({ result: { structuredContent: { is_connected: false } } });
    }
  });

  it.each([
    ["tools/call", { name: "ibkr_get_status", arguments: [] }, "params.arguments must be an object."],
    ["tools/call", { name: "ibkr_get_status", arguments: "x" }, "params.arguments must be an object."],
    ["tools/call", { arguments: {} }, "params.name is required."],
    ["tools/list", { cursor: 5 }, "params.cursor must be text."],
    ["prompts/get", { name: "risk", arguments: { a: 1 } }, "params.arguments.a must be text."],
    ["resources/read", { uri: 7 }, "params.uri must be text."],
    [
      "completion/complete",
      { ref: { type: "x" } },
      "params.ref.type must be one of ref/prompt, ref/resource. params.argument is required.",
    ],
  ])("%s with %j is told what is wrong", async (method, params, message) => {
    for (const response of [
      await post(messageOf(method, params, "a"), bothKinds),
      await modern(method, params, "a"),
    ]) {
      expect(await answerOf(response)).toEqual({
        jsonrpc: "2.0",
        id: "a",
        error: { code: -32_602, message },
      });
    }
  });

  it.each([
    [
      "initialize",
      {},
      "params.protocolVersion is required. params.capabilities is required. params.clientInfo is required.",
    ],
    [
      "initialize",
      {
        protocolVersion: "2025-11-25",
        capabilities: { elicitation: 5 },
        clientInfo: { name: "x", version: "1" },
      },
      "Not in the right form: params.capabilities.elicitation.",
    ],
  ])("%s with %j is told what is wrong, in the 2025 revisions", async (method, params, message) => {
    expect(await answerOf(await post(messageOf(method, params, "a"), bothKinds))).toEqual({
      jsonrpc: "2.0",
      id: "a",
      error: { code: -32_602, message },
    });
  });

  it("that breaks off is not taken for a failure of ours", async () => {
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.error(new Error("Network connection lost."));
      },
    });
    const headers = { "Content-Type": "application/json" };
    const request = new Request(mcpUrl, { method: "POST", headers, body });
    const response = await handleMcp(request, env, createExecutionContext(), ownerOfLocalMode);
    expect([response.status, await response.text()]).toEqual([499, ""]);
  });

  it("over one MiB is refused although it names no length", async () => {
    const chunk = new TextEncoder().encode(" ".repeat(64 * 1024));
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1;
        if (sent > 480) controller.close();
        else controller.enqueue(chunk);
      },
    });
    const headers = { "Content-Type": "application/json" };
    expect(await statusOf(exports.default.fetch(mcpUrl, { method: "POST", headers, body }))).toBe(413);
    // the rest of the 30 MB was not taken
    expect(sent).toBeLessThan(100);
  });

  it("that is not declared as JSON is refused unread", async () => {
    expect(await statusOf(post("{", { "Content-Type": "text/plain" }))).toBe(415);
  });

  it("that is a batch of a later revision is told what to send instead", async () => {
    for (const version of ["2025-06-18", "2025-11-25"]) {
      const response = await post([messageOf("ping")], { "MCP-Protocol-Version": version });
      expect([response.status, await answerOf(response)]).toMatchObject([
        400,
        { error: { message: expect.stringContaining("one message in each POST") } },
      ]);
    }
  });
});

describe("a batch of 2025-03-26", () => {
  it("is answered with one response for each request, with and without a session", async () => {
    const batch = [
      messageOf("ping", {}, "a"),
      { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 1, progress: 1 } },
      messageOf("tools/call", { name: "ibkr_get_status" }, 2),
      messageOf("resources/read", { uri: "ibkr://nothing" }, 3),
    ];
    for (const headers of [{}, await openSession("2025-03-26")]) {
      const response = await post(batch, { ...headers, "MCP-Protocol-Version": "2025-03-26" });
      expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
      expect(await response.json()).toMatchObject([
        { id: "a", result: {} },
        { id: 2, result: { structuredContent: { is_connected: false } } },
        { id: 3, error: { code: expect.any(Number) } },
      ]);
    }
  });

  it("of notifications alone has no body", async () => {
    const response = await post([
      { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 1, progress: 1 } },
    ]);
    expect([response.status, await response.text()]).toEqual([202, ""]);
  });

  it("that claims another revision within is refused", async () => {
    const claim = await modernRequest("tools/list").json();
    expect(await statusOf(post([claim]))).toBe(400);
  });
});

describe("the eras", () => {
  it.each(["2025-11-25", "2025-06-18", "2025-03-26"])("meet in initialize on %s", async (version) => {
    const response = await post(initialize(version));
    expect(response.headers.get("mcp-session-id")).toMatch(/^[\x21-\x7e]+$/);
    expect(await response.json()).toMatchObject({
      result: { protocolVersion: version, capabilities: { resources: { subscribe: true } } },
    });
  });

  it.each([modernVersion, "2099-01-01"])("never meet in initialize on %s", async (version) => {
    expect(await answerOf(await post(initialize(version)))).toMatchObject({
      result: { protocolVersion: "2025-11-25" },
    });
  });

  it.each([
    "initialize",
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
    "no/such",
    "__proto__",
    "constructor",
    "toString",
  ])("keep %s out of 2026-07-28", async (method) => {
    const response = await modern(method, { uri: "ibkr://status" }, "x");
    expect([response.status, await response.json()]).toMatchObject([
      404,
      { id: "x", error: { code: -32_601 } },
    ]);
  });

  it("answer an unknown method of 2025 in the response, since 404 would mean a lost session", async () => {
    const response = await post(messageOf("no/such"));
    expect([response.status, await response.json()]).toMatchObject([200, { error: { code: -32_601 } }]);
  });

  it("do not mix: a malformed claim of 2026-07-28 is never served as 2025", async () => {
    const claimed = { "MCP-Protocol-Version": modernVersion, "Mcp-Method": "ping" };
    expect(await answerOf(await post(messageOf("ping"), claimed))).toMatchObject({
      error: { code: -32_602 },
    });
    const request = modernRequest("tools/list");
    request.headers.delete("Mcp-Method");
    const response = await exports.default.fetch(request);
    expect([response.status, await response.json()]).toMatchObject([400, { error: { code: -32_020 } }]);
  });

  it("tell a client of an unknown revision which one is served", async () => {
    const meta = {
      "io.modelcontextprotocol/protocolVersion": "2099-01-01",
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const headers = { "MCP-Protocol-Version": "2099-01-01", "Mcp-Method": "tools/list" };
    const response = await post(messageOf("tools/list", { _meta: meta }), headers);
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { code: -32_022, data: { supported: [modernVersion], requested: "2099-01-01" } } },
    ]);
  });

  it("ignore a session id that comes with 2026-07-28", async () => {
    const request = modernRequest("tools/list");
    request.headers.set("Mcp-Session-Id", "whatever");
    const response = await exports.default.fetch(request);
    expect([response.status, response.headers.has("mcp-session-id")]).toEqual([200, false]);
  });
});

describe("the lists", () => {
  const namesOf = (answer: unknown) => {
    const { tools } = Object(Reflect.get(Object(answer), "result"));
    return Array.isArray(tools) ? tools.map((tool: unknown) => Reflect.get(Object(tool), "name")) : [];
  };

  it("show every tool in the order of the registry, in both eras", async () => {
    const names = Object.keys(tools);
    expect(namesOf(await answerOf(await post(messageOf("tools/list"))))).toEqual(names);
    const answer = await answerOf(await modern("tools/list"));
    expect(namesOf(answer)).toEqual(names);
    expect(answer).toMatchObject({
      result: { resultType: "complete", ttlMs: 3_600_000, cacheScope: "private" },
    });
  });

  it("show only the core tools where the address asks for them, and only these can be called", async () => {
    const core = Object.entries(tools).flatMap(([name, { toolset }]) => (toolset === "core" ? [name] : []));
    expect(namesOf(await answerOf(await post(messageOf("tools/list"), {}, "?toolset=core")))).toEqual(core);
    const other = messageOf("tools/call", { name: "ibkr_get_current_time", arguments: {} });
    expect(await answerOf(await post(other, {}, "?toolset=core"))).toMatchObject({
      error: { code: -32_602 },
    });
  });

  it("keep what belongs to an account out of shared caches", async () => {
    for (const [method, params] of [
      ["resources/list", {}],
      ["resources/read", { uri: "ibkr://status" }],
    ] as const) {
      expect(await answerOf(await modern(method, params))).toMatchObject({
        result: { ttlMs: 0, cacheScope: "private" },
      });
    }
  });

  it("name each resource once", async () => {
    expect(await answerOf(await modern("resources/list"))).toMatchObject({
      result: { resources: [{ uri: "ibkr://status", mimeType: "application/json" }] },
    });
    expect(await answerOf(await modern("resources/templates/list"))).toMatchObject({
      result: {
        resourceTemplates: [
          { uriTemplate: "ibkr://market-data/{id}" },
          { uriTemplate: "ibkr://portfolio/{account}" },
          { uriTemplate: "ibkr://orders/{account}" },
          { uriTemplate: "ibkr://news-bulletins" },
          { uriTemplate: "ibkr://tick-news/{symbol}" },
          { uriTemplate: "ibkr://broadtape-news" },
        ],
      },
    });
  });

  it("refuse a cursor, since each is one page", async () => {
    for (const method of ["tools/list", "prompts/list", "resources/list", "resources/templates/list"]) {
      expect(await answerOf(await modern(method, { cursor: "x" }))).toMatchObject({
        error: { code: -32_602 },
      });
    }
  });

  it("are all that server/discover promises", async () => {
    expect(await answerOf(await modern("server/discover"))).toMatchObject({
      result: {
        supportedVersions: [modernVersion],
        capabilities: { tools: {}, prompts: {}, completions: {}, resources: { subscribe: true } },
        instructions: expect.stringContaining("ibkr_get_status"),
        _meta: { "io.modelcontextprotocol/serverInfo": { name: "tws-edge" } },
      },
    });
    const answer = JSON.stringify(await answerOf(await modern("server/discover")));
    expect(answer).not.toContain("listChanged");
  });
});

describe("a resource", () => {
  it("is read as JSON", async () => {
    const uri = "ibkr://status";
    expect(await answerOf(await modern("resources/read", { uri }))).toMatchObject({
      result: {
        contents: [{ uri, mimeType: "application/json", text: expect.stringContaining("is_connected") }],
      },
    });
  });

  it.each(["ibkr://nothing", "file:///etc/passwd", "ibkr://market-data/%E0%A4%A"])(
    "that does not exist is an error with its URI and nothing else: %s",
    async (uri) => {
      expect(await answerOf(await modern("resources/read", { uri }))).toMatchObject({
        error: { code: -32_602, data: { uri } },
      });
    },
  );

  it("that nobody has started says what to call first", async () => {
    const uri = "ibkr://market-data/AAPL";
    expect(await answerOf(await modern("resources/read", { uri }))).toMatchObject({
      error: {
        code: -32_602,
        message: expect.stringContaining("ibkr_start_market_data_resource"),
        data: { uri, code: "not_started" },
      },
    });
  });

  it("that nobody has started says so to a client of 2025 too", async () => {
    const session = await openSession();
    const uri = "ibkr://orders/DU1";
    expect(await answerOf(await post(messageOf("resources/read", { uri }), session))).toMatchObject({
      error: {
        message: expect.stringContaining("ibkr_start_portfolio_resource"),
        data: { code: "not_started" },
      },
    });
  });
});
