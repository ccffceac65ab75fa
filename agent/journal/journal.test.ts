import { afterEach, beforeEach, expect, test } from "vitest";
import { TwsError } from "../../shared/errors.ts";
import { createJournalFolder, intentOf, type JournalFolder, legOf, orderOf } from "./journal.fixture.ts";
import { createJournal, type Journal } from "./journal.ts";
import { usageOf, usageStatements } from "./usage.ts";

let place: JournalFolder;
let journal: Journal;
let now: number;
beforeEach(() => {
  place = createJournalFolder();
  now = 1_000_000;
  journal = createJournal(place.open(), () => now);
});
afterEach(() => place.close());

const permit = () => {};
const error = new TwsError("order_rejected", "TWS has refused it.");
const stateOf = (intentId: string) => journal.intent(intentId)?.state;
const steps = () => journal.audit.after(0, 1_000).map(({ step }) => step);

/** An intent that is at TWS. */
function acked(intentId: string, orderId: number, change: Parameters<typeof intentOf>[1] = {}): void {
  journal.receive(intentOf(intentId, change));
  journal.reserve(intentId, [legOf(orderId)], 100, permit);
  journal.sending(intentId);
  journal.acknowledge(intentId, [orderOf(orderId)], false);
}

test("an intent goes from step to step, each in the trail, and is the same after a restart", () => {
  journal.receive(intentOf("ag1:a"));
  expect(journal.intent("ag1:a")).toEqual({
    ...intentOf("ag1:a"),
    state: "received",
    createdAt: now,
    sentAt: null,
    value: null,
    outcome: null,
    corrected: null,
    cancellingAt: null,
    legs: [],
  });
  journal.reserve("ag1:a", [legOf(7, "entry"), legOf(8, "takeProfit"), legOf(9, "stopLoss")], 1_805, permit);
  expect(stateOf("ag1:a")).toBe("reserved");
  now += 5;
  journal.sending("ag1:a");
  expect(journal.intent("ag1:a")).toMatchObject({ state: "sending", sentAt: now, value: 1_805 });
  journal.acknowledge("ag1:a", [orderOf(7), orderOf(9)], false);
  expect(stateOf("ag1:a")).toBe("acked");
  journal.acknowledge("ag1:a", [orderOf(7, { permId: null, status: "Filled", filled: 10 })], true);
  journal.file.close();
  journal = createJournal(place.open(), () => now);
  expect(journal.intent("ag1:a")).toMatchObject({
    state: "done",
    legs: [
      { ...legOf(7, "entry"), permId: 7_000, shown: { status: "Filled" } },
      { ...legOf(8, "takeProfit"), permId: null, shown: null },
      { ...legOf(9, "stopLoss"), permId: 9_000, shown: { status: "Submitted" } },
    ],
  });
  expect(steps()).toEqual(["received", "reserved", "sending", "acknowledged", "done"]);
});

test("the trail names who, what and which orders, and no quantities", () => {
  acked("ag1:a", 7);
  journal.acknowledge("ag1:a", [orderOf(7, { status: "Filled", filled: 10 })], true);
  const entries = journal.audit.after(0, 100);
  expect(entries.map(({ outcome }) => outcome)).toEqual(["", "7", "", "7 Submitted", "7 Filled"]);
  for (const entry of entries) {
    expect(entry).toMatchObject({
      intentId: "ag1:a",
      grantId: "g_1",
      client: "a client",
      tool: "ibkr_place_order",
      account: "DU1234567",
      digest: "d".repeat(64),
    });
  }
});

test.each([
  ["deny", "refused"],
  ["reject", "rejected"],
  ["markUnknown", "unknown"],
  ["markAbsent", "absent"],
] as const)("%s keeps why, and the intent is %s", (end, state) => {
  journal.receive(intentOf("ag1:a"));
  journal[end]("ag1:a", error);
  expect(journal.intent("ag1:a")).toMatchObject({ state, outcome: error.toBody() });
  expect(steps()).toEqual(["received", state]);
  expect(journal.audit.after(1, 1)).toMatchObject([{ outcome: "order_rejected" }]);
});

