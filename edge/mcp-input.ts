import type { z } from "zod";
import { TwsError } from "../shared/errors.ts";
import type { ToolDefinition } from "../shared/tools/define.ts";
import { forgive } from "../shared/tools/forgive.ts";
import { inputAliases } from "../shared/tools/history.ts";
import type { JsonSchema } from "../shared/tools/json-schema.ts";
import { isJsonObject, type JsonObject } from "./mcp-body.ts";

const mostFaults = 5;

/**
 * The arguments of a call, mended and parsed, defaults filled in. Throws `invalid_input` naming every argument that
 * is wrong, with what is allowed.
 */
export function parseInput(
  name: string,
  tool: ToolDefinition,
  schema: JsonSchema,
  given: JsonObject,
): JsonObject {
  const mended = forgive(schema, given, inputAliases[name]);
  const properties = schema.properties ?? {};
  const unknown = isJsonObject(mended)
    ? Object.keys(mended).filter((key) => !Object.hasOwn(properties, key))
    : [];
  const parsed = tool.input.safeParse(mended);
  if (parsed.success && unknown.length === 0) return parsed.data;
  // cut first: a megabyte of wrong names must not cost a second of guessing what they were meant to be
  const faults = [
    ...unknown.slice(0, mostFaults).map((key) => nameUnknown(key, Object.keys(properties))),
    ...(parsed.success ? [] : parsed.error.issues.slice(0, mostFaults)).map((issue) =>
      nameIssue(issue, schema, mended),
    ),
  ];
  throw new TwsError("invalid_input", faults.slice(0, mostFaults).join(" "));
}

function nameUnknown(key: string, known: readonly string[]): string {
  const shown = key.slice(0, 60);
  const close = closest(key, known);
  if (close !== null) return `There is no argument "${shown}"; did you mean "${close}"?`;
  if (known.length === 0) return `There is no argument "${shown}"; this tool takes none.`;
  return `There is no argument "${shown}"; the arguments are ${known.join(", ")}.`;
}

function nameIssue(issue: z.core.$ZodIssue, schema: JsonSchema, input: unknown): string {
  const field = issue.path.map(String).join(".");
  return `${fault(field === "" ? "The input" : field, issue, input)}${hint(issue, schema)}`;
}

function fault(field: string, issue: z.core.$ZodIssue, input: unknown): string {
  if (issue.code === "invalid_type" && isAbsent(input, issue.path)) return `${field} is required.`;
  if (issue.code === "invalid_value")
    return `${field} must be one of ${issue.values.map(String).join(", ")}.`;
  if (issue.code === "invalid_format") return `${field} is not in the right form.`;
  return `${field}: ${issue.message}.`;
}

/** What the tool's own schema says of the field, which is what a caller can act on. */
function hint(issue: z.core.$ZodIssue, schema: JsonSchema): string {
  const [top] = issue.path;
  const property = typeof top === "string" ? schema.properties?.[top] : undefined;
  const description = typeof property === "object" ? property.description : undefined;
  return description === undefined ? "" : ` (${description}.)`;
}

function isAbsent(input: unknown, path: readonly PropertyKey[]): boolean {
  let value = input;
  for (const key of path) {
    if (typeof value !== "object" || value === null) return true;
    value = Object.getOwnPropertyDescriptor(value, key)?.value;
  }
  return value === undefined;
}

/** The known name that `key` is most likely a slip for; null if none is near. */
function closest(key: string, known: readonly string[]): string | null {
  const plain = (name: string) => name.toLowerCase().replaceAll(/[_\s-]/g, "");
  let best: string | null = null;
  let bestDistance = Infinity;
  for (const name of known) {
    const distance = editDistance(plain(key).slice(0, 40), plain(name));
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best !== null && bestDistance <= Math.max(1, Math.floor(best.length / 3)) ? best : null;
}

/** Insertions, deletions and replacements that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const added = (current[column - 1] ?? 0) + 1;
      const removed = (previous[column] ?? 0) + 1;
      current.push(Math.min(replaced, added, removed));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
