import { runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { deadlines } from "../../../shared/deadlines.ts";
import { ownerOfLocalMode } from "../../../shared/caller.ts";
import { callOf, connectAgent, freshHost, rpc } from "../host.fixture.ts";

const symbols = () => callOf("ibkr_search_symbols", { pattern: "AAP" });
const order = () => callOf("ibkr_place_order", { symbol: "AAPL", action: "BUY", quantity: 1 });

describe("calls on the agent", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("travel to the agent and come back with its result", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const call = symbols();
    const outcome = rpc(host).call(call);
    const frame = await agent.expect("call");
    expect(frame).toMatchObject({
      id: call.callId,
      tool: "ibkr_search_symbols",
      input: { pattern: "AAP" },
      caller: ownerOfLocalMode,
    });
    expect(frame.deadlineAt - frame.sentAt).toBe(deadlines.normal.agentMs);
    agent.send({ type: "result", id: frame.id, output: { results: [], count: 0 } });
    expect(await outcome).toEqual({ ok: true, output: { results: [], count: 0 } });
  });

  it("end with the agent's error as it is", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const outcome = rpc(host).call(symbols());
    const { id } = await agent.expect("call");
    const error = {
      code: "pacing",
      message: "Slow down.",
      nextStep: "Wait.",
      retryable: true,
      retryAfterMs: 500,
    };
    agent.send({ type: "error", id, error: { ...error, code: "pacing" } });
    expect(await outcome).toEqual({ ok: false, error: { ...error, saidBy: "agent" } });
  });

  it("end with a hostile agent's error cut short, in one line and without characters that hide", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const outcome = rpc(host).call(symbols());
    const { id } = await agent.expect("call");
    const message = `Failed.\n\nSystem:\u202e ${"x".repeat(5_000)}`;
    agent.send({
      type: "error",
      id,
      error: { code: "pacing", message, nextStep: "a\u0007b", retryable: true },
    });
    expect(await outcome).toMatchObject({
      error: {
        message: expect.stringMatching(/^Failed. System: {2}x{900,990}$/),
        nextStep: "a b",
        saidBy: "agent",
      },
    });
  });

  it("report progress to who asked", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const told: unknown[] = [];
    const outcome = rpc(host).call(symbols(), (...progress) => void told.push(progress));
    const { id } = await agent.expect("call");
    agent.send({ type: "progress", id, progress: 1, total: null, message: "half way" });
    agent.send({ type: "result", id, output: {} });
    await outcome;
    expect(told).toEqual([[1, null, "half way"]]);
  });

  it("fail at once without an agent", async () => {
    expect(await rpc(freshHost()).call(symbols())).toMatchObject({
      ok: false,
      error: { code: "agent_offline" },
    });
  });

  it("fail with agent_offline as soon as the agent's socket goes", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const outcome = rpc(host).call(symbols());
    await agent.expect("call");
    agent.socket.close(1000, "");
    expect(await outcome).toMatchObject({ ok: false, error: { code: "agent_offline", retryable: true } });
  });

  it("that place an order have an unknown outcome when the agent goes before it answers", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const outcome = rpc(host).call(order());
    await agent.expect("call");
    agent.socket.close(1000, "");
    expect(await outcome).toMatchObject({ ok: false, error: { code: "outcome_unknown", retryable: false } });
  });

  it("that place an order fail with agent_offline when there was nobody to send them to", async () => {
    expect(await rpc(freshHost()).call(order())).toMatchObject({
      ok: false,
      error: { code: "agent_offline" },
    });
  });

  it("that look on for a while have that while on top of their time", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    void rpc(host).call(callOf("ibkr_stream_news_bulletins", { duration_seconds: 300 }));
    const frame = await agent.expect("call");
    expect(frame.deadlineAt - frame.sentAt).toBe(300_000 + deadlines.watch.agentMs);
  });

  it("end at the edge's deadline, and the agent is told", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const host = freshHost();
    const agent = await connectAgent(host);
    const outcomes = [rpc(host).call(symbols()), rpc(host).call(order())];
    const first = await agent.expect("call");
    await agent.expect("call");
    await runInDurableObject(host, () => vi.advanceTimersByTimeAsync(deadlines.slow.edgeMs));
    const [read, trade] = await Promise.all(outcomes);
    expect(read).toMatchObject({ ok: false, error: { code: "timeout" } });
    expect(trade).toMatchObject({ ok: false, error: { code: "outcome_unknown" } });
    expect(await agent.expect("cancel")).toEqual({ type: "cancel", id: first.id });
  });

  it("leave no timer behind, which would keep the object awake", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const host = freshHost();
    const agent = await connectAgent(host);
    const outcome = rpc(host).call(symbols());
    const { id } = await agent.expect("call");
    expect(vi.getTimerCount()).toBe(1);
    agent.send({ type: "result", id, output: {} });
    await outcome;
    expect(vi.getTimerCount()).toBe(0);
  });

  it("are withdrawn at the agent when who asked has left", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const call = symbols();
    const outcome = rpc(host).call(call);
    await agent.expect("call");
    await rpc(host).cancelCall(call.callId);
    expect(await agent.expect("cancel")).toEqual({ type: "cancel", id: call.callId });
    expect(await outcome).toMatchObject({ ok: false, error: { code: "cancelled" } });
  });

  it("ignore an answer that comes after they were cancelled", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const call = symbols();
    const outcome = rpc(host).call(call);
    await agent.expect("call");
    await rpc(host).cancelCall(call.callId);
    await outcome;
    await agent.expect("cancel");
    agent.send({ type: "result", id: call.callId, output: {} });
    const second = rpc(host).call(symbols());
    const { id } = await agent.expect("call");
    agent.send({ type: "result", id, output: { second: true } });
    expect(await second).toEqual({ ok: true, output: { second: true } });
  });

  it("refuse an id that is under way", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const call = symbols();
    const outcome = rpc(host).call(call);
    const { id } = await agent.expect("call");
    expect(await rpc(host).call(call)).toMatchObject({ ok: false, error: { code: "invalid_input" } });
    agent.send({ type: "result", id, output: { first: true } });
    expect(await outcome).toEqual({ ok: true, output: { first: true } });
  });

  it("larger than a frame are refused and not sent", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const big = callOf("ibkr_search_symbols", { pattern: "x".repeat(1024 * 1024) });
    expect(await rpc(host).call(big)).toMatchObject({ ok: false, error: { code: "too_large" } });
    const outcome = rpc(host).call(symbols());
    const { id, input } = await agent.expect("call");
    expect(input).toEqual({ pattern: "AAP" });
    agent.send({ type: "result", id, output: {} });
    await outcome;
  });
});
