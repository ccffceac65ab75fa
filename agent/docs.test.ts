import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { generatedPages } from "./docs.ts";

test.for(Object.entries(generatedPages))("docs/%s is what `npm run docs` generates", ([file, page]) => {
  expect(readFileSync(new URL(`../docs/${file}`, import.meta.url), "utf8")).toBe(page());
});
