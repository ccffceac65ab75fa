import type { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TwsError } from "../../shared/errors.ts";
import { createApprovals } from "./approvals.ts";
import type { JournalFile } from "./database.ts";
import { createJournalFolder, intentOf, type JournalFolder, legOf, orderOf } from "./journal.fixture.ts";
import { createJournal, freezeOf } from "./journal.ts";
import { unapprovedValueOf, usageOf } from "./usage.ts";

const now = 1_000_000;
const error = new TwsError("order_rejected", "TWS has refused it.");

let place: JournalFolder;
let file: JournalFile;
beforeEach(() => {
  place = createJournalFolder();
  file = place.open();
});
afterEach(() => place.close());

test("no statement of an order's way reads through a whole table, however much the journal holds", () => {
  const asked = new Set<string>();
  /** Notes each statement. */
  const watched = (db: DatabaseSync): DatabaseSync =>
    new Proxy(db, {
      get(target, name) {
        if (name === "prepare") {
          return (sql: string) => {
            asked.add(sql);
            return target.prepare(sql);
          };
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  const seen = createJournal(
    {
      ...file,
      write: (step, work) => file.write(step, (db) => work(watched(db))),
      read: (work) => file.read((db) => work(watched(db))),
    },
    () => now,
  );
  const approvals = createApprovals(
    { ...file, read: (work) => file.read((db) => work(watched(db))) },
    () => now,
  );
  seen.receive(intentOf("ag1:a"));
  seen.reserve("ag1:a", [legOf(1)], 100, (db) => {
    usageOf(db, "DU1234567", 0, now);
    unapprovedValueOf(db, "g_1", 0);
    freezeOf(db);
  });
  seen.sending("ag1:a");
  seen.acknowledge("ag1:a", [orderOf(1)], false);
  seen.cancelling("ag1:a");
  seen.notCancelling("ag1:a");
  seen.acknowledge("ag1:a", [orderOf(1, { status: "Filled", filled: 10 })], true);
  seen.reject("ag1:a", error);
  seen.correct("ag1:a", "rejected");
  seen.finish("ag1:a", "answered");
  seen.receive(intentOf("ag1:b"));
  seen.deny("ag1:b", error);
  seen.adopt(intentOf("ag1:c"), [orderOf(3)], 1);
  seen.intent("ag1:a");
  seen.archived("ag1:nothing");
  seen.byKey("g_1", "key of ag1:a");
  seen.byOrderId(1, 1);
  seen.unfinished();
  seen.countUnknown();
  seen.possiblyRepeated(0);
  seen.greatestOrderId(1);
  seen.filledSince(0);
  seen.revisableSince(0, 200);
  seen.audit.trail();
  seen.audit.after(3, 10);
  approvals.decision("g_1", "d".repeat(64));
  expect(asked.size).toBeGreaterThan(30);

  // a few rows at most: the stop, the archives, what waits for the owner, and the end of the trail
  const small = /^SCAN (CONSTANT|freeze|archive\b|approval|fact)/;
  const planOf = (sql: string): string[] =>
    file.read((db) =>
      db
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all()
        .map(({ detail }) => String(detail)),
    );
  const isEndOfTrail = (sql: string): boolean => sql.endsWith("FROM audit ORDER BY seq DESC LIMIT 1");
  const bad = [...asked]
    .filter((sql) => !isEndOfTrail(sql))
    .flatMap((sql) =>
      planOf(sql)
        .filter(
          (detail) =>
            (detail.startsWith("SCAN") && !small.test(detail)) ||
            // nearly all that there is has ended
            (detail.includes("intent_by_state") && sql.includes("'done'")),
        )
        .map((detail) => `${detail}: ${sql}`),
    );
  expect(bad).toEqual([]);
});
