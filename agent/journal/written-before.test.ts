import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { createCommandPlace } from "../cli/command.fixture.ts";
import { createApprovals, useApproval } from "./approvals.ts";
import { verifyChain } from "./audit-trail.ts";
import { openJournalFile, type JournalFile } from "./database.ts";
import type { JournalFolder } from "./journal.fixture.ts";
import { createJournal, freezeOf, type Intent } from "./journal.ts";
import { createKillSwitch } from "./kill-switch.ts";
import { usageOf } from "./usage.ts";
import { readBack, readWrittenBefore, restoreJournal } from "./written-before.fixture.ts";

/** A journal of an earlier release, read by this one. The words in quotation marks are those on disk. */

const before = readBack();
const now = () => before.writtenAt;

let place: JournalFolder;
let file: JournalFile;
beforeEach(() => {
  place = restoreJournal();
  file = place.open();
});
afterEach(() => place.close());

const toPlain = (intent: Intent) => ({
  grantId: intent.grantId,
  idempotencyKey: intent.idempotencyKey,
  intentId: intent.intentId,
  kind: intent.kind,
  state: intent.state,
  digest: intent.digest,
  value: intent.value,
  outcome: intent.outcome?.code ?? null,
  orders: intent.legs.map((leg) => ({
    leg: leg.leg,
    orderId: leg.orderId,
    orderRef: leg.orderRef,
    permId: leg.permId,
    status: leg.shown?.status ?? null,
    filled: leg.shown?.filled ?? null,
  })),
});

test("the journal that was written before has every state, every kind and every approval in it", () => {
  const states = new Set(before.intents.map(({ state }) => state));
  expect([...states].toSorted()).toEqual([
    "absent",
    "acked",
    "done",
    "received",
    "refused",
    "rejected",
    "reserved",
    "sending",
    "unknown",
  ]);
  const kinds = new Set(before.intents.map(({ kind }) => kind));
  expect([...kinds].toSorted()).toEqual(["basket", "bracket", "cancel", "cancel_all", "modify", "place"]);
  const approvals = before.approvals.map(({ state }) => state);
  expect(approvals.toSorted()).toEqual(["approved", "approved", "declined", "pending", "used"]);
});

test("each intent of before is found by its key, with its state, outcome and orders", () => {
  const journal = createJournal(file, now);
  const names = new Map(before.intents.map(({ grantId, idempotencyKey }) => [idempotencyKey, grantId]));
  const found = [...names].flatMap(([key, grantId]) => journal.byKey(grantId, key));
  expect(found.map(toPlain)).toEqual(
    [...names.keys()].flatMap((key) => before.intents.filter(({ idempotencyKey }) => idempotencyKey === key)),
  );
  for (const { intentId, orders } of before.intents) {
    expect(journal.intent(intentId)?.intentId).toBe(intentId);
    for (const { orderId } of orders) expect(journal.byOrderId(orderId, 1)).not.toBeNull();
  }
  expect(journal.unfinished().map(({ intentId }) => intentId)).toEqual(before.unfinished);
  expect(journal.countUnknown()).toBe(before.unknown);
  expect(journal.greatestOrderId(1)).toBe(before.greatestOrderId);
});

const StoredSpecs = z.array(z.object({ order_id: z.int(), spec: z.string() }));

test("each order of before is read as it was sent, but one that was adopted, which was not sent from here", () => {
  const journal = createJournal(file, now);
  const legs = before.intents.flatMap(({ intentId }) => journal.intent(intentId)?.legs ?? []);
  const [adopted, ...sent] = legs.toSorted((one, other) => one.orderId - other.orderId);
  expect([adopted?.leg, adopted?.sent]).toEqual(["adopted 0", null]);
  expect(sent).toHaveLength(legs.length - 1);
  const stored = StoredSpecs.parse(file.read((db) => db.prepare("SELECT order_id, spec FROM leg").all()));
  for (const { orderId, sent: order } of sent) {
    const texts = stored.filter(({ order_id }) => order_id === orderId).map(({ spec }) => JSON.parse(spec));
    // what the contract says beside its id and exchange is for people
    expect(texts).toContainEqual(expect.objectContaining({ ...order, contract: expect.anything() }));
  }
});

