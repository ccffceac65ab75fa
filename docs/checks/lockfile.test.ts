import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";

const Entry = z.object({
  version: z.string().optional(),
  integrity: z.string().optional(),
  resolved: z.string().optional(),
  link: z.boolean().optional(),
});

const LockFile = z.object({ lockfileVersion: z.literal(3), packages: z.record(z.string(), Entry) });

/** The mistakes of a lock file, one sentence each; the entry "" is the project itself. */
function mistakesOf(text: string): string[] {
  const { packages } = LockFile.parse(JSON.parse(text));
  return Object.entries(packages).flatMap(([place, entry]) =>
    place === "" ? [] : mistakesOfEntry(place, entry),
  );
}

function mistakesOfEntry(place: string, { version, integrity, resolved, link }: z.infer<typeof Entry>) {
  const found: string[] = [];
  if (link === true) found.push(`${place} is a link to a folder.`);
  if (version === undefined || !/^\d+\.\d+\.\d+/.test(version)) {
    found.push(`${place} names no release.`);
  }
  // 64 bytes in base64
  if (integrity === undefined || !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity)) {
    found.push(`${place} has no SHA-512: npm view ${nameIn(place)}@${version} dist.integrity`);
  }
  // npm asks its registry by name and release where no address is written
  if (resolved !== undefined && !resolved.startsWith("https://registry.npmjs.org/")) {
    found.push(`${place} comes from ${resolved}.`);
  }
  return found;
}

const nameIn = (place: string): string =>
  place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length);

test("every package of the lock file has a checksum and comes from the registry, whatever system it is for", () => {
  const text = readFileSync(new URL("../../package-lock.json", import.meta.url), "utf8");
  expect(mistakesOf(text)).toEqual([]);
});

const integrity = `sha512-${"a".repeat(86)}==`;
const lockOf = (entry: z.infer<typeof Entry>): string =>
  JSON.stringify({ lockfileVersion: 3, packages: { "": {}, "node_modules/@a/b": entry } });

test.for([
  ["no checksum", { version: "1.0.0" }],
  ["a weaker checksum", { version: "1.0.0", integrity: "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=" }],
  ["a place in git", { version: "1.0.0", integrity, resolved: "git+ssh://git@github.com/a/b.git#abc" }],
  [
    "another registry",
    { version: "1.0.0", integrity, resolved: "https://registry.npmjs.org.evil.example/b" },
  ],
  ["a folder", { version: "1.0.0", integrity, link: true }],
] as const)("finds a package with %s", ([, entry]) => {
  expect(mistakesOf(lockOf(entry))).toHaveLength(1);
});
