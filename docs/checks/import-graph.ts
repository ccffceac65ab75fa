import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** The repository's root. */
export const root = join(import.meta.dirname, "../..");

/** One import, types included, of a file of the repository by another. */
export interface Import {
  readonly from: string;
  readonly to: string;
}

/** Every file that git knows or would add, by its path from the root. */
export function repositoryFiles(): readonly string[] {
  const list = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
  });
  return [...new Set(list.split("\0"))].filter((path) => path !== "").toSorted();
}

// import … from "./x", export … from "./x", import "./x", import("./x"), new URL("./x.ts", import.meta.url)
const specifiers =
  /(?:^(?:import|export)\b[^;]*?\bfrom |^import |\bimport\()"(\.{1,2}\/[^"]+)"|new URL\("([^"]+\.ts)", import\.meta\.url\)/gm;

/** The relative specifiers in a TypeScript source, in order. Template literals are not source. */
export function specifiersIn(source: string): readonly string[] {
  const withoutTemplates = source.replaceAll(/`(?:\\.|\$\{[^`]*?\}|[^`\\])*`/g, "``");
  return [...withoutTemplates.matchAll(specifiers)].map(([, path = "", url = ""]) => path || url);
}

/** Every import of one of the given files by another. */
export function importsOf(files: readonly string[]): readonly Import[] {
  const known = new Set(files);
  return files
    .filter((file) => /\.(ts|tsx|js)$/.test(file))
    .flatMap((from) =>
      specifiersIn(readFileSync(join(root, from), "utf8"))
        .map((specifier) => ({ from, to: normalize(join(dirname(from), specifier)) }))
        .filter(({ to }) => to !== from && known.has(to)),
    );
}

/** Groups of nodes that reach each other, each sorted; a graph without circles has none. */
export function circles(edges: readonly Import[]): readonly (readonly string[])[] {
  const next = new Map<string, Set<string>>();
  for (const { from, to } of edges) next.set(from, (next.get(from) ?? new Set<string>()).add(to));
  const reach = new Map([...next.keys()].map((node) => [node, reachableFrom(node, next)]));
  const inCircle = [...reach].filter(([node, reached]) => reached.has(node)).map(([node]) => node);
  const groups = inCircle.map((node) =>
    inCircle.filter((other) => reach.get(node)?.has(other) && reach.get(other)?.has(node)).toSorted(),
  );
  return [...new Map(groups.map((group) => [group.join(), group])).values()];
}

function reachableFrom(start: string, next: ReadonlyMap<string, ReadonlySet<string>>): ReadonlySet<string> {
  const reached = new Set<string>();
  const open = [start];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    for (const to of next.get(node) ?? []) {
      if (reached.has(to)) continue;
      reached.add(to);
      open.push(to);
    }
  }
  return reached;
}
