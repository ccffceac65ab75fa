import { z } from "zod";
import type { ToolDefinition } from "./define.ts";

/** A JSON Schema as zod writes it and clients read it. */
export type JsonSchema = z.core.JSONSchema.JSONSchema;

interface ToolSchemas {
  readonly input: JsonSchema;
  readonly output: JsonSchema;
}

interface Visit {
  readonly jsonSchema: JsonSchema;
  readonly path: readonly (string | number)[];
}

/**
 * The JSON Schemas of a tool, for tools/list. A model pays for every word of them at every turn, so the rows of a
 * result are described in words and not field by field; the full schemas are held by both ends of the relay.
 */
export function schemasOf(tool: ToolDefinition): ToolSchemas {
  const input = z.toJSONSchema(tool.input, { io: "input", override: tidy });
  const output = z.toJSONSchema(tool.output, { io: "output", override: shorten });
  return {
    input: {
      type: "object",
      properties: input.properties ?? {},
      ...requiredOf(input),
      additionalProperties: false,
    },
    // nothing is required: clients of the 2025 SDK hold error results to this schema too
    output: { type: "object", properties: output.properties ?? {} },
  };
}

const requiredOf = ({ required }: JsonSchema) =>
  required === undefined || required.length === 0 ? {} : { required };

/** Takes out what zod adds and no client needs. */
function tidy({ jsonSchema, path }: Visit): void {
  // of a row: what is too much in one is named when it comes
  if (path.length > 0 && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  // a format is written out as a pattern of hundreds of characters beside it
  if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
}

/** Leaves the top level of a result whole and reduces what lies below it to its type. */
function shorten(visit: Visit): void {
  const { jsonSchema, path } = visit;
  tidy(visit);
  if (path.length !== 2) return;
  if (jsonSchema.type === "array") jsonSchema.items = {};
  // several types in one place confuse strict clients, and null is said by the description
  if (jsonSchema.anyOf !== undefined || Array.isArray(jsonSchema.type)) {
    delete jsonSchema.anyOf;
    delete jsonSchema.type;
  }
  if (jsonSchema.type === "object") {
    delete jsonSchema.properties;
    delete jsonSchema.required;
    delete jsonSchema.additionalProperties;
    delete jsonSchema.propertyNames;
  }
}
