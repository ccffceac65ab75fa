import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import type { PendingApproval } from "../../shared/approval.ts";
import type { ToolName } from "../../shared/tools/index.ts";
import type { Limits } from "../limits/limits.ts";
import { createApprovals } from "../journal/approvals.ts";
import { createKillSwitch } from "../journal/kill-switch.ts";
import {
  budgetMs,
  type CallFrame,
  forged,
  type HostileSystem,
  startHostileSystem,
} from "./rigs/edge-peer.ts";

/** An edge in the hands of somebody else: what it can and cannot get placed at TWS. */

const paper = "DU1234567";
const limits: Partial<Limits> = {
  accounts: [paper],
  secTypes: ["STK"],
  symbols: ["AAPL", "MSFT"],
  symbolsDenied: ["MSFT"],
  orderTypes: ["LMT", "STP"],
  orderQuantity: 10,
  orderValue: 1_000,
  dayValue: 1_500,
  openOrders: 10,
  approval: "never",
};
const order = (changes: object = {}) => ({
  symbol: "AAPL",
  action: "BUY",
  quantity: 5,
  orderType: "LMT",
  limitPrice: 100,
  account: paper,
  ...changes,
});
/** One of its own terms each, so that none is a duplicate of another. */
let turn = 0;
const another = (changes: object = {}) => {
  turn += 1;
  return order({ limitPrice: 100 - turn / 100, ...changes });
};

const Failed = z.object({ error: z.object({ code: z.string() }) });
const codeOf = (answer: unknown) => Failed.parse(answer).error.code;

let system: HostileSystem;
const heldOrders = () => {
  const { ledger } = system.simulator.world;
  return ledger.openOrders().length + ledger.completedOrders().length;
};

describe("calls beyond the owner's limits, for a grant that nobody gave", () => {
  beforeAll(async () => {
    system = await startHostileSystem(limits);
  });
  afterAll(() => system.close());

  const option = { symbol: "AAPL", expiration: "20270115", strike: 200, right: "C", action: "BUY" };
  const exits = { entryPrice: 100, takeProfitPrice: 120, stopLossPrice: 90, account: paper };
  test.for<[string, ToolName, object]>([
    ["a live account", "ibkr_place_order", order({ account: "U1234567" })],
    ["another paper account", "ibkr_place_order", order({ account: "DU7777777" })],
    ["an account that TWS has not", "ibkr_place_order", order({ account: "DU0000000" })],
    ["another kind of instrument", "ibkr_place_order", order({ symbol: "EUR.USD", limitPrice: 1 })],
    ["another symbol", "ibkr_place_order", order({ symbol: "IBM" })],
    ["a symbol that is denied", "ibkr_place_order", order({ symbol: "MSFT" })],
    ["another order type", "ibkr_place_order", order({ orderType: "MKT", limitPrice: undefined })],
    ["more of them", "ibkr_place_order", order({ quantity: 11, limitPrice: 1 })],
    ["more value", "ibkr_place_order", order({ quantity: 10, limitPrice: 100.01 })],
    ["an option", "ibkr_place_option_order", { ...option, quantity: 1, limitPrice: 1, account: paper }],
    [
      "a bracket of more",
      "ibkr_place_bracket_order",
      { symbol: "AAPL", action: "BUY", quantity: 11, ...exits },
    ],
    [
      "a bracket in a live account",
      "ibkr_place_bracket_order",
      { symbol: "AAPL", action: "BUY", quantity: 1, ...exits, account: "U1234567" },
    ],
    ["a change of an order that is none", "ibkr_modify_order", { orderId: 1, limitPrice: 1 }],
  ])("%s", async ([, tool, input]) => {
    const answer = await system.call(tool, input);
    expect(codeOf(answer)).toMatch(
      /^(trading_refused|invalid_input|forbidden|order_not_found|unknown_contract)$/,
    );
    expect([system.placed(), heldOrders()]).toEqual([0, 0]);
  });

  test("a basket whose rows are each within them", async () => {
    const { account, ...row } = order({ quantity: 6 });
    const answer = await system.call("ibkr_place_orders", {
      account,
      orders: [row, { ...row, limitPrice: 99 }],
    });
    expect(codeOf(answer)).toBe("trading_refused");
    expect([system.placed(), heldOrders()]).toEqual([0, 0]);
  });

  test.for<[string, Partial<CallFrame>, string]>([
    ["that is too late", { sentAt: Date.now() - 10_000, deadlineAt: Date.now() - 10_000 }, "timeout"],
    [
      "whose access is over",
      { caller: { ...forged, expiresAt: "2026-01-01T00:00:00.000Z" } },
      "unauthorized",
    ],
    ["that may only read", { caller: { ...forged, scopes: ["tws:read"] } }, "forbidden"],
    ["of no account", { caller: { ...forged, accounts: [] } }, "forbidden"],
  ])("nor is one within them %s", async ([, changes, code]) => {
    expect(codeOf(await system.call("ibkr_place_order", order(), changes))).toBe(code);
    expect([system.placed(), heldOrders()]).toEqual([0, 0]);
  });
});

