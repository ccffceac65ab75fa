import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { ToolName } from "../../shared/tools/index.ts";
import { eventually, openSocket, type Socket } from "./clients/clients.ts";
import { type Deployment, type Grant, startDeployment } from "./rigs/multi-host-deployment.ts";

/**
 * Two owners' worth of grants on one edge: A may trade the account DU1111111 of the first host, C may read its other
 * account, and B may trade all of the second host. None of them may learn anything of the others.
 */

const [accountOfA, accountOfB, accountOfC] = ["DU1111111", "DU2222222", "DU3333333"];
const uri = (account: string) => `ibkr://portfolio/${account}`;

let deployment: Deployment;
let a: Client;
let b: Client;
let c: Client;
const sockets: Socket[] = [];

beforeAll(async () => {
  deployment = await startDeployment();
  const home = await deployment.host("Home", [accountOfA, accountOfC]);
  const office = await deployment.host("Office", [accountOfB]);
  a = clientOf(await deployment.grant({ host: home, accounts: [accountOfA], permission: "trade" }));
  b = clientOf(await deployment.grant({ host: office, accounts: null, permission: "trade" }));
  c = clientOf(await deployment.grant({ host: home, accounts: [accountOfC], permission: "read" }));
}, 60_000);
afterAll(async () => {
  for (const socket of sockets) socket.close();
  await deployment.close();
});

type Params = Readonly<Record<string, unknown>>;
type Client = ReturnType<typeof clientOf>;

const Answer = z.object({
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.object({ code: z.number(), message: z.string() }).optional(),
});

/** A program with an access token, which sees each answer as it is. */
function clientOf(grant: Grant) {
  const authorization = { Authorization: `Bearer ${grant.accessToken}` };

  async function ask(method: string, params: Params = {}, headers: Record<string, string> = {}) {
    const response = await fetch(deployment.mcpUrl, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...authorization, ...headers },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  return {
    grant,
    authorization,
    ask,
    /** The text of the whole answer. */
    text: async (tool: ToolName, input: Params = {}) =>
      (await ask("tools/call", { name: tool, arguments: input })).text,
    async call(tool: ToolName, input: Params = {}): Promise<Record<string, unknown>> {
      const { text } = await ask("tools/call", { name: tool, arguments: input });
      const { result, error } = Answer.parse(JSON.parse(text));
      if (result === undefined) throw new Error(`${tool}: ${error?.message}`);
      return z.record(z.string(), z.unknown()).parse(result["structuredContent"]);
    },
    async session(): Promise<string> {
      const clientInfo = { name: "test", version: "1" };
      const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
      return (await ask("initialize", params)).headers.get("Mcp-Session-Id") ?? "";
    },
    async stream(path: string): Promise<Socket> {
      const socket = await openSocket(`${deployment.wsUrl}/api/v1/stream/${path}`, {
        headers: authorization,
      });
      sockets.push(socket);
      await socket.next({ type: "connected" });
      return socket;
    },
    async ticket(endpoint: string): Promise<string> {
      const response = await fetch(`${deployment.url}/api/v1/tickets`, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...authorization },
        body: JSON.stringify({ endpoint }),
      });
      return z.object({ ticket: z.string() }).parse(await response.json()).ticket;
    },
  };
}

const theirs = () =>
  [
    ["A", a, accountOfA, [accountOfB, accountOfC]],
    ["B", b, accountOfB, [accountOfA, accountOfC]],
    ["C", c, accountOfC, [accountOfA, accountOfB]],
  ] as const;

const order = { symbol: "IBM", action: "BUY", quantity: 1, orderType: "LMT", limitPrice: 1 };

