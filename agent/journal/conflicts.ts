import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { TwsError } from "../../shared/errors.ts";
import type { Log } from "../process/log.ts";
import type { JournalFile } from "./database.ts";

/** Another agent with an order journal of its own asks for the same host. */
const Conflict = z.object({ seenAt: z.string(), words: z.string() });
export type Conflict = z.infer<typeof Conflict>;

const key = "conflict";

/** The conflict that was seen last; null once this agent was let in after it. */
export function conflictOf(db: DatabaseSync): Conflict | null {
  const row = db.prepare("SELECT value FROM fact WHERE key = ?").get(key);
  return row === undefined ? null : Conflict.parse(JSON.parse(String(row["value"])));
}

/** Keeps in the journal that there are two agents, where the owner's commands find it. Never throws. */
export function createConflicts(file: JournalFile, now: () => number, log: Log) {
  function write(step: string, work: (db: DatabaseSync) => void): void {
    try {
      file.write(step, work);
    } catch (error) {
      if (!(error instanceof TwsError)) throw error;
      log.error("journal.not_written_failed", { error });
    }
  }
  return {
    seen(words: string): void {
      const conflict: Conflict = { seenAt: new Date(now()).toISOString(), words };
      write("conflict seen", (db) => {
        db.prepare("INSERT OR REPLACE INTO fact (key, value) VALUES (?, ?)").run(
          key,
          JSON.stringify(conflict),
        );
      });
    },
    /** This agent was let in. */
    cleared(): void {
      try {
        if (file.read(conflictOf) === null) return;
      } catch {
        // what cannot be read is cleared when it can
        return;
      }
      write("conflict cleared", (db) => {
        db.prepare("DELETE FROM fact WHERE key = ?").run(key);
      });
    },
  };
}
