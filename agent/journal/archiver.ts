import { setTimeout as wait } from "node:timers/promises";
import type { Log } from "../process/log.ts";
import { archiveSome, dayMs } from "./archiving.ts";
import { inMemory, type JournalFile } from "./database.ts";
import { forgetUsage } from "./usage.ts";

interface ArchiverOptions {
  readonly file: JournalFile;
  /** How many days are kept; null for all. */
  readonly keepDays: number | null;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly log: Log;
  /** Between two steps, so that orders go between. */
  readonly pauseMs?: number;
}

/** Moves what is older than the owner keeps to archives: when it is made, and every day. */
export function createArchiver({ file, keepDays, now, log, pauseMs = 100 }: ArchiverOptions) {
  const closing = new AbortController();
  const { signal } = closing;
  if (keepDays === null || file.path === inMemory) return { close: (): void => {} };
  const keptMs = keepDays * dayMs;

  async function run(): Promise<void> {
    const before = now() - keptMs;
    const total = { intents: 0, entries: 0 };
    let archive = "";
    for (;;) {
      const moved = archiveSome({ file, before, now: now() });
      // nothing is left, or what is left has changed meanwhile
      if (moved.archive === null || moved.intents + moved.entries === 0) break;
      total.intents += moved.intents;
      total.entries += moved.entries;
      ({ archive } = moved);
      await wait(pauseMs, undefined, { signal });
    }
    while (file.write("usage forgotten", (db) => forgetUsage(db, now())) > 0) {
      await wait(pauseMs, undefined, { signal });
    }
    if (archive === "") return;
    log.info("journal.archived", { archive, ...total });
  }

  async function runDaily(): Promise<void> {
    while (!signal.aborted) {
      try {
        await run();
      } catch (error) {
        if (signal.aborted) return;
        // nothing is lost: it stays in the journal until the next time
        log.error("journal.not_archived", { error });
      }
      await wait(dayMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  void runDaily();
  return { close: (): void => closing.abort() };
}
