import type { z } from "zod";
import type { JsonSchema } from "./json-schema.ts";

type Issue = z.core.$ZodIssue;

/** Errors of an input, a sentence for each that names the field and what it may be. */
export function inputErrorsIn(
  issues: readonly Issue[],
  schema: JsonSchema,
  input: unknown,
  most: number,
): readonly string[] {
  return issues.slice(0, most).map((issue) => {
    const field = issue.path.map(String).join(".");
    return `${inputErrorOf(field === "" ? "The input" : field, issue, input)}${hint(issue, schema)}`;
  });
}

function inputErrorOf(field: string, issue: Issue, input: unknown): string {
  switch (issue.code) {
    case "invalid_type":
      return isAbsent(input, issue.path)
        ? `${field} is required.`
        : `${field} must be ${nameOf(issue.expected)}${readings(valueAt(input, issue.path))}.`;
    case "invalid_value":
      return `${field} must be one of ${issue.values.map(String).join(", ")}.`;
    case "invalid_format":
      return `${field} is not in the right form.`;
    case "too_small":
      return `${field} must ${bound(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum)}.`;
    case "too_big":
      return `${field} must ${bound(issue.origin, issue.inclusive === false ? "less than" : "at most", issue.maximum)}.`;
    case "not_multiple_of":
      return `${field} must be a multiple of ${issue.divisor}.`;
    case "unrecognized_keys":
      return `${field} has no ${issue.keys.map((key) => key.slice(0, 60)).join(", ")}.`;
    // words of our own
    case "custom":
      return `${field}: ${issue.message}.`;
    case "invalid_union":
    case "invalid_key":
    case "invalid_element":
      return `${field} is not in the right form.`;
    default:
      return issue satisfies never;
  }
}

const names: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
};

const nameOf = (expected: string): string => names[expected] ?? expected;

function bound(origin: string, relation: string, limit: number | bigint): string {
  if (origin === "string") {
    return limit === 1 && relation === "at least" ? "not be empty" : `have ${relation} ${limit} characters`;
  }
  return origin === "array" ? `have ${relation} ${limit} items` : `be ${relation} ${limit}`;
}

/** What the schema says of the field, which is what a caller can act on. */
function hint(issue: Issue, schema: JsonSchema): string {
  const [top] = issue.path;
  const property = typeof top === "string" ? schema.properties?.[top] : undefined;
  const description = typeof property === "object" ? property.description : undefined;
  return description === undefined ? "" : ` (${description}.)`;
}

/** What a number with a comma may mean, which only its writer knows. */
function readings(value: unknown): string {
  if (typeof value !== "string" || !/^[+-]?[\d.,]*,[\d.,]*$/.test(value.trim())) return "";
  const text = value.trim().slice(0, 40);
  const parted = text.replaceAll(",", "");
  const decimal = text.replaceAll(".", "").replace(",", ".");
  const meant = [decimal, parted].filter((one) => /^[+-]?\d+\.?\d*$/.test(one)).map(Number);
  const both =
    meant.length === 2 && meant[0] !== meant[1]
      ? `: ${JSON.stringify(text)} may mean ${meant.join(" or ")}`
      : "";
  return ` without a comma${both}`;
}

const isAbsent = (input: unknown, path: readonly PropertyKey[]): boolean =>
  valueAt(input, path) === undefined;

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Object.getOwnPropertyDescriptor(value, key)?.value;
  }
  return value;
}
