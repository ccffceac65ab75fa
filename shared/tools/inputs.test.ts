import { describe, expect, test } from "vitest";
import { z } from "zod";
import { toErrorBody } from "../errors.ts";
import { refuseControlCharacters } from "./control-characters.ts";
import { tools } from "./index.ts";

/** Every object within a schema, with where it is. */
function objectsIn(
  schema: z.core.JSONSchema._JSONSchema | undefined,
  path: string,
): [string, z.core.JSONSchema.JSONSchema][] {
  if (schema === undefined || typeof schema === "boolean") return [];
  const { properties = {}, items, anyOf = [], additionalProperties } = schema;
  const own: [string, z.core.JSONSchema.JSONSchema][] = schema.type === "object" ? [[path, schema]] : [];
  return [
    ...own,
    ...Object.entries(properties).flatMap(([name, inner]) => objectsIn(inner, `${path}.${name}`)),
    ...(Array.isArray(items) ? items : [items]).flatMap((inner) => objectsIn(inner, `${path}[]`)),
    ...anyOf.flatMap((inner) => objectsIn(inner, path)),
    ...objectsIn(additionalProperties, `${path}.*`),
  ];
}

test.each(Object.entries(tools))(
  "%s takes no word that it does not know, at any depth",
  (name, { input }) => {
    const open = objectsIn(z.toJSONSchema(input, { io: "input" }), name).filter(
      ([, { additionalProperties }]) => additionalProperties !== false,
    );
    expect(open.map(([path]) => path)).toEqual([]);
  },
);

test("a word too much in a row is named, __proto__ too", () => {
  const { input } = tools.ibkr_get_quotes;
  for (const key of ["nonsense", "__proto__"]) {
    const row: unknown = JSON.parse(`{"contracts":[{"symbol":"SPY","${key}":1}]}`);
    expect(input.safeParse(row).error?.issues).toMatchObject([
      { code: "unrecognized_keys", path: ["contracts", 0], keys: [key] },
    ]);
  }
});

describe("text", () => {
  const errorOf = (input: unknown): string => {
    try {
      refuseControlCharacters(input);
      return "none";
    } catch (thrown) {
      return toErrorBody(thrown, () => undefined).message;
    }
  };

  test.each(["\0", "\t", "\n", "\u001b", "\u007f", "\u0085", "\u2028"])(
    "with a control character is refused: %j",
    (character) => {
      expect(errorOf({ symbol: `AA${character}PL` })).toBe("symbol has a control character.");
      expect(errorOf({ contracts: [{ symbol: "SPY" }, { symbol: character }] })).toBe(
        "contracts.1.symbol has a control character.",
      );
      expect(errorOf({ [`a${character}`]: 1 })).not.toMatch(/\p{Cc}|\u2028|none/u);
      expect(errorOf(character)).toBe("The input has a control character.");
    },
  );

  test.each([10, 100_000])("that is nested %i levels deep is read, or refused by that name", (levels) => {
    const input: unknown = JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`);
    expect(errorOf(input)).toBe(
      levels < 20 ? "none" : "The input has more than 20 levels of lists and objects.",
    );
  });

  test("in any script is taken", () => {
    expect(errorOf({ symbol: "Müller 日本 €", rows: [1, null, true, ""] })).toBe("none");
  });
});
