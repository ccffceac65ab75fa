import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import type { Portfolio } from "../../shared/portfolio.ts";
import { type Caller, ownerOfLocalMode } from "../../shared/caller.ts";
import { hostOf } from "../config/bindings.ts";
import { callOf, connectAgent, connectedStatus, rpc, type ScriptedAgent } from "../host/host.fixture.ts";
import {
  answerOf,
  bothKinds,
  eventsOf,
  type Headers,
  mcpUrl,
  messageOf,
  modernRequest,
  type Params,
} from "./client.fixture.ts";
import { handleMcp } from "./endpoint.ts";

const alice: Caller = { ...ownerOfLocalMode, grantId: "alice", accounts: ["DU1"] };
const bob: Caller = { ...ownerOfLocalMode, grantId: "bob", accounts: ["DU2"] };
const nobody: Caller = { ...ownerOfLocalMode, grantId: "nobody", accounts: [] };
const strangers = [
  ["another account", bob],
  ["no account", nobody],
] as const;

const uri = "ibkr://portfolio/DU1";
const updated = (of: string) => ({ method: "notifications/resources/updated", params: { uri: of } });

let agent: ScriptedAgent;
let connection = 1;
beforeEach(async () => {
  const host = hostOf(env);
  agent = await connectAgent(host);
  // by the first of the tests, and it goes on
  if ((await rpc(host).listResources(alice)).length > 0) return;
  const outcome = rpc(host).call(callOf("ibkr_start_portfolio_resource", { account: "DU1" }, alice));
  const account = { resource_id: "DU1", orders_uri: "", account: "DU1", mode: "paper" };
  await agent.starts("portfolio/DU1", account);
  await outcome;
});

/** Something of Alice's account alone, and then something of everybody's. */
async function change(): Promise<void> {
  const data: Portfolio = {
    account: "DU1",
    mode: "paper",
    time: "2026-01-05T15:00:00.000Z",
    values: [],
    positions: [],
    positionsTotal: 0,
  };
  agent.emit("portfolio/DU1", { kind: "portfolio", data });
  await agent.taken();
  connection += 1;
  agent.send({ type: "status", status: { ...connectedStatus, tws: { ...connectedStatus.tws, connection } } });
}

const handle = (request: Request, caller: Caller) =>
  handleMcp(request, env, createExecutionContext(), caller);
const modern = (caller: Caller, method: string, params: Params) =>
  handle(modernRequest(method, params), caller);
const legacy = (caller: Caller, headers: Headers, method: string, params: Params = {}) =>
  handle(
    new Request(mcpUrl, {
      method: "POST",
      headers: { ...headers, ...bothKinds, "Content-Type": "application/json" },
      body: JSON.stringify(messageOf(method, params)),
    }),
    caller,
  );

/** The headers of a session of 2025. */
async function sessionOf(caller: Caller): Promise<Headers> {
  const clientInfo = { name: "test", version: "1" };
  const init = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
  const response = await legacy(caller, {}, "initialize", init);
  await response.arrayBuffer();
  const id = response.headers.get("mcp-session-id") ?? "";
  return { "Mcp-Session-Id": id, "MCP-Protocol-Version": "2025-11-25" };
}

const status = "ibkr://status";

/** A stream of each era that follows these, past what is said at the start. */
const eras = {
  async "2026-07-28"(caller: Caller, uris: readonly string[]) {
    const notifications = { resourceSubscriptions: uris };
    const events = eventsOf(await modern(caller, "subscriptions/listen", { notifications }));
    for (let count = 0; count <= uris.length; count += 1) await events.next();
    return events;
  },
  async "2025-11-25"(caller: Caller, uris: readonly string[]) {
    const session = await sessionOf(caller);
    for (const of of uris) {
      expect(await answerOf(await legacy(caller, session, "resources/subscribe", { uri: of }))).toMatchObject(
        { result: {} },
      );
    }
    const stream = new Request(mcpUrl, { headers: { ...session, Accept: "text/event-stream" } });
    const events = eventsOf(await handle(stream, caller));
    for (const _ of uris) await events.next();
    return events;
  },
};

describe.each(strangers)("an MCP client whose grant covers %s", (_, stranger) => {
  it.each(["2026-07-28", "2025-11-25"] as const)(
    "is told nothing of another's account in %s",
    async (era) => {
      const theirs = await eras[era](stranger, [status]);
      const hers = await eras[era](alice, [uri, status]);
      await change();
      expect(await theirs.next()).toMatchObject(updated("ibkr://status"));
      expect(await hers.next()).toMatchObject(updated(uri));
      await Promise.all([theirs.leave(), hers.leave()]);
    },
  );

  it("follows nothing of another's account in either era", async () => {
    const missing = { error: { code: -32_602, data: { uri, code: "not_started" } } };
    const notifications = { resourceSubscriptions: [uri] };
    const listened = await modern(stranger, "subscriptions/listen", { notifications });
    expect(await answerOf(listened)).toMatchObject(missing);
    const session = await sessionOf(stranger);
    expect(await answerOf(await legacy(stranger, session, "resources/subscribe", { uri }))).toMatchObject(
      missing,
    );
  });

  it("reads and lists nothing of another's account in either era", async () => {
    const session = await sessionOf(stranger);
    for (const ask of [
      (method: string, params: Params) => modern(stranger, method, params),
      (method: string, params: Params) => legacy(stranger, session, method, params),
    ]) {
      expect(await answerOf(await ask("resources/read", { uri }))).toMatchObject({
        error: { code: -32_602, data: { code: "not_started" } },
      });
      expect(JSON.stringify(await answerOf(await ask("resources/list", {})))).not.toContain("DU1");
      const list = { name: "ibkr_list_active_resource_streams", arguments: {} };
      expect(await answerOf(await ask("tools/call", list))).toMatchObject({
        result: { structuredContent: { count: 0 } },
      });
    }
    expect(await answerOf(await modern(alice, "resources/list", {}))).toMatchObject({
      result: { resources: expect.arrayContaining([expect.objectContaining({ uri })]) },
    });
  });
});
