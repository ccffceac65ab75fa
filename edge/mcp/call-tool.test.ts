import { createExecutionContext, runInDurableObject, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { type Caller, ownerOfLocalMode } from "../../shared/caller.ts";
import { hostOf } from "../config/bindings.ts";
import { connectAgent, type ScriptedAgent } from "../host/host.fixture.ts";
import {
  answerOf,
  bothKinds,
  eventsOf,
  messageOf,
  modern,
  modernRequest,
  openSession,
  type Params,
  post,
} from "./client.fixture.ts";
import { handleMcp } from "./endpoint.ts";

const call = (name: string, input: Params = {}, meta: Params = {}) => ({
  name,
  arguments: input,
  _meta: meta,
});
const positions = { positions: [], count: 0 };

let agent: ScriptedAgent;
beforeEach(async () => {
  agent = await connectAgent(hostOf(env));
});

const answerNext = async (output: Params) => {
  const frame = await agent.expect("call");
  agent.send({ type: "result", id: frame.id, output });
  return frame;
};

/** The call as one caller makes it, without the Worker around it. */
async function callAs(caller: Caller, params: Params): Promise<unknown> {
  const ctx = createExecutionContext();
  const answer = await answerOf(await handleMcp(modernRequest("tools/call", params), env, ctx, caller));
  await waitOnExecutionContext(ctx);
  return answer;
}

describe("tools/call", () => {
  it("brings the agent's result as an object and as the same JSON in one text", async () => {
    const answer = modern("tools/call", call("ibkr_get_positions", { account: "DU1" }));
    expect(await answerNext(positions)).toMatchObject({
      tool: "ibkr_get_positions",
      input: { account: "DU1" },
    });
    expect(await answerOf(await answer)).toMatchObject({
      result: {
        resultType: "complete",
        structuredContent: positions,
        content: [{ type: "text", text: JSON.stringify(positions) }],
      },
    });
  });

  it("brings the agent's error as a result that says so", async () => {
    const answer = post(messageOf("tools/call", call("ibkr_get_positions")));
    const { id } = await agent.expect("call");
    const error = {
      code: "tws_offline" as const,
      message: "No session.",
      nextStep: "Wait.",
      retryable: true,
    };
    agent.send({ type: "error", id, error });
    expect(await answerOf(await answer)).toMatchObject({
      result: {
        isError: true,
        structuredContent: { error: { ...error, saidBy: "agent" } },
        content: [{ type: "text", text: JSON.stringify({ error: { ...error, saidBy: "agent" } }) }],
      },
    });
  });

  it.each(["no_such_tool", "__proto__", "constructor", "toString"])(
    "of %s is a protocol error",
    async (name) => {
      const answer = await answerOf(await modern("tools/call", call(name), "id"));
      expect(answer).toMatchObject({ id: "id", error: { code: -32_602, message: `Unknown tool: ${name}` } });
    },
  );

  it("that this sign-in does not permit never reaches the agent", async () => {
    const reader: Caller = { ...ownerOfLocalMode, scopes: ["tws:read"] };
    expect(await callAs(reader, call("ibkr_cancel_order", { orderId: 1 }))).toMatchObject({
      result: { isError: true, structuredContent: { error: { code: "forbidden" } } },
    });
    const answer = modern("tools/call", call("ibkr_get_positions"));
    // the first that arrives is the next one
    expect(await answerNext(positions)).toMatchObject({ tool: "ibkr_get_positions" });
    await answer;
  });

  it("says outcome_unknown when the host breaks down under an order, and internal under anything else", async () => {
    const order = { symbol: "AAPL", action: "BUY", quantity: 1 };
    for (const [name, input, code] of [
      ["ibkr_place_order", order, "outcome_unknown"],
      ["ibkr_get_positions", {}, "internal"],
    ] as const) {
      // a stub of an object that broke down stays broken
      const host = hostOf(env);
      agent = await connectAgent(host);
      const answer = modern("tools/call", call(name, input));
      await agent.expect("call");
      await runInDurableObject(host, (_, state) => state.abort("broken")).catch(() => undefined);
      expect(await answerOf(await answer)).toMatchObject({
        result: { isError: true, structuredContent: { error: { code } } },
      });
    }
  });
});

describe("progress", () => {
  const meta = { progressToken: "p" };
  const report = (id: string, progress: number) =>
    agent.send({ type: "progress", id, progress, total: 3, message: `step ${progress}` });

  it.each([
    ["2026-07-28", () => modern("tools/call", call("ibkr_get_positions", {}, meta))],
    ["2025", () => post(messageOf("tools/call", call("ibkr_get_positions", {}, meta)), bothKinds)],
  ])("is told on the way to the result, and only rises (%s)", async (_, send) => {
    const answer = send();
    const { id } = await agent.expect("call");
    for (const progress of [1, 1, 0.5, 2]) report(id, progress);
    const events = eventsOf(await answer);
    const step = (progress: number) => ({
      method: "notifications/progress",
      params: { progressToken: "p", progress, total: 3, message: `step ${progress}` },
    });
    expect(await events.next()).toMatchObject(step(1));
    expect(await events.next()).toMatchObject(step(2));
    agent.send({ type: "result", id, output: positions });
    expect(await events.next()).toMatchObject({ result: { structuredContent: positions } });
    expect(await events.next()).toBeUndefined();
  });

  it("is not told to a client that takes no stream", async () => {
    const answer = post(messageOf("tools/call", call("ibkr_get_positions", {}, meta)));
    const { id } = await agent.expect("call");
    report(id, 1);
    agent.send({ type: "result", id, output: positions });
    expect((await answer).headers.get("content-type")).toBe("application/json");
    expect(await answerOf(await answer)).toMatchObject({ result: { structuredContent: positions } });
  });

  it("or not, a call that may take long is a stream where the client takes one, so that its leaving is noticed", async () => {
    const response = await modern("tools/call", call("ibkr_get_positions"));
    const frame = await agent.expect("call");
    expect([response.headers.get("content-type"), response.headers.get("x-accel-buffering")]).toEqual([
      "text/event-stream",
      "no",
    ]);
    agent.send({ type: "result", id: frame.id, output: positions });
    expect(await answerOf(response)).toMatchObject({ result: { structuredContent: positions } });
  });
});

describe("cancelling", () => {
  it("of 2026-07-28 is leaving, and reaches the agent", async () => {
    const response = await modern("tools/call", call("ibkr_get_positions"));
    const { id } = await agent.expect("call");
    await response.body?.cancel();
    expect(await agent.expect("cancel")).toEqual({ type: "cancel", id });
  });

  it("by an abort of the request reaches the agent while the answer is still awaited", async () => {
    for (const request of [modernRequest("tools/call", call("ibkr_get_positions")), plainRequest()]) {
      const leaving = new AbortController();
      const ctx = createExecutionContext();
      const aborted = new Request(request, { signal: leaving.signal });
      aborted.headers.delete("Accept");
      const answer = handleMcp(aborted, env, ctx, ownerOfLocalMode);
      const { id } = await agent.expect("call");
      leaving.abort();
      expect(await agent.expect("cancel")).toEqual({ type: "cancel", id });
      expect((await answer).status).toBe(499);
      await waitOnExecutionContext(ctx);
    }
  });

  it("of 2025 is a notification in the same session, and the JSON type of the id counts", async () => {
    const session = await openSession();
    const start = async (id: number | string) => {
      const answer = post(messageOf("tools/call", call("ibkr_get_positions"), id), session);
      return { answer, frame: await agent.expect("call") };
    };
    const cancel = async (requestId: number | string, by = session) => {
      const params = { requestId };
      const { status } = await post({ jsonrpc: "2.0", method: "notifications/cancelled", params }, by);
      expect(status).toBe(202);
    };
    const [number, text] = [await start(5), await start("5")];
    await cancel(5, await openSession());
    for (const [id, { answer, frame }] of [
      ["5", text],
      [5, number],
    ] as const) {
      await cancel(id);
      expect(await agent.expect("cancel")).toEqual({ type: "cancel", id: frame.id });
      expect(await answerOf(await answer)).toMatchObject({
        id,
        result: { isError: true, structuredContent: { error: { code: "cancelled" } } },
      });
    }
  });

  it("does not follow an answer", async () => {
    const answer = modern("tools/call", call("ibkr_get_positions"));
    await answerNext(positions);
    await answerOf(await answer);
    const next = modern("tools/call", call("ibkr_get_current_time"));
    expect(await answerNext({ server_time: "", timestamp: 0 })).toMatchObject({
      tool: "ibkr_get_current_time",
    });
    await next;
  });
});

const plainRequest = () =>
  new Request("http://localhost/api/v1/mcp", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(messageOf("tools/call", call("ibkr_get_positions"))),
  });