test("each sees its own account and no other's, in every list, and is told nothing by errors", async () => {
  const placed = [
    [a, await a.call("ibkr_place_order", { ...order, idempotencyKey: "the same key" })],
    [b, await b.call("ibkr_place_order", { ...order, quantity: 2, idempotencyKey: "the same key" })],
  ] as const;
  for (const [client] of placed) {
    await client.call("ibkr_place_order", { symbol: "MSFT", action: "BUY", quantity: 1, orderType: "MKT" });
  }
  await eventually(
    () => a.text("ibkr_get_executions"),
    (text) => text.includes(accountOfA),
  );
  for (const [name, client, own, others] of theirs()) {
    for (const tool of [
      "ibkr_get_status",
      "ibkr_get_managed_accounts",
      "ibkr_get_positions",
      "ibkr_get_account_summary",
      "ibkr_get_account_values",
      "ibkr_get_pnl",
      "ibkr_get_open_orders",
      "ibkr_get_completed_orders",
      "ibkr_get_all_orders",
      "ibkr_get_executions",
      "ibkr_list_active_resource_streams",
    ] as const) {
      const text = await client.text(tool);
      expect([name, tool, text.includes('"isError":true')]).toEqual([name, tool, false]);
      for (const other of others) expect([name, tool, text.includes(other)]).toEqual([name, tool, false]);
    }
    expect(await client.text("ibkr_get_managed_accounts")).toContain(own);
    expect(await client.text("ibkr_get_account_summary")).toContain(own);
  }
  expect(await c.text("ibkr_get_all_orders")).toContain('"count":0');
});

test("a name of another's account is answered like that of an account that does not exist", async () => {
  const tools = [
    ["ibkr_get_account_summary", {}],
    ["ibkr_get_account_values", {}],
    ["ibkr_get_positions", {}],
    ["ibkr_get_pnl", {}],
    ["ibkr_get_pnl_single", { conId: 265_598 }],
    ["ibkr_get_completed_orders", {}],
    ["ibkr_get_all_orders", {}],
    ["ibkr_get_executions", {}],
    ["ibkr_start_portfolio_resource", {}],
    ["ibkr_stop_portfolio_resource", {}],
    ["ibkr_assess_risk", {}],
  ] as const satisfies readonly (readonly [ToolName, Params])[];
  const nowhere = "DU9999999";
  for (const [name, client, , others] of theirs()) {
    for (const other of others) {
      for (const [tool, input] of tools) {
        const real = await client.text(tool, { ...input, account: other });
        const made = await client.text(tool, { ...input, account: nowhere });
        expect([name, tool, real.replaceAll(other, "…")]).toEqual([
          name,
          tool,
          made.replaceAll(nowhere, "…"),
        ]);
      }
    }
  }
});

test("orders of another are as if there were none, and can be neither seen, changed, cancelled nor waited for", async () => {
  const { orderId } = z.object({ orderId: z.int() }).parse(await a.call("ibkr_place_order", order));
  const unknown = 987_654;
  for (const client of [b, c]) {
    for (const [tool, input] of [
      ["ibkr_get_order_status", {}],
      ["ibkr_wait_for_order", { timeoutSeconds: 1 }],
      ["ibkr_modify_order", { limitPrice: 2 }],
      ["ibkr_cancel_order", {}],
    ] as const) {
      const real = await client.text(tool, { ...input, orderId });
      const made = await client.text(tool, { ...input, orderId: unknown });
      // B's own orders have ids of its own host
      if (client === b && !real.includes("order_not_found")) continue;
      expect(real.replaceAll(`id ${orderId}`, "…")).toEqual(made.replaceAll(`id ${unknown}`, "…"));
    }
  }
  const cancelled = await b.call("ibkr_cancel_all_orders");
  expect(JSON.stringify(cancelled)).not.toContain(accountOfA);
  expect(await a.text("ibkr_get_order_status", { orderId })).toContain("Submitted");
  expect((await c.ask("tools/call", { name: "ibkr_cancel_all_orders", arguments: {} })).status).toBe(403);
});

test("an order in another's account is refused, whatever the tool", async () => {
  for (const account of [accountOfB, accountOfC, "DU9999999"]) {
    for (const [tool, input] of [
      ["ibkr_place_order", { ...order, account }],
      ["ibkr_preview_order", { ...order, account }],
      ["ibkr_place_orders", { orders: [{ ...order, account }] }],
      ["ibkr_cancel_all_orders", { account }],
      ["ibkr_plan_rebalance", { account, targets: [{ symbol: "IBM", weight: 0.1 }] }],
    ] as const) {
      expect([tool, await a.text(tool, input)]).toEqual([
        tool,
        expect.stringMatching(/may not use|forbidden|invalid_input/),
      ]);
    }
  }
  expect(await b.text("ibkr_get_all_orders")).not.toContain(accountOfA);
});

