import { readFileSync } from "node:fs";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { post } from "./clients/clients.ts";
import { startSystem, type System } from "./rigs/system.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => system.close());

interface RawRequest {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Below fetch, which does not let a test set Host or Origin. */
function raw({ path = "/api/v1/mcp", method = "POST", headers = {}, body }: RawRequest) {
  return new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; text: string }>(
    (resolve, reject) => {
      const { hostname, port } = new URL(system.url);
      const outgoing = request({ hostname, port, path, method, headers }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (text += chunk));
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        );
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    },
  );
}

const json = { "Content-Type": "application/json" };
const call = (name: string, input: unknown) =>
  JSON.stringify({ jsonrpc: "2.0", method: "tools/call", params: { name, arguments: input }, id: 1 });
const healthy = async () => expect((await raw({ path: "/health", method: "GET" })).status).toBe(200);

test("the curl of the README answers 200 application/json with the status", async () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const body = /^curl -X POST .* -d '(.*)'$/m.exec(readme)?.[1];
  if (body === undefined) throw new Error("the README has no curl");
  const { status, headers, text } = await raw({ headers: json, body });
  expect(status).toBe(200);
  expect(headers["content-type"]).toMatch(/^application\/json/);
  expect(JSON.parse(text)).toMatchObject({
    jsonrpc: "2.0",
    id: 1,
    result: { structuredContent: { is_connected: true, mode: "paper" } },
  });
});

test("/health tells of every hop", async () => {
  const { text } = await raw({ path: "/health", method: "GET" });
  expect(JSON.parse(text)).toMatchObject({
    status: "healthy",
    hops: { agent: { state: "connected" }, tws: { state: "connected" } },
  });
});

describe("from elsewhere than this machine", () => {
  test.for([
    ["a foreign host", { Host: "evil.example" }],
    ["a foreign host that begins like ours", { Host: "127.0.0.1.evil.example" }],
    ["a foreign origin", { Origin: "https://evil.example" }],
    ["an opaque origin", { Origin: "null" }],
  ] as const)("%s is refused on requests, preflights and WebSockets", async ([, headers]) => {
    expect((await raw({ headers: { ...json, ...headers }, body: call("ibkr_get_status", {}) })).status).toBe(
      403,
    );
    expect(
      (await raw({ method: "OPTIONS", headers: { ...headers, "Access-Control-Request-Method": "POST" } }))
        .status,
    ).toBe(403);
    for (const path of ["/api/v1/stream/market-data", "/api/v1/agent"]) {
      const status = await new Promise<number | undefined>((resolve, reject) => {
        const socket = new WebSocket(`${system.wsUrl}${path}`, "tws-edge.v1", { headers });
        socket.on("unexpected-response", (outgoing, response) => {
          resolve(response.statusCode);
          outgoing.destroy();
        });
        socket.on("open", () => reject(new Error("it opened")));
        socket.on("error", () => resolve(0));
      });
      expect(status).toBe(403);
    }
  });

  test("a page on this machine may ask, and its preflight names Authorization", async () => {
    const { status, headers } = await raw({
      method: "OPTIONS",
      headers: { Origin: "http://localhost:5173", "Access-Control-Request-Method": "POST" },
    });
    expect(status).toBe(204);
    expect(headers["access-control-allow-origin"]).toBe("http://localhost:5173");
    expect(headers["access-control-allow-headers"]).toMatch(/Authorization/);
  });

  test("an agent without this run's token is refused", async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const socket = new WebSocket(`${system.wsUrl}/api/v1/agent`, "tws-edge.v1");
      socket.on("unexpected-response", (outgoing, response) => {
        resolve(response.statusCode);
        outgoing.destroy();
      });
      socket.on("open", () => reject(new Error("it opened")));
      socket.on("error", () => resolve(0));
    });
    expect(status).toBe(401);
  });
});

describe("what is wrong is named, and nothing else suffers", () => {
  test("an unknown tool is a JSON-RPC error, whatever its name", async () => {
    for (const name of ["ibkr_get_rich", "__proto__", "constructor", ""]) {
      const { reply } = await post(system.mcpUrl, "tools/call", { name, arguments: {} });
      expect(reply.error?.code).toBe(-32_602);
    }
  });

  test.for([
    ["ibkr_place_order", { symbol: "AAPL", action: "HOLD", quantity: 1 }, /action.*BUY.*SELL/s],
    ["ibkr_place_order", { symbol: "AAPL", action: "BUY", quantity: -1 }, /quantity/],
    ["ibkr_place_order", { symbol: "AAPL", action: "BUY", quantity: 1, orderType: "LMT" }, /limitPrice/],
    ["ibkr_place_order", { symbol: "AAPL", action: "BUY", quantiy: 1 }, /quantiy/],
    ["ibkr_get_historical_data", { symbol: "AAPL", barSize: "7 mins" }, /barSize/],
    ["ibkr_get_contract_details", {}, /symbol|conId/],
    ["ibkr_modify_order", { orderId: 1 }, /quantity|limitPrice/],
  ] as const)("%s with %j is refused by name", async ([name, input, expected]) => {
    const { reply } = await post(system.mcpUrl, "tools/call", { name, arguments: input });
    expect(reply.result).toMatchObject({
      isError: true,
      structuredContent: {
        error: { message: expect.stringMatching(expected), nextStep: expect.any(String) },
      },
    });
  });

  test.for([
    ["not JSON", "{", 400],
    ["a batch", "[]", 400],
    ["nothing", "", 400],
    ["two megabytes", call("ibkr_get_status", { pad: "x".repeat(2_000_000) }), 413],
    ["deep nesting", `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`, 400],
  ] as const)("%s gets a clear JSON-RPC error", async ([, body, status]) => {
    const answer = await raw({ headers: json, body });
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({ jsonrpc: "2.0", error: { message: expect.any(String) } });
    await healthy();
  });

  test.for([
    ["//evil.example/health", "GET"],
    ["/%E0%A4%A", "GET"],
    ["/api/v1/stream/market-data", "GET"],
    ["/api/v1/agent", "GET"],
    ["/api/v1/mcp", "PUT"],
    ["/api/v1/mcp", "GET"],
    ["/nothing", "POST"],
  ] as const)("%s by %s is a client's error and never the server's", async ([path, method]) => {
    const { status } = await raw({ path, method });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  });

  test("half-open clients and sockets that break the protocol harm nobody", async () => {
    const halves = Array.from({ length: 20 }, () => {
      const { hostname, port } = new URL(system.url);
      const half = request({
        hostname,
        port,
        path: "/api/v1/mcp",
        method: "POST",
        headers: { ...json, "Content-Length": "1000" },
      });
      half.on("error", () => undefined);
      half.write('{"jsonrpc"');
      return half;
    });
    const { reply } = await post(system.mcpUrl, "tools/call", {
      name: "ibkr_get_current_time",
      arguments: {},
    });
    expect(reply.result).toMatchObject({ structuredContent: { timestamp: expect.any(Number) } });
    for (const half of halves) half.destroy();
    await healthy();
  });
});
