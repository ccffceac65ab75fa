import { chmodSync, mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { inMemory, isJournalTaken, JournalTakenError, openJournalFile, proveWritable } from "./database.ts";
import { createJournalFolder, intentOf, type JournalFolder, legOf } from "./journal.fixture.ts";
import { createJournal } from "./journal.ts";
import { createKillSwitch } from "./kill-switch.ts";

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

describe("one agent at a time", () => {
  test("a second opener for orders is refused, and one that only looks is not", () => {
    place.open();
    expect(() => place.open()).toThrow(JournalTakenError);
    expect(place.open({ exclusive: false }).failure()).toBeNull();
  });

  test("it is free again once it is closed", () => {
    place.open().close();
    expect(place.open().failure()).toBeNull();
  });

  test("another process is refused, and let in once the holder is killed outright", async () => {
    const holder = await place.run(`
      const file = journal.openJournalFile({ path, exclusive: true });
      console.log(file.failure());
      setInterval(() => file.failure(), 1000);`);
    expect(holder.firstLine).toBe("null");
    expect(isJournalTaken(place.path)).toBe(true);
    expect(() => place.open()).toThrow("Another agent has the order journal");
    holder.child.kill("SIGKILL");
    await holder.exited;
    expect(isJournalTaken(place.path)).toBe(false);
    expect(place.open().failure()).toBeNull();
  });

  test("whoever looks whether it is taken takes nothing and makes nothing", () => {
    expect(isJournalTaken(place.path)).toBe(false);
    expect(readdirSync(place.folder)).toEqual([]);
    place.open().close();
    expect(isJournalTaken(place.path)).toBe(false);
    place.open();
    expect(isJournalTaken(place.path)).toBe(true);
    expect(isJournalTaken(place.path)).toBe(true);
  });

  test("a fresh one is empty, and is not made under an agent that has it", () => {
    const first = place.open();
    createKillSwitch(first, Date.now).freeze("host", "");
    expect(() => place.open({ fresh: true })).toThrow(JournalTakenError);
    expect(createKillSwitch(first, Date.now).state()).not.toBeNull();
    first.close();
    expect(createKillSwitch(place.open({ fresh: true }), Date.now).state()).toBeNull();
  });

  test("two that make it at the same time both find it made", async () => {
    const script = `
      const file = journal.openJournalFile({ path, exclusive: false });
      console.log(file.read((db) => db.prepare("SELECT count(*) AS n FROM intent").get().n));`;
    const all = await Promise.all([place.run(script), place.run(script), place.run(script)]);
    expect(all.map(({ firstLine }) => firstLine)).toEqual(["0", "0", "0"]);
  });
});

test("only its owner can read it and what lies beside it", () => {
  const file = openJournalFile({ path: join(place.folder, "deep", "er", "journal.db"), exclusive: true });
  proveWritable(file);
  const modes = ["", "-wal", "-shm", ".lock"].map(
    (suffix) => statSync(join(place.folder, "deep", "er", `journal.db${suffix}`)).mode & 0o777,
  );
  expect(modes).toEqual([0o600, 0o600, 0o600, 0o600]);
  expect(statSync(join(place.folder, "deep")).mode & 0o777).toBe(0o700);
  file.close();
});

test("each commit is synced to the disk", () => {
  const settings = place.open().read((db) => ({
    ...db.prepare("PRAGMA synchronous").get(),
    ...db.prepare("PRAGMA journal_mode").get(),
  }));
  expect(settings).toEqual({ synchronous: 2, journal_mode: "wal" });
});

describe("a step that fails", () => {
  test("leaves nothing half done, and its own error comes out", () => {
    const file = place.open();
    const failing = () =>
      file.write("frozen", (db) => {
        db.exec("INSERT INTO freeze VALUES (1, 'host', '', '')");
        throw new RangeError("of the work");
      });
    expect(failing).toThrow(RangeError);
    expect(file.failure()).toBeNull();
    expect(createKillSwitch(file, Date.now).state()).toBeNull();
  });

  test("leaves nothing half done either when the database refuses the work, and the next goes on", () => {
    const file = place.open();
    const failing = () =>
      file.write("frozen", (db) => {
        db.exec("INSERT INTO freeze VALUES (1, 'host', '', '')");
        db.exec("INSERT INTO freeze VALUES (2, 'host', '', '')");
      });
    expect(failing).toThrow(unavailable);
    expect(createKillSwitch(file, Date.now).state()).toBeNull();
    proveWritable(file);
  });

  test("cannot hide another within it, whose end would be the end of both", () => {
    const file = place.open();
    const nested = () =>
      file.write("outer", (db) => {
        db.exec("INSERT INTO freeze VALUES (1, 'host', '', '')");
        expect(() => file.write("inner", () => {})).toThrow("within another step");
        throw new RangeError("of the work");
      });
    expect(nested).toThrow(RangeError);
    expect(createKillSwitch(file, Date.now).state()).toBeNull();
  });

  test("names itself before and after to whoever observes, and after only when it is on disk", () => {
    const seen: string[] = [];
    const observe = (step: string, phase: string) => void seen.push(`${phase} ${step}`);
    const file = openJournalFile({ path: place.path, exclusive: true, observe });
    file.write("one", () => {});
    expect(() =>
      file.write("two", () => {
        throw new Error("no");
      }),
    ).toThrow("no");
    file.close();
    expect(seen).toEqual(["before one", "after one", "before two"]);
  });
});

describe("a disk that cannot be written", () => {
  test("a full one loses nothing, and works again when there is room", () => {
    const file = place.open();
    const journal = createJournal(file, () => 1_000_000);
    journal.receive(intentOf("ag1:before"));
    const pages = file.read((db) => Number(db.prepare("PRAGMA page_count").get()?.["page_count"]));
    file.read((db) => db.exec(`PRAGMA max_page_count = ${pages}`));
    let written = 0;
    const fillUp = () => {
      for (; written < 1_000; written++) journal.receive(intentOf(`ag1:${written}`));
    };
    expect(fillUp).toThrow(unavailable);
    expect(file.failure()).toContain("full");
    expect(journal.intent(`ag1:${written}`)).toBeNull();
    expect(journal.unfinished()).toHaveLength(written + 1);
    expect(journal.audit.head().seq).toBe(written + 1);
    file.read((db) => db.exec("PRAGMA max_page_count = 1000000"));
    journal.receive(intentOf(`ag1:${written}`));
    expect(file.failure()).toBeNull();
  });

  test("one that is full for the process leaves what was there whole for the next", async () => {
    fill(3);
    const program = await place.run(
      `
      process.on("SIGXFSZ", () => {});
      const file = journal.openJournalFile({ path, exclusive: true });
      let said = "";
      for (let n = 0; n < 100 && said === ""; n++) {
        try { file.write("big", (db) => db.exec("INSERT INTO freeze VALUES (1, 'host', '', hex(randomblob(200000)))")); file.write("undo", (db) => db.exec("DELETE FROM freeze")); }
        catch (error) { said = error.code + " " + (file.failure() === null); }
      }
      console.log(said);`,
      { shell: "ulimit -f 512" },
    );
    expect(program.firstLine).toBe("journal_unavailable false");
    await program.exited;
    const file = place.open();
    expect(file.failure()).toBeNull();
    expect(createJournal(file, Date.now).unfinished()).toHaveLength(3);
    expect(createKillSwitch(file, Date.now).state()).toBeNull();
  });

  /** What a write and a read come to, by somebody who may read but not write. */
  const attempt = `
    const file = journal.openJournalFile({ path, exclusive: true });
    const tryIt = (work) => { try { work(); return "ok"; } catch (error) { return error.code; } };
    console.log(tryIt(() => file.write("step", (db) => db.exec("DELETE FROM freeze"))), file.failure() !== null);`;

  test("a read-only file is journal_unavailable", async () => {
    fill(1);
    chmodSync(place.path, 0o444);
    const program = await place.run(attempt, { isReader: true });
    expect(program.firstLine).toBe("journal_unavailable true");
  });

  test("so is a read-only folder, with a journal in it and without", async () => {
    chmodSync(place.folder, 0o555);
    expect((await place.run(attempt, { isReader: true })).firstLine).toBe("journal_unavailable true");
    chmodSync(place.folder, 0o777);
    fill(1);
    chmodSync(place.path, 0o444);
    chmodSync(place.folder, 0o555);
    expect((await place.run(attempt, { isReader: true })).firstLine).toBe("journal_unavailable true");
  });

  test("a lock that cannot be written is no other agent's", async () => {
    fill(1);
    chmodSync(`${place.path}.lock`, 0);
    expect((await place.run(attempt, { isReader: true })).firstLine).toBe("journal_unavailable true");
  });

  test("a lock that is damaged is no other agent's either", () => {
    writeFileSync(`${place.path}.lock`, "these are my notes\n".repeat(500));
    const file = place.open();
    expect(() => proveWritable(file)).toThrow("not a database");
  });

  test("a folder that stands in its place is one until it is gone", () => {
    mkdirSync(place.path);
    const file = place.open();
    expect(() => proveWritable(file)).toThrow(unavailable);
    renameSync(place.path, `${place.path}.folder`);
    proveWritable(file);
    expect(file.failure()).toBeNull();
  });

  test("a journal that could not be opened at first still lets in one agent only", () => {
    mkdirSync(place.path);
    const file = place.open();
    expect(() => place.open()).toThrow(JournalTakenError);
    renameSync(place.path, `${place.path}.folder`);
    proveWritable(file);
    expect(() => place.open()).toThrow(JournalTakenError);
  });
});

test("one in memory takes no lock and no file", () => {
  const one = openJournalFile({ path: inMemory, exclusive: true });
  const two = openJournalFile({ path: inMemory, exclusive: true });
  createKillSwitch(one, Date.now).freeze("host", "");
  expect(createKillSwitch(two, Date.now).state()).toBeNull();
});

test("after it is closed it is not opened again", () => {
  const file = place.open();
  file.close();
  expect(() => proveWritable(file)).toThrow(unavailable);
  expect(isJournalTaken(place.path)).toBe(false);
});

test("a row that is no row is told from an error of the work", () => {
  const file = place.open();
  const failing = () => file.read(() => z.string().parse(1));
  expect(failing).toThrow(unavailable);
});
