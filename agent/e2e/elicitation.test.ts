import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from "@modelcontextprotocol/client";
import { Client as LegacyClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as LegacyTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { EdgeFrame } from "../../shared/protocol.ts";
import { type ScriptedAgent, startScriptedAgent } from "./rigs/scripted-agent.ts";

/** The official clients of both eras, asked about an order in the middle of its call. */

type CallFrame = Extract<EdgeFrame, { type: "call" }>;
let agent: ScriptedAgent;
let calls: CallFrame[];
let isApproved: boolean;

beforeAll(async () => {
  agent = await startScriptedAgent(() => ({ AUTH: "off" }), play);
});
afterAll(() => agent.close());
beforeEach(() => {
  calls = [];
  isApproved = false;
});

function play(frame: EdgeFrame): void {
  if (frame.type !== "call") return;
  calls.push(frame);
  const { id } = frame;
  if (isApproved) {
    agent.say({ type: "result", id, output: { orderId: 7, status: "Submitted" } });
    return;
  }
  agent.say({
    type: "error",
    id,
    error: {
      code: "approval_required",
      message: "The owner must approve this order.",
      nextStep: "Wait.",
      retryable: true,
      intent: { intentId: "ag1:0", idempotencyKey: frame.idempotencyKey ?? "" },
      approval: { approvalId: "a1", expiresAt: new Date(Date.now() + 300_000).toISOString(), at: "page" },
    },
  });
}

const order = { name: "ibkr_place_order", arguments: { symbol: "AAPL", action: "BUY", quantity: 1 } };
const info = { name: "test", version: "1" };
const capabilities = { elicitation: { form: {} } };

type Answer = { readonly action: "accept" | "decline" | "cancel"; readonly content?: Record<string, string> };
/** Calls once, and answers what it is asked with what `answer` returns. */
type Era = (answer: (message: string) => Answer) => Promise<unknown>;

const isTransport = (transport: object): transport is Transport => "send" in transport;

const eras: readonly (readonly [string, Era])[] = [
  [
    "2026-07-28",
    async (answer) => {
      const client = new ModernClient(info, {
        capabilities,
        versionNegotiation: { mode: { pin: "2026-07-28" } },
      });
      client.setRequestHandler("elicitation/create", ({ params }) => answer(params.message));
      await client.connect(new ModernTransport(new URL(`${agent.url}/api/v1/mcp`)));
      const result = await client.callTool(order);
      await client.close();
      return result;
    },
  ],
  [
    "2025-11-25",
    async (answer) => {
      const client = new LegacyClient(info, { capabilities });
      client.setRequestHandler(ElicitRequestSchema, ({ params }) => answer(params.message));
      const transport = new LegacyTransport(new URL(`${agent.url}/api/v1/mcp`));
      if (!isTransport(transport)) throw new Error("not a transport");
      await client.connect(transport);
      const result = await client.callTool(order);
      await client.close();
      return result;
    },
  ],
];

test.each(eras)(
  "a client of %s shows the way, and has its order once it was approved there",
  async (_, run) => {
    const result = await run((message) => {
      expect(message).toContain("npm run -s tws-edge -- approve a1");
      isApproved = true;
      return { action: "accept", content: {} };
    });
    expect(result).toMatchObject({ structuredContent: { orderId: 7 } });
    const [first, second, ...more] = calls;
    expect(more).toEqual([]);
    expect(first?.idempotencyKey).toMatch(/^[\w-]{36}$/);
    expect([second?.input, second?.idempotencyKey]).toEqual([first?.input, first?.idempotencyKey]);
  },
);

test.each(eras)("a client of %s that declines has placed nothing", async (_, run) => {
  const result = await run(() => ({ action: "decline" }));
  expect(result).toMatchObject({ isError: true, structuredContent: { error: { code: "trading_refused" } } });
  expect(calls).toHaveLength(1);
});

test.each(eras)("a client of %s that only says so has approved nothing", async (_, run) => {
  const result = await run(() => ({ action: "accept", content: { approve: "yes" } }));
  expect(result).toMatchObject({
    isError: true,
    structuredContent: { error: { code: "approval_required" } },
  });
  expect(calls).toHaveLength(6);
});
