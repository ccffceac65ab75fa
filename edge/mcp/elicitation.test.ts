import { createExecutionContext, evictDurableObject, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { type Caller, ownerOfLocalMode } from "../../shared/caller.ts";
import { intentOf } from "../crypto/digest.ts";
import { hostOf } from "../config/bindings.ts";
import type { AccessSettings } from "../config/settings.ts";
import { connectAgent, type ScriptedAgent } from "../host/host.fixture.ts";
import {
  answerOf,
  bothKinds,
  eventsOf,
  type Headers,
  mcpUrl,
  messageOf,
  type Params,
} from "./client.fixture.ts";
import { handleMcp } from "./endpoint.ts";

const access: AccessSettings = {
  publicUrl: "https://tws.example",
  resource: "https://tws.example/api/v1/mcp",
  passphraseHash: "",
  localAgentToken: null,
};
const alice: Caller = { ...ownerOfLocalMode, grantId: "alice" };
const bob: Caller = { ...ownerOfLocalMode, grantId: "bob" };
const page = "https://tws.example/approvals/default.a1";
const both = { elicitation: { form: {}, url: {} } };
const order = { name: "ibkr_place_order", arguments: { symbol: "AAPL", action: "BUY", quantity: 1 } };

let agent: ScriptedAgent;
beforeEach(async () => {
  agent = await connectAgent(hostOf(env));
});

/** A message of a client of the 2025 revisions, with sign-in but without the Worker around it. */
function send(message: unknown, headers: Headers, caller: Caller = alice): Promise<Response> {
  const request = new Request(mcpUrl, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(message),
  });
  return handleMcp(request, env, createExecutionContext(), caller, access);
}

async function openSession(capabilities: Params, caller: Caller = alice): Promise<Headers> {
  const protocolVersion = "2025-11-25";
  const clientInfo = { name: "test", version: "1" };
  const initialize = messageOf("initialize", { protocolVersion, capabilities, clientInfo });
  const response = await send(initialize, bothKinds, caller);
  await response.arrayBuffer();
  const sessionId = response.headers.get("mcp-session-id") ?? "none";
  return { ...bothKinds, "Mcp-Session-Id": sessionId, "MCP-Protocol-Version": protocolVersion };
}

async function approvalNeeded(leftMs = 300_000) {
  const frame = await agent.expect("call");
  agent.send({
    type: "error",
    id: frame.id,
    error: {
      code: "approval_required",
      message: "The owner must approve this order.",
      nextStep: "Wait.",
      retryable: true,
      intent: await intentOf(frame.caller.grantId, frame.idempotencyKey ?? ""),
      approval: { approvalId: "a1", at: "page", expiresAt: new Date(Date.now() + leftMs).toISOString() },
    },
  });
  return frame;
}

const placed = { orderId: 7, status: "Submitted" };
async function places() {
  const frame = await agent.expect("call");
  agent.send({ type: "result", id: frame.id, output: placed });
  return frame;
}

/** What the agent is asked next, if nothing comes before a call that is made now. */
async function askedNext(): Promise<string> {
  const answer = send(messageOf("tools/call", { name: "ibkr_get_positions", arguments: {} }, 99), bothKinds);
  const frame = await agent.expect("call");
  agent.send({ type: "result", id: frame.id, output: { positions: [], count: 0 } });
  await answerOf(await answer);
  return frame.tool;
}

const expectNothingAsked = async () => expect(await askedNext()).toBe("ibkr_get_positions");

interface Question {
  readonly id: string;
  readonly method: string;
  readonly params: Params;
}

/** A call that is under way and whose client has just been asked. */
async function askedCall(session: Headers, caller: Caller = alice) {
  const response = await send(messageOf("tools/call", order, 5), session, caller);
  const events = eventsOf(response);
  const frame = await approvalNeeded();
  const question = questionIn(await events.next());
  return { events, frame, question };
}

function questionIn(message: unknown): Question {
  const { id, method, params } = Object(message);
  if (method !== "elicitation/create") throw new Error(`Not asked but told ${JSON.stringify(message)}.`);
  return { id: String(id), method, params };
}

const answered = (id: string, action = "accept") => ({ jsonrpc: "2.0", id, result: { action } });
const sessionNameOf = (session: Headers) => (session["Mcp-Session-Id"] ?? "").split(".")[0] ?? "";

