import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mutants } from "./mutants.ts";

const root = new URL("../../../", import.meta.url);

test.for(mutants)("the rule that $rule stands where its mutant takes it away", ({ file, from, to }) => {
  const parts = readFileSync(new URL(file, root), "utf8").split(from);
  expect(parts).toHaveLength(2);
  expect(to).not.toBe(from);
});
