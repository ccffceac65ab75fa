import { chmodSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** The folder in which each port has one of its own. */
const stateFolder = ".tws-edge";

/** Makes the folder, and takes what is in it from other users of this machine: databases with orders and grants. */
export function makePrivate(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (process.platform === "win32") return;
  const parent = dirname(folder);
  if (basename(parent) === stateFolder) restrict(parent);
  restrict(folder);
  for (const entry of readdirSync(folder, { recursive: true, encoding: "utf8" }))
    restrict(join(folder, entry));
}

/** A file may have gone since it was listed, and another user's is left to them. */
function restrict(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.isSymbolicLink() || stat.uid !== process.getuid?.()) return;
  chmodSync(path, stat.isDirectory() ? 0o700 : 0o600);
}
