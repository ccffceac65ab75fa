import type { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AuditEntry, firstPrevious } from "../../shared/audit.ts";
import {
  appendAudit,
  auditAfter,
  checkChain,
  findAudit,
  hashOf,
  headOf,
  trailOf,
  verifyChain,
} from "./audit-trail.ts";
import type { JournalFile } from "./database.ts";
import { createJournalFolder, type JournalFolder } from "./journal.fixture.ts";

let place: JournalFolder;
let file: JournalFile;
beforeEach(() => {
  place = createJournalFolder();
  file = place.open();
});
afterEach(() => place.close());

const startedAt = Date.UTC(2026, 10, 20);

/** Ten entries, a minute apart, of the intents ag1:0 to ag1:2 in turn. */
function fill(count = 10): void {
  file.write("fill", (db) => {
    for (let index = 0; index < count; index++) {
      const step = { step: "received", intentId: `ag1:${index % 3}`, client: "c", account: "DU1" };
      appendAudit(db, step, startedAt + index * 60_000);
    }
  });
}

const verify = (known?: Parameters<typeof verifyChain>[1]) => file.read((db) => verifyChain(db, known));
const tamper = (work: string | ((db: DatabaseSync) => void)) =>
  file.write("tamper", (db) => (typeof work === "string" ? db.exec(work) : work(db)));

test("an empty chain is whole", () => {
  expect(verify()).toBeNull();
  expect(file.read(headOf)).toEqual({ seq: 0, hash: firstPrevious });
});

test("each entry names the one before it, and the chain goes on after it is opened anew", () => {
  fill(3);
  file.close();
  file = place.open();
  fill(2);
  const entries = file.read((db) => auditAfter(db, 0, 100));
  expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  expect(entries.map(({ previous }) => previous)).toEqual([
    firstPrevious,
    ...entries.slice(0, 4).map(({ hash }) => hash),
  ]);
  expect(verify()).toBeNull();
  expect(file.read(checkChain)).toEqual({ head: { seq: 5, hash: entries[4]?.hash }, fault: null });
});

test("whatever the words are, they are kept as they were hashed", () => {
  file.write("odd", (db) => {
    for (const client of [
      "a".repeat(199) + "😀",
      "\ud83d",
      "nul\0nul",
      'quote"\\',
      "é\u0301‮",
      "x".repeat(5_000),
    ]) {
      appendAudit(db, { step: "received", client, outcome: client.repeat(3), tool: client }, startedAt);
    }
  });
  expect(verify()).toBeNull();
  for (const entry of file.read((db) => auditAfter(db, 0, 100)))
    expect(AuditEntry.parse(entry)).toEqual(entry);
});

test.each([
  "at",
  "step",
  "intent_id",
  "grant_id",
  "client",
  "tool",
  "account",
  "digest",
  "outcome",
  "previous",
  "hash",
])("an altered %s is found", (column) => {
  fill();
  const value =
    { at: "2026-11-21T00:00:00.000Z", previous: "e".repeat(64), hash: "e".repeat(64) }[column] ?? "other";
  tamper(`UPDATE audit SET ${column} = '${value}' WHERE seq = 4`);
  expect(verify()).toEqual({ fault: "altered", seq: 4 });
  expect(file.read(checkChain).head.seq).toBe(3);
});

test.each(["at", "hash", "step"])("so is one whose %s is none any more, by its own number", (column) => {
  fill();
  tamper(`UPDATE audit SET ${column} = '${"x".repeat(70)}' WHERE seq = 7`);
  expect(verify()).toEqual({ fault: "altered", seq: 7 });
});

test("an altered entry whose hash was made anew is found at the next, which names the old one", () => {
  fill();
  tamper((db) => {
    const entry = auditAfter(db, 3, 1)[0];
    if (entry === undefined) throw new Error("no entry");
    const { hash: _, ...altered } = { ...entry, account: "DU2" };
    db.prepare("UPDATE audit SET account = 'DU2', hash = ? WHERE seq = 4").run(hashOf(altered));
  });
  expect(verify()).toEqual({ fault: "altered", seq: 5 });
});

test.each([1, 5])("a deleted entry %i is found", (seq) => {
  fill();
  tamper(`DELETE FROM audit WHERE seq = ${seq}`);
  expect(verify()).toEqual({ fault: "missing", seq });
});

