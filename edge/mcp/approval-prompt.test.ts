import { createExecutionContext, runInDurableObject, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Caller, ownerOfLocalMode } from "../../shared/caller.ts";
import { intentOf } from "../crypto/digest.ts";
import { hostOf } from "../config/bindings.ts";
import type { AccessSettings } from "../config/settings.ts";
import { connectAgent, type ScriptedAgent } from "../host/host.fixture.ts";
import { answerOf, modernRequest, type Params } from "./client.fixture.ts";
import { handleMcp } from "./endpoint.ts";

const access: AccessSettings = {
  publicUrl: "https://tws.example",
  resource: "https://tws.example/api/v1/mcp",
  passphraseHash: "",
  localAgentToken: null,
};
const alice: Caller = { ...ownerOfLocalMode, grantId: "alice" };
const order = { symbol: "AAPL", action: "BUY", quantity: 1 };
const page = "https://tws.example/approvals/default.a1";

let agent: ScriptedAgent;
beforeEach(async () => {
  agent = await connectAgent(hostOf(env));
});
afterEach(() => {
  vi.useRealTimers();
});

interface Asked {
  readonly caller?: Caller;
  readonly elicitation?: unknown;
  readonly tool?: string;
  readonly input?: Params;
  readonly more?: Params;
  readonly access?: AccessSettings | null;
}

/** A call by a client of 2026-07-28 that can be asked, unless it says otherwise. */
async function call(asked: Asked = {}): Promise<unknown> {
  const { caller = alice, elicitation = { url: {}, form: {} }, tool = "ibkr_place_order" } = asked;
  const { input = order, more = {} } = asked;
  const capabilities = elicitation === null ? {} : { elicitation };
  const request = modernRequest("tools/call", {
    name: tool,
    arguments: input,
    ...more,
    _meta: { "io.modelcontextprotocol/clientCapabilities": capabilities },
  });
  const ctx = createExecutionContext();
  const settings = asked.access === undefined ? access : asked.access;
  const answer = await answerOf(await handleMcp(request, env, ctx, caller, settings));
  await waitOnExecutionContext(ctx);
  return answer;
}

/** The agent answers that the owner must approve; returns the call. */
async function approvalNeeded(changes: Params = {}) {
  const frame = await agent.expect("call");
  const given = frame.input["idempotencyKey"];
  const key = frame.idempotencyKey ?? (typeof given === "string" ? given : "agents-own");
  agent.send({
    type: "error",
    id: frame.id,
    error: {
      code: "approval_required",
      message: "The owner must approve this order.",
      nextStep: "Wait.",
      retryable: true,
      intent: await intentOf(frame.caller.grantId, key),
      approval: { approvalId: "a1", expiresAt: new Date(Date.now() + 300_000).toISOString(), at: "page" },
      ...changes,
    },
  });
  return { ...frame, key };
}

const placed = { orderId: 7, status: "Submitted" };
async function places() {
  const frame = await agent.expect("call");
  agent.send({ type: "result", id: frame.id, output: placed });
  return frame;
}

/** Fails if the agent is asked anything before a call that is made now. */
async function expectNothingAsked(): Promise<void> {
  const answer = call({ tool: "ibkr_get_positions", input: {} });
  const frame = await agent.expect("call");
  agent.send({ type: "result", id: frame.id, output: { positions: [], count: 0 } });
  await answer;
  expect(frame.tool).toBe("ibkr_get_positions");
}

const stateOf = (answer: unknown): string =>
  String(Reflect.get(Object(Reflect.get(Object(answer), "result")), "requestState"));
const accepted = { approval: { action: "accept" } };

