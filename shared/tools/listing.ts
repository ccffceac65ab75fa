import type { ToolDefinition } from "./define.ts";
import { type JsonSchema, schemasOf } from "./json-schema.ts";

/**
 * The schemas of a tool as tools/list shows them. A model reads the whole list at every turn, so what it cannot use
 * is left out: bounds that nobody meets, patterns beside a format, and the types of results, which it sees anyway.
 * Input is held to the full schema when it comes. A description that ends in … names the usual values of an enum.
 */
export function listingOf(tool: ToolDefinition): { readonly input: JsonSchema; readonly output: JsonSchema } {
  const { input, output } = schemasOf(tool);
  return {
    input: brief(input, true),
    output: {
      type: "object",
      properties: mapped(output.properties, (field) => ({ description: field.description ?? "" })),
    },
  };
}

type Fields = NonNullable<JsonSchema["properties"]>;

const mapped = (fields: JsonSchema["properties"], change: (field: JsonSchema) => JsonSchema): Fields =>
  Object.fromEntries(
    Object.entries(fields ?? {}).map(([name, field]) => [
      name,
      typeof field === "boolean" ? field : change(field),
    ]),
  );

/** Fields below the top level are told by the description of what holds them. */
function brief(schema: JsonSchema, isTop: boolean): JsonSchema {
  const { minLength: _least, maxLength: _most, minItems: _few, pattern, format, items, ...rest } = schema;
  const kept: JsonSchema = { ...rest };
  if (kept.exclusiveMinimum === 0) delete kept.exclusiveMinimum;
  if (kept.maximum !== undefined && kept.maximum >= 100_000) delete kept.maximum;
  if (kept.minimum === 0 || kept.minimum === 1) delete kept.minimum;
  if (kept.default === "" || kept.default === false) delete kept.default;
  // the usual ones are enough to know: a wrong one is answered with all that are allowed
  if (kept.description?.endsWith("…") === true) delete kept.enum;
  if (format !== undefined) kept.format = format;
  else if (pattern !== undefined && kept.description === undefined) kept.pattern = pattern;
  if (kept.properties !== undefined)
    kept.properties = mapped(kept.properties, (field) => {
      const { description, ...inner } = brief(field, false);
      return isTop && description !== undefined ? { description, ...inner } : inner;
    });
  if (items !== undefined && typeof items === "object" && !Array.isArray(items))
    kept.items = brief(items, false);
  return kept;
}
