import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { startSystem, type System } from "./rigs/system.ts";

/** The scenarios of the public suite that any server must pass without fixtures of the suite's own. */
const scenarios = {
  "2026-07-28": [
    "server-stateless",
    "tools-list",
    "resources-list",
    "prompts-list",
    "sep-2164-resource-not-found",
    "caching",
    "dns-rebinding-protection",
    "http-header-validation",
    "server-sse-multiple-streams",
    "input-required-result-unsupported-methods",
    "input-required-result-validate-input",
    "input-required-result-missing-input-response",
    "input-required-result-ignore-extra-params",
  ],
  "2025-11-25": [
    "server-initialize",
    "ping",
    "tools-list",
    "resources-list",
    "prompts-list",
    "dns-rebinding-protection",
    "server-sse-polling",
    "server-session-lifecycle",
    "server-sse-multiple-streams",
  ],
  "2025-06-18": [
    "server-initialize",
    "server-session-lifecycle",
    "ping",
    "tools-list",
    "resources-list",
    "prompts-list",
  ],
  "2025-03-26": ["server-session-lifecycle"],
} as const;

const cases = Object.entries(scenarios).flatMap(([version, names]) =>
  names.map((name) => [version, name] as const),
);

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => system.close());

const suite = fileURLToPath(
  new URL("../../node_modules/@modelcontextprotocol/conformance/dist/index.js", import.meta.url),
);

const Checks = z.array(z.object({ id: z.string(), status: z.string(), errorMessage: z.string().optional() }));

/** Some checks need a diagnostic tool that only a server made for the suite would list; the suite calls them failed. */
const needsFixture = /^Not testable: server does not list the diagnostic tool/;

test.for(cases)("the public conformance suite passes on %s: %s", async ([version, scenario]) => {
  const folder = await mkdtemp(join(tmpdir(), "conformance-"));
  const options = ["--url", system.mcpUrl, "--scenario", scenario, "--spec-version", version, "-o", folder];
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, [suite, "server", ...options], (_error, stdout, stderr) =>
      resolve(stdout + stderr),
    );
  });
  const [run] = await readdir(folder);
  if (run === undefined) throw new Error(output);
  const checks = Checks.parse(JSON.parse(await readFile(join(folder, run, "checks.json"), "utf8")));
  await rm(folder, { recursive: true });
  const failed = checks.filter(
    ({ status, errorMessage = "" }) => status === "FAILURE" && !needsFixture.test(errorMessage),
  );
  expect(failed).toEqual([]);
  expect(checks).not.toEqual([]);
});
