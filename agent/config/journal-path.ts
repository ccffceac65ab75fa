import { join, resolve } from "node:path";
import type { TwsTarget } from "./config.ts";
import { stateFolderOf } from "./state-folder.ts";
import { inMemory } from "../journal/database.ts";

/** Of the simulator, in the folder of the local state. */
export const simulatorJournal = "simulator-journal.db";

/** What decides where the journal is; `server` where the edge runs in the same process. */
interface JournalPlace {
  readonly tws: TwsTarget | null;
  readonly journalFile: string;
  readonly server?: { readonly port: number };
}

/**
 * The journal's file. The simulator has one of its own, so that its orders are never mixed with those of a real TWS:
 * beside the local state of `start`, or in memory where there is none.
 */
export function journalPathOf({ tws, journalFile, server }: JournalPlace): string {
  if (tws !== null) return resolve(journalFile);
  const folder = server === undefined ? null : stateFolderOf(server.port);
  return folder === null ? inMemory : resolve(join(folder, simulatorJournal));
}
