import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { otherJournalReason } from "./link/link.ts";
import { z } from "zod";
import { startSimulator } from "./simulator/server.ts";

const closers: (() => Promise<unknown> | void)[] = [];
/** An empty folder to run in, so that no .env of the developer's is read and nothing is left behind. */
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tws-edge-test-"));
});
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
  rmSync(folder, { recursive: true, force: true });
});

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [...args], {
    cwd: folder,
    // agents that other tests run are none of this folder's
    env: { HOME: folder, TWS_EDGE_AGENTS: join(folder, "agents"), ...env },
    stdio: ["ignore", "pipe", "pipe"],
    // a group of its own, as a terminal gives it
    detached: true,
  });
  const exited = once(child, "exit").then(([code, signal]: unknown[]) => code ?? signal);
  closers.push(() => {
    child.kill("SIGKILL");
    return exited;
  });
  const said: string[] = [];
  const errors: string[] = [];
  child.stderr.on("data", (data: Buffer) => errors.push(data.toString()));
  const waiting: { readonly pattern: RegExp; readonly found: (match: RegExpExecArray) => void }[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    said.push(line);
    for (const { pattern, found } of waiting) {
      const match = pattern.exec(line);
      if (match !== null) found(match);
    }
  });
  /** The first line that fits, said already or yet to come. */
  const line = (pattern: RegExp): Promise<RegExpExecArray> => {
    const before = said.map((text) => pattern.exec(text)).find((match) => match !== null);
    return before ? Promise.resolve(before) : new Promise((found) => waiting.push({ pattern, found }));
  };
  return { child, exited, line, out: () => said.join("\n"), err: () => errors.join("") };
}

const main = join(import.meta.dirname, "main.ts");

async function startIt(env: Readonly<Record<string, string>> = {}) {
  const program = run([main, "start"], { SERVER_PORT: "0", ...env });
  const [, port] = await Promise.race([
    program.line(/MCP server {2}http:\/\/127\.0\.0\.1:(\d+)\/api\/v1\/mcp/),
    program.exited.then(() => Promise.reject(new Error(program.err()))),
  ]);
  await program.line(/Stop with Ctrl-C/);
  return { ...program, port: Number(port) };
}

/** Resolves when nothing listens there any more, which is when workerd is gone. */
async function untilFree(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const isFree = await once(socket, "connect").then(
      () => false,
      () => true,
    );
    if (isFree) return;
    // the other side's end is the event: workerd closes its sockets by dying
    await once(socket, "close").catch(() => undefined);
  }
}