test("what turns up after it was unknown has no error any more", () => {
  acked("ag1:a", 7);
  journal.markUnknown("ag1:a", new TwsError("outcome_unknown", "Nobody knows."));
  journal.acknowledge("ag1:a", [orderOf(7)], false);
  expect(journal.intent("ag1:a")).toMatchObject({ state: "acked", outcome: null });
});

test("what was told and was wrong is taken back, in the trail too, and stays known", () => {
  acked("ag1:a", 7);
  journal.markAbsent("ag1:a", error);
  journal.correct("ag1:a", "absent");
  journal.acknowledge("ag1:a", [orderOf(7)], false);
  expect(journal.intent("ag1:a")).toMatchObject({ state: "acked", corrected: "absent" });
  expect(steps().slice(-3)).toEqual(["absent", "corrected", "acknowledged"]);
});

test("a cancellation of the agent's own is known from before it is sent until its end", () => {
  acked("ag1:a", 7);
  journal.cancelling("ag1:a");
  const since = now;
  now += 1_000;
  journal.cancelling("ag1:a");
  journal.markUnknown("ag1:a", error);
  expect(journal.intent("ag1:a")).toMatchObject({ state: "unknown", cancellingAt: since });
  journal.reject("ag1:a", error);
  expect(journal.intent("ag1:a")?.cancellingAt).toBeNull();
  expect(steps().slice(-3)).toEqual(["cancelling", "unknown", "rejected"]);
});

test("those whose last word may be revised are absent, rejected, or ended as Inactive or unlisted", () => {
  for (const [intentId, status] of [
    ["ag1:filled", "Filled"],
    ["ag1:inactive", "Inactive"],
    ["ag1:unlisted", "Unknown"],
  ] as const) {
    acked(intentId, 7);
    journal.acknowledge(intentId, [orderOf(7, { status })], true);
  }
  acked("ag1:absent", 8);
  journal.markAbsent("ag1:absent", error);
  acked("ag1:rejected", 9);
  journal.reject("ag1:rejected", error);
  const revisable = (since: number, most: number) =>
    journal.revisableSince(since, most).map(({ intentId }) => intentId);
  expect(revisable(0, 10).toSorted()).toEqual(["ag1:absent", "ag1:inactive", "ag1:rejected", "ag1:unlisted"]);
  expect(revisable(0, 2)).toHaveLength(2);
  expect(revisable(now + 1, 10)).toEqual([]);
});

test("an intent that was refused comes in anew, without what it had before", () => {
  journal.receive(intentOf("ag1:a"));
  journal.reserve("ag1:a", [legOf(7)], 100, permit);
  journal.deny("ag1:a", error);
  now += 60_000;
  journal.receive(intentOf("ag1:a", { notAfter: 99 }));
  expect(journal.intent("ag1:a")).toMatchObject({
    state: "received",
    createdAt: now,
    notAfter: 99,
    value: null,
    outcome: null,
    legs: [],
  });
});

test.each(["sending", "unknown", "acked", "done", "rejected", "absent"])(
  "an intent that is %s does not come in anew, since it may have been sent",
  (state) => {
    journal.receive(intentOf("ag1:a"));
    journal.reserve("ag1:a", [legOf(7)], 100, permit);
    journal.sending("ag1:a");
    if (state === "unknown") journal.markUnknown("ag1:a", error);
    if (state === "acked" || state === "done") journal.acknowledge("ag1:a", [orderOf(7)], state === "done");
    if (state === "rejected") journal.reject("ag1:a", error);
    if (state === "absent") journal.markAbsent("ag1:a", error);
    const before = journal.intent("ag1:a");
    expect(() => journal.receive(intentOf("ag1:a"))).toThrow("may have been sent already");
    expect(journal.intent("ag1:a")).toEqual(before);
    expect(before?.legs).toHaveLength(1);
  },
);

