import { type ChildProcess, execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { parsePermissions } from "./permissions.ts";
import { playScenario } from "./scenarios.ts";
import { startSimulator } from "../server.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const page = readFileSync(new URL("../../../docs/simulator.md", import.meta.url), "utf8");

const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, "g"))].map(([, text = ""]) => text);
/** The words in code marks of one table's column, by the heading of its first column. */
const column = (heading: string, place: number): string[] => {
  const lines = page.split("\n");
  const from = lines.findIndex((line) => line.startsWith(`| ${heading}`));
  const rows = lines.slice(from + 2, lines.indexOf("", from));
  return rows.flatMap((row) =>
    [...(row.split("|")[place] ?? "").matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word),
  );
};

const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
  running.clear();
});

test("the program of the page prints what the page says", async () => {
  const [program = "", ...others] = blocks("js");
  expect(others).toEqual([]);
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: root,
  });
  expect(stdout).toBe(blocks("text").at(-1));
});

const commands = blocks("sh").filter((text) => text.includes("npm run sim"));
test.for(commands)("it starts by %s", async (command) => {
  // the same by the shell, but for a port that may be taken and npm's own words
  const direct = command.replace("npm run sim --", `'${process.execPath}' agent/main.ts sim --port 0`);
  const child = spawn("sh", ["-c", `exec 2>&1; ${direct.replace("--port 4002", "")}`], {
    cwd: root,
    detached: true,
  });
  running.add(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value } = await lines.next();
  expect(value).toMatch(/^Simulated TWS on 127\.0\.0\.1:\d+, account DU/);
  if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
});

test("the one-line check prints the accounts", async () => {
  const simulator = await startSimulator();
  const [check = ""] = blocks("sh").filter((text) => text.startsWith("node -e"));
  const direct = check.replace("node -e", `'${process.execPath}' -e`).replace("4002", String(simulator.port));
  const { stdout } = await promisify(execFile)("sh", ["-c", direct], { cwd: root });
  expect(stdout).toBe("DU1234567\n");
  await simulator.close();
});

test("every scenario of the page plays, and what is about one of your orders says that there is none", async () => {
  const simulator = await startSimulator();
  const scenarios = column("to see how your program takes", 2);
  expect(scenarios.length).toBeGreaterThan(20);
  const played = await Promise.allSettled(
    scenarios.map((scenario) => playScenario(simulator.faults, scenario)),
  );
  const failed = played.flatMap((one, index) => (one.status === "rejected" ? [scenarios[index]] : []));
  expect(failed).toEqual(scenarios.filter((scenario) => /^(correct|refuse-late|park|wake) /.test(scenario)));
  await simulator.close();
});

test("every permission of the page is one", () => {
  const names = column("name ", 1);
  expect(names).toHaveLength(7);
  for (const line of page.split("\n").filter((text) => /^\| `\w+` +\| `/.test(text))) {
    const [, name = "", values = ""] = line.split("|").map((cell) => cell.trim());
    for (const [, value = ""] of values.matchAll(/`([^`]+)`/g))
      expect(() => parsePermissions(`${name.replaceAll("`", "")}=${value}`)).not.toThrow();
  }
});
