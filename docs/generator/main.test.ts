import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { ToolDefinition } from "../../shared/tools/define.ts";
import { coerce } from "../../shared/tools/coerce.ts";
import { inputAliases } from "../../shared/tools/history.ts";
import { tools } from "../../shared/tools/index.ts";
import { schemasOf } from "../../shared/tools/json-schema.ts";
import { generatedPages, readExamples } from "./main.ts";

test.for(Object.entries(generatedPages))("docs/%s is what `npm run docs` generates", ([file, page]) => {
  expect(readFileSync(new URL(`../${file}`, import.meta.url), "utf8")).toBe(page());
});

test("every tool has an example, and no example is of a tool that is gone", () => {
  expect(Object.keys(readExamples()).toSorted()).toEqual(Object.keys(tools).toSorted());
});

test.for(Object.entries<ToolDefinition>(tools))("the example call of %s is one it takes", ([name, tool]) => {
  const { input } = schemasOf(tool);
  const coerced = coerce(input, readExamples()[name]?.input, {
    aliases: inputAliases[name],
    numbers: "exact",
  });
  // the edge refuses arguments that the schema does not name, which zod alone lets pass
  expect(tool.input.strict().safeParse(coerced).error?.issues ?? []).toEqual([]);
});