describe("streams", () => {
  test("started by one are in no list of another, and cannot be read, stopped or followed by it", async () => {
    await a.call("ibkr_start_portfolio_resource", { account: accountOfA });
    await a.call("ibkr_start_market_data_resource", { symbol: "AAPL" });
    expect(await a.text("ibkr_list_active_resource_streams")).toContain(accountOfA);
    expect((await a.ask("resources/list")).text).toContain("market-data/AAPL");
    for (const client of [b, c]) {
      expect(await client.call("ibkr_list_active_resource_streams")).toMatchObject({ count: 0 });
      expect((await client.ask("resources/list")).text).not.toMatch(/DU1111111|AAPL/);
      for (const [kind, id] of [
        ["portfolio", accountOfA],
        ["orders", accountOfA],
        ["market-data", "AAPL"],
      ] as const) {
        const read = async (of: string) =>
          (await client.ask("resources/read", { uri: `ibkr://${kind}/${of}` })).text.replaceAll(of, "…");
        expect(await read(id)).toBe(await read("DU9999999"));
      }
      await client.text("ibkr_stop_portfolio_resource", { account: accountOfA });
      await client.text("ibkr_stop_market_data_resource", { resource_id: "AAPL" });
    }
    expect(await a.text("ibkr_list_active_resource_streams")).toContain(accountOfA);
    expect(await a.text("ibkr_list_active_resource_streams")).toContain("AAPL");
  });

  test("of accounts open no other account", async () => {
    const [ofB, ofC] = [await b.stream("portfolio"), await c.stream("portfolio")];
    for (const [socket, own, others] of [
      [ofB, accountOfB, [accountOfA, accountOfC]],
      [ofC, accountOfC, [accountOfA, accountOfB]],
    ] as const) {
      for (const account of others) {
        socket.send({ action: "subscribe", account });
        const error = await socket.next();
        expect(error).toMatchObject({
          type: "error",
          code: expect.stringMatching(/forbidden|invalid_input/),
        });
        for (const one of others.filter((one) => one !== account)) {
          expect(JSON.stringify(error)).not.toContain(one);
        }
      }
      socket.send({ action: "subscribe", account: own });
      expect(await socket.next({ type: "subscribed" })).toMatchObject({ account: own });
      socket.send({ action: "list" });
      const list = JSON.stringify(await socket.next({ type: "subscriptions" }));
      for (const account of others) expect(list).not.toContain(account);
    }
  });

  test("take a ticket for its own grant and host alone", async () => {
    const ticket = await c.ticket("portfolio");
    const socket = await openSocket(`${deployment.wsUrl}/api/v1/stream/portfolio?ticket=${ticket}`, {
      // a token that comes along counts for nothing
      headers: a.authorization,
    });
    sockets.push(socket);
    await socket.next({ type: "connected" });
    socket.send({ action: "subscribe", account: accountOfA });
    expect(await socket.next()).toMatchObject({ type: "error", code: "forbidden" });
    socket.send({ action: "subscribe", account: accountOfC });
    await socket.next({ type: "subscribed" });
  });
});

test("a session of MCP is of no use to another grant, and says nothing of itself", async () => {
  const session = await a.session();
  const mine = { "Mcp-Session-Id": session };
  expect((await a.ask("tools/list", {}, mine)).status).toBe(200);
  for (const client of [b, c]) {
    const real = await client.ask("tools/list", {}, mine);
    const made = await client.ask("tools/list", {}, { "Mcp-Session-Id": `${session.slice(0, -4)}AAAA` });
    expect(real).toMatchObject({ status: 404, text: made.text });
    for (const method of ["GET", "DELETE"]) {
      const headers = { ...client.authorization, ...mine, Accept: "text/event-stream" };
      expect((await fetch(deployment.mcpUrl, { method, headers })).status).toBe(404);
    }
    const subscribed = await client.ask("resources/subscribe", { uri: uri(accountOfA) }, mine);
    expect(subscribed.status).toBe(404);
  }
  expect((await a.ask("tools/list", {}, mine)).status).toBe(200);
});

