import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { startedClient } from "./raw-client.ts";

const CLI = fileURLToPath(new URL("./cli.ts", import.meta.url));
const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
  running.clear();
});

function run(...argv: string[]) {
  const code = `import { runSimulator } from ${JSON.stringify(CLI)}; await runSimulator(process.argv.slice(1));`;
  const args = ["--input-type=module", "--eval", code, "--", ...argv];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const exited = once(child, "exit").then(([exitCode]) => Number(exitCode));
  return { child, exited, stdout: child.stdout, stderr: child.stderr };
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  let seen = "";
  for await (const chunk of stream) {
    seen += String(chunk);
    if (seen.includes("\n")) break;
  }
  return seen.trim();
}

describe("npm run sim", () => {
  test.each(["SIGINT", "SIGTERM"] as const)(
    "says where it listens, serves, and ends cleanly on %s",
    async (signal) => {
      const { child, exited, stdout } = run("--port", "0", "--seed", "7", "--server-version", "178");
      const line = await firstLine(stdout);
      const port = Number(/^Simulated TWS on 127\.0\.0\.1:(\d+), account DU1234567$/.exec(line)?.[1]);
      const client = await startedClient(port, 193, 1);
      expect(client.messages[0]?.[0]).toBe("178");
      child.kill(signal);
      await client.closed;
      expect(await exited).toBe(0);
    },
  );

  test("tells in one sentence that the port is taken", async () => {
    const blocker = createServer().listen(0, "127.0.0.1");
    await once(blocker, "listening");
    const address = blocker.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const { exited, stderr } = run("--port", String(port));
    expect(await text(stderr)).toContain(`Port taken: something already listens on 127.0.0.1:${port}.`);
    expect(await exited).toBe(1);
    blocker.close();
  });

  test.each([
    [["--port", "seven"], "--port must be a whole number"],
    [["--server-version", "200"], "--server-version must be a whole number from 151 to 193"],
    [["--max-lines", "0"], "--max-lines must be a whole number from 1 to 100000"],
    [["--sead", "1"], "--sead"],
    [["--order-faults", "drop=now"], "--order-faults does not know 'drop=now'"],
  ])("refuses %s", async (argv, complaint) => {
    const { exited, stderr } = run(...argv);
    expect(await text(stderr)).toContain(complaint);
    expect(await exited).toBe(1);
  });

  test("explains itself", async () => {
    const { exited, stdout } = run("--help");
    const help = await text(stdout);
    expect(help).toContain("--server-version <n>");
    expect(help).toContain("drop=before-reading|after-reading|after-acknowledging");
    expect(await exited).toBe(0);
  });
});
