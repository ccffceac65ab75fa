import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { registerAgent, runningAgents } from "./running-agents.ts";

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "agents-"));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const facts = { journal: "/somewhere/journal.db", keyFile: null, tws: "the simulator" };

test("an agent is listed while it runs, and is gone from the list when it ends", () => {
  const registration = registerAgent(parent, facts, new Date());
  expect(registration.problem).toBe("");
  expect(runningAgents(parent)).toMatchObject([{ pid: process.pid, journal: facts.journal }]);
  registration.close();
  expect(runningAgents(parent)).toEqual([]);
});

test("every user can read the list, although an agent keeps its other files to itself", () => {
  const before = process.umask(0o077);
  try {
    const registration = registerAgent(parent, facts, new Date());
    const modes = readdirSync(parent, { recursive: true, encoding: "utf8" }).map(
      (name) => statSync(join(parent, name)).mode & 0o777,
    );
    expect(new Set(modes)).toEqual(new Set([0o644, 0o755]));
    registration.close();
  } finally {
    process.umask(before);
  }
});
