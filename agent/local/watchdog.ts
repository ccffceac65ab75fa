import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/**
 * A process of its own that outlives ours for an instant: when we die without a chance to clean up (SIGKILL, a crash),
 * the pipe to it closes and it kills the children we would have left behind holding their port.
 */
export interface Watchdog {
  /** Kill this process when ours is gone. */
  guard(pid: number): void;
  /** It has ended by itself: its id may soon be somebody else's. */
  release(pid: number): void;
  close(): void;
}

export function startWatchdog(): Watchdog {
  const child = spawn(process.execPath, [import.meta.filename], {
    // in a group of its own, which Ctrl-C does not reach
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    windowsHide: true,
  });
  child.unref();
  // without a watchdog everything works but the last rites
  child.on("error", () => {});
  child.stdin.on("error", () => {});
  return {
    guard: (pid) => void child.stdin.write(`+${pid}\n`),
    release: (pid) => void child.stdin.write(`-${pid}\n`),
    close: () => void child.stdin.end(),
  };
}

function watch(): void {
  const guarded = new Set<number>();
  const orders = createInterface({ input: process.stdin });
  orders.on("line", (line) => {
    const pid = Number(line.slice(1));
    if (line.startsWith("+")) guarded.add(pid);
    else guarded.delete(pid);
  });
  orders.on("close", () => {
    for (const pid of guarded) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // already gone
      }
    }
  });
}

if (import.meta.main) watch();
