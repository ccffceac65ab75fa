import { setTimeout as wait } from "node:timers/promises";
import { plural } from "../../shared/plural.ts";
import { TwsError } from "../../shared/errors.ts";
import { fewestKeepDays, loadConfig, parseJournalConfig } from "../config/config.ts";
import { archiveSome, countArchivable, dayMs } from "../journal/archiving.ts";
import type { OpenJournal } from "./open-journal.ts";
import { type Failure, plain } from "./output.ts";

export const archiveHelp = `tws-edge journal archive: moves what is old out of the order journal, to a file beside it.

Moved are order intents that have ended, with their orders, and the entries of the audit trail; never what is open. A running
agent does this by itself every day when JOURNAL_KEEP_DAYS is set. Keep the archives beside the journal: keys that were used are
answered from them, and audit reads them.

  --before DATE     what is older than that: an instant such as 2026-11-20 or 2026-11-20T15:30:00Z, ${fewestKeepDays} days ago or
                    earlier; without it JOURNAL_KEEP_DAYS decides
  --dry-run         says how much would be moved, and moves nothing
`;

export const archiveOptions = { before: { type: "string" }, "dry-run": { type: "boolean" } } as const;

/** Unix milliseconds. Throws invalid_input. */
export function readBefore(text: string | undefined): number {
  const latest = Date.now() - fewestKeepDays * dayMs;
  if (text === undefined) {
    const { journalKeepDays } = loadConfig(parseJournalConfig);
    if (journalKeepDays !== null) return Date.now() - journalKeepDays * dayMs;
    throw wrong("JOURNAL_KEEP_DAYS is not set: say with --before what is old.");
  }
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (at <= latest) return at;
  throw wrong(
    `--before is an instant such as 2026-11-20, ${fewestKeepDays} days ago or earlier: outcomes are revised for a week.`,
  );
}

/** Between two steps, so that orders of a running agent go between. */
const pauseMs = 20;

export async function runArchive(
  { file, path, now, out }: OpenJournal,
  before: number,
  isDryRun: boolean,
): Promise<Failure> {
  const words = (intents: number, entries: number): string =>
    `${plural(intents, "order intent")} and ${entries} ${entries === 1 ? "entry" : "entries"} of the audit trail`;
  if (isDryRun) {
    const { intents, entries } = countArchivable(file, before);
    out(`To be moved: ${words(intents, entries)}, of before ${new Date(before).toISOString()}.`);
    out(`Journal: ${path}`);
    return null;
  }
  const total = { intents: 0, entries: 0 };
  const archives = new Set<string>();
  for (;;) {
    const { intents, entries, archive } = archiveSome({ file, before, now: now() });
    if (archive === null || intents + entries === 0) break;
    total.intents += intents;
    total.entries += entries;
    archives.add(archive);
    await wait(pauseMs);
  }
  out(`Moved: ${words(total.intents, total.entries)}, of before ${new Date(before).toISOString()}.`);
  for (const archive of archives) out(`Archive: ${plain(archive)}, beside the journal`);
  out(`Journal: ${path}`);
  return null;
}

const wrong = (message: string): TwsError =>
  new TwsError("invalid_input", message, { nextStep: "tws-edge journal --help explains it." });
