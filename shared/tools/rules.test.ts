import { describe, expect, test } from "vitest";
import type { ToolDefinition } from "./define.ts";
import { findTool, tools } from "./index.ts";
import { type JsonSchema, schemasOf } from "./json-schema.ts";

const all = Object.entries<ToolDefinition>(tools);

describe.for(all)("%s", ([name, tool]) => {
  const { input, output } = schemasOf(tool);

  test("is named ibkr_verb_noun and has a title", () => {
    expect(name).toMatch(/^ibkr(_[a-z]+)+$/);
    expect(tool.title.length).toBeGreaterThan(3);
  });

  test("is described in two to four sentences", () => {
    const sentences = tool.description.split(/(?<=[.!?]) (?=[A-Z])/);
    expect(sentences.length).toBeGreaterThanOrEqual(2);
    expect(sentences.length).toBeLessThanOrEqual(4);
    expect(tool.description).toMatch(/\.$/);
  });

  test("names only tools that exist", () => {
    for (const [mention] of tool.description.matchAll(/ibkr(_[a-z]+)+/g))
      expect(findTool(mention)).toBeDefined();
  });

  test("sets all four annotations", () => {
    expect(Object.values(tool.annotations).map((one) => typeof one)).toEqual(Array(4).fill("boolean"));
  });

  test("describes every argument and every key of its result", () => {
    for (const schema of [input, output]) {
      const bare = Object.entries(schema.properties ?? {}).filter(
        ([, field]) => !Object.hasOwn(Object(field), "description"),
      );
      expect(bare).toEqual([]);
    }
  });

  test("takes no unknown argument and joins no types in one place", () => {
    expect(input.additionalProperties).toBe(false);
    expect(typesIn(input).concat(typesIn(output)).filter(Array.isArray)).toEqual([]);
  });

  test("lets an error stand in place of its result", () => {
    expect(output.required).toBeUndefined();
  });
});

function typesIn(schema: JsonSchema | boolean): unknown[] {
  if (typeof schema === "boolean") return [];
  const inner = Object.values(schema.properties ?? {}).flatMap((one) => typesIn(one));
  const items = schema.items === undefined || Array.isArray(schema.items) ? [] : typesIn(schema.items);
  return [schema.type, ...inner, ...items];
}

test("names inherited from every object are no tools", () => {
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", ""]) {
    expect(findTool(name)).toBeUndefined();
  }
});

test("only orders, and what stops others, need the scope to trade", () => {
  const trading = all.filter(([, tool]) => tool.scope === "tws:trade").map(([name]) => name);
  expect(trading).toEqual([
    "ibkr_disconnect",
    "ibkr_set_market_data_type",
    "ibkr_place_order",
    "ibkr_place_option_order",
    "ibkr_modify_order",
    "ibkr_cancel_order",
    "ibkr_place_bracket_order",
    "ibkr_place_orders",
    "ibkr_cancel_all_orders",
  ]);
});