test("what the limits forbid within the reservation is not reserved", () => {
  journal.receive(intentOf("ag1:a"));
  const refusing = () =>
    journal.reserve("ag1:a", [legOf(7)], 100, () => {
      throw new TwsError("trading_refused", "Too much for a day.");
    });
  expect(refusing).toThrow("Too much for a day");
  expect(journal.intent("ag1:a")).toMatchObject({ state: "received", value: null, legs: [] });
  expect(journal.greatestOrderId(1)).toBe(0);
  expect(steps()).toEqual(["received"]);
});

test("a step of an intent that is not there writes nothing", () => {
  expect(() => journal.sending("ag1:none")).toThrow("no intent ag1:none");
  expect(journal.audit.head().seq).toBe(0);
});

test("an intent that TWS has and the journal had lost is taken in whole or not at all", () => {
  journal.adopt(intentOf("ag1:a"), [orderOf(7), orderOf(8)], 1);
  expect(journal.intent("ag1:a")).toMatchObject({
    state: "acked",
    legs: [
      { orderId: 7, permId: 7_000 },
      { orderId: 8, permId: 8_000 },
    ],
  });
  expect(steps()).toEqual(["adopted"]);
  expect(() => journal.adopt(intentOf("ag1:a"), [orderOf(7)], 1)).toThrow("may have been sent already");
  expect(() => journal.adopt(intentOf("ag1:b"), [orderOf(9, { orderId: 0.5 })], 1)).toThrow("cannot be used");
  expect(journal.intent("ag1:b")).toBeNull();
});

test("intents are found by their key and grant, oldest first", () => {
  journal.receive(intentOf("ag1:b", { idempotencyKey: "k" }));
  journal.receive(intentOf("ag1:a", { idempotencyKey: "k" }));
  journal.receive(intentOf("ag1:c", { idempotencyKey: "k", grantId: "g_2" }));
  expect(journal.byKey("g_1", "k").map(({ intentId }) => intentId)).toEqual(["ag1:b", "ag1:a"]);
  expect(journal.byKey("g_1", "other")).toEqual([]);
});

test("an order id leads to the last intent of its client that had it", () => {
  acked("ag1:a", 7);
  acked("ag1:change", 7, { kind: "modify" });
  expect(journal.byOrderId(7, 1)?.intentId).toBe("ag1:change");
  expect(journal.byOrderId(7, 2)).toBeNull();
  expect(journal.byOrderId(8, 1)).toBeNull();
});

test("unfinished are those that are not at their end, oldest first", () => {
  journal.receive(intentOf("ag1:received"));
  journal.receive(intentOf("ag1:reserved"));
  journal.reserve("ag1:reserved", [legOf(1)], null, permit);
  journal.receive(intentOf("ag1:sending"));
  journal.sending("ag1:sending");
  journal.receive(intentOf("ag1:unknown"));
  journal.markUnknown("ag1:unknown", error);
  acked("ag1:acked", 2);
  acked("ag1:done", 3);
  journal.acknowledge("ag1:done", [], true);
  journal.receive(intentOf("ag1:refused"));
  journal.deny("ag1:refused", error);
  journal.receive(intentOf("ag1:rejected"));
  journal.reject("ag1:rejected", error);
  journal.receive(intentOf("ag1:absent"));
  journal.markAbsent("ag1:absent", error);
  expect(journal.unfinished().map(({ state }) => state)).toEqual([
    "received",
    "reserved",
    "sending",
    "unknown",
    "acked",
  ]);
  expect(journal.countUnknown()).toBe(2);
});