test("says what it is connected to and gives lines to paste that work", async () => {
  const program = await startIt();
  const out = program.out();
  expect(out).toContain("Connected to the simulator: paper account DU1234567");
  expect(out).toContain(
    `claude mcp add --transport http tws-edge http://127.0.0.1:${program.port}/api/v1/mcp`,
  );
  expect(out).toContain('"mcpServers"');
  expect(out).toContain("npx @modelcontextprotocol/inspector");
  expect(program.err()).toBe("");
  const [, curl] = await program.line(/^ {2}curl (.*)$/);
  const shell = spawn("curl", ["-s"].concat(shellWords(curl ?? "")), {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [answer] = z.tuple([z.instanceof(Buffer)]).parse(await once(shell.stdout, "data"));
  expect(JSON.parse(answer.toString())).toMatchObject({
    result: { structuredContent: { is_connected: true } },
  });
});

const shellWords = (text: string): string[] =>
  [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? "",
  );

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s ends it in good order, with nothing left on the port",
  async (signal) => {
    const program = await startIt();
    const startedAt = performance.now();
    program.child.kill(signal);
    expect(await program.exited).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(2_500);
    await untilFree(program.port);
    expect(program.err()).toBe("");
  },
);

test("a reader who leaves, as head does, ends no command with a fault", async () => {
  const { child, exited, err } = run([main, "freeze", "--help"]);
  child.stdout.destroy();
  expect(await exited).toBe(0);
  expect(err()).toBe("");
});

test("ends with npm, which on a signal ends only the shell between them", async () => {
  const script = [process.execPath, main, "start"].map((word) => `'${word}'`).join(" ");
  // run by a second command, so that the shell stays a process of its own
  const shell = run(["-e", shellUnder(`${script}; true`)], {
    SERVER_PORT: "0",
    npm_lifecycle_event: "start",
  });
  const [, port] = await shell.line(/MCP server {2}http:\/\/127\.0\.0\.1:(\d+)\//);
  await shell.line(/Stop with Ctrl-C/);
  shell.child.kill("SIGTERM");
  await untilFree(Number(port));
  expect(await shell.exited).toBe(0);
});

/** As npm does it: a shell, which gets the signal and does not pass it on. */
const shellUnder = (command: string) => `
  const shell = require("node:child_process").spawn("/bin/sh", ["-c", ${JSON.stringify(command)}], { stdio: "inherit" });
  process.on("SIGTERM", () => shell.kill("SIGTERM"));
  shell.on("exit", () => process.exit(0));`;

test("Ctrl-C in a terminal, which its children get too, ends it without a word", async () => {
  const program = await startIt();
  process.kill(-(program.child.pid ?? NaN), "SIGINT");
  expect(await program.exited).toBe(0);
  await untilFree(program.port);
  expect(program.err()).toBe("");
});

test("even when it is killed outright nothing is left on the port", async () => {
  const program = await startIt();
  program.child.kill("SIGKILL");
  expect(await program.exited).toBe("SIGKILL");
  await untilFree(program.port);
});

/** A program whose closing takes `closeMs`; interrupted already. */
async function interrupted(closeMs: number) {
  const program = run([
    "--input-type=module",
    "-e",
    `import { closeOnSignal } from ${JSON.stringify(new URL("process/signals.ts", import.meta.url).href)};
    const close = () => new Promise((resolve) => setTimeout(resolve, ${closeMs}));
    closeOnSignal(close).addEventListener("abort", () => console.log("closing"));
    setInterval(() => {}, 1000);
    console.log("ready");`,
  ]);
  await program.line(/ready/);
  program.child.kill("SIGINT");
  await program.line(/closing/);
  return program;
}

test("closing that hangs is not waited for", async () => {
  expect(await (await interrupted(1_000_000)).exited).toBe(0);
});

test("a second Ctrl-C ends it at once", async () => {
  const program = await interrupted(1_000_000);
  const again = setInterval(() => program.child.kill("SIGINT"), 20);
  expect(await program.exited).toBe(1);
  clearInterval(again);
});

test("a Ctrl-C that npm passes on once more does not cut the closing short", async () => {
  const program = await interrupted(100);
  program.child.kill("SIGINT");
  expect(await program.exited).toBe(0);
});

test("a taken port is one plain sentence with a way out", async () => {
  const holder = createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  closers.push(() => void holder.close());
  const { port } = z.object({ port: z.int() }).parse(holder.address());
  const program = run([main, "start"], { SERVER_PORT: String(port) });
  expect(await program.exited).toBe(1);
  expect(program.err()).toBe(
    `Port ${port} is in use on 127.0.0.1. Choose another: SERVER_PORT=9000 npm start\n`,
  );
});

test("without TWS it starts all the same, says what to do, and says when TWS has come", async () => {
  const probe = await startSimulator();
  await probe.close();
  const program = await startIt({ TWS_PORT: String(probe.port) });
  expect(program.out()).toContain(`Not connected to TWS at 127.0.0.1:${probe.port}`);
  expect(program.out()).toContain("Enable ActiveX and Socket Clients");
  const tws = await startSimulator({ port: probe.port, accounts: ["U1234567"] });
  closers.push(() => tws.close());
  await program.line(new RegExp(`Connected to TWS at 127.0.0.1:${probe.port}: LIVE account U1234567`));
});

test("reads .env of the folder it runs in, and the environment wins over it", async () => {
  writeFileSync(join(folder, ".env"), "TRADING=nonsense\nTWS_PORT=nonsense\n");
  const program = run([main, "start"], { TRADING: "off" });
  expect(await program.exited).toBe(1);
  expect(program.err()).toContain('TWS_PORT is "nonsense"');
  expect(program.err()).not.toContain("TRADING");
});

test("a misspelt setting keeps start from running, in .env and in the environment", async () => {
  writeFileSync(join(folder, ".env"), "\ufeffTRADNG=off\n", { mode: 0o600 });
  const program = run([main, "start"], { LIMIT_ORDERVALUE: "1" });
  expect(await program.exited).toBe(1);
  expect(program.err()).toContain("TRADNG in .env is no variable of tws-edge; the nearest is TRADING");
  expect(program.err()).toContain("LIMIT_ORDERVALUE is no variable of tws-edge");
});

test("start says the limits in force, and who can read .env", async () => {
  writeFileSync(join(folder, ".env"), "LIMIT_ORDER_VALUE=25000\nAPPROVAL=always\n");
  chmodSync(join(folder, ".env"), 0o644);
  const program = await startIt();
  expect(program.out()).toContain("LIMIT_ORDER_VALUE=25000");
  expect(program.out()).toContain("APPROVAL=always");
  expect(program.err()).toContain("Run: chmod 600 .env");
});

test("what start keeps is for its own user, and none of its children is given the passphrase", async () => {
  const passphrase = "correct horse battery staple";
  const state = join(folder, ".tws-edge");
  mkdirSync(join(state, "port-8123"), { recursive: true, mode: 0o755 });
  writeFileSync(join(state, "port-8123", "old.sqlite"), "", { mode: 0o644 });
  const holder = createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  const { port } = z.object({ port: z.int() }).parse(holder.address());
  await new Promise((resolve) => holder.close(resolve));
  renameSync(join(state, "port-8123"), join(state, `port-${port}`));
  const program = await startIt({
    SERVER_PORT: String(port),
    AUTH: "on",
    OWNER_PASSPHRASE: passphrase,
  });
  const entries = readdirSync(state, { recursive: true, encoding: "utf8" });
  expect(entries.length).toBeGreaterThan(3);
  // files of SQLite come and go meanwhile
  const openToOthers = [state, ...entries.map((entry) => join(state, entry))].filter(
    (path) => ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o077) !== 0,
  );
  expect(openToOthers).toEqual([]);
  for (const pid of childrenOf(program.child.pid ?? NaN)) {
    for (const file of ["environ", "cmdline"]) {
      expect(readFileSync(`/proc/${pid}/${file}`, "utf8")).not.toContain(passphrase);
    }
  }
});

/** Processes that this one has started, as Linux lists them. */
function childrenOf(pid: number): string[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  expect(children.length).toBeGreaterThanOrEqual(2);
  return children;
}

test("the agent alone says what it lacks", async () => {
  const program = run([main, "agent"]);
  expect(await program.exited).toBe(1);
  expect(program.err()).toContain("EDGE_URL is not set");
});

test("the agent alone is refused where another serves the host, says so, and ends in good order", async () => {
  const token = "a-shared-secret-of-both-sides";
  const edge = await startIt({ AGENT_TOKEN: token });
  const agent = run([main, "agent"], {
    EDGE_URL: `http://127.0.0.1:${edge.port}`,
    AGENT_TOKEN: token,
    TWS_CLIENT_ID: "7",
  });
  await vi.waitFor(() => expect(`${agent.out()}${agent.err()}`).toContain(otherJournalReason), 20_000);
  expect(`${agent.out()}${agent.err()}`).not.toContain(token);
  agent.child.kill("SIGTERM");
  expect(await agent.exited).toBe(0);
});

test.each([
  [[], 0, "Usage"],
  [["--help"], 0, "Usage"],
  [["start", "--help"], 0, "SERVER_PORT"],
  [["agent", "--help"], 0, "EDGE_URL"],
  [["pair", "--help"], 0, "--code"],
  [["token", "--help"], 0, "--ttl"],
  [["sim", "--help"], 0, "--seed"],
])("%j prints help", async (args, code, words) => {
  const program = run([main, ...args]);
  expect(await program.exited).toBe(code);
  expect(program.out()).toContain(words);
});

test.each([[["dance"]], [["start", "--port", "9000"]]])("%j is a mistake that prints help", async (args) => {
  const program = run([main, ...args]);
  expect(await program.exited).toBe(2);
  expect(program.err()).toMatch(/There is no command "dance"|start takes no arguments, so not --port 9000/);
  expect(program.err()).toMatch(/Usage|Often wanted/);
});
