import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { AgentFrame } from "../shared/protocol.ts";
import { ownerOfLocalMode } from "../shared/caller.ts";
import { TwsError } from "../shared/errors.ts";
import { currentGrant } from "./tws/session/fair-share.ts";
import { type CallFrame, createDispatch } from "./dispatch.ts";
import type { CallContext } from "./call/call-context.ts";
import type { Handlers } from "./handlers/index.ts";
import { createLog } from "./process/log.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function start(handlers: Partial<Handlers>) {
  const lines: string[] = [];
  const sent: AgentFrame[] = [];
  const link = new AbortController();
  const dispatch = createDispatch({
    handlers,
    log: createLog({ level: "debug", secrets: [], write: (line) => lines.push(line), now: Date.now }),
    now: Date.now,
  });
  const origin = { send: (frame: AgentFrame) => sent.push(frame), signal: link.signal };
  const handle = (call: CallFrame) => dispatch.handle(call, origin);
  const log = (): unknown[] => lines.map((line): unknown => JSON.parse(line));
  return { dispatch, handle, sent, log, link, origin };
}

const call = (change: Partial<CallFrame> = {}): CallFrame => ({
  type: "call",
  id: "c1",
  tool: "ibkr_get_current_time",
  input: {},
  // far from this machine's clock on purpose
  sentAt: 5_000_000,
  deadlineAt: 5_009_000,
  caller: ownerOfLocalMode,
  ...change,
});

const order = call({ tool: "ibkr_place_order", input: { symbol: "AAPL", action: "BUY", quantity: 1 } });

const time = { server_time: "2026-01-01T00:00:00.000Z", timestamp: 1 };

/** Answers never; tells when it is withdrawn. */
function hanging() {
  const contexts: CallContext[] = [];
  const handler = (_input: unknown, context: CallContext): Promise<never> => {
    contexts.push(context);
    return new Promise(() => {});
  };
  return { handler, contexts };
}

test("answers with the handler's result and logs one line", async () => {
  const { handle, sent, log, dispatch } = start({ ibkr_get_current_time: async () => time });
  await handle(call());
  expect(sent).toEqual([{ type: "result", id: "c1", output: time }]);
  expect(log()).toEqual([
    expect.objectContaining({ event: "call", tool: "ibkr_get_current_time", outcome: "ok", grant: "local" }),
  ]);
  expect(dispatch.running()).toBe(0);
});

test("gives a handler its input with defaults filled in", async () => {
  const inputs: unknown[] = [];
  const { handle } = start({
    async ibkr_place_order(input) {
      inputs.push(input);
      throw new TwsError("trading_refused", "No.");
    },
  });
  await handle(order);
  expect(inputs).toEqual([
    {
      symbol: "AAPL",
      action: "BUY",
      quantity: 1,
      orderType: "MKT",
      tif: "DAY",
      outsideRth: false,
      account: "",
    },
  ]);
});

test.each([
  ["a tool that does not exist", { tool: "ibkr_make_money" }, "unknown_tool"],
  ["a name from an object's prototype", { tool: "__proto__" }, "unknown_tool"],
  ["a tool that runs at the edge", { tool: "ibkr_get_status" }, "unknown_tool"],
  ["input that breaks the schema", { tool: "ibkr_place_order", input: { quantity: -1 } }, "invalid_input"],
  ["a control character", { tool: "ibkr_search_symbols", input: { pattern: "A\u0000B" } }, "invalid_input"],
  [
    "a caller without the scope",
    { ...order, caller: { ...ownerOfLocalMode, scopes: ["tws:read" as const] } },
    "forbidden",
  ],
  [
    "a caller whose access has ended",
    { ...order, caller: { ...ownerOfLocalMode, expiresAt: "1970-01-01T00:00:00.000Z" } },
    "unauthorized",
  ],
  ["a call that has expired", { deadlineAt: 5_000_000 }, "timeout"],
])("refuses %s without starting anything", async (_what, change, code) => {
  const { handle, sent } = start({});
  await handle(call(change));
  expect(sent).toEqual([{ type: "error", id: "c1", error: expect.objectContaining({ code }) }]);
});

test("gives a call that looks on for a while that while, and a request within it no more than any other", async () => {
  const { handler, contexts } = hanging();
  const { handle, sent } = start({ ibkr_stream_news_bulletins: handler });
  const tool = "ibkr_stream_news_bulletins";
  const done = handle(call({ tool, input: { duration_seconds: 60 }, deadlineAt: 5_000_000 + 3_600_000 }));
  expect(contexts[0]?.twsTimeoutMs).toBe(15_000);
  await vi.advanceTimersByTimeAsync(79_999);
  expect(sent).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  await done;
  expect(sent).toMatchObject([{ type: "error", error: { code: "timeout" } }]);
});

