import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { OwnerRequest } from "../../shared/approval.ts";
import { deadlines } from "../../shared/deadlines.ts";
import { callOf, connectAgent, freshHost, rpc } from "./host.fixture.ts";

const decide: OwnerRequest = {
  kind: "decide",
  approvalId: "a1",
  digest: "d".repeat(64),
  decision: "approve",
};
const nothing = { approvals: [], at: "page" };

describe("what the owner asks of the agent", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("travels as it is, and comes back as what waits", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const requests: OwnerRequest[] = [
      { kind: "owner" },
      decide,
      { kind: "freeze", reason: "" },
      { kind: "unfreeze" },
    ];
    for (const request of requests) {
      const outcome = rpc(host).owner(request);
      const frame = await agent.expect("owner");
      expect(frame.request).toEqual(request);
      agent.send({ type: "result", id: frame.id, output: nothing });
      expect(await outcome).toEqual({ ok: true, answer: nothing });
    }
  });

  it("reaches the agent also when the object was evicted between two questions", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    for (const request of [{ kind: "owner" }, decide] as const) {
      const outcome = rpc(host).owner(request);
      const frame = await agent.expect("owner");
      agent.send({ type: "result", id: frame.id, output: nothing });
      expect(await outcome).toMatchObject({ ok: true });
      await evictDurableObject(host);
    }
  });

  it("fails at once without an agent, since nothing is kept for its return", async () => {
    expect(await rpc(freshHost()).owner(decide)).toMatchObject({
      ok: false,
      error: { code: "agent_offline" },
    });
  });

  it("is not known to be done when the agent goes, or says nothing for too long", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const lost = [rpc(host).owner({ kind: "owner" }), rpc(host).owner(decide)];
    await agent.expect("owner");
    await agent.expect("owner");
    agent.socket.close(1000, "");
    expect(await Promise.all(lost)).toMatchObject([
      { ok: false, error: { code: "agent_offline" } },
      { ok: false, error: { code: "outcome_unknown", retryable: false } },
    ]);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const slow = await connectAgent(host);
    const late = rpc(host).owner(decide);
    const frame = await slow.expect("owner");
    await runInDurableObject(host, () => vi.advanceTimersByTimeAsync(deadlines.quick.edgeMs));
    expect(await late).toMatchObject({ ok: false, error: { code: "outcome_unknown" } });
    // what comes after that is nobody's, also not the next one's
    slow.send({ type: "result", id: frame.id, output: nothing });
    await slow.expect("cancel");
    const next = rpc(host).owner({ kind: "owner" });
    const second = await slow.expect("owner");
    expect(second.id).not.toBe(frame.id);
    slow.send({
      type: "error",
      id: second.id,
      error: { code: "trading_refused", message: "No.", nextStep: "", retryable: false },
    });
    expect(await next).toMatchObject({ ok: false, error: { code: "trading_refused", message: "No." } });
  });

  it.each([
    {},
    { approvals: "all" },
    { approvals: Array.from({ length: 201 }, () => ({})) },
    { approvals: [{ approvalId: "a1" }] },
  ])("is an error where the agent answers something else", async (output) => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const outcome = rpc(host).owner({ kind: "owner" });
    const { id } = await agent.expect("owner");
    agent.send({ type: "result", id, output });
    expect(await outcome).toMatchObject({ ok: false, error: { code: "protocol_error" } });
  });

  it("is not answered for by the answer to a call", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const outcome = rpc(host).owner({ kind: "owner" });
    const owner = await agent.expect("owner");
    const call = rpc(host).call(callOf("ibkr_get_positions"));
    const { id } = await agent.expect("call");
    agent.send({ type: "result", id, output: nothing });
    expect(await call).toEqual({ ok: true, output: nothing });
    agent.send({ type: "result", id: owner.id, output: nothing });
    expect(await outcome).toEqual({ ok: true, answer: nothing });
  });
});
