import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { approvalLifetimeMs } from "../../shared/approval.ts";
import { type Approvals, createApprovals, type ApprovalRequest, useApproval } from "./approvals.ts";
import { createJournal } from "./journal.ts";
import type { JournalFile } from "./database.ts";
import { createJournalFolder, type JournalFolder } from "./journal.fixture.ts";

let place: JournalFolder;
let file: JournalFile;
let now: number;
let approvals: Approvals;
beforeEach(() => {
  place = createJournalFolder();
  file = place.open();
  now = Date.UTC(2026, 10, 20);
  approvals = createApprovals(file, () => now);
});
afterEach(() => {
  vi.useRealTimers();
  return place.close();
});

const digest = "d".repeat(64);
const request = (change: Partial<ApprovalRequest> = {}): ApprovalRequest => ({
  digest,
  account: "U1234567",
  mode: "live",
  orders: ["BUY 10 AAPL (STK, NASDAQ, USD) LMT 180.5 DAY"],
  value: "about 1,805.00 USD",
  quotes: [{ bid: 180, ask: 180.2, last: 180.1, at: "2026-11-20T15:59:58.000Z", dataType: "live" }],
  reason: "live orders need approval",
  client: "a client",
  grantId: "g_1",
  intentId: "ag1:a",
  tool: "ibkr_place_order",
  ...change,
});
const use = (approvalId: string, of = digest) =>
  file.write("reserved", (db) => useApproval(db, approvalId, of, now));
const refused = expect.objectContaining({ code: "trading_refused" });
const notWaiting = expect.objectContaining({ code: "invalid_input" });

test("an order waits, is approved, and is placed once", () => {
  expect(approvals.decision("g_1", digest)).toEqual({ decision: "none" });
  const { approvalId, expiresAt } = approvals.ask(request());
  expect(approvals.decision("g_1", digest)).toEqual({ decision: "pending", approvalId, expiresAt });
  const { intentId: _, tool: __, ...shown } = request();
  expect(approvals.pending()).toEqual([
    { ...shown, approvalId, createdAt: new Date(now).toISOString(), expiresAt },
  ]);
  approvals.decide(approvalId, digest, "approve", "page");
  expect(approvals.pending()).toEqual([]);
  expect(approvals.decision("g_1", digest)).toEqual({ decision: "approved", approvalId });
  use(approvalId);
  expect(() => use(approvalId)).toThrow(refused);
  expect(approvals.decision("g_1", digest)).toEqual({ decision: "none" });
});

test("every step is in the trail, with the intent and the tool", () => {
  const first = approvals.ask(request());
  approvals.decide(first.approvalId, digest, "approve", "host");
  use(first.approvalId);
  const second = approvals.ask(request({ intentId: "ag1:b" }));
  approvals.decide(second.approvalId, null, "decline", "page");
  expect(createJournal(file, () => now).audit.after(0, 100)).toMatchObject([
    { step: "approval asked", intentId: "ag1:a", outcome: "live orders need approval" },
    {
      step: "approved",
      intentId: "ag1:a",
      tool: "ibkr_place_order",
      grantId: "g_1",
      outcome: "by host",
      digest,
    },
    { step: "approval asked", intentId: "ag1:b" },
    { step: "declined", intentId: "ag1:b", outcome: "by page", account: "U1234567" },
  ]);
});

test("what waits, was declined or has been used is not placed", () => {
  const { approvalId } = approvals.ask(request());
  expect(() => use(approvalId)).toThrow(refused);
  approvals.decide(approvalId, digest, "decline", "page");
  expect(() => use(approvalId)).toThrow(refused);
  expect(approvals.decision("g_1", digest)).toEqual({ decision: "declined", approvalId });
  expect(() => use("no such")).toThrow(refused);
});

test("a decision is final: it can be neither repeated nor turned round", () => {
  const { approvalId } = approvals.ask(request());
  approvals.decide(approvalId, digest, "decline", "page");
  for (const decision of ["approve", "decline"] as const) {
    expect(() => approvals.decide(approvalId, digest, decision, "host")).toThrow("declined already");
  }
  const again = approvals.ask(request());
  approvals.decide(again.approvalId, digest, "approve", "page");
  use(again.approvalId);
  expect(() => approvals.decide(again.approvalId, digest, "approve", "page")).toThrow("used already");
  expect(() => approvals.decide("no such", digest, "approve", "page")).toThrow(notWaiting);
});