describe("calls within the owner's limits", () => {
  beforeEach(async () => {
    system = await startHostileSystem(limits);
  });
  afterEach(() => system.close());

  test("are placed once, however often, late or altered their frames come again", async () => {
    const sentAt = Date.now();
    const again = { id: "c1", idempotencyKey: "k1", sentAt, deadlineAt: sentAt + 10_000 };
    const { orderId } = await system.call("ibkr_place_order", order(), again);
    expect(orderId).toEqual(expect.any(Number));
    for (const changes of [again, { ...again, id: "c2" }]) {
      expect(await system.call("ibkr_place_order", order(), changes)).toMatchObject({ orderId });
    }
    const old = { ...again, sentAt: sentAt - 3_600_000, deadlineAt: sentAt - 3_590_000 };
    expect(codeOf(await system.call("ibkr_place_order", order(), old))).toBe("timeout");
    const altered = await system.call("ibkr_place_order", order({ quantity: 6 }), again);
    expect(codeOf(altered)).toBe("invalid_input");
    // the same for another key is asked about
    expect(codeOf(await system.call("ibkr_place_order", order()))).toBe("duplicate_order");
    // and a change is held to the limits as well
    for (const change of [{ quantity: 11 }, { limitPrice: 201 }]) {
      expect(codeOf(await system.call("ibkr_modify_order", { orderId, ...change }))).toBe("trading_refused");
    }
    expect([system.placed(), heldOrders()]).toEqual([1, 1]);
  });

  test("are placed until the value of the day is used up, however many come at once", async () => {
    const flood = Array.from({ length: 60 }, (_, row) =>
      system.call("ibkr_place_order", another({ quantity: 4 }), {
        caller: { ...forged, grantId: `forged-${row}` },
        deadlineAt: Date.now() + 20_000,
      }),
    );
    const answers = await Promise.all(flood);
    // each is a little less than 400
    expect(answers.filter(({ orderId }) => orderId !== undefined)).toHaveLength(3);
    expect([system.placed(), heldOrders()]).toEqual([3, 3]);
  });
});

/** What waits, as the agent tells a page. */
const OwnerQueue = z.object({ approvals: z.array(z.object({ approvalId: z.string(), digest: z.string() })) });
type Waiting = Pick<PendingApproval, "approvalId" | "digest">;

async function newestOf(): Promise<Waiting> {
  const newest = OwnerQueue.parse(await system.owner({ kind: "owner" })).approvals.at(-1);
  if (newest === undefined) throw new Error("Nothing waits.");
  return newest;
}
const decide = (waiting: Waiting, decision: "approve" | "decline") =>
  system.owner({ kind: "decide", approvalId: waiting.approvalId, digest: waiting.digest, decision });

/** An order that waits, under a key. */
async function requestApproval(key: string, input: object, caller = forged): Promise<Waiting> {
  const answer = await system.call("ibkr_place_order", input, { idempotencyKey: key, caller });
  expect(codeOf(answer)).toBe("approval_required");
  return await newestOf();
}

