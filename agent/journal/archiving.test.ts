import { readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { emptyHead } from "../../shared/audit.ts";
import { TwsError } from "../../shared/errors.ts";
import { archiveSome, countArchivable, dayMs } from "./archiving.ts";
import type { JournalFile } from "./database.ts";
import { createJournalFolder, intentOf, type JournalFolder, legOf, orderOf } from "./journal.fixture.ts";
import { createJournal, type Journal } from "./journal.ts";
import { checkTrail } from "./whole-trail.ts";

const began = Date.UTC(2026, 8, 1);
const error = new TwsError("order_rejected", "No.");

let place: JournalFolder;
let file: JournalFile;
let journal: Journal;
let now: number;
beforeEach(() => {
  place = createJournalFolder();
  file = place.open();
  now = began;
  journal = createJournal(file, () => now);
});
afterEach(() => place.close());

/** As long as there is something. */
function archiveAll(before = now - 30 * dayMs): { intents: number; entries: number } {
  const total = { intents: 0, entries: 0 };
  for (;;) {
    const { intents, entries, archive } = archiveSome({ file, before, now });
    if (archive === null) return total;
    total.intents += intents;
    total.entries += entries;
  }
}

const archives = (): string[] =>
  readdirSync(place.folder).filter((name) => /\.archive-\d{4}-\d\d-[0-9a-f]{8}$/.test(name));

function send(id: number): string {
  const intentId = `ag1:${id}`;
  journal.receive(intentOf(intentId));
  journal.reserve(intentId, [legOf(id)], 100, () => {});
  journal.sending(intentId);
  return intentId;
}

function fill(id: number): string {
  const intentId = send(id);
  journal.acknowledge(intentId, [orderOf(id, { status: "Filled", filled: 10, remaining: 0 })], true);
  return intentId;
}

/** One intent of every end, and one of every state that is open, sixty days ago; then one of today. */
function fillJournal(): void {
  fill(1);
  journal.reject(send(2), error);
  journal.receive(intentOf("ag1:3"));
  journal.deny("ag1:3", error);
  journal.markAbsent(send(4), error);
  journal.markUnknown(send(5), error);
  send(6);
  const working = send(7);
  journal.acknowledge(working, [orderOf(7)], false);
  fill(900);
  now += 60 * dayMs;
  fill(8);
}

const idsIn = (states: readonly string[]): string[] =>
  states.filter((intentId) => journal.intent(intentId) !== null);

const everyId = [1, 2, 3, 4, 5, 6, 7, 900, 8].map((id) => `ag1:${id}`);

test("what has ended and is old is moved, and what is open, absent or young stays", () => {
  fillJournal();
  expect(countArchivable(file, now - 30 * dayMs)).toEqual({ intents: 4, entries: 29 });
  expect(archiveAll()).toEqual({ intents: 4, entries: 29 });
  expect(idsIn(everyId)).toEqual(["ag1:4", "ag1:5", "ag1:6", "ag1:7", "ag1:8"]);
  const [name = "", ...more] = archives();
  expect(more).toEqual([]);
  expect(name).toMatch(/^journal\.db\.archive-2026-10-/);
  expect(statSync(join(place.folder, name)).mode & 0o777).toBe(0o600);
  expect(archiveAll()).toEqual({ intents: 0, entries: 0 });
});

test("an order that worked long and has ended lately stays", () => {
  const working = send(1);
  journal.acknowledge(working, [orderOf(1)], false);
  now += 60 * dayMs;
  journal.acknowledge(working, [orderOf(1, { status: "Filled", filled: 10, remaining: 0 })], true);
  archiveAll();
  expect(journal.intent(working)).not.toBeNull();
  now += 31 * dayMs;
  archiveAll();
  expect(journal.intent(working)).toBeNull();
});

test("an archived intent is answered from the archive, and its key is never taken for a new one", () => {
  fillJournal();
  const before = journal.intent("ag1:1");
  archiveAll();
  expect(journal.archived("ag1:1")).toMatchObject({ state: "done", createdAt: began, intent: before });
  expect(journal.archived("ag1:2")).toMatchObject({
    state: "rejected",
    intent: { outcome: { code: "order_rejected" } },
  });
  expect(() => journal.receive(intentOf("ag1:1"))).toThrow("is in an archive");
  expect(journal.archived("ag1:3")).toBeNull();
  journal.receive(intentOf("ag1:3"));
  rmSync(join(place.folder, archives()[0] ?? ""));
  expect(journal.archived("ag1:1")).toMatchObject({ state: "done", intent: null });
  expect(() => journal.receive(intentOf("ag1:1"))).toThrow("is in an archive");
});

test("the greatest order id is known also when its order is archived", () => {
  fillJournal();
  archiveAll();
  expect(journal.greatestOrderId(1)).toBe(900);
});

test("the trail is the same over archives and journal, from whichever entry it is read", () => {
  fillJournal();
  const before = journal.audit.after(0, 1_000);
  const trail = journal.audit.trail();
  const known = { seq: 5, hash: before[4]?.hash ?? "" };
  archiveAll();
  expect(journal.audit.trail()).toEqual(trail);
  const read = [];
  for (let seq = 0; seq < trail.head.seq; seq = read.at(-1)?.seq ?? Number.MAX_SAFE_INTEGER) {
    read.push(...journal.audit.after(seq, 7));
  }
  expect(read).toEqual(before);
  for (const head of [emptyHead, known, trail.head]) {
    expect(checkTrail(file, head)).toMatchObject({ head: trail.head, fault: null });
  }
  expect(checkTrail(file, { ...known, hash: "f".repeat(64) }).fault).toMatchObject({
    fault: "altered",
    seq: 5,
  });
});

test("each month has an archive, and a clock that was set back writes into none before the newest", () => {
  fillJournal();
  archiveAll();
  now += 40 * dayMs;
  fill(20);
  archiveAll(now - 8 * dayMs);
  expect(archives()).toHaveLength(2);
  fill(21);
  now += 8 * dayMs + 1;
  fill(22);
  const { archive } = archiveSome({ file, before: now - 8 * dayMs, now: began });
  expect(archive).toBe(archives().toSorted().at(-1));
  expect(checkTrail(file)).toMatchObject({ fault: null, parts: [{ problem: null }, { problem: null }] });
});

describe("an archive that is not as it was", () => {
  const alter = (sql: string): void => {
    const db = new DatabaseSync(join(place.folder, archives()[0] ?? ""));
    db.exec(sql);
    db.close();
  };
  beforeEach(() => {
    fillJournal();
    archiveAll();
  });

  test("is missing: what is beside it is checked, and it is named", () => {
    const path = join(place.folder, archives()[0] ?? "");
    renameSync(path, `${path}.away`);
    const { parts, fault, head } = checkTrail(file);
    expect([fault, head]).toEqual([null, journal.audit.head()]);
    expect(parts).toMatchObject([{ problem: expect.stringContaining("it is missing") }]);
    expect(() => journal.audit.after(0, 10)).toThrow("it is missing");
    expect(journal.audit.isMoved(0)).toBe(true);
    // nothing is written to another of the same name
    now += 30 * dayMs;
    fill(30);
    expect(() => archiveSome({ file, before: now, now: began + 60 * dayMs })).toThrow("it is missing");
  });

  test("has another word in it", () => {
    alter("UPDATE audit SET outcome = 'nothing' WHERE seq = 3");
    expect(checkTrail(file).fault).toMatchObject({ fault: "altered", seq: 3 });
  });

  test("lacks an entry", () => {
    alter("DELETE FROM audit WHERE seq = 3");
    expect(checkTrail(file).fault).toMatchObject({ fault: "missing", seq: 3 });
  });

  test("was cut short", () => {
    alter("DELETE FROM audit WHERE seq > 20");
    expect(checkTrail(file).fault).toMatchObject({ fault: "missing", seq: 21 });
  });

  test("belongs to another journal", () => {
    alter("UPDATE fact SET value = 'another'");
    expect(checkTrail(file).parts).toMatchObject([
      { problem: expect.stringContaining("belongs to another journal") },
    ]);
  });
});

test("a trail that is broken is not archived", () => {
  fillJournal();
  file.write("broken", (db) => db.exec("UPDATE audit SET outcome = 'x' WHERE seq = 2"));
  expect(() => archiveSome({ file, before: now, now })).toThrow("broken at entry 2");
  expect(archives()).toEqual([]);
});

test.each(["archive before", "archive after", "archived before", "archived after"])(
  "a process that dies at %s leaves each intent and each entry once",
  async (step) => {
    fillJournal();
    const trail = journal.audit.after(0, 1_000);
    const before = new Map(everyId.map((intentId) => [intentId, journal.intent(intentId)]));
    const source = JSON.stringify(new URL("archiving.ts", import.meta.url).href);
    const { exited } = await place.run(`
      import { archiveSome } from ${source};
      const observe = (step, phase) => {
        if (step + " " + phase === ${JSON.stringify(step)}) process.kill(process.pid, "SIGKILL");
      };
      const file = journal.openJournalFile({ path, exclusive: false, observe });
      console.log("begins");
      archiveSome({ file, before: ${now - 30 * dayMs}, now: ${now}, observe });
    `);
    expect(await exited).toEqual([null, "SIGKILL"]);
    const known = (intentId: string) =>
      journal.intent(intentId) ?? journal.archived(intentId)?.intent ?? null;
    const sent = everyId.filter((intentId) => intentId !== "ag1:3");
    for (const intentId of sent) expect(known(intentId)).toEqual(before.get(intentId));
    const read = () => {
      const first = journal.audit.after(0, 1_000);
      return [...first, ...journal.audit.after(first.at(-1)?.seq ?? 0, 1_000)].slice(0, trail.length);
    };
    expect(read()).toEqual(trail);
    archiveAll();
    expect(read()).toEqual(trail);
    expect(checkTrail(file)).toMatchObject({ fault: null, head: trail.at(-1) && journal.audit.head() });
    for (const intentId of sent) expect(known(intentId)).toEqual(before.get(intentId));
    expect(idsIn(everyId)).toEqual(["ag1:4", "ag1:5", "ag1:6", "ag1:7", "ag1:8"]);
    expect(archives()).toHaveLength(1);
  },
);
