import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { TwsError } from "../../shared/errors.ts";
import { type JournalConfig, loadConfig, parseJournalConfig } from "../config/config.ts";
import { type Output, terminal } from "./output.ts";
import { inMemory, isJournalTaken, type JournalFile, openJournalFile } from "../journal/database.ts";
import { journalPathOf } from "../config/journal-path.ts";

/** What a command works on. */
export interface OpenJournal extends Output {
  readonly file: JournalFile;
  readonly path: string;
  /** Whether an agent has it open for orders. */
  readonly isTaken: boolean;
  readonly now: () => number;
}

/** Runs the work with the journal open; `find` is for work that means nothing without one. */
export function withJournal<T>(
  path: string,
  existing: "make" | "find",
  work: (journal: OpenJournal) => T,
): T {
  if (existing === "find" && !existsSync(path)) {
    throw new TwsError("journal_unavailable", `There is no order journal at ${path}.`, {
      nextStep:
        "The agent makes it when it first starts. If it is elsewhere, set TWS_EDGE_JOURNAL and TWS_PORT as the agent has them, or give --journal PATH.",
    });
  }
  const file = openJournalFile({ path, exclusive: false });
  try {
    return work({ file, path, isTaken: isJournalTaken(path), now: Date.now, ...terminal });
  } finally {
    file.close();
  }
}

/** The journal that a command means: the named one, or that of the configuration. */
export function journalFor(named: string | undefined): string {
  if (named !== undefined) return resolve(named);
  const { configured, real } = journalsOf(loadConfig(parseJournalConfig));
  // the variables may stand before the agent's own start only: then the one that runs is meant
  if (configured !== real && isJournalTaken(real) && !isJournalTaken(configured)) return real;
  return onDisk(configured);
}

/** The journals that freeze means: that of an agent that runs is always among them. */
export function journalsToStop(named: string | undefined): ReadonlySet<string> {
  if (named !== undefined) return new Set([resolve(named)]);
  const { configured, real } = journalsOf(loadConfig(parseJournalConfig));
  if (isJournalTaken(real)) return new Set(configured === inMemory ? [real] : [configured, real]);
  return new Set([onDisk(configured)]);
}

const journalsOf = (config: JournalConfig) => ({
  configured: journalPathOf(config),
  /** Of the TWS that is not configured here, or the same. */
  real: resolve(config.journalFile),
});

function onDisk(path: string): string {
  if (path !== inMemory) return path;
  throw new TwsError(
    "journal_unavailable",
    "With SERVER_PORT=0 and no TWS configured the simulator's journal is in the agent's memory only.",
    {
      nextStep: "Set TWS_PORT or SERVER_PORT as the agent has them, or give --journal PATH.",
    },
  );
}
