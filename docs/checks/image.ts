import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";

/** Builds what the Dockerfile builds, as a folder and without Docker: what is copied and what is left out. */

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The last pattern that fits a path, or a folder it is in, decides, as in Docker. */
function createIgnore(text: string): (path: string) => boolean {
  const rules = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => ({ isKept: line.startsWith("!"), pattern: patternOf(line.replace(/^!/, "")) }));
  return (path) => rules.findLast(({ pattern }) => pattern.test(path))?.isKept === false;
}

function patternOf(glob: string): RegExp {
  const parts = glob.split(/(\*\*\/|\*\*|\*)/).map((part) => {
    if (part === "**/") return "(?:.*/)?";
    if (part === "**") return ".*";
    return part === "*" ? "[^/]*" : part.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  });
  return new RegExp(`^${parts.join("")}(?:/.*)?$`);
}

function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length));
}

function copyFromContext(source: string, folder: string, isIgnored: (path: string) => boolean): void {
  const isFolder = !source.includes(".");
  const files = (isFolder ? filesIn(source) : [source]).filter((path) => !isIgnored(path));
  if (files.length === 0) throw new Error(`COPY ${source} finds nothing`);
  for (const path of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(root, path), join(folder, path));
  }
}

const LockFile = z.object({ packages: z.record(z.string(), z.object({ dev: z.boolean().optional() })) });

/** The packages as they are here; without those for development the others are linked one by one. */
function install(folder: string, isWithDev: boolean): void {
  if (isWithDev) return symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const { packages } = LockFile.parse(JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")));
  for (const [place, { dev }] of Object.entries(packages)) {
    if (place === "" || dev === true || place.lastIndexOf("node_modules/") > 0) continue;
    mkdirSync(dirname(join(folder, place)), { recursive: true });
    symlinkSync(join(root, place), join(folder, place));
  }
}

/** The folder that stands for /app in this target; whoever asks for it removes it. */
export function buildImage(target: string, given: Readonly<Record<string, string>> = {}): string {
  const isIgnored = createIgnore(readFileSync(join(root, ".dockerignore"), "utf8"));
  const all = mkdtempSync(join(tmpdir(), "tws-edge-image-"));
  const args: Record<string, string> = {};
  let folder = "";
  for (const [, name = "", rest = ""] of readFileSync(join(root, "Dockerfile"), "utf8").matchAll(
    /^([A-Z]+) +(.*)$/gm,
  )) {
    switch (name) {
      case "FROM": {
        const [from = "", , stage = ""] = rest.split(" ");
        if (folder === join(all, target)) return folder;
        folder = join(all, stage);
        mkdirSync(folder);
        // an image of others has nothing in /app
        if (!from.includes("@")) cpSync(join(all, from), folder, { recursive: true, verbatimSymlinks: true });
        break;
      }
      case "COPY": {
        const [, stage, path = ""] = /^--from=(\S+) \/app\/(\S+) /.exec(rest) ?? [];
        if (stage === undefined) {
          for (const source of rest.split(" ").slice(0, -1)) copyFromContext(source, folder, isIgnored);
        } else cpSync(join(all, stage, path), join(folder, path), { recursive: true });
        break;
      }
      case "ARG": {
        const [argument = "", usual = ""] = rest.split("=");
        args[argument] = given[argument] ?? usual;
        break;
      }
      case "RUN":
        if (rest.startsWith("npm ci")) install(folder, rest.includes("--include=dev"));
        else if (rest.startsWith("mkdir .tws-edge ")) mkdirSync(join(folder, ".tws-edge"));
        else execFileSync("sh", ["-ec", rest], { cwd: folder, env: args });
        break;
      default:
    }
  }
  if (folder !== join(all, target)) throw new Error(`There is no target ${target}.`);
  return folder;
}
