import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { repositoryFiles, root } from "./import-graph.ts";

const files = repositoryFiles();
const textOf = (file: string): string => readFileSync(join(root, file), "utf8");

/** Paths of the repository's folders that a text writes out, without those that hold a wildcard. */
const pathsIn = (text: string): readonly string[] =>
  [...text.matchAll(/(?<![\w./@-])(?:agent|edge|shared|docs)\/[\w./*<>-]+/g)]
    .map(([path]) => path.replace(/[./]+$/, ""))
    .filter((path) => !/[*<>]/.test(path));

/** A file, a folder, a module without its extension, or the beginning that several files' names share. */
const existsAs = (path: string): boolean =>
  [path, `${path}.ts`, `${path}.md`].some((name) => existsSync(join(root, name))) ||
  files.some((file) => file.startsWith(`${path}-`));

const strayPaths = (names: readonly string[], read: (file: string) => string): readonly string[] =>
  names.flatMap((file) =>
    pathsIn(read(file))
      .filter((path) => !existsAs(path))
      .map((path) => `${file}: ${path}`),
  );

test("documents and configuration name only paths that exist", () => {
  const documents = files.filter((file) =>
    /\.(md|ya?ml|toml|jsonc?)$|(^|\/)(Dockerfile|\.dockerignore|\.env\.example)$|^\.ci\//.test(file),
  );
  expect(documents.length).toBeGreaterThan(20);
  expect(strayPaths(documents, textOf)).toEqual([]);
});

test("comments name only paths that exist", () => {
  const sources = files.filter((file) => /^(agent|edge|shared|docs)\/.*\.ts$/.test(file));
  const commentsOf = (file: string): string =>
    [...textOf(file).matchAll(/\/\*\*?[\s\S]*?\*\/|\/\/ .*$/gm)].map(([comment]) => comment).join("\n");
  expect(strayPaths(sources, commentsOf)).toEqual([]);
});

test("links between documents lead to files that exist", () => {
  const pages = files.filter((file) => file.endsWith(".md"));
  const broken = pages.flatMap((page) =>
    [...textOf(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map(([, target = ""]) => target)
      .filter((target) => !existsSync(join(root, dirname(page), target)))
      .map((target) => `${page}: ${target}`),
  );
  expect(broken).toEqual([]);
});

test("finds a path that does not exist, in words and in settings", () => {
  const text =
    "`agent/nowhere/x.ts` explains it; https://your-edge/pair does not; edge/*.ts and agent/cli/ do.";
  expect(pathsIn(text)).toEqual(["agent/nowhere/x.ts", "agent/cli"]);
  expect(strayPaths(["page.md"], () => text)).toEqual(["page.md: agent/nowhere/x.ts"]);
});

test("the architecture page has a row for each folder of source, and no other", () => {
  const folders = new Set(
    files.filter((file) => /^(agent|edge|shared|docs)\/.*\.ts$/.test(file)).map((file) => dirname(file)),
  );
  const rows = [
    ...textOf("docs/architecture.md").matchAll(/^\| `((?:agent|edge|shared|docs)[\w/-]*)` +\|/gm),
  ];
  expect(rows.map(([, folder = ""]) => folder).toSorted()).toEqual([...folders].toSorted());
});
