import type { Numbers } from "./define.ts";
import type { JsonSchema } from "./json-schema.ts";

type Node = JsonSchema | boolean | undefined;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

interface Options {
  readonly aliases?: Readonly<Record<string, string>> | undefined;
  readonly numbers: Numbers;
}

/**
 * Input as models and people write it, brought to what the schema means: "80" for 80, "true" for true, a JSON string
 * or a comma list for an array, `buy` for `BUY`, `2026-12-18` for `20261218`, null or "" for an absent optional.
 * Form is mended, value never: what it cannot coerce, or what can mean two things, it leaves alone, for the schema to
 * name.
 */
export function coerce(schema: JsonSchema, value: unknown, { aliases = {}, numbers }: Options): unknown {
  return normalise(schema, isRecord(value) ? rename(value, aliases) : value, numbers);
}

function rename(
  value: Record<string, unknown>,
  aliases: Readonly<Record<string, string>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const name = Object.hasOwn(aliases, key) ? (aliases[key] ?? key) : key;
      return [Object.hasOwn(value, name) ? key : name, inner];
    }),
  );
}

function normalise(schema: Node, value: unknown, numbers: Numbers): unknown {
  if (schema === undefined || typeof schema === "boolean") return value;
  if (schema.enum !== undefined) return normaliseEnum(schema.enum, value);
  switch (schema.type) {
    case "object":
      return normaliseObject(schema, value, numbers);
    case "array":
      return normaliseArray(schema, value, numbers);
    case "number":
    case "integer":
      return normaliseNumber(value, numbers);
    case "boolean":
      return normaliseBoolean(value);
    case "string":
      return normaliseString(schema, value);
    default:
      return value;
  }
}

function normaliseObject(schema: JsonSchema, value: unknown, numbers: Numbers): unknown {
  const object = typeof value === "string" ? parseJson(value) : value;
  if (!isRecord(object)) return value;
  const properties = schema.properties ?? {};
  const required = new Set(schema.required);
  const normalised: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(object)) {
    const isKnown = Object.hasOwn(properties, key);
    const isAbsent = inner === null || inner === "";
    if (isKnown && isAbsent && !required.has(key)) continue;
    // defineProperty, since a key may be __proto__
    Object.defineProperty(normalised, key, {
      value: isKnown ? normalise(properties[key], inner, numbers) : inner,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return normalised;
}

function normaliseArray(schema: JsonSchema, value: unknown, numbers: Numbers): unknown {
  const items = Array.isArray(schema.items) ? undefined : schema.items;
  const each = (item: unknown) => normalise(items, item, numbers);
  if (Array.isArray(value)) return value.map(each);
  if (isRecord(value)) return [each(value)];
  if (typeof value !== "string") return value;
  const parsed = parseJson(value);
  if (Array.isArray(parsed)) return parsed.map(each);
  if (isRecord(parsed)) return [each(parsed)];
  const parts = value.split(",").map((part) => part.trim());
  return parts.filter((part) => part !== "").map(each);
}

/** Commas that can only part thousands: several, or one before a decimal point. `1,234` may be 1.234 as well. */
const grouped = /^[+-]?\d{1,3}(,\d{3})*(,\d{3}){2}$|^[+-]?\d{1,3}(,\d{3})+\.\d+$/;

function normaliseNumber(value: unknown, numbers: Numbers): unknown {
  if (typeof value !== "string") return value;
  const given = value.trim();
  const text = numbers === "grouped" && grouped.test(given) ? given.replaceAll(",", "") : given;
  return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : value;
}

function normaliseBoolean(value: unknown): unknown {
  if (value === 1 || value === 0) return value === 1;
  if (typeof value !== "string") return value;
  const text = value.trim().toLowerCase();
  if (text === "true" || text === "yes" || text === "1") return true;
  return text === "false" || text === "no" || text === "0" ? false : value;
}

function normaliseEnum(allowed: readonly unknown[], value: unknown): unknown {
  if (typeof value !== "string") return value;
  const plain = (text: string) => text.trim().toLowerCase().replaceAll(/[_-]/g, " ");
  const found = allowed.find((one) => typeof one === "string" && plain(one) === plain(value));
  if (found !== undefined) return found;
  // "CALL" for C and "MARKET" for MKT are what people say
  const spoken = synonyms[plain(value).toUpperCase()];
  return spoken !== undefined && allowed.includes(spoken) ? spoken : value;
}

const synonyms: Readonly<Record<string, string>> = {
  CALL: "C",
  PUT: "P",
  MARKET: "MKT",
  LIMIT: "LMT",
  STOP: "STP",
  "STOP LIMIT": "STP LMT",
  STOCK: "STK",
  OPTION: "OPT",
  FUTURE: "FUT",
  FOREX: "CASH",
  INDEX: "IND",
};

function normaliseString(schema: JsonSchema, value: unknown): unknown {
  if (typeof value === "number") return String(value);
  if (typeof value !== "string") return value;
  if (schema.format === "date-time") return normaliseInstant(value.trim());
  const isDate = schema.pattern?.startsWith("^\\d{6}") ?? false;
  return isDate ? value.trim().replace(/^(\d{4})-(\d{2})(?:-(\d{2}))?$/, "$1$2$3") : value;
}

/** TWS's `20261120-15:30:00`, which is in UTC, and what lacks the T of ISO 8601; what names no zone is left alone. */
function normaliseInstant(text: string): string {
  const [, year, month, day, mark, hours, seconds = ":00", zone] =
    /^(\d{4})-?(\d\d)-?(\d\d)([-T ] *)(\d\d:\d\d)(:\d\d(?:\.\d+)?)? ?(Z|UTC|GMT|[+-]\d\d:\d\d)?$/i.exec(
      text,
    ) ?? [];
  if (zone === undefined && mark !== "-") return text;
  const offset = zone === undefined || /^[A-Z]/i.test(zone) ? "Z" : zone;
  return `${year}-${month}-${day}T${hours}${seconds}${offset}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
