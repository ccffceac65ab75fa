import leven from "leven";

/** Names that begin like ours are ours or a mistake. */
const ownPrefix = /^(TWS_|LIMIT|APPROV|TRAD|SERVER_)/i;
/** npm gives its scripts some hundred variables, any of which may resemble one of ours. */
const foreignPrefix = /^npm_/i;
/** Programs that read the same file .env: Wrangler, and Docker Compose. */
const sharesEnvFile = /^(CLOUDFLARE_|WRANGLER_|COMPOSE_|DOCKER_)/;

/**
 * Variables of the environment that only look like ours. A resemblance of one letter counts for known names of seven
 * letters or more, of two letters for those of eight or more that begin alike (AGNT_TOKN, not PAGE_URL for EDGE_URL).
 * Shorter names, which is AUTH alone, resemble too much: for them only a letter too many, too few or out of place counts.
 */
export function lookalikes(names: readonly string[], known: readonly string[]): string[] {
  return names.flatMap((name) => {
    if (known.includes(name) || foreignPrefix.test(name)) return [];
    const upper = name.toUpperCase();
    const meant = known.includes(upper) ? upper : known.find((own) => resembles(upper, own));
    if (meant === undefined && !ownPrefix.test(name)) return [];
    return [unknownName(name, known)];
  });
}

/** Names of `.env` that no program is known to read. */
export const unknownInFile = (names: readonly string[], known: readonly string[]): string[] =>
  names
    .filter((name) => !known.includes(name) && !sharesEnvFile.test(name))
    .map((name) => unknownName(name, known, " in .env"));

function unknownName(name: string, known: readonly string[], where = ""): string {
  const upper = name.toUpperCase();
  if (known.includes(upper)) {
    return `${name}${where} is written in other capitals than ${upper}, and would be passed over. Write ${upper}.`;
  }
  const [nearest] = known.toSorted((a, b) => leven(upper, a) - leven(upper, b));
  return `${name}${where} is no variable of tws-edge; the nearest is ${String(nearest)}. Correct the name, or remove it where tws-edge starts.`;
}

function resembles(name: string, known: string): boolean {
  if (known.length < 7) return isOneSlip(name, known);
  const distance = leven(name, known);
  if (distance !== 2 || name[0] !== known[0]) return distance <= 1;
  return known.length >= 8 || sorted(name) === sorted(known);
}

/** A letter too many, too few, or changed places with the next, never the first one. */
function isOneSlip(name: string, known: string): boolean {
  if (name[0] !== known[0] || name === known) return false;
  if (name.length !== known.length) return leven(name, known) === 1;
  return sorted(name) === sorted(known) && leven(name, known) === 2;
}

const sorted = (name: string): string => name.split("").toSorted().join("");