test("counts the deadline from receipt, never beyond the agent's own share", async () => {
  const { handler, contexts } = hanging();
  const { handle, sent } = start({ ibkr_get_current_time: handler });
  const done = handle(call({ deadlineAt: 5_000_000 + 3_600_000 }));
  expect(contexts[0]?.twsTimeoutMs).toBe(5_000);
  await vi.advanceTimersByTimeAsync(6_999);
  expect(sent).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  await done;
  expect(sent).toEqual([{ type: "error", id: "c1", error: expect.objectContaining({ code: "timeout" }) }]);
  expect(contexts[0]?.signal.aborted).toBe(true);
});

test("does not start an order that the network held up until its time was over", async () => {
  let orders = 0;
  const handlers = {
    ibkr_get_current_time: async () => time,
    ibkr_place_order: () => {
      orders += 1;
      return Promise.reject(new TwsError("trading_refused", "No."));
    },
  };
  const { handle, sent } = start(handlers);
  await handle(call());
  await vi.advanceTimersByTimeAsync(40_000);
  const orderAt = (sentAt: number) => ({ ...order, id: `at-${sentAt}`, sentAt, deadlineAt: sentAt + 20_000 });

  await handle(orderAt(5_019_000));
  await handle(orderAt(5_040_000));

  expect(orders).toBe(1);
  expect(sent.slice(1)).toEqual([
    { type: "error", id: "at-5019000", error: expect.objectContaining({ code: "timeout" }) },
    { type: "error", id: "at-5040000", error: expect.objectContaining({ code: "trading_refused" }) },
  ]);
});

test("leaves a request to TWS less time when the caller has less", async () => {
  const { handler, contexts } = hanging();
  const { handle, sent } = start({ ibkr_get_current_time: handler });
  void handle(call({ deadlineAt: 5_000_700 }));
  expect(contexts[0]?.twsTimeoutMs).toBe(500);
  await vi.advanceTimersByTimeAsync(700);
  expect(sent).toHaveLength(1);
});

test.each([
  ["ibkr_place_order", order.input],
  ["ibkr_modify_order", { orderId: 1, quantity: 2 }],
  ["ibkr_cancel_order", { orderId: 1 }],
] as const)("the outcome of %s past its deadline is unknown", async (tool, input) => {
  const { handle, sent } = start({ [tool]: hanging().handler });
  const done = handle(call({ tool, input: { ...input } }));
  await vi.advanceTimersByTimeAsync(20_000);
  await done;
  expect(sent).toEqual([
    { type: "error", id: "c1", error: expect.objectContaining({ code: "outcome_unknown" }) },
  ]);
});

test("a cancel frame withdraws the call and answers it", async () => {
  const { handler, contexts } = hanging();
  const { handle, dispatch, sent } = start({ ibkr_get_current_time: handler });
  const done = handle(call());
  dispatch.cancel("another");
  expect(contexts[0]?.signal.aborted).toBe(false);
  dispatch.cancel("c1");
  await done;
  expect(contexts[0]?.signal.aborted).toBe(true);
  expect(sent).toEqual([{ type: "error", id: "c1", error: expect.objectContaining({ code: "cancelled" }) }]);
});

test("when the link is gone every call of it is withdrawn", async () => {
  const { handler, contexts } = hanging();
  const { handle, dispatch, link } = start({ ibkr_get_current_time: handler });
  const calls = ["a", "b"].map((id) => handle(call({ id })));
  link.abort();
  await Promise.all(calls);
  expect(contexts.map(({ signal }) => signal.aborted)).toEqual([true, true]);
  expect(dispatch.running()).toBe(0);
});

test("runs a repeated id once and answers it once", async () => {
  const results = Promise.withResolvers<typeof time>();
  let started = 0;
  const { handle, sent, log } = start({
    ibkr_get_current_time: () => {
      started += 1;
      return results.promise;
    },
  });
  const first = handle(call());
  await handle(call());
  expect(sent).toEqual([]);
  results.resolve(time);
  await first;
  expect(started).toBe(1);
  expect(sent).toEqual([{ type: "result", id: "c1", output: time }]);
  expect(log()).toContainEqual(expect.objectContaining({ event: "call.duplicate", level: "error" }));
});

