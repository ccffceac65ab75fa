import { TwsError } from "../errors.ts";

/** TWS parts its fields by NUL, and a terminal or a log obeys the others. */
const control = /[\p{Cc}\u2028\u2029]/u;
/** No input of a tool has as many levels. */
const deepest = 20;

/** Throws invalid_input that names the first place in `input` whose text, or whose name, has a control character. */
export function refuseControlCharacters(input: unknown): void {
  const place = placeIn(input, []);
  if (place === null) return;
  // as JSON writes it, so that the error has none itself
  const shown = place.length === 0 ? "The input" : JSON.stringify(place.join(".").slice(0, 120)).slice(1, -1);
  throw new TwsError(
    "invalid_input",
    `${shown.replaceAll(/[\u007f-\u009f\u2028\u2029]/g, "?")} has a control character.`,
    {
      nextStep: "Send the text without characters such as NUL, tab or a line break.",
    },
  );
}

function placeIn(value: unknown, path: readonly string[]): readonly string[] | null {
  if (typeof value === "string") return control.test(value) ? path : null;
  if (typeof value !== "object" || value === null) return null;
  if (path.length >= deepest) {
    throw new TwsError("invalid_input", `The input has more than ${deepest} levels of lists and objects.`);
  }
  for (const [key, inner] of Object.entries(value)) {
    const here = [...path, key];
    if (control.test(key)) return here;
    const place = placeIn(inner, here);
    if (place !== null) return place;
  }
  return null;
}
