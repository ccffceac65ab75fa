import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { errorMessage, message, startedClient } from "./test-support/raw-client.fixture.ts";

const cli = fileURLToPath(new URL("cli.ts", import.meta.url));
const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
  running.clear();
});

function run(...argv: string[]) {
  const code = `import { runSimulator } from ${JSON.stringify(cli)}; await runSimulator(process.argv.slice(1));`;
  const args = ["--input-type=module", "--eval", code, "--", ...argv];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
  running.add(child);
  const exited = once(child, "exit").then(([exitCode]) => Number(exitCode));
  return { child, exited, stdin: child.stdin, stdout: child.stdout, stderr: child.stderr };
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  let seen = "";
  for await (const chunk of stream) {
    seen += String(chunk);
    if (seen.includes("\n")) break;
  }
  return seen.trim();
}

/** Gives one line after the other. */
function linesOf(input: NodeJS.ReadableStream): () => Promise<string> {
  const lines = createInterface({ input })[Symbol.asyncIterator]();
  return async () => String((await lines.next()).value);
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

  test("begins as it is told: accounts, clock, zone and scenarios", async () => {
    const named = ["--accounts", "DU7654321,U1", "--start-at", "2026-11-20T15:30:00Z"];
    const scenarios = [
      "--scene",
      "reply currentTime refuse 100 Too often",
      "--scene",
      "reply userInfo ignore",
    ];
    const zone = ["--time-zone", "Asia/Tokyo", "--max-messages", "5"];
    const { stdout } = run("--port", "0", ...named, ...scenarios, ...zone);
    const line = await firstLine(stdout);
    const port = Number(/:(\d+), account DU7654321, U1$/.exec(line)?.[1]);
    const client = await startedClient(port, 193, 1);
    expect(client.messages[0]?.[1]).toMatch(/^20261121 00:30:\d\d Asia\/Tokyo$/);
    client.send(49, 1);
    expect((await client.waitFor(errorMessage(-1, 100)))[4]).toBe("Too often");
    const from = client.messages.length;
    for (let count = 0; count < 5; count++) client.send(104, count);
    const tooMany = await client.waitFor(errorMessage(-1, 100), from);
    expect(tooMany[4]).toContain("max=5 rec=6");
  });

  test("plays what comes on standard input, and says what it cannot", async () => {
    const { stdin, stdout, stderr } = run("--port", "0", "--input");
    const [said, complained] = [linesOf(stdout), linesOf(stderr)];
    const port = Number(/:(\d+), account/.exec(await said())?.[1]);
    const client = await startedClient(port, 193, 1);
    stdin.write("announce 2105\n\njump\nreply currentTime ignore\n");
    await client.waitFor(errorMessage(-1, 2105));
    expect(await said()).toBe("Played: announce 2105");
    expect(await complained()).toBe("There is no scenario 'jump'. See --help.");
    expect(await said()).toBe("Played: reply currentTime ignore");
    client.send(49, 1);
    client.send(17, 1);
    await client.waitFor(message(15), client.messages.length);
    expect(client.messages.some(message(49))).toBe(false);
  });

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
    [["--start-at", "soon"], "--start-at must be a time such as"],
    [["--time-zone", "Mars"], "--time-zone must be a zone such as"],
    [["--accounts", "DU1,"], "--accounts must be names separated by commas"],
    [["--port", "0", "--scene", "jump"], "There is no scenario 'jump'."],
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
    expect(help).toContain("reply <request> refuse <code> [text]");
    expect(await exited).toBe(0);
  });
});