describe("an order that needs the owner", () => {
  it("is asked about by the address of the owner's page, and placed under the same key once the client is back", async () => {
    const first = call();
    const { key, idempotencyKey } = await approvalNeeded();
    expect(idempotencyKey).toMatch(/^[0-9a-f-]{36}$/);
    const asked = await first;
    expect(asked).toMatchObject({
      result: {
        resultType: "input_required",
        inputRequests: { approval: { method: "elicitation/create", params: { mode: "url", url: page } } },
      },
    });
    const second = call({ more: { requestState: stateOf(asked), inputResponses: accepted } });
    expect(await places()).toMatchObject({ input: order, idempotencyKey: key });
    expect(await second).toMatchObject({ result: { resultType: "complete", structuredContent: placed } });
  });

  it("leads to the TWS host, and to no page, where the agent takes the owner's word there alone", async () => {
    const waits = { approvalId: "a1", expiresAt: new Date(Date.now() + 300_000).toISOString(), at: "host" };
    const command = "npm run -s tws-edge -- approve a1";
    for (const elicitation of [{ url: {} }, null]) {
      const answer = call({ elicitation });
      await approvalNeeded({ approval: waits });
      const error = Reflect.get(
        Object(Reflect.get(Object(Reflect.get(Object(await answer), "result")), "structuredContent")),
        "error",
      );
      expect(error).toMatchObject({ code: "approval_required", nextStep: expect.stringContaining(command) });
      expect(Reflect.get(Object(error), "approval")).toEqual(waits);
    }
    const asked = call({ elicitation: { form: {} } });
    await approvalNeeded({ approval: waits });
    const text = JSON.stringify(await asked);
    expect(text).toContain(command);
    expect(text).not.toContain("/approvals/");
  });

  it("is asked about in words where the client shows forms only, and the form approves nothing", async () => {
    for (const elicitation of [{}, { form: {} }]) {
      const first = call({ elicitation });
      await approvalNeeded();
      const asked = await first;
      expect(asked).toMatchObject({
        result: {
          inputRequests: {
            approval: {
              params: {
                message: expect.stringContaining(page),
                requestedSchema: { type: "object", properties: {} },
              },
            },
          },
        },
      });
    }
  });

  it("still waits when the client says that it was approved and it was not", async () => {
    const first = call();
    await approvalNeeded();
    let answer = await first;
    const lie = { approval: { action: "accept", content: { approved: true, decision: "approve" } } };
    for (let round = 1; round <= 5; round += 1) {
      const next = call({ more: { requestState: stateOf(answer), inputResponses: lie } });
      const frame = await approvalNeeded();
      expect(frame.input).toEqual(await parsedOrder());
      answer = await next;
    }
    expect(answer).toMatchObject({
      result: {
        isError: true,
        structuredContent: {
          error: { code: "approval_required", approval: { approvalId: "a1", url: page } },
        },
      },
    });
    await expectNothingAsked();
  });

  it.each([
    ["decline", "trading_refused", "was not approved"],
    ["cancel", "approval_required", "was not answered"],
  ])("is not placed after %s, and the agent is not asked again", async (action, code, words) => {
    const first = call();
    const { key } = await approvalNeeded();
    const answer = await call({
      more: { requestState: stateOf(await first), inputResponses: { approval: { action } } },
    });
    expect(answer).toMatchObject({
      result: {
        isError: true,
        structuredContent: {
          error: { code, message: expect.stringContaining(words), intent: { idempotencyKey: key } },
        },
      },
    });
    await expectNothingAsked();
  });

  it("is asked about again when the client comes back without an answer", async () => {
    const first = call();
    await approvalNeeded();
    for (const inputResponses of [undefined, {}, { other: { action: "accept" } }, { approval: "yes" }]) {
      const more = { requestState: stateOf(await first), ...(inputResponses && { inputResponses }) };
      expect(await call({ more })).toMatchObject({
        result: { resultType: "input_required", inputRequests: { approval: {} } },
      });
    }
    await expectNothingAsked();
  });

  it("takes no state that was altered, made for another grant, another order or another tool, or is older than five minutes", async () => {
    const first = call();
    await approvalNeeded();
    const state = stateOf(await first);
    const altered = `${state.slice(0, 30)}${state.charAt(30) === "A" ? "B" : "A"}${state.slice(31)}`;
    const wrong: readonly Asked[] = [
      { more: { requestState: altered } },
      { more: { requestState: "v1.e30.AAAA" } },
      { more: { requestState: "" } },
      { caller: { ...alice, grantId: "bob" }, more: { requestState: state } },
      { input: { ...order, quantity: 2 }, more: { requestState: state } },
      { input: { ...order, account: "U1" }, more: { requestState: state } },
      { tool: "ibkr_modify_order", input: { orderId: 1, quantity: 2 }, more: { requestState: state } },
    ];
    for (const one of wrong) {
      const answer = await call({ ...one, more: { ...one.more, inputResponses: accepted } });
      expect(answer).toMatchObject({
        result: {
          isError: true,
          structuredContent: {
            error: { code: "invalid_input", message: expect.stringContaining("requestState") },
          },
        },
      });
    }
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + 302_000);
    expect(await call({ more: { requestState: state, inputResponses: accepted } })).toMatchObject({
      result: { structuredContent: { error: { code: "invalid_input" } } },
    });
    vi.useRealTimers();
    await expectNothingAsked();
  });

  it("is an error with the way to the page for a client that cannot be asked", async () => {
    const answer = call({ elicitation: null });
    const { key } = await approvalNeeded();
    expect(await answer).toMatchObject({
      result: {
        isError: true,
        structuredContent: {
          error: {
            code: "approval_required",
            approval: { approvalId: "a1", url: page },
            intent: { idempotencyKey: key },
            nextStep: expect.stringMatching(new RegExp(`${page}.*${key}`)),
          },
        },
      },
    });
  });

  it("leads to the command of the TWS host where nobody signs in", async () => {
    const answer = call({ access: null, elicitation: { url: {} } });
    await approvalNeeded();
    const command = "npm run -s tws-edge -- approve a1";
    expect(await answer).toMatchObject({
      result: {
        isError: true,
        structuredContent: {
          error: { nextStep: expect.stringContaining(command), approval: { approvalId: "a1" } },
        },
      },
    });
    const asked = call({ access: null, elicitation: { form: {} } });
    await approvalNeeded();
    expect(await asked).toMatchObject({
      result: { inputRequests: { approval: { params: { message: expect.stringContaining(command) } } } },
    });
  });

  it("never shows an address of the agent's, nor an id that could be more than one", async () => {
    const expiresAt = new Date(Date.now() + 300_000).toISOString();
    for (const approvalId of ["a1; rm -rf /", "../grants?x=", "a b", ""]) {
      for (const elicitation of [null, { url: {}, form: {} }]) {
        const answer = call({ elicitation });
        await approvalNeeded({ approval: { approvalId, expiresAt, url: "https://evil.example/" } });
        const text = JSON.stringify(await answer);
        expect(text).not.toContain("evil.example");
        expect(text).not.toContain("/approvals/");
        expect(text).toContain('"isError":true');
      }
    }
  });

  it("shows no address of the agent's in the error of another tool or of another kind either", async () => {
    for (const [tool, input, code] of [
      ["ibkr_cancel_order", { orderId: 1 }, "approval_required"],
      ["ibkr_get_positions", {}, "approval_required"],
      ["ibkr_place_order", order, "trading_refused"],
    ] as const) {
      const answer = call({ tool, input });
      const expiresAt = new Date(Date.now() + 300_000).toISOString();
      await approvalNeeded({ code, approval: { approvalId: "a1", expiresAt, url: "https://evil.example/" } });
      expect(JSON.stringify(await answer)).not.toContain("evil.example");
    }
  });

  it("is repeated under the caller's own key where it gave one", async () => {
    const input = { ...order, idempotencyKey: "mine" };
    const first = call({ input });
    const frame = await approvalNeeded();
    expect([frame.input["idempotencyKey"], frame.idempotencyKey]).toEqual(["mine", undefined]);
    const second = call({ input, more: { requestState: stateOf(await first), inputResponses: accepted } });
    expect((await places()).input["idempotencyKey"]).toBe("mine");
    await second;
  });

  it("has no second question in the same call that it could be flooded with", async () => {
    const first = call();
    await approvalNeeded();
    const next = call({ more: { requestState: stateOf(await first), inputResponses: accepted } });
    await approvalNeeded();
    const waiting = await next;
    expect(waiting).toMatchObject({ result: { resultType: "input_required" } });
    expect(JSON.stringify(waiting)).not.toContain("inputRequests");
  });
});