test("a deleted entry is found also when the others have moved up", () => {
  fill();
  tamper("DELETE FROM audit WHERE seq = 5; UPDATE audit SET seq = seq - 1 WHERE seq > 5");
  expect(verify()).toEqual({ fault: "altered", seq: 5 });
});

test("swapped entries are found", () => {
  fill();
  tamper(`UPDATE audit SET seq = 100 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 5;
          UPDATE audit SET seq = 5 WHERE seq = 100`);
  expect(verify()).toEqual({ fault: "altered", seq: 4 });
});

test.each([
  [
    "in the middle",
    6,
    "UPDATE audit SET seq = -seq WHERE seq >= 6; UPDATE audit SET seq = 1 - seq WHERE seq < 0;",
  ],
  ["at the end", 11, ""],
  ["before the first", 0, ""],
  ["far before the first", -5, ""],
])("an entry put in %s is found", (_where, seq, makeRoom) => {
  fill();
  tamper(`${makeRoom}
    INSERT INTO audit SELECT ${seq}, at, step, intent_id, grant_id, client, tool, account, digest, outcome, previous, hash
    FROM audit WHERE seq = 3`);
  expect(verify()).toEqual({ fault: "altered", seq });
});

describe("an end that is known from elsewhere", () => {
  test("tells a chain that was cut short, which is whole by itself", () => {
    fill();
    const known = file.read(headOf);
    expect(verify(known)).toBeNull();
    tamper("DELETE FROM audit WHERE seq > 8");
    expect(verify()).toBeNull();
    expect(verify(known)).toEqual({ fault: "cut", seq: 9 });
    tamper("DELETE FROM audit");
    expect(verify(known)).toEqual({ fault: "cut", seq: 1 });
  });

  test("tells a chain that was written anew", () => {
    fill();
    const known = file.read(headOf);
    tamper("DELETE FROM audit");
    file.write("anew", (db) => {
      for (let index = 0; index < 12; index++) appendAudit(db, { step: "received" }, startedAt);
    });
    expect(verify()).toBeNull();
    expect(verify(known)).toEqual({ fault: "altered", seq: 10 });
  });

  test("may lie before the end", () => {
    fill();
    const known = file.read(headOf);
    fill();
    expect(verify(known)).toBeNull();
  });
});

test("entries are found by their time, their intent and how many are wanted", () => {
  fill();
  const seqs = (query: Partial<Parameters<typeof findAudit>[1]>) =>
    file
      .read((db) => findAudit(db, { last: 100, since: null, intentId: null, ...query }))
      .map(({ seq }) => seq);
  expect(seqs({ last: 2 })).toEqual([9, 10]);
  expect(seqs({ since: startedAt + 7 * 60_000 })).toEqual([8, 9, 10]);
  expect(seqs({ intentId: "ag1:2" })).toEqual([3, 6, 9]);
  expect(seqs({ intentId: "ag1:2", last: 1, since: startedAt })).toEqual([9]);
  expect(seqs({ intentId: "ag1" })).toHaveLength(10);
  expect(seqs({ intentId: "g1" })).toEqual([]);
});

describe("a journal", () => {
  const trail = () => file.read(trailOf);

  test("keeps one trail over restarts, and another for another journal", () => {
    const first = trail();
    expect(first.trailId).toMatch(/^[0-9a-f]{32}$/);
    fill(3);
    file.close();
    file = place.open();
    expect(trail()).toEqual({ trailId: first.trailId, head: file.read(headOf) });
    expect(trail().head.seq).toBe(3);
    file.close();
    file = place.open({ fresh: true });
    expect(trail().trailId).not.toBe(first.trailId);
    expect(trail().head.seq).toBe(0);
  });

  test("of an earlier release keeps its entries, and its trail gets a name", () => {
    fill(3);
    tamper(
      "DROP TABLE fact; DROP TABLE command; DROP TABLE answer; DROP TABLE counted; DROP TABLE used; DROP TABLE revision; DROP TABLE ended; DROP TABLE archived; DROP TABLE archive; DROP TABLE archived_order_id; DROP INDEX leg_by_client; DROP INDEX intent_by_sending; ALTER TABLE intent DROP COLUMN approval_id; PRAGMA user_version = 1",
    );
    const head = file.read(headOf);
    file.close();
    file = place.open();
    expect(trail()).toEqual({ trailId: expect.stringMatching(/^[0-9a-f]{32}$/), head });
    expect(verify()).toBeNull();
  });
});
