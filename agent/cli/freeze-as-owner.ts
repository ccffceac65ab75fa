import { spawn } from "node:child_process";
import { join } from "node:path";
import type { RunningAgent } from "../process/running-agents.ts";
import { plain } from "./output.ts";

/** An agent of another user, and its journal. */
export interface ForeignAgent {
  readonly agent: RunningAgent;
  readonly journal: string;
}

const main = join(import.meta.dirname, "../main.ts");
/** Longer than the command waits for the agent's answer. */
const deadlineMs = 15_000;
const longestOutput = 4_000;
/** The group of a process that needs no group: what its user owns is enough. */
const noGroup = 65_534;

export interface FrozenAsOwner {
  readonly isConfirmed: boolean;
  readonly lines: readonly string[];
}

/**
 * For root: runs `freeze` as the user who owns the journal, with nothing but that user's rights, and ends it after a
 * time. A database of somebody else can run code of theirs in whoever opens it, or keep them waiting.
 */
export async function freezeAsOwner(
  { agent, journal }: ForeignAgent,
  reason: string,
): Promise<FrozenAsOwner> {
  const { promise, resolve } = Promise.withResolvers<number | null>();
  if (agent.uid === null) return { isConfirmed: false, lines: [] };
  const child = spawn(process.execPath, [main, "freeze", "--journal", journal, "--", reason], {
    uid: agent.uid,
    gid: noGroup,
    cwd: "/",
    env: {},
    stdio: ["ignore", "pipe", "ignore"],
    timeout: deadlineMs,
    killSignal: "SIGKILL",
  });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(0, longestOutput);
  });
  child.on("error", () => resolve(null));
  // not "close": a process that the other user has made of it may keep the pipe open
  child.on("exit", (code) => setImmediate(() => resolve(code)));
  const code = await promise;
  child.stdout.destroy();
  const lines = said.split("\n").flatMap((line) => (line === "" ? [] : [plain(line)]));
  return { isConfirmed: code === 0, lines };
}
