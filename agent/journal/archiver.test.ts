import { EventEmitter, once } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { recordingLog } from "../process/log.fixture.ts";
import { createArchiver } from "./archiver.ts";
import { dayMs } from "./archiving.ts";
import { createJournalFolder, intentOf, type JournalFolder } from "./journal.fixture.ts";
import { createJournal } from "./journal.ts";
import { TwsError } from "../../shared/errors.ts";

let place: JournalFolder;
beforeEach(() => {
  place = createJournalFolder();
});
afterEach(() => place.close());

const began = Date.UTC(2026, 8, 1);

test("an agent that starts moves all that is old, step by step, and says so; without the setting nothing", async () => {
  const file = place.open();
  const journal = createJournal(file, () => began);
  for (let id = 1; id <= 250; id += 1) {
    journal.receive(intentOf(`ag1:${id}`));
    journal.deny(`ag1:${id}`, new TwsError("trading_refused", "No."));
  }
  const events = new EventEmitter();
  const log = recordingLog(({ level, event }) => events.emit(event, level));
  const options = { file, now: () => began + 40 * dayMs, log, pauseMs: 0 };
  createArchiver({ ...options, keepDays: null }).close();
  expect(journal.intent("ag1:1")).not.toBeNull();
  const archived = once(events, "journal.archived");
  const archiver = createArchiver({ ...options, keepDays: 30 });
  expect(await archived).toEqual(["info"]);
  archiver.close();
  expect([journal.intent("ag1:1"), journal.intent("ag1:250")]).toEqual([null, null]);
  expect(file.read((db) => db.prepare("SELECT count(*) AS n FROM audit").get())).toEqual({ n: 1 });
});

test("an archive that cannot be written is said, and the journal stays as it is", async () => {
  const file = place.open();
  const journal = createJournal(file, () => began);
  journal.receive(intentOf("ag1:1"));
  journal.deny("ag1:1", new TwsError("trading_refused", "No."));
  file.write("damaged", (db) => db.exec("UPDATE audit SET outcome = 'x'"));
  const events = new EventEmitter();
  const log = recordingLog(({ level, event }) => events.emit(event, level));
  const told = once(events, "journal.not_archived");
  const archiver = createArchiver({ file, now: () => began + 40 * dayMs, log, keepDays: 8 });
  expect(await told).toEqual(["error"]);
  archiver.close();
  expect(journal.intent("ag1:1")).not.toBeNull();
});