test("after its time it is neither decided on nor used", () => {
  const { approvalId } = approvals.ask(request());
  now += approvalLifetimeMs - 1;
  approvals.decide(approvalId, digest, "approve", "page");
  now += 1;
  expect(approvals.decision("g_1", digest)).toEqual({ decision: "none" });
  expect(() => use(approvalId)).toThrow(refused);
  now += 1;
  expect(() => use(approvalId)).toThrow(refused);
  const late = approvals.ask(request({ digest: "e".repeat(64) }));
  now += approvalLifetimeMs;
  expect(approvals.pending()).toEqual([]);
  now += 1;
  expect(approvals.pending()).toEqual([]);
  expect(() => approvals.decide(late.approvalId, null, "approve", "host")).toThrow("expired already");
});

test("a declined order can be asked for again once its time is over", () => {
  const { approvalId } = approvals.ask(request());
  approvals.decide(approvalId, digest, "decline", "page");
  now += approvalLifetimeMs;
  expect(approvals.decision("g_1", digest)).toEqual({ decision: "none" });
});

test("it is for the exact orders that were shown, and for nobody else's", () => {
  const { approvalId } = approvals.ask(request());
  const other = "e".repeat(64);
  expect(() => approvals.decide(approvalId, other, "approve", "page")).toThrow("not the orders that wait");
  expect(approvals.pending()).toHaveLength(1);
  approvals.decide(approvalId, digest, "approve", "page");
  expect(() => use(approvalId, other)).toThrow(refused);
  expect(approvals.decision("g_1", other)).toEqual({ decision: "none" });
  expect(approvals.decision("g_2", digest)).toEqual({ decision: "none" });
});

test("the same orders of a grant wait once; another grant's wait for themselves", () => {
  const first = approvals.ask(request());
  now += 1_000;
  expect(approvals.ask(request({ intentId: "ag1:b" }))).toEqual(first);
  const other = approvals.ask(request({ grantId: "g_2" }));
  expect(approvals.pending().map(({ approvalId }) => approvalId)).toEqual([
    first.approvalId,
    other.approvalId,
  ]);
  approvals.decide(other.approvalId, digest, "approve", "page");
  expect(approvals.decision("g_1", digest)).toMatchObject({ decision: "pending" });
});

test("more than an owner can look at are not asked for, until some are over", () => {
  const digestOf = (index: number) => index.toString(16).padStart(64, "0");
  for (let index = 0; index < 50; index++) {
    approvals.ask(request({ digest: digestOf(index), grantId: `g_${index}` }));
  }
  const tooMany = () => approvals.ask(request({ digest: digestOf(50) }));
  expect(tooMany).toThrow(expect.objectContaining({ code: "rate_limited" }));
  expect(approvals.pending()).toHaveLength(50);
  now += approvalLifetimeMs + 1;
  tooMany();
  expect(approvals.pending()).toHaveLength(1);
});

test("they are the same after a restart", () => {
  const { approvalId } = approvals.ask(request());
  approvals.decide(approvalId, digest, "approve", "page");
  file.close();
  file = place.open();
  approvals = createApprovals(file, () => now);
  expect(approvals.decision("g_1", digest)).toEqual({ decision: "approved", approvalId });
  use(approvalId);
});

test("they are found by the beginning of their id, with what became of them", () => {
  const { approvalId } = approvals.ask(request());
  expect(approvalId).toMatch(/^[0-9a-f]{32}$/);
  expect(approvals.beginningWith(approvalId.slice(0, 6))).toMatchObject([{ approvalId, state: "pending" }]);
  expect(approvals.beginningWith("%")).toEqual([]);
  now += approvalLifetimeMs;
  expect(approvals.beginningWith(approvalId)).toMatchObject([{ state: "expired" }]);
});

const forEver = 1_000_000;