test("a subscription to another's resource is refused, and told nothing", async () => {
  const session = { "Mcp-Session-Id": await c.session(), Accept: "application/json, text/event-stream" };
  await c.call("ibkr_start_portfolio_resource", { account: accountOfC });
  const refused = await c.ask("resources/subscribe", { uri: uri(accountOfA) }, session);
  expect(refused.text).toContain("not_started");
  const taken = await c.ask("resources/subscribe", { uri: uri(accountOfC) }, session);
  expect(taken.text).not.toContain("error");
  const leaving = new AbortController();
  const stream = await fetch(deployment.mcpUrl, {
    headers: { ...c.authorization, ...session },
    signal: leaving.signal,
  });
  const reader = z
    .instanceof(ReadableStream)
    .parse(stream.body)
    .pipeThrough(new TextDecoderStream())
    .getReader();
  let text = "";
  // A's account changes first, and then C's own
  await a.call("ibkr_place_order", { symbol: "MSFT", action: "BUY", quantity: 1, orderType: "MKT" });
  const told = (account: string) => text.split(uri(account)).length - 1;
  const until = async (times: number) => {
    while (told(accountOfC) < times) text += (await reader.read()).value ?? "";
  };
  await until(1);
  await c.call("ibkr_stop_portfolio_resource", { account: accountOfC });
  await until(2);
  // announced once, as the stream opened, like anything else that one asks for
  expect(told(accountOfA)).toBeLessThanOrEqual(1);
  leaving.abort();
});

test("completion and prompts offer only one's own accounts", async () => {
  for (const [, client, own] of theirs()) {
    const { text } = await client.ask("completion/complete", {
      ref: { type: "ref/resource", uri: "ibkr://portfolio/{account}" },
      argument: { name: "account", value: "" },
    });
    expect(JSON.parse(text)).toMatchObject({ result: { completion: { values: [own], total: 1 } } });
  }
});

test("a reader is shown no tool that trades, and the call of one is refused with what to ask for", async () => {
  expect((await c.ask("tools/list")).text).not.toContain('"name":"ibkr_place_order"');
  expect((await a.ask("tools/list")).text).toContain('"name":"ibkr_place_order"');
  const refused = await c.ask("tools/call", { name: "ibkr_place_order", arguments: order });
  expect([refused.status, refused.headers.get("WWW-Authenticate")]).toEqual([
    403,
    expect.stringContaining("insufficient_scope"),
  ]);
});

test("health shows each its own host, and a stranger none", async () => {
  const health = async (headers: Record<string, string>) =>
    await (await fetch(`${deployment.url}/health`, { headers })).text();
  for (const [, client, own, others] of theirs()) {
    const text = await health(client.authorization);
    for (const account of [own, ...others]) expect(text).not.toContain(account);
  }
  expect(Object.keys(z.record(z.string(), z.unknown()).parse(JSON.parse(await health({})))).sort()).toEqual([
    "asOf",
    "status",
    "version",
  ]);
});

// the last, since it ends what the others use
test("ending one closes all its streams within a second, refuses its token, and leaves the others alone", async () => {
  const mine = await Promise.all(["market-data", "portfolio", "news"].map((path) => a.stream(path)));
  const other = await Promise.all([c.stream("market-data"), b.stream("news")]);
  mine[0]?.send({ action: "subscribe", symbol: "AAPL" });
  await mine[0]?.next({ type: "subscribed" });
  const session = { ...a.authorization, "Mcp-Session-Id": await a.session(), Accept: "text/event-stream" };
  const events = await fetch(deployment.mcpUrl, { headers: session });
  const ticket = await a.ticket("news");
  const startedAt = performance.now();
  await deployment.owner.revoke(a.grant.grantId);
  await eventually(
    async () => mine.some((socket) => socket.isOpen()),
    (isOpen) => !isOpen,
  );
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  // the runtime takes its time to let go of the connections themselves
  for (const socket of mine) socket.terminate();
  expect(await Promise.all(mine.map(({ closed }) => closed))).toEqual([4401, 4401, 4401]);
  await eventually(
    () => a.ask("tools/list"),
    ({ status }) => status === 401,
  );
  expect(performance.now() - startedAt).toBeLessThan(3_000);
  await events.body?.cancel();
  await expect(openSocket(`${deployment.wsUrl}/api/v1/stream/news?ticket=${ticket}`)).rejects.toThrow("401");
  for (const socket of other) {
    socket.send({ action: "ping" });
    await socket.next({ type: "pong" });
  }
  expect(await c.call("ibkr_get_positions")).toMatchObject({ count: expect.any(Number) });
  expect(await b.call("ibkr_get_positions")).toMatchObject({ count: expect.any(Number) });
});
