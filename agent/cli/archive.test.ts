import { mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { dayMs } from "../journal/archiving.ts";
import { type JournalFile, openJournalFile } from "../journal/database.ts";
import { intentOf, legOf, orderOf } from "../journal/journal.fixture.ts";
import { createJournal, type Journal } from "../journal/journal.ts";
import { type CommandPlace, createCommandPlace } from "./command.fixture.ts";

let place: CommandPlace;
let file: JournalFile;
let journal: Journal;
const folder = () => join(place.folder, ".config", "tws-edge");
const run = (...args: readonly string[]) => place.run(args, { TWS_PORT: "7497" });

beforeEach(() => {
  place = createCommandPlace();
  mkdirSync(folder(), { recursive: true });
  file = openJournalFile({ path: join(folder(), "journal.db"), exclusive: true });
  let age = 40 * dayMs;
  journal = createJournal(file, () => Date.now() - age);
  for (const id of [1, 2]) {
    const intentId = `ag1:${id}`;
    journal.receive(intentOf(intentId));
    journal.reserve(intentId, [legOf(id)], 100, () => {});
    journal.sending(intentId);
    journal.acknowledge(intentId, [orderOf(id, { status: "Filled", filled: 10, remaining: 0 })], true);
    age = 0;
  }
});
afterEach(() => {
  file.close();
  place.remove();
});

test("archives beside a running agent, and the trail is shown, exported and verified over both", async () => {
  const { seq, hash } = journal.audit.head();
  const exported = await run("audit", "export");
  const asked = await run("journal", "archive", "--dry-run", "--before", "2026-01-01");
  expect(asked.out).toContain("To be moved: 0 order intents and 0 entries");
  const moved = await place.run(["journal", "archive"], { TWS_PORT: "7497", JOURNAL_KEEP_DAYS: "30" });
  expect(moved).toMatchObject({ code: 0, err: "" });
  expect(moved.out).toContain("Moved: 1 order intent and 4 entries of the audit trail");
  expect(journal.intent("ag1:1")).toBeNull();
  expect(await run("audit", "export")).toEqual(exported);
  const verified = await run("audit", "verify", "--head", `${seq}:${hash}`);
  expect(verified.code).toBe(0);
  expect(verified.out).toMatch(
    /Entries 1 to 4, from \S+Z to \S+Z, are in the archive journal\.db\.archive-\S+\nEntries 5 to 8, from \S+Z to \S+Z, are in the journal\n/,
  );
  const shown = await run("audit", "show", "--last", "6");
  expect(shown.out).toMatch(/^3 {2}/);
  expect((await run("audit", "show", "--intent", "ag1:1")).out.split("\n")).toHaveLength(5);

  const [name = ""] = readdirSync(folder()).filter((one) => one.includes(".archive-"));
  renameSync(join(folder(), name), join(folder(), "away"));
  const missing = await run("audit", "verify");
  expect(missing).toMatchObject({ code: 1, out: "" });
  expect(missing.err).toMatch(/Entries 1 to 4, .* are in the archive \S+: .*it is missing/);
});

test.each([
  [["journal"]],
  [["journal", "archive"]],
  [["journal", "archive", "--before", new Date().toISOString()]],
  [["journal", "archive", "--before", "long ago"]],
])("%j is a mistake with exit code 2", async (args) => {
  const mistaken = await run(...args);
  expect(mistaken).toMatchObject({ code: 2, out: "" });
  expect(mistaken.err).toContain("--help explains it.");
});