test("who waits is woken by a decision of this process at once", async () => {
  // so that looking for what others decided cannot be what wakes it
  vi.useFakeTimers();
  const { approvalId } = approvals.ask(request());
  const decided = approvals.whenDecided(forEver, new AbortController().signal);
  approvals.decide(approvalId, digest, "approve", "page");
  await expect(decided).resolves.toBeUndefined();
});

test("who waits is woken by a decision of another process, also while another approval is used", async () => {
  const used = approvals.ask(request({ digest: "e".repeat(64) }));
  approvals.decide(used.approvalId, null, "approve", "page");
  const { approvalId } = approvals.ask(request());
  const decided = approvals.whenDecided(forEver, new AbortController().signal);
  use(used.approvalId, "e".repeat(64));
  await place.run(`
    const file = journal.openJournalFile({ path, exclusive: false });
    approvals.createApprovals(file, () => ${now}).decide(${JSON.stringify(approvalId)}, null, "approve", "host");
    console.log("did");`);
  await decided;
  expect(approvals.decision("g_1", digest)).toEqual({ decision: "approved", approvalId });
});

test("who waits is let go when its client leaves, when it has left already, and when the time is over", async () => {
  const leaving = new AbortController();
  const left = approvals.whenDecided(forEver, leaving.signal);
  leaving.abort();
  await expect(left).resolves.toBeUndefined();
  await expect(approvals.whenDecided(forEver, leaving.signal)).resolves.toBeUndefined();
  await expect(approvals.whenDecided(1, new AbortController().signal)).resolves.toBeUndefined();
});

test("who waits is let go, and nothing else ends, when the journal cannot be read any more", async () => {
  const decided = approvals.whenDecided(forEver, new AbortController().signal);
  file.close();
  await expect(decided).resolves.toBeUndefined();
});

test("what the page has approved before it lost that right is asked about anew", () => {
  const before = approvals.ask(request());
  approvals.decide(before.approvalId, digest, "approve", "page");
  const onHost = createApprovals(file, () => now, "host");
  expect(onHost.decision("g_1", digest)).toEqual({ decision: "none" });
  const { approvalId } = onHost.ask(request());
  expect(approvalId).not.toBe(before.approvalId);
  onHost.decide(approvalId, digest, "approve", "host");
  expect(onHost.decision("g_1", digest)).toEqual({ decision: "approved", approvalId });
});

test("where the owner's word counts on the host alone, the page decides nothing", async () => {
  const onHost = createApprovals(file, () => now, "host");
  const { approvalId } = onHost.ask(request());
  for (const decision of ["approve", "decline"] as const) {
    expect(() => onHost.decide(approvalId, digest, decision, "page")).toThrow("on the TWS host alone");
  }
  expect(onHost.decision("g_1", digest)).toMatchObject({ decision: "pending", approvalId });
  const context = { signal: AbortSignal.abort(), twsTimeoutMs: 1 };
  const price = () => Promise.reject(new Error("The owner has been asked already."));
  await expect(onHost.approved(request(), price, context)).rejects.toMatchObject({
    detail: { approval: { approvalId, at: "host" } },
  });
  onHost.decide(approvalId, digest, "approve", "host");
  expect(await onHost.approved(request(), price, context)).toBe(approvalId);
});

test("one grant that asks without end leaves places for another", () => {
  const digestOf = (index: number) => index.toString(16).padStart(64, "0");
  const ask = (index: number, grantId: string) =>
    approvals.ask(request({ digest: digestOf(index), grantId }));
  const refusedAsMany = expect.objectContaining({ code: "rate_limited" });
  expect(() => {
    for (let index = 0; ; index++) ask(index, "g_greedy");
  }).toThrow(refusedAsMany);
  expect(approvals.pending()).toHaveLength(34);
  for (let index = 0; index < 5; index++) ask(index, "g_modest");
  expect(() => ask(100, "g_greedy")).toThrow(refusedAsMany);
  // what waits already is not asked for a second time, and so takes no place
  expect(ask(0, "g_greedy").approvalId).toBe(approvals.pending()[0]?.approvalId);
});