test("tells a caller nothing of an unexpected error but the id that the log has", async () => {
  const { handle, sent, log } = start({
    ibkr_get_current_time: () => Promise.reject(new TypeError("secret of the house")),
  });
  await handle(call());
  expect(JSON.stringify(sent)).not.toContain("secret of the house");
  const [frame] = sent;
  const error = frame?.type === "error" ? frame.error : null;
  expect(error?.code).toBe("internal");
  const errorId = /id (\w{8})/.exec(error?.message ?? "")?.[1];
  expect(log()).toContainEqual(expect.objectContaining({ event: "call.failed", errorId }));
  expect(JSON.stringify(log())).toContain("secret of the house");
});

test("an answer that breaks the tool's own schema is a fault, not an answer", async () => {
  const { handle, sent } = start({
    ibkr_get_current_time: async () => ({ server_time: "x", timestamp: 1.5 }),
  });
  await handle(call());
  expect(sent).toEqual([{ type: "error", id: "c1", error: expect.objectContaining({ code: "internal" }) }]);
});

test("pages what a handler returns whole", async () => {
  const position = (conId: number) => ({
    account: "DU1",
    mode: "paper" as const,
    contract: { conId },
    position: 1,
    avgCost: 1,
    marketPrice: null,
    marketValue: null,
    dailyPnL: null,
    unrealizedPnL: null,
    realizedPnL: null,
  });
  const { handle, sent } = start({
    ibkr_get_positions: async () => ({ positions: [1, 2, 3].map(position), count: 3, asOf: "now" }),
  });
  await handle(call({ tool: "ibkr_get_positions", input: { limit: 2 } }));
  expect(sent).toEqual([
    {
      type: "result",
      id: "c1",
      output: expect.objectContaining({
        returned: 2,
        total: 3,
        truncated: true,
        positions: [position(1), position(2)],
      }),
    },
  ]);
});

test("an answer too large for a frame becomes an error that says so", async () => {
  const { dispatch, sent } = start({ ibkr_get_current_time: async () => time });
  await dispatch.handle(call(), {
    send(frame) {
      if (frame.type === "result") throw new TwsError("too_large", "The answer is too large.");
      sent.push(frame);
    },
    signal: new AbortController().signal,
  });
  expect(sent).toEqual([{ type: "error", id: "c1", error: expect.objectContaining({ code: "too_large" }) }]);
});

test("tells progress at once, then four times a second, the latest only, and nothing after the answer", async () => {
  const results = Promise.withResolvers<typeof time>();
  let context: CallContext | null = null;
  const { handle, sent } = start({
    ibkr_get_current_time: (_input, given) => {
      context = given;
      return results.promise;
    },
  });
  const done = handle(call());
  const report = (n: number) => context?.progress(n, 100, "working");
  for (let n = 1; n <= 100; n += 1) {
    report(n);
    await vi.advanceTimersByTimeAsync(10);
  }
  const told = sent.map((frame) => (frame.type === "progress" ? frame.progress : null));
  expect(told[0]).toBe(1);
  expect(told.length).toBeGreaterThanOrEqual(4);
  expect(told.length).toBeLessThanOrEqual(5);
  report(101);
  results.resolve(time);
  await done;
  const count = sent.length;
  await vi.advanceTimersByTimeAsync(1_000);
  report(102);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(sent).toHaveLength(count);
  expect(sent.at(-1)?.type).toBe("result");
});

test("holds no more calls at once than its bound", async () => {
  const { handler, contexts } = hanging();
  const { handle, sent, link } = start({ ibkr_get_current_time: handler, ibkr_cancel_order: handler });
  const calls = Array.from({ length: 1_001 }, (_value, index) => handle(call({ id: `c${index}` })));
  await vi.advanceTimersByTimeAsync(0);
  expect(sent).toEqual([
    { type: "error", id: "c1000", error: expect.objectContaining({ code: "rate_limited" }) },
  ]);
  // an order can be cancelled all the same
  calls.push(handle(call({ id: "cancel", tool: "ibkr_cancel_order", input: { orderId: 1 } })));
  await vi.advanceTimersByTimeAsync(0);
  expect(contexts).toHaveLength(1_001);
  link.abort();
  await Promise.all(calls);
});

test("runs a call on behalf of its grant, however far down", async () => {
  const grants: string[] = [];
  const { handle } = start({
    async ibkr_get_current_time() {
      await Promise.resolve();
      grants.push(currentGrant());
      return time;
    },
  });
  await Promise.all(
    ["one", "two"].map((grantId) => handle(call({ id: grantId, caller: { ...ownerOfLocalMode, grantId } }))),
  );
  expect([...grants, currentGrant()]).toEqual(["one", "two", ""]);
});
