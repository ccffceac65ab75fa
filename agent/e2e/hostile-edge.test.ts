import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { AgentFrame } from "../../shared/protocol.ts";
import type { Caller } from "../../shared/caller.ts";
import type { ToolDefinition } from "../../shared/tools/define.ts";
import { type ToolName, tools } from "../../shared/tools/index.ts";
import { createDispatch } from "../dispatch.ts";
import { startHandlersFixture, type HandlersFixture, trader } from "../handlers/handlers.fixture.ts";
import { createLog } from "../process/log.ts";
import { outputOf } from "./rigs/dispatch-client.ts";
import { type Known, lookAround, toolCalls } from "./docs/tool-calls.ts";

/** An edge that asks for what its caller was not granted: the agent holds each call to the grant that comes with it. */

const [mine, other] = ["DU1234567", "DU7777777"];
const limited: Caller = { ...trader, grantId: "limited", accounts: [mine] };

let fixture: HandlersFixture;
let known: Known;
let dispatch: ReturnType<typeof createDispatch>;
/** An order that works in the other account. */
let ofOther = 0;
let calls = 0;

async function ask(
  tool: ToolName,
  input: Readonly<Record<string, unknown>>,
  caller: Caller,
): Promise<AgentFrame> {
  const frames: AgentFrame[] = [];
  const sentAt = Date.now();
  calls += 1;
  const call = {
    type: "call",
    id: String(calls),
    tool,
    input: { ...input },
    sentAt,
    deadlineAt: sentAt + 60_000,
  } as const;
  const { signal } = new AbortController();
  await dispatch.handle({ ...call, caller }, { send: (frame) => frames.push(frame), signal });
  const answer = frames.at(-1);
  if (answer === undefined) throw new Error(`${tool} did not answer`);
  return answer;
}

beforeAll(async () => {
  fixture = await startHandlersFixture({ simulator: { accounts: [mine, other] } });
  const log = createLog({
    level: "error",
    secrets: [],
    write: (line) => process.stderr.write(line),
    now: Date.now,
  });
  dispatch = createDispatch({ handlers: fixture.handlers, log, now: Date.now });
  // the other account has everything that a list could show
  const market = { symbol: "MSFT", action: "BUY", quantity: 7, orderType: "MKT", account: other };
  const working = {
    symbol: "IBM",
    action: "BUY",
    quantity: 7,
    orderType: "LMT",
    limitPrice: 1,
    account: other,
  };
  const placed = [market, working, working].map(async (order) =>
    outputOf(await ask("ibkr_place_order", { ...order, idempotencyKey: crypto.randomUUID() }, trader)),
  );
  const ids = (await Promise.all(placed)).map(({ orderId }) => z.int().parse(orderId));
  ofOther = ids[1] ?? 0;
  await ask("ibkr_wait_for_order", { orderId: ids[0], until: "filled" }, trader);
  outputOf(await ask("ibkr_cancel_order", { orderId: ids[2] }, trader));
  known = await lookAround(async (tool, input = {}) => {
    if (!isToolName(tool)) throw new Error(tool);
    return outputOf(await ask(tool, { ...input, ...(takesAccount(tool) && { account: mine }) }, trader));
  });
}, 60_000);
afterAll(() => fixture.close());

const isToolName = (name: string): name is ToolName => Object.hasOwn(tools, name);
const definitionOf = (name: ToolName): ToolDefinition => tools[name];
const takesAccount = (name: ToolName): boolean => Object.hasOwn(definitionOf(name).input.shape, "account");
const agentTools = Object.keys(tools)
  .filter(isToolName)
  .filter((name) => definitionOf(name).runs === "agent");

const inputOf = (name: ToolName) => {
  const { account: _, ...input } = { account: "", ...toolCalls[name].good(known) };
  return Object.hasOwn(input, "duration_seconds") ? { ...input, duration_seconds: 1 } : input;
};

test.for(agentTools.filter(takesAccount))("%s is refused for an account outside the grant", async (name) => {
  const answer = await ask(name, { ...inputOf(name), account: other }, limited);
  expect(answer).toMatchObject({ type: "error", error: { code: "forbidden" } });
});

test.for(["ibkr_get_order_status", "ibkr_wait_for_order", "ibkr_modify_order", "ibkr_cancel_order"] as const)(
  "%s does not know an order of an account outside the grant",
  async (name) => {
    const input = name === "ibkr_modify_order" ? { limitPrice: 2 } : {};
    const answer = await ask(name, { ...input, orderId: ofOther }, limited);
    expect(answer).toMatchObject({ type: "error", error: { code: "order_not_found" } });
  },
);

describe.for(agentTools)("%s", (name) => {
  test("shows nothing of an account outside the grant", async () => {
    const answer = await ask(name, inputOf(name), limited);
    expect(JSON.stringify(answer)).not.toContain(other);
    if (name === "ibkr_disconnect") await ask("ibkr_connect", {}, trader);
    if (name === "ibkr_disconnect") await fixture.session.whenConnected(10_000);
  });

  test("is refused to a caller whose access has ended, and to one without its scope", async () => {
    const over = { ...limited, expiresAt: "2026-01-01T00:00:00.000Z" };
    expect(await ask(name, inputOf(name), over)).toMatchObject({
      type: "error",
      error: { code: "unauthorized" },
    });
    const { scope } = definitionOf(name);
    const without: Caller = { ...limited, scopes: scope === "tws:read" ? ["tws:trade"] : ["tws:read"] };
    expect(await ask(name, inputOf(name), without)).toMatchObject({
      type: "error",
      error: { code: "forbidden" },
    });
  });
});

test("the other account was there to be shown all along", async () => {
  for (const name of [
    "ibkr_get_managed_accounts",
    "ibkr_get_positions",
    "ibkr_get_open_orders",
    "ibkr_get_completed_orders",
    "ibkr_get_all_orders",
    "ibkr_get_executions",
  ] as const) {
    expect([name, JSON.stringify(await ask(name, {}, trader))]).toEqual([
      name,
      expect.stringContaining(other),
    ]);
  }
});

test("a caller of no account sees none and trades none", async () => {
  const nobody: Caller = { ...limited, accounts: [] };
  for (const name of agentTools.filter(takesAccount)) {
    const text = JSON.stringify(await ask(name, inputOf(name), nobody));
    expect([name, text]).not.toEqual([name, expect.stringMatching(new RegExp(`${mine}|${other}`))]);
  }
});
