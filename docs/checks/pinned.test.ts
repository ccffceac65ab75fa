import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const root = new URL("../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");

const workflows = readdirSync(new URL(".github/workflows/", root)).map((name) => `.github/workflows/${name}`);

/** The actions that a workflow takes from elsewhere and that are not one commit with its release beside it. */
const looseActions = (workflow: string): string[] =>
  [...workflow.matchAll(/^\s*(?:- )?uses:\s*(.*)$/gm)]
    .map(([, action = ""]) => action)
    .filter((action) => !/^[\w.-]+(?:\/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action));

/** The images that a Dockerfile begins with and that are neither one digest nor a stage of its own. */
function looseImages(dockerfile: string): string[] {
  const stages = new Set<string>();
  const loose: string[] = [];
  for (const [, image = "", stage] of dockerfile.matchAll(/^FROM\s+(\S+)(?:\s+AS\s+(\S+))?\s*$/gim)) {
    if (!stages.has(image) && !/^[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$/.test(image)) loose.push(image);
    if (stage !== undefined) stages.add(stage);
  }
  // a syntax line is an image too, which builds all others
  return [...loose, ...[...dockerfile.matchAll(/^#\s*syntax=(\S+)/gm)].map(([, image = ""]) => image)];
}

test.for(workflows)("%s takes each action by its commit, with the release beside it", (path) => {
  const workflow = read(path);
  expect(workflow).toContain("uses:");
  expect(looseActions(workflow)).toEqual([]);
});

test("the images begin with one that is named by its digest", () => {
  const dockerfile = read("Dockerfile");
  expect(dockerfile).toMatch(/^FROM /m);
  expect(looseImages(dockerfile)).toEqual([]);
});

test("finds an action by tag, by branch, by a short commit and without its release", () => {
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const uses = ["a/b@v5", "a/b@main", "a/b@0123456 # v5.0.0", `a/b@${commit}`, `a/b@${commit} # v5.0.0`];
  expect(looseActions(uses.map((action) => `      - uses: ${action}`).join("\n"))).toEqual(uses.slice(0, 4));
});

test("finds an image by tag alone, and the one that a syntax line names", () => {
  const digest = `sha256:${"0".repeat(64)}`;
  const dockerfile = `# syntax=docker/dockerfile:1\nFROM node:24 AS a\nFROM node:24@${digest} AS b\nFROM b AS c\nFROM a\n`;
  expect(looseImages(dockerfile)).toEqual(["node:24", "docker/dockerfile:1"]);
});
