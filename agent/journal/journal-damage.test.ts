import {
  appendFileSync,
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openJournalFile, proveWritable } from "./database.ts";
import { createJournalFolder, intentOf, type JournalFolder, legOf } from "./journal.fixture.ts";
import { createJournal } from "./journal.ts";

let place: JournalFolder;
beforeEach(() => {
  place = createJournalFolder();
});
afterEach(() => place.close());

const unavailable = expect.objectContaining({ code: "journal_unavailable" });

/** A journal with intents in it, closed. */
function fill(intents = 200): void {
  const file = place.open();
  const journal = createJournal(file, () => 1_000_000);
  for (let index = 0; index < intents; index++) {
    journal.receive(intentOf(`ag1:${index}`));
    journal.reserve(`ag1:${index}`, [legOf(index + 1)], 100, () => {});
  }
  file.close();
}

describe("a file that is not what it was", () => {
  test("moved away, nothing is written to it any more; put back, it goes on", () => {
    const file = place.open();
    const journal = createJournal(file, () => 1_000_000);
    journal.receive(intentOf("ag1:1"));
    renameSync(place.path, `${place.path}.elsewhere`);
    expect(() => journal.receive(intentOf("ag1:2"))).toThrow("was moved, deleted or replaced");
    expect(() => journal.unfinished()).toThrow(unavailable);
    renameSync(`${place.path}.elsewhere`, place.path);
    journal.receive(intentOf("ag1:3"));
    expect(journal.unfinished().map(({ intentId }) => intentId)).toEqual(["ag1:1", "ag1:3"]);
  });

  test("replaced by a copy, neither of the two is written to", () => {
    const file = place.open();
    createJournal(file, () => 1_000_000).receive(intentOf("ag1:1"));
    renameSync(place.path, `${place.path}.old`);
    copyFileSync(`${place.path}.old`, place.path);
    expect(() => proveWritable(file)).toThrow(unavailable);
  });

  test("of a later release it is left as it is", () => {
    fill(1);
    const db = new DatabaseSync(place.path);
    db.exec("PRAGMA user_version = 99");
    db.close();
    const file = place.open();
    expect(() => proveWritable(file)).toThrow("later release");
    expect(file.failure()).toContain("later release");
    file.close();
    const after = new DatabaseSync(place.path);
    expect(after.prepare("PRAGMA user_version").get()).toEqual({ user_version: 99 });
    expect(after.prepare("SELECT count(*) AS n FROM intent").get()).toEqual({ n: 1 });
    after.close();
  });

  test("a text file is no journal, and is not written over", () => {
    writeFileSync(place.path, "these are my notes\n".repeat(500));
    const file = place.open();
    expect(() => proveWritable(file)).toThrow(unavailable);
    file.close();
    expect(readFileSync(place.path, "utf8")).toMatch(/^these are my notes\n/);
  });

  test.each([
    ["its first page", () => 0],
    ["a page in its middle", (size: number) => Math.floor(size / 2 / 4096) * 4096],
    ["a page of its tables", () => 4096],
  ])("with %s overwritten nothing is written, and a copy put back works", (_where, offsetOf) => {
    fill();
    const { size } = statSync(place.path);
    copyFileSync(place.path, `${place.path}.copy`);
    const handle = openSync(place.path, "r+");
    writeSync(handle, Buffer.alloc(4096, 0xa5), 0, 4096, offsetOf(size));
    closeSync(handle);
    const file = place.open();
    expect(() => proveWritable(file)).toThrow(unavailable);
    expect(() => createJournal(file, Date.now).unfinished()).toThrow(unavailable);
    expect(file.failure()).not.toBeNull();
    expect(statSync(place.path).size).toBe(size);
    copyFileSync(`${place.path}.copy`, place.path);
    expect(createJournal(file, Date.now).unfinished()).toHaveLength(200);
  });

  test.each([100, 4096, 20_000])(
    "cut off after %i bytes it is refused, and a copy put back works",
    (length) => {
      fill();
      copyFileSync(place.path, `${place.path}.copy`);
      truncateSync(place.path, length);
      const file = place.open();
      expect(() => proveWritable(file)).toThrow(unavailable);
      copyFileSync(`${place.path}.copy`, place.path);
      expect(createJournal(file, Date.now).unfinished()).toHaveLength(200);
    },
  );

  test("damaged while it is open it is looked through before it is used again", () => {
    fill();
    const file = place.open();
    copyFileSync(place.path, `${place.path}.copy`);
    const { size } = statSync(place.path);
    const handle = openSync(place.path, "r+");
    // behind the tables' definitions, which fill more than the first page
    const from = Math.floor(size / 2 / 4096) * 4096;
    for (let at = from; at < size; at += 4096) writeSync(handle, Buffer.alloc(4096, 0xa5), 0, 4096, at);
    closeSync(handle);
    const journal = createJournal(file, Date.now);
    // what it has in memory is still good
    file.read((db) => db.exec("PRAGMA shrink_memory"));
    expect(() => journal.unfinished()).toThrow(unavailable);
    // a step that would not meet the damaged pages
    expect(() => proveWritable(file)).toThrow("the file is damaged");
    copyFileSync(`${place.path}.copy`, place.path);
    expect(journal.unfinished()).toHaveLength(200);
  });

  test("a row whose text was altered is journal_unavailable, and no order that looks like another", () => {
    fill(1);
    const db = new DatabaseSync(place.path);
    db.exec("UPDATE intent SET state = 'absemt'");
    db.close();
    const file = place.open();
    expect(() => createJournal(file, Date.now).intent("ag1:0")).toThrow("a row in it is damaged");
  });

  test("rubbish behind a log that was cut off in a crash is not taken for steps", () => {
    const file = place.open();
    createJournal(file, () => 1_000_000).receive(intentOf("ag1:1"));
    copyFileSync(place.path, `${place.path}.copy`);
    copyFileSync(`${place.path}-wal`, `${place.path}.copy-wal`);
    appendFileSync(`${place.path}.copy-wal`, Buffer.alloc(5_000, 0x5a));
    const copy = openJournalFile({ path: `${place.path}.copy`, exclusive: true });
    expect(createJournal(copy, Date.now).unfinished()).toHaveLength(1);
    copy.close();
  });
});
