import { describe, expect, it, vi, afterEach } from "vitest";
import { ownerOfLocalMode } from "../../../shared/caller.ts";
import { CallerRateLimits, hostRates } from "./rate-limits.ts";
import { callOf, connectAgent, freshHost, type HostStub, openSocket, rpc } from "../host.fixture.ts";
import { callerHeader, encodeCaller } from "../../rpc/host.ts";

const greedy = { ...ownerOfLocalMode, grantId: "greedy" };
const modest = { ...ownerOfLocalMode, grantId: "modest" };
const limited = {
  code: "rate_limited",
  retryable: true,
  retryAfterMs: expect.any(Number),
  nextStep: expect.stringContaining("Orders can be cancelled"),
};

/** All that a grant may ask at once. */
async function useUp(host: HostStub): Promise<void> {
  for (let count = 0; count < hostRates.grant.burst; count += 200) {
    await Promise.all(
      Array.from({ length: 200 }, () => rpc(host).call(callOf("ibkr_get_status", {}, greedy))),
    );
  }
}

afterEach(() => {
  vi.useRealTimers();
});

describe("a grant", () => {
  it("that asks too much is refused with how long to wait, another is served, and the wait ends", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const host = freshHost();
    await useUp(host);
    expect(await rpc(host).call(callOf("ibkr_get_status", {}, greedy))).toMatchObject({
      ok: false,
      error: limited,
    });
    expect(await rpc(host).readResource("ibkr://status", greedy)).toMatchObject({
      ok: false,
      error: limited,
    });
    const stream = await host.fetch("https://host/stream/news", {
      headers: { Upgrade: "websocket", [callerHeader]: encodeCaller(greedy) },
    });
    expect([stream.status, stream.headers.get("Retry-After"), stream.webSocket]).toEqual([429, "1", null]);
    expect(await rpc(host).call(callOf("ibkr_get_status", {}, modest))).toMatchObject({ ok: true });
    await openSocket(host, "stream/news", modest);
    vi.setSystemTime(Date.now() + 1_000);
    expect(await rpc(host).call(callOf("ibkr_get_status", {}, greedy))).toMatchObject({ ok: true });
  });

  it("cancels orders however much it has asked", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const host = freshHost();
    const agent = await connectAgent(host);
    await useUp(host);
    expect(await rpc(host).call(callOf("ibkr_get_status", {}, greedy))).toMatchObject({ ok: false });
    for (const tool of ["ibkr_cancel_order", "ibkr_cancel_all_orders"] as const) {
      const cancelled = rpc(host).call(callOf(tool, { orderId: 1 }, greedy));
      const call = await agent.expect("call");
      agent.send({ type: "result", id: call.id, output: {} });
      expect(await cancelled).toEqual({ ok: true, output: {} });
    }
  });

  it("has so many calls under way that another can have some too, and cancels whatever is under way", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const outcomes: Promise<unknown>[] = [];
    const ask = (
      caller = greedy,
      tool: "ibkr_get_positions" | "ibkr_cancel_order" = "ibkr_get_positions",
    ) => {
      const outcome = rpc(host).call(callOf(tool, {}, caller));
      outcomes.push(outcome);
      return outcome;
    };
    const most = (hostRates.underWay * hostRates.shareOfFree) / (1 + hostRates.shareOfFree);
    for (let count = 0; count < most; count += 1) void ask();
    expect(await ask()).toMatchObject({ ok: false, error: limited });
    for (let count = 0; count < most; count += 1) await agent.expect("call");
    for (let count = 0; count < 50; count += 1) {
      void ask(modest);
      expect((await agent.expect("call")).caller.grantId).toBe("modest");
    }
    void ask(greedy, "ibkr_cancel_order");
    expect(await agent.expect("call")).toMatchObject({ tool: "ibkr_cancel_order" });
    // what has ended counts no more
    agent.socket.close(1000, "");
    await Promise.all(outcomes);
    const again = await connectAgent(host);
    void ask();
    await again.expect("call");
    again.socket.close(1000, "");
    await Promise.all(outcomes);
  });
});

it("a host that many ask too much refuses them, and not the one that asks little", () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const limits = new CallerRateLimits();
  const served: Record<string, number> = {};
  const grants = ["a", "b", "c", "d", "e", "f"];
  for (let count = 0; count < hostRates.grant.burst; count += 1) {
    for (const grant of grants) {
      try {
        limits.admit(grant);
        served[grant] = (served[grant] ?? 0) + 1;
      } catch {
        // counted by what is missing
      }
    }
  }
  const all = Object.values(served).reduce((sum, one) => sum + one, 0);
  expect(all).toBeLessThanOrEqual(hostRates.all.burst + grants.length);
  expect(Math.max(...Object.values(served)) - Math.min(...Object.values(served))).toBeLessThan(5);
  expect(() => limits.admit("a")).toThrow(/too much/);
  expect(() => limits.admit("modest")).not.toThrow();
});
