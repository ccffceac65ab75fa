import type { z } from "zod";
import { TwsError } from "../../shared/errors.ts";
import type { ToolDefinition } from "../../shared/tools/define.ts";
import { inputErrorsIn } from "../../shared/tools/input-errors.ts";
import { coerce } from "../../shared/tools/coerce.ts";
import { inputAliases } from "../../shared/tools/history.ts";
import type { JsonSchema } from "../../shared/tools/json-schema.ts";
import { refuseControlCharacters } from "../../shared/tools/control-characters.ts";
import { isJsonObject, type JsonObject } from "./message.ts";

const mostInputErrors = 5;

/**
 * The arguments of a call, coerced and parsed, defaults filled in. Throws `invalid_input` naming every argument that
 * is wrong, with what is allowed.
 */
export function parseInput(
  name: string,
  tool: ToolDefinition,
  schema: JsonSchema,
  given: JsonObject,
): JsonObject {
  const coerced = coerce(schema, given, { aliases: inputAliases[name], numbers: tool.numbers });
  // after that, since a list may come as JSON text, with line breaks between its parts and escapes within
  refuseControlCharacters(coerced);
  const properties = schema.properties ?? {};
  const unknown = isJsonObject(coerced)
    ? Object.keys(coerced).filter((key) => !Object.hasOwn(properties, key))
    : [];
  const parsed = tool.input.safeParse(coerced);
  if (parsed.success && unknown.length === 0) return parsed.data;
  // cut first: a megabyte of wrong names must not cost a second of guessing what they were meant to be
  const errors = [
    ...unknown.slice(0, mostInputErrors).map((key) => nameUnknown(key, Object.keys(properties))),
    ...(parsed.success
      ? []
      : inputErrorsIn(parsed.error.issues.filter(isOfFields), schema, coerced, mostInputErrors)),
  ];
  throw new TwsError("invalid_input", errors.slice(0, mostInputErrors).join(" "));
}

/** Unknown arguments have been named with what they may have been meant to be. */
const isOfFields = ({ code, path }: z.core.$ZodIssue): boolean =>
  code !== "unrecognized_keys" || path.length > 0;

function nameUnknown(key: string, known: readonly string[]): string {
  const shown = key.slice(0, 60);
  const close = closest(key, known);
  if (close !== null) return `There is no argument "${shown}"; did you mean "${close}"?`;
  if (known.length === 0) return `There is no argument "${shown}"; this tool takes none.`;
  return `There is no argument "${shown}"; the arguments are ${known.join(", ")}.`;
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
