import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { quickReconcile } from "../chaos/crash-matrix.ts";
import { type EdgePeer, startEdgePeer } from "./edge-peer.ts";

/** A write to the journal, counted from now on, at which the agent is to be killed. */
export interface Death {
  readonly step: string;
  readonly phase: "before" | "after";
  readonly nth: number;
}

/** The agent in a process of its own, linked with a peer instead of an edge, and started anew whenever it was killed. */
export interface KillableAgent {
  readonly peer: EdgePeer;
  readonly journal: string;
  /** Resolves when the running process knows when to die. */
  arm(death: Death): Promise<void>;
  /** Kills it now. */
  kill(): void;
  /** Resolves with the signal that ended it, when another has taken its place. */
  replaced(): Promise<unknown>;
  close(): Promise<void>;
}

/** The program of the agent in one file, which starts three times as fast. Returns where it is. */
export async function bundleAgent(folder: string): Promise<string> {
  const program = join(folder, "agent.mjs");
  const ours = JSON.stringify(import.meta.url);
  await build({
    entryPoints: [fileURLToPath(new URL("fast-agent-process.ts", import.meta.url))],
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: program,
    banner: {
      js: `import { createRequire } from "node:module"; const require = createRequire(${ours});`,
    },
    logLevel: "error",
  });
  return program;
}

export async function startKillableAgent(
  program: string,
  journal: string,
  twsPort: number,
): Promise<KillableAgent> {
  const peer = await startEdgePeer();
  const orders = {
    edgeUrl: peer.url,
    token: "test",
    twsPort,
    journal,
    linkTimes: { firstWaitMs: 20, longestWaitMs: 50 },
    sessionTimes: { retryFirstMs: 20, retryCapMs: 50, clientIdInUseMs: 50 },
    reconcileTimes: quickReconcile,
  };
  const start = (): ChildProcess =>
    spawn(process.execPath, [program, JSON.stringify(orders)], { stdio: ["pipe", "ignore", "inherit"] });
  let child = start();
  await peer.whenReady();
  return {
    peer,
    journal,
    async arm(death) {
      child.stdin?.write(`${JSON.stringify(death)}\n`);
      // it reads its orders before it reads the call that comes behind
      await peer.ask("ibkr_get_current_time", {});
    },
    kill: () => void child.kill("SIGKILL"),
    async replaced() {
      const signal: unknown = child.signalCode ?? (await once(child, "exit"))[1];
      child = start();
      await peer.whenReady();
      return signal;
    },
    async close() {
      const gone = once(child, "exit");
      child.kill("SIGTERM");
      await gone;
      await peer.close();
    },
  };
}