test("a new order may repeat those that nobody knows of, however old, and those answered since then", () => {
  const repeated = (since: number) => journal.possiblyRepeated(since).map(({ intent }) => intent.intentId);
  acked("ag1:a", 7);
  const answeredAt = now;
  now += 5_000;
  acked("ag1:b", 8);
  // it goes on being as it is, and was answered when it was answered first
  journal.acknowledge("ag1:a", [orderOf(7, { filled: 1 })], true);
  expect(repeated(answeredAt)).toEqual(["ag1:a", "ag1:b"]);
  expect(repeated(answeredAt + 1)).toEqual(["ag1:b"]);
  journal.receive(intentOf("ag1:c"));
  journal.reserve("ag1:c", [legOf(9)], null, permit);
  journal.sending("ag1:c");
  now += 7_200_000;
  expect(repeated(now)).toEqual(["ag1:c"]);
  journal.markUnknown("ag1:c", error);
  expect(repeated(now)).toEqual(["ag1:c"]);
  journal.markAbsent("ag1:c", error);
  expect(repeated(now)).toEqual([]);
});

test("the greatest order id is that of the client, whatever became of its intent", () => {
  expect(journal.greatestOrderId(1)).toBe(0);
  acked("ag1:a", 70);
  acked("ag1:b", 9);
  journal.reject("ag1:a", error);
  expect(journal.greatestOrderId(1)).toBe(70);
  expect(journal.greatestOrderId(2)).toBe(0);
});

test("what has filled and ended of an account since then is listed by its references", () => {
  acked("ag1:a", 1);
  now += 1_000;
  for (const [intentId, orderId] of [
    ["ag1:b", 2],
    ["ag1:bare", 3],
    ["ag1:working", 4],
  ] as const) {
    acked(intentId, orderId);
  }
  acked("ag1:elsewhere", 5, { account: "DU7654321" });
  const fill = (orderId: number, filled: number) => [{ ...orderOf(orderId), filled }];
  journal.acknowledge("ag1:a", fill(1, 1), true);
  journal.acknowledge("ag1:b", fill(2, 1), true);
  journal.acknowledge("ag1:bare", fill(3, 0), true);
  journal.acknowledge("ag1:working", fill(4, 1), false);
  journal.acknowledge("ag1:elsewhere", fill(5, 1), true);
  const refs = (since: number) => journal.filledSince(since).map(({ orderRef }) => orderRef);
  expect(refs(0)).toEqual([1, 2, 5].map((orderId) => legOf(orderId).orderRef));
  expect(refs(now)).toEqual([2, 5].map((orderId) => legOf(orderId).orderRef));
});

test("usage counts what may be at TWS: the value of the day by account, the orders of the last minute by all", () => {
  const usage = (account = "DU1234567", dayBegan = 0) =>
    journal.file.read((db) => usageOf(db, account, dayBegan, now));
  acked("ag1:a", 1);
  journal.receive(intentOf("ag1:b"));
  journal.reserve("ag1:b", [legOf(2, "entry"), legOf(3, "stopLoss")], 50, permit);
  expect(usage()).toEqual({ value: 150, ordersInMinute: 3 });
  expect(usage("DU7654321")).toEqual({ value: 0, ordersInMinute: 3 });
  journal.deny("ag1:b", error);
  expect(usage()).toEqual({ value: 100, ordersInMinute: 1 });
  now += 60_001;
  acked("ag1:cancel", 1, { kind: "cancel" });
  expect(usage().ordersInMinute).toBe(0);
  expect(usage("DU1234567", now)).toMatchObject({ value: 100 });
  journal.reject("ag1:a", error);
  journal.markUnknown("ag1:cancel", error);
  expect(usage()).toMatchObject({ value: 100 });
});