describe("decisions that the owner has not made", () => {
  const asks: Partial<Limits> = { ...limits, approval: "always" };

  test("count once, for the very orders and grant that were asked for, and never again", async () => {
    system = await startHostileSystem(asks);
    const input = another();
    const first = await requestApproval("k1", input);
    // of other orders, and of what was never asked
    for (const wrong of [
      { ...first, digest: "0".repeat(64) },
      { ...first, approvalId: "a1" },
      { ...first, approvalId: "%' OR 1=1 --" },
    ]) {
      expect(codeOf(await decide(wrong, "approve"))).toBe("invalid_input");
    }
    // the page is the edge's: without APPROVAL_AT=host this much it can
    await decide(first, "approve");
    const foreign = { ...forged, grantId: "other" };
    await requestApproval("k1", input, foreign);
    await requestApproval("k2", another());
    const altered = await system.call(
      "ibkr_place_order",
      { ...input, quantity: 9 },
      { idempotencyKey: "k1" },
    );
    expect(codeOf(altered)).toBe("invalid_input");
    expect(system.placed()).toBe(0);
    const { orderId } = await system.call("ibkr_place_order", input, { idempotencyKey: "k1" });
    expect(orderId).toEqual(expect.any(Number));
    // replayed: the decision, the call, and the order under another key
    expect(codeOf(await decide(first, "approve"))).toBe("invalid_input");
    expect(await system.call("ibkr_place_order", input, { idempotencyKey: "k1" })).toMatchObject({ orderId });
    const repeated = () => system.call("ibkr_place_order", input, { idempotencyKey: "k3" });
    expect(codeOf(await repeated())).toBe("duplicate_order");
    await system.call("ibkr_cancel_order", { orderId }, { deadlineAt: Date.now() + 10_000 });
    expect(codeOf(await repeated())).toBe("approval_required");
    expect([system.placed(), heldOrders()]).toEqual([1, 1]);
    await system.close();
  });

  test("on a change of one order place no new one, and change no other", async () => {
    system = await startHostileSystem(asks);
    const ids: unknown[] = [];
    for (const input of [order({ quantity: 2, limitPrice: 50 }), order({ quantity: 2, limitPrice: 51 })]) {
      const key = `k${ids.length}`;
      await decide(await requestApproval(key, input), "approve");
      ids.push((await system.call("ibkr_place_order", input, { idempotencyKey: key }))["orderId"]);
    }
    const change = { limitPrice: 60 };
    const asked = await system.call("ibkr_modify_order", { orderId: ids[0], ...change });
    expect(codeOf(asked)).toBe("approval_required");
    await decide(await newestOf(), "approve");
    await requestApproval("k9", order({ quantity: 2, ...change }));
    expect(codeOf(await system.call("ibkr_modify_order", { orderId: ids[1], ...change }))).toBe(
      "approval_required",
    );
    expect([system.placed(), heldOrders()]).toEqual([2, 2]);
    await system.call("ibkr_modify_order", { orderId: ids[0], ...change });
    expect([system.placed(), heldOrders()]).toEqual([3, 2]);
    await system.close();
  });

  test("do not bring back what was declined or has expired", async () => {
    system = await startHostileSystem(asks);
    const [no, late] = [another(), another()];
    const declined = await requestApproval("k1", no);
    await decide(declined, "decline");
    expect(codeOf(await decide(declined, "approve"))).toBe("invalid_input");
    expect(codeOf(await system.call("ibkr_place_order", no, { idempotencyKey: "k1" }))).toBe(
      "trading_refused",
    );
    const expired = await requestApproval("k2", late);
    system.journalFile.write("expire", (db) =>
      db.prepare("UPDATE approval SET expires_at = ?").run(Date.now()),
    );
    expect(codeOf(await decide(expired, "approve"))).toBe("invalid_input");
    await requestApproval("k2", late);
    expect([system.placed(), heldOrders()]).toEqual([0, 0]);
    await system.close();
  });

  test("count for nothing at all with APPROVAL_AT=host", async () => {
    system = await startHostileSystem({ ...asks, approvalAt: "host" });
    const input = another();
    const waiting = await requestApproval("k1", input);
    for (const decision of ["approve", "decline"] as const) {
      expect(codeOf(await decide(waiting, decision))).toBe("forbidden");
    }
    const still = await system.call("ibkr_place_order", input, { idempotencyKey: "k1" });
    expect(still).toMatchObject({ error: { code: "approval_required", approval: { at: "host" } } });
    expect([system.placed(), heldOrders()]).toEqual([0, 0]);
    createApprovals(system.journalFile, Date.now).decide(waiting.approvalId, null, "approve", "host");
    expect(await system.call("ibkr_place_order", input, { idempotencyKey: "k1" })).toHaveProperty("orderId");
    expect(system.placed()).toBe(1);
    await system.close();
  });
});

describe("frames that no honest edge sends", () => {
  beforeAll(async () => {
    system = await startHostileSystem(limits);
  });
  afterAll(() => system.close());

  test.for([
    '{"type":"owner","id":"x","request":{"kind":"approve","approvalId":"a1"}}',
    '{"type":"owner","id":"x","request":{"kind":"decide","approvalId":"a1","decision":"approve"}}',
    '{"type":"owner","id":"x","request":{"kind":"decide","approvalId":["a1"],"digest":null,"decision":"approve"}}',
    '{"type":"owner","id":"x","request":{"kind":"limits","orderValue":null}}',
    '{"type":"owner","id":"x"}',
    '{"type":"settings","trading":"live"}',
    '{"type":"call","id":"x","tool":"ibkr_place_order","input":{},"deadlineAt":1,"sentAt":1,"caller":{"scopes":["owner"]}}',
  ])("%s ends the connection, and the agent comes back", async (text) => {
    const over = system.cutOff();
    system.say(text);
    expect(await over).toBe(1002);
  });

  test("what the TWS host has stopped is lifted by none of them", async () => {
    const killSwitch = createKillSwitch(system.journalFile, Date.now);
    killSwitch.freeze("host", "mine");
    expect(codeOf(await system.owner({ kind: "unfreeze" }))).toBe("trading_frozen");
    // taking it over first does not help
    await system.owner({ kind: "freeze", reason: "ours" });
    expect(codeOf(await system.owner({ kind: "unfreeze" }))).toBe("trading_frozen");
    const id = "u1";
    const answer = system.answerTo(id);
    system.say(`{"type":"owner","id":"${id}","request":{"kind":"unfreeze","by":"host"},"by":"host"}`);
    expect(codeOf(await answer)).toBe("trading_frozen");
    expect(codeOf(await system.call("ibkr_place_order", another()))).toBe("trading_frozen");
    expect(killSwitch.state()).toMatchObject({ by: "host", reason: "mine" });
    expect([system.placed(), heldOrders()]).toEqual([0, 0]);
    killSwitch.unfreeze("host");
    const { orderId } = await system.call("ibkr_place_order", another(), {
      deadlineAt: Date.now() + budgetMs,
    });
    expect(orderId).toEqual(expect.any(Number));
  });
});