test("the audit trail of before is whole, ends where it ended, and goes on", async () => {
  const journal = createJournal(file, now);
  expect(journal.audit.trail()).toEqual(before.trail);
  expect(file.read((db) => verifyChain(db, before.head))).toBeNull();
  createKillSwitch(file, now).unfreeze("host");
  expect(journal.audit.after(before.head.seq, 10)).toMatchObject([
    { seq: before.head.seq + 1, step: "unfrozen", outcome: "by host", previous: before.head.hash },
  ]);
  expect(file.read((db) => verifyChain(db, before.head))).toBeNull();
  const command = createCommandPlace();
  try {
    const { seq, hash } = before.head;
    const args = ["audit", "verify", "--head", `${seq}:${hash}`, "--journal", place.path];
    expect(await command.run(args)).toMatchObject({
      code: 0,
      out: expect.stringContaining(`${seq}:${hash}`),
    });
  } finally {
    command.remove();
  }
});

test("new orders are stopped as before, and what was used of the day and the minute is counted", () => {
  expect(file.read(freezeOf)).toEqual(before.frozen);
  const dayBegan = Date.UTC(2026, 10, 20);
  expect(file.read((db) => usageOf(db, "DU1234567", dayBegan, before.writtenAt))).toEqual(before.usage);
});

test("each approval of before says the same of the same orders, and of no others", () => {
  const approvals = createApprovals(file, now);
  for (const { grantId, digest, verdict } of before.approvals) {
    expect(approvals.decision(grantId, digest).decision).toBe(verdict);
    expect(approvals.decision(grantId, "0".repeat(64)).decision).toBe("none");
    expect(approvals.decision("another grant", digest).decision).toBe("none");
  }
  expect(before.approvals.map(({ state, verdict }) => `${state}: ${verdict}`).toSorted()).toEqual([
    "approved: approved",
    "approved: approved",
    "declined: declined",
    "pending: pending",
    "used: none",
  ]);
});

test("an approval that waited is decided, one that was given is spent once, and one that was used is not", () => {
  const approvals = createApprovals(file, now);
  const of = (wanted: string) => {
    const found = before.approvals.find(({ state }) => state === wanted);
    if (found === undefined) throw new Error(wanted);
    return found;
  };
  const spend = ({ approvalId, digest }: { readonly approvalId: string; readonly digest: string }) =>
    file.write("spent", (db) => useApproval(db, approvalId, digest, before.writtenAt));
  const refused = expect.objectContaining({ code: "trading_refused" });

  const waiting = of("pending");
  expect(approvals.pending().map(({ approvalId }) => approvalId)).toEqual([waiting.approvalId]);
  expect(() => approvals.decide(waiting.approvalId, "0".repeat(64), "approve", "page")).toThrow(
    expect.objectContaining({ code: "invalid_input" }),
  );
  expect(() => spend(waiting)).toThrow(refused);
  approvals.decide(waiting.approvalId, waiting.digest, "approve", "page");
  for (const given of [waiting, of("approved")]) {
    spend(given);
    expect(() => spend(given)).toThrow(refused);
  }
  for (const state of ["declined", "used"]) expect(() => spend(of(state))).toThrow(refused);
});

test("where only the host decides, an approval of before counts if it was given there", () => {
  const approvals = createApprovals(file, now, "host");
  for (const { grantId, digest, verdictOnHost } of before.approvals) {
    expect(approvals.decision(grantId, digest).decision).toBe(verdictOnHost);
  }
  const approved = before.approvals.filter(({ state }) => state === "approved");
  expect(approved.map(({ verdictOnHost }) => verdictOnHost).toSorted()).toEqual(["approved", "none"]);
});

const schemaOf = (db: DatabaseSync): unknown[] =>
  db
    .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
    .all()
    .map(({ sql }) => sql);

/** The column that has come to a table of before. */
const laterColumn = "ALTER TABLE intent ADD COLUMN approval_id TEXT;";

test("a journal that is made today has the tables of before, to the letter, and then those that came since", () => {
  const made = openJournalFile({ path: ":memory:", exclusive: true });
  const factsOf = (db: DatabaseSync) => ({
    schema: schemaOf(db),
    version: db.prepare("PRAGMA user_version").get(),
  });
  const today = made.read(factsOf);
  made.close();
  const written = new DatabaseSync(":memory:");
  written.exec(readWrittenBefore("journal.sql"));
  written.exec(laterColumn);
  const before = schemaOf(written);
  written.close();
  expect(today.schema.slice(0, before.length)).toEqual(before);
  expect(file.read(factsOf)).toEqual(today);
});