test("many orders of less than a cent never count for less than they come to", () => {
  for (let id = 1; id <= 10; id += 1) {
    journal.receive(intentOf(`ag1:${id}`));
    journal.reserve(`ag1:${id}`, [legOf(id)], 0.004, permit);
    // one is to be sent still
    if (id > 1) journal.sending(`ag1:${id}`);
  }
  const used = (since: number) => journal.file.read((db) => usageOf(db, "DU1234567", since, now)).value;
  expect(used(0)).toBeCloseTo(0.1, 8);
  expect(used(now + 1)).toBeCloseTo(0.01, 8);
});

test("the value of the day counts a bracket that was refused when its entry had filled, and asks about it again", () => {
  const usage = () => journal.file.read((db) => usageOf(db, "DU1234567", 0, now)).value;
  acked("ag1:none", 1);
  journal.reject("ag1:none", error, [orderOf(1)]);
  expect(usage()).toBe(0);
  acked("ag1:part", 2);
  journal.reject("ag1:part", error, [{ ...orderOf(2), filled: 1 }]);
  expect(usage()).toBe(100);
});

test("the value of the day counts what came before midnight and was sent after it", () => {
  const usage = (dayBegan: number) =>
    journal.file.read((db) => usageOf(db, "DU1234567", dayBegan, now)).value;
  journal.receive(intentOf("ag1:a"));
  const midnight = now + 1_000;
  now = midnight + 1_000;
  journal.reserve("ag1:a", [legOf(1)], 100, permit);
  expect(usage(midnight)).toBe(100);
  journal.sending("ag1:a");
  expect(usage(midnight)).toBe(100);
  expect(usage(now + 1)).toBe(0);
});

test("a reservation sees within its own transaction what the one before it has used", () => {
  const room = (db: Parameters<typeof usageOf>[0]) => {
    if (usageOf(db, "DU1234567", 0, now).value + 100 > 150) throw new TwsError("trading_refused", "No room.");
  };
  journal.receive(intentOf("ag1:a"));
  journal.receive(intentOf("ag1:b"));
  journal.reserve("ag1:a", [legOf(1)], 100, room);
  expect(() => journal.reserve("ag1:b", [legOf(2)], 100, room)).toThrow("No room");
});

test("the limits are read from sums and indexes, never from all that the journal holds", () => {
  const plan = (sql: string): string[] =>
    journal.file.read((db) =>
      db
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all()
        .map(({ detail }) => String(detail))
        .filter((detail) => /^(SCAN|SEARCH) (?!CONSTANT)/.test(detail)),
    );
  expect(plan(usageStatements.day)).toEqual([
    "SEARCH used USING INDEX sqlite_autoindex_used_1 (account=? AND quarter>?)",
    "SEARCH counted USING INDEX counted_by_account (account=? AND at>? AND at<?)",
    "SEARCH intent USING INDEX intent_by_state (state=?)",
  ]);
  expect(plan(usageStatements.unapproved)).toEqual([
    "SEARCH used USING INDEX used_by_grant (grant_id=? AND is_approved=? AND quarter>?)",
    "SEARCH counted USING INDEX counted_by_grant (grant_id=? AND is_approved=? AND at>? AND at<?)",
    "SEARCH intent USING INDEX intent_by_state (state=?)",
  ]);
  expect(plan(usageStatements.minute).filter((detail) => detail.startsWith("SCAN"))).toEqual([]);
});

test("a day's orders are added up in quarters of an hour", () => {
  const dayBegan = now;
  for (let order = 1; order <= 40; order += 1) {
    journal.receive(intentOf(`ag1:${order}`));
    journal.reserve(`ag1:${order}`, [legOf(order)], 0.1, permit);
    journal.sending(`ag1:${order}`);
    now += 60_000;
  }
  journal.reject("ag1:40", error);
  journal.file.read((db) => {
    expect(usageOf(db, "DU1234567", dayBegan, now).value).toBe(3.9);
    expect(usageOf(db, "DU1234567", dayBegan + 60_001, now).value).toBe(3.7);
    expect(db.prepare("SELECT count(*) AS n FROM used").get()).toEqual({ n: 3 });
  });
});
