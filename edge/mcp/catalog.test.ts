import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { expect, it } from "vitest";
import { toolLists } from "./catalog.ts";

// a model reads the list at every turn, so its length is a price that every user pays
it.each([
  ["core", 9_000],
  ["full", 32_000],
] as const)("the list of %s tools costs at most %i tokens", (toolset, most) => {
  const costs = toolLists[toolset].map((tool) => countTokens(JSON.stringify(tool)));
  expect(costs.reduce((all, one) => all + one, 0)).toBeLessThanOrEqual(most);
});

it("the list of core tools has at most 26", () => {
  expect(toolLists.core.length).toBeGreaterThan(10);
  expect(toolLists.core.length).toBeLessThanOrEqual(26);
});
