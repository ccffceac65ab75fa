import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

const main = join(import.meta.dirname, "../../main.ts");

export interface Program {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  /** The first line that fits, said already or yet to come, on either stream. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** What it has said on stdout. */
  out(): string;
  /** What it has said on both. */
  said(): string;
}

export interface Programs {
  /** `tws-edge ARGS`. */
  readonly run: (args: readonly string[], env?: Readonly<Record<string, string>>) => Program;
  close(): Promise<void>;
}

/** Runs the command line in `folder`, so that no .env of the developer's is read. */
export function createPrograms(folder: string, usual: () => Readonly<Record<string, string>>): Programs {
  const children: ChildProcess[] = [];
  return {
    run(args, env = {}) {
      const child = spawn(process.execPath, [main, ...args], {
        cwd: folder,
        // agents that other tests run are none of this folder's
        env: { HOME: folder, TWS_EDGE_AGENTS: join(folder, "agents"), ...usual(), ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      children.push(child);
      const said: string[] = [];
      const out: string[] = [];
      const waiting: { readonly pattern: RegExp; readonly found: (match: RegExpExecArray) => void }[] = [];
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
          said.push(line);
          for (const { pattern, found } of waiting) {
            const match = pattern.exec(line);
            if (match !== null) found(match);
          }
        });
      }
      child.stdout.on("data", (data: Buffer) => out.push(data.toString()));
      // after exit there may still be something to read
      const exited = once(child, "close").then(() => child.exitCode);
      return {
        child,
        exited,
        line(pattern) {
          const before = said.map((text) => pattern.exec(text)).find((match) => match !== null);
          if (before) return Promise.resolve(before);
          const late = exited.then((code) => Promise.reject(new Error(`exit ${code}: ${said.join("\n")}`)));
          return Promise.race([
            new Promise<RegExpExecArray>((found) => waiting.push({ pattern, found })),
            late,
          ]);
        },
        out: () => out.join(""),
        said: () => said.join("\n"),
      };
    },

    async close() {
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const gone = once(child, "exit");
        child.kill("SIGKILL");
        await gone;
      }
    },
  };
}