/** As the edge passes it on, with what the caller left out. */
async function parsedOrder(): Promise<unknown> {
  const answer = call();
  const { input } = await places();
  await answer;
  return input;
}

describe("a failure of an order", () => {
  const nameOf = async (frame: { idempotencyKey?: string | undefined }) =>
    await intentOf("alice", frame.idempotencyKey ?? "mine");

  it.each([{}, { idempotencyKey: "mine" }])(
    "names its key and intent when the agent goes before it answers, and is not to be retried: %j",
    async (own) => {
      const answer = call({ input: { ...order, ...own } });
      const frame = await agent.expect("call");
      agent.socket.close(1000, "");
      expect(await answer).toMatchObject({
        result: {
          structuredContent: {
            error: { code: "outcome_unknown", retryable: false, intent: await nameOf(frame) },
          },
        },
      });
    },
  );

  it("names them when the host's object breaks down under it", async () => {
    const host = hostOf(env);
    agent = await connectAgent(host);
    const answer = call();
    const frame = await agent.expect("call");
    await runInDurableObject(host, (_, state) => state.abort("broken")).catch(() => undefined);
    expect(await answer).toMatchObject({
      result: { structuredContent: { error: { code: "outcome_unknown", intent: await nameOf(frame) } } },
    });
  });

  it("is unknown for a cancellation as well, which may be repeated by hand", async () => {
    const answer = call({ tool: "ibkr_cancel_order", input: { orderId: 1 } });
    const frame = await agent.expect("call");
    agent.socket.close(1000, "");
    expect(frame.idempotencyKey).toBeUndefined();
    expect(await answer).toMatchObject({
      result: {
        structuredContent: {
          error: {
            code: "outcome_unknown",
            retryable: false,
            nextStep: expect.stringContaining("again does no harm"),
          },
        },
      },
    });
  });

  it("has the name that the agent makes of grant and key", async () => {
    expect(await intentOf("alice", "mine")).toEqual({
      intentId: "ag1:70bb86cbb99fad604cb7b5e0",
      idempotencyKey: "mine",
    });
  });
});
