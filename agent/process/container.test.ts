import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isInContainer } from "./container.ts";

test.for([
  [".dockerenv", true],
  ["run/.containerenv", true],
  ["run/other", false],
] as const)("a root with %s is that of a container: %s", ([mark, expected]) => {
  const root = mkdtempSync(join(tmpdir(), "tws-edge-root-"));
  try {
    mkdirSync(join(root, "run"));
    writeFileSync(join(root, mark), "");
    expect(isInContainer(root)).toBe(expected);
  } finally {
    rmSync(root, { recursive: true });
  }
});