describe("a client of a 2025 session", () => {
  it("is asked on the stream of its call, answers by another request, and gets its order and the end of the question", async () => {
    const session = await openSession(both);
    const { events, frame, question } = await askedCall(session);
    expect(question.params).toMatchObject({ mode: "url", url: page, elicitationId: question.id });
    expect((await send(answered(question.id), session)).status).toBe(202);
    expect(await places()).toMatchObject({ input: frame.input, idempotencyKey: frame.idempotencyKey });
    expect(await events.next()).toEqual({
      jsonrpc: "2.0",
      method: "notifications/elicitation/complete",
      params: { elicitationId: question.id },
    });
    expect(await events.next()).toMatchObject({ id: 5, result: { structuredContent: placed } });
  });

  it.each([{}, { form: {} }])("that shows forms only is asked with an empty one: %j", async (elicitation) => {
    const session = await openSession({ elicitation });
    const { events, question } = await askedCall(session);
    expect(question.params).toEqual({
      message: expect.stringContaining(page),
      requestedSchema: { type: "object", properties: {} },
    });
    await send(answered(question.id), session);
    await places();
    expect(await events.next()).toMatchObject({ id: 5, result: { structuredContent: placed } });
  });

  it("is asked also where its session's object was evicted meanwhile", async () => {
    const session = await openSession(both);
    const { events, question } = await askedCall(session);
    await evictDurableObject(env.MCP_SESSION.getByName(sessionNameOf(session)));
    await send(answered(question.id), session);
    await places();
    await events.next();
    expect(await events.next()).toMatchObject({ id: 5, result: { structuredContent: placed } });
  });

  it.each([
    ["decline", "trading_refused"],
    ["cancel", "approval_required"],
  ])("that answers %s has placed nothing", async (action, code) => {
    const session = await openSession(both);
    const { events, question } = await askedCall(session);
    await send(answered(question.id, action), session);
    expect(await events.next()).toMatchObject({
      id: 5,
      result: { isError: true, structuredContent: { error: { code } } },
    });
    await expectNothingAsked();
  });

  it("that answers with an error, or with what is no answer, has placed nothing", async () => {
    const session = await openSession(both);
    const { events, question } = await askedCall(session);
    await send({ jsonrpc: "2.0", id: question.id, result: { action: "approve" } }, session);
    await send({ jsonrpc: "2.0", id: question.id, error: { code: -1, message: "no" } }, session);
    expect(await events.next()).toMatchObject({
      result: { structuredContent: { error: { code: "approval_required" } } },
    });
    await expectNothingAsked();
  });

  it("is not answered for by another session, another grant, without a session, or under another id", async () => {
    const session = await openSession(both);
    const { events, question } = await askedCall(session);
    const others: readonly [Headers, Caller, number][] = [
      [await openSession(both), alice, 202],
      [await openSession(both, bob), bob, 202],
      [session, bob, 404],
      [bothKinds, alice, 202],
    ];
    for (const [headers, caller, status] of others) {
      expect((await send(answered(question.id), headers, caller)).status).toBe(status);
    }
    // nor by an answer to something else
    await send(answered(crypto.randomUUID()), session);
    await expectNothingAsked();
    await send(answered(question.id, "decline"), session);
    expect(await events.next()).toMatchObject({
      result: { structuredContent: { error: { code: "trading_refused" } } },
    });
  });

  it("counts once: a second answer, or one to a question that was never asked, asks the agent nothing", async () => {
    const session = await openSession(both);
    const { events, question } = await askedCall(session);
    await send(answered(question.id), session);
    await places();
    await events.next();
    await events.next();
    await send(answered(question.id), session);
    await send(answered(crypto.randomUUID()), session);
    expect(await askedNext()).toBe("ibkr_get_positions");
  });

  it("that has withdrawn the call is not taken at its word afterwards", async () => {
    const session = await openSession(both);
    const { events, question } = await askedCall(session);
    await send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 5 } }, session);
    await send(answered(question.id), session);
    expect(await askedNext()).toBe("ibkr_get_positions");
    await events.leave();
  });

  it("that ends its session while it is asked has placed nothing", async () => {
    const session = await openSession(both);
    const { events } = await askedCall(session);
    const request = new Request(mcpUrl, { method: "DELETE", headers: session });
    const ctx = createExecutionContext();
    await handleMcp(request, env, ctx, alice, access);
    await waitOnExecutionContext(ctx);
    expect(await events.next()).toMatchObject({
      result: { structuredContent: { error: { code: "approval_required" } } },
    });
    await expectNothingAsked();
  });

  it("that does not answer until the approval has expired has placed nothing", async () => {
    const session = await openSession(both);
    const events = eventsOf(await send(messageOf("tools/call", order, 5), session));
    await approvalNeeded(300);
    const { id } = questionIn(await events.next());
    expect(await events.next()).toMatchObject({
      result: { structuredContent: { error: { code: "approval_required" } } },
    });
    await send(answered(id), session);
    await expectNothingAsked();
  });

  it("still waits when it says that it was approved and it was not", async () => {
    const session = await openSession(both);
    const { events, question } = await askedCall(session);
    await send(answered(question.id), session);
    for (let round = 0; round < 5; round += 1) await approvalNeeded();
    // and is not told that it is over
    expect(await events.next()).toMatchObject({
      result: { structuredContent: { error: { code: "approval_required", approval: { url: page } } } },
    });
    await expectNothingAsked();
  });

  it("that can be asked nothing gets the error with the way: no capability, no session or no stream", async () => {
    const plain = await openSession({});
    const asking = await openSession(both);
    const { Accept: _accept, ...withoutStream } = asking;
    for (const headers of [plain, bothKinds, withoutStream]) {
      const answer = send(messageOf("tools/call", order, 5), headers);
      await approvalNeeded();
      expect(await answerOf(await answer)).toMatchObject({
        id: 5,
        result: { structuredContent: { error: { code: "approval_required", approval: { url: page } } } },
      });
    }
  });
});
