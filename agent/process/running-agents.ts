import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { z } from "zod";

/**
 * The agents that run on this machine, whoever started them and from wherever: each keeps one file in a folder of its
 * user. A command that stops orders finds them by these files, and then asks each agent by its journal. A file is a
 * claim: it can make a command report an agent that is none, and can confirm nothing.
 */

/** How an agent describes itself to the owner's commands. */
const Entry = z.object({
  pid: z.int().positive(),
  /** Tells this process from a later one of the same number; null where the system does not say. */
  processStart: z.string().max(100).nullable(),
  /** Processes of one name have numbers that mean the same; empty where the system knows one name only. */
  pidSpace: z.string().max(200),
  user: z.string().max(200),
  startedAt: z.string().max(50),
  /** The journal's file; null for one in memory. */
  journal: z.string().max(4_096).nullable(),
  /** The key that proves the agent to an edge elsewhere; null where it needs none. */
  keyFile: z.string().max(4_096).nullable(),
  /** TWS or the simulator, in words. */
  tws: z.string().max(300),
});
type Entry = z.infer<typeof Entry>;

export interface RunningAgent extends Entry {
  /** The user whose file this is; the system vouches for it. Null where files have no owner. */
  readonly uid: number | null;
  /** Where the entry stands, for whoever has to remove a leftover. */
  readonly file: string;
  /** Whether the process is in this machine's or this container's list of processes. */
  readonly isInSight: boolean;
}

/** Where folders of agents are looked for if nothing else is configured. TMPDIR may differ from user to user. */
export const usualAgentsFolder = process.platform === "win32" ? tmpdir() : "/tmp";

const prefix = "tws-edge-agents-";
/** How often an agent looks after its entry, which a cleaner of old files may have taken. */
const refreshMs = 60_000;
const longestEntry = 16_384;
/** Entries of other users that are read at most: they cost a stranger nothing. */
const mostOfOthers = 50;

export interface Registration {
  /** Why commands from elsewhere do not find this agent; empty when they do. */
  readonly problem: string;
  close(): void;
}

/** Lists this process as an agent until it is closed. Never throws: without its entry an agent works all the same. */
export function registerAgent(
  parent: string,
  facts: Pick<Entry, "journal" | "keyFile" | "tws">,
  startedAt: Date,
): Registration {
  const entry: Entry = {
    ...facts,
    pid: process.pid,
    processStart: processStartOf(process.pid),
    pidSpace: pidSpace(),
    user: nameOfUser(),
    startedAt: startedAt.toISOString(),
  };
  try {
    for (const other of entriesIn(ownFolder(parent))) {
      if (other.isInSight && !isAlive(other)) rmSync(other.file, { force: true });
    }
    let file = "";
    const write = () => {
      file = join(ownFolder(parent), `${process.pid}-${startedAt.getTime()}.json`);
      // whole or not there: a reader never sees half of it
      writeFileSync(`${file}.new`, JSON.stringify(entry));
      // the umask of an agent keeps its files from others, and this one is for everybody to read
      chmodSync(`${file}.new`, 0o644);
      renameSync(`${file}.new`, file);
    };
    write();
    const refreshing = setInterval(() => {
      try {
        write();
      } catch {
        // the next time may do better
      }
    }, refreshMs);
    refreshing.unref();
    return {
      problem: "",
      close() {
        clearInterval(refreshing);
        rmSync(file, { force: true });
      },
    };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error), close: () => {} };
  }
}

/** Every agent that runs here, or may: one whose process cannot be seen from here counts. */
export function runningAgents(parent: string): RunningAgent[] {
  const found = agentFolders(parent).flatMap(entriesIn).filter(isAlive);
  const ours = found.filter(({ uid }) => isOurs(uid));
  return [...ours, ...found.filter(({ uid }) => !isOurs(uid)).slice(0, mostOfOthers)];
}

/** Folders in which agents may be listed and that this user cannot read: who runs there is not known. */
export function closedFolders(parent: string): string[] {
  return [parent, ...agentFolders(parent)].filter((folder) => {
    try {
      return readdirSync(folder).some((name) => folder !== parent && isClosed(join(folder, name)));
    } catch (error) {
      return codeOf(error) !== "ENOENT";
    }
  });
}

function isClosed(file: string): boolean {
  if (!file.endsWith(".json")) return false;
  try {
    accessSync(file, constants.R_OK);
    return false;
  } catch (error) {
    return codeOf(error) !== "ENOENT";
  }
}

const codeOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : null);

/** Whether what this user owns is ours to use: our own, and everything for root. */
export const isOurs = (uid: number | null): boolean =>
  uid === null || process.getuid?.() === uid || process.getuid?.() === 0;

function nameOfUser(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "");
  }
}

/**
 * The folder of this user. Another user may have taken its usual name, and then it gets another: who owns a folder is
 * told by the system, not by the name.
 */
function ownFolder(parent: string): string {
  const uid = process.getuid?.() ?? null;
  const usual = join(parent, `${prefix}${uid ?? nameOfUser()}`);
  mkdirSync(parent, { recursive: true, mode: 0o755 });
  try {
    mkdirSync(usual, { mode: 0o755 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  const own = agentFolders(parent).find((folder) => uid === null || statSync(folder).uid === uid);
  const folder = own ?? mkdtempSync(`${usual}-`);
  chmodSync(folder, 0o755);
  return folder;
}

/** Folders in which agents are listed; links are not followed. */
function agentFolders(parent: string): string[] {
  try {
    return readdirSync(parent, { withFileTypes: true })
      .filter((one) => one.isDirectory() && one.name.startsWith(prefix))
      .map(({ name }) => join(parent, name))
      .toSorted();
  } catch {
    return [];
  }
}

function entriesIn(folder: string): RunningAgent[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(".json"))
      .flatMap((name) => readEntry(join(folder, name)) ?? []);
  } catch {
    // told by closedFolders
    return [];
  }
}

function readEntry(file: string): RunningAgent | null {
  let opened: number | null = null;
  try {
    // a link or a pipe of another user is not followed, nor waited for
    opened = openSync(file, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
    const { uid, size, isFile } = factsOf(opened);
    if (!isFile || size > longestEntry) return null;
    const entry = Entry.parse(JSON.parse(readFileSync(opened, "utf8")));
    return {
      ...entry,
      uid: process.getuid === undefined ? null : uid,
      file,
      isInSight: entry.pidSpace === pidSpace(),
    };
  } catch {
    return null;
  } finally {
    if (opened !== null) closeSync(opened);
  }
}

function factsOf(opened: number) {
  const stat = fstatSync(opened);
  return { uid: stat.uid, size: stat.size, isFile: stat.isFile() };
}

function isAlive({ pid, processStart, uid, isInSight }: RunningAgent): boolean {
  // a process of another container cannot be looked for from here
  if (!isInSight) return true;
  if (!isThere(pid)) return false;
  // nobody lists the process of another as an agent; some processes of others look like root's
  const owner = statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? 0;
  if (owner !== uid && owner !== 0) return false;
  const start = processStartOf(pid);
  return start === null || processStart === null || start === processStart;
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // it is there, and not ours
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** When a process began, as Linux counts it; null elsewhere. */
function processStartOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // the name before this bracket may hold spaces; the 22nd field of all is the 20th after it
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}

function pidSpace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}
