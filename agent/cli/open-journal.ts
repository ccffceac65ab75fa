import { existsSync, realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { TwsError } from "../../shared/errors.ts";
import { type JournalConfig, loadConfig, parseJournalConfig } from "../config/config.ts";
import { type Output, plain, terminal } from "./output.ts";
import { isSafeFile } from "../journal/archive-file.ts";
import { inMemory, isJournalTaken, type JournalFile, openJournalFile } from "../journal/database.ts";
import { journalPathOf } from "../config/journal-path.ts";
import type { ForeignAgent } from "./freeze-as-owner.ts";
import { closedFolders, isOurs, type RunningAgent, runningAgents } from "../process/running-agents.ts";

/** An open journal plus the terminal, as commands receive them. */
export interface OpenJournal extends Output {
  readonly file: JournalFile;
  readonly path: string;
  /** True while an agent has it open for orders. */
  readonly isTaken: boolean;
  readonly now: () => number;
}

/** Runs the work with the journal open, which must be there: no command makes one. */
export async function withJournal<T>(
  path: string,
  work: (journal: OpenJournal) => T | Promise<T>,
): Promise<T> {
  if (!existsSync(path)) {
    throw new TwsError("journal_unavailable", `There is no order journal at ${path}.`, {
      nextStep:
        "The agent makes it when it first starts. If it is elsewhere, set TWS_EDGE_JOURNAL and TWS_PORT as the agent has them, or give --journal PATH.",
    });
  }
  requireOwnFile(path);
  const file = openJournalFile({ path, exclusive: false });
  try {
    return await work({ file, path, isTaken: isJournalTaken(path), now: Date.now, ...terminal });
  } finally {
    file.close();
  }
}

/** A database that another user can write may run code of theirs in whoever opens it, or keep them waiting. */
function requireOwnFile(path: string): void {
  for (const file of [path, `${path}.lock`, `${path}-wal`, `${path}-shm`]) {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat === undefined || stat.isDirectory() || isSafeFile(stat)) continue;
    throw new TwsError("journal_unavailable", `Other users can write ${file}, so it was not opened.`, {
      nextStep:
        "Run this as the user who runs the agent. The journal and the files beside it must be that user's, with mode 0600.",
    });
  }
}

/**
 * The journal that a command means: the named one; that of the configuration where an agent runs with it; that of the
 * one agent that runs here; or else that of the configuration.
 */
export function journalFor(named: string | undefined): string {
  if (named !== undefined) return resolve(named);
  const config = loadConfig(parseJournalConfig);
  const { configured, real } = journalsOf(config);
  // the variables may stand before the agent's own start only: then the one that runs is meant
  const known = [configured, real].find((path) => path !== inMemory && isTakenByAgent(path));
  if (known !== undefined) return known;
  const { reached } = agentsHere(config);
  const [only, ...others] = new Set(reached.map(({ journal }) => journal));
  if (only === undefined) return onDisk(configured);
  if (others.length === 0) return only;
  throw new TwsError(
    "invalid_input",
    ["Several agents run on this machine, with the journals:", only, ...others].join("\n  "),
    { nextStep: "Say which of them is meant with --journal PATH." },
  );
}

/** The journals that `freeze` stops, and the agents that it cannot reach. */
export interface JournalsToStop {
  /** By path, with the agent that is listed as running with it. */
  readonly journals: ReadonlyMap<string, RunningAgent | null>;
  /** Agents of other users, which only root can stop, and only as their users. */
  readonly foreign: readonly ForeignAgent[];
  /** Agents that run, or may, and that this command cannot stop, each in a sentence. */
  readonly unreached: readonly string[];
}

/** The journals that freeze means: without a name those of every agent of this machine, and that of the configuration. */
export function journalsToStop(named: string | undefined): JournalsToStop {
  if (named !== undefined) return { journals: new Map([[resolve(named), null]]), foreign: [], unreached: [] };
  const config = loadConfig(parseJournalConfig);
  const { configured, real } = journalsOf(config);
  const { reached, foreign, unreached } = agentsHere(config);
  const journals = new Map<string, RunningAgent | null>();
  for (const path of [configured, real]) {
    if (path !== inMemory && existsSync(path)) journals.set(realpathSync(path), null);
  }
  for (const { journal, agent } of reached) journals.set(journal, agent);
  return { journals, foreign, unreached };
}

/** The agents that run here, as far as they are listed: those whose journal can be used from here, and the others. */
function agentsHere({ agentsFolder }: JournalConfig) {
  const reached: { readonly journal: string; readonly agent: RunningAgent }[] = [];
  const foreign: ForeignAgent[] = [];
  const unreached = closedFolders(agentsFolder).map(
    (folder) =>
      `Agents may be listed in ${plain(folder)}, which cannot be read: run tws-edge freeze as its user, or as root.`,
  );
  for (const agent of runningAgents(agentsFolder)) {
    const why = whyOutOfReach(agent);
    if (why === "" && agent.journal !== null) {
      const journal = realpathSync(agent.journal);
      if (agent.uid !== null && agent.uid !== process.getuid?.()) {
        foreign.push({ agent, journal });
        continue;
      }
      // without a process in sight, the lock alone tells whether the agent still runs
      if (agent.isInSight || isJournalTaken(journal)) reached.push({ journal, agent });
    } else unreached.push(`${nameOf(agent)}: ${why}`);
  }
  return { reached, foreign, unreached };
}

/** Empty where the agent's journal can be used from here. */
function whyOutOfReach({ journal, uid, user, isInSight, file }: RunningAgent): string {
  if (!isOurs(uid)) return `it is of the user ${plain(user)}: run tws-edge freeze as that user, or as root.`;
  if (journal === null) return "its journal is in its memory only, so end the process to stop its orders.";
  const stat = statSync(journal, { throwIfNoEntry: false });
  if (stat === undefined) {
    return isInSight
      ? `its journal ${plain(journal)} cannot be found; end the process to stop its orders.`
      : `it runs in another container, or has ended there: stop orders inside it, or remove ${plain(file)}.`;
  }
  // for root: no agent has the journal of another user
  if (!stat.isFile() || (uid !== null && stat.uid !== uid)) {
    return `its journal ${plain(journal)} is no file of its own user.`;
  }
  return "";
}

export const nameOf = ({ pid, tws, startedAt }: RunningAgent): string =>
  `The agent that is process ${pid} (${plain(tws)}, since ${plain(startedAt)})`;

const isTakenByAgent = (path: string): boolean => existsSync(path) && isJournalTaken(path);

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
