import * as fc from "fast-check";

/** For tests: JSON as somebody sends it who wants a parser to stumble. */

export type Json = fc.JsonValue;

const deep = (levels: number): Json => (levels === 0 ? [] : [deep(levels - 1)]);

/** Values that readers have stumbled over somewhere. */
export const hostileValue: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(
    null,
    true,
    0,
    -1,
    0.5,
    1e308,
    -1e308,
    2 ** 53,
    "",
    " ",
    "0",
    "\u0000",
    "\ud800",
    "\u202e",
    "__proto__",
    "constructor",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "%00%ff",
    "x".repeat(5_000),
    "9".repeat(400),
    [],
    {},
    deep(70),
    { toString: null, length: -1 },
  ),
  fc.jsonValue({ maxDepth: 2 }),
);

interface Damage {
  /** Which value of all, counted as they are written. */
  readonly place: number;
  readonly kind: "replace" | "remove" | "repeat" | "add";
  readonly value: Json;
  readonly key: string;
}

const damage: fc.Arbitrary<Damage> = fc.record({
  place: fc.nat(),
  kind: fc.constantFrom("replace", "replace", "remove", "repeat", "add"),
  value: hostileValue,
  key: fc.constantFrom("__proto__", "constructor", "toString", "id", "type", "x"),
});

/** One of these values with one to three places changed. */
export const damaged = (values: readonly Json[]): fc.Arbitrary<Json> =>
  fc
    .tuple(fc.constantFrom(...values), fc.array(damage, { minLength: 1, maxLength: 3 }))
    .map(([value, changes]) => changes.reduce(applied, value));

function applied(value: Json, change: Damage): Json {
  let before = change.place % countOf(value);
  const walk = (at: Json): Json => {
    if (before-- === 0) return changed(at, change);
    if (isList(at)) return at.map(walk);
    if (at === null || typeof at !== "object") return at;
    return Object.fromEntries(Object.entries(at).map(([key, inner]) => [key, walk(inner ?? null)]));
  };
  return walk(value);
}

function changed(at: Json, { kind, value, key }: Damage): Json {
  if (kind === "replace" || at === null || typeof at !== "object") return value;
  if (isList(at)) {
    if (kind === "remove") return at.slice(1);
    return kind === "repeat" ? [...at, ...at] : [...at, value];
  }
  const entries = Object.entries(at);
  // of an object only the keys differ: the same one twice is the business of whoever writes the text
  return Object.fromEntries(kind === "remove" ? entries.slice(1) : [...entries, [key, value]]);
}

const isList = (value: Json): value is Json[] => Array.isArray(value);

function countOf(value: Json): number {
  if (value === null || typeof value !== "object") return 1;
  return Object.values(value).reduce<number>((sum, inner) => sum + countOf(inner ?? null), 1);
}
