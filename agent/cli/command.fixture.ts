import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** How a command ended, and what it said. */
export interface Ended {
  readonly code: unknown;
  readonly out: string;
  readonly err: string;
}

/** For tests: `tws-edge` as a program of its own, in an empty folder, so that no .env of the developer's is read. */
export interface CommandPlace {
  readonly folder: string;
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended>;
  remove(): void;
}

const main = join(import.meta.dirname, "../main.ts");

export function createCommandPlace(): CommandPlace {
  const folder = mkdtempSync(join(tmpdir(), "tws-edge-command-"));
  return {
    folder,
    async run(args, env = {}) {
      const child = spawn(process.execPath, [main, ...args], {
        cwd: folder,
        // agents that other tests run are none of this place's
        env: { HOME: folder, TWS_EDGE_AGENTS: join(folder, "agents"), ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const [out, err, exit] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, "exit").then(([code, signal]: unknown[]) => code ?? signal),
      ]);
      return { code: exit, out, err };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
