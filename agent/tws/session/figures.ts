/**
 * TWS writes "not set" as the largest number of a field's type, and "none" as -1 or -100 where no such figure can be.
 * The library leaves out some of these marks and not others, so each field is read here by its meaning.
 */

/** The largest 32-bit and 64-bit integers; a decimal or a double in between may have rounded them. */
const marks = [2 ** 31 - 1, 2 ** 63] as const;
const leastUnset = 1e300;

function isMark(value: number): boolean {
  const size = Math.abs(value);
  if (!(size < leastUnset)) return true;
  return marks.some((mark) => Math.abs(size - mark) <= (mark > 2 ** 53 ? mark * 1e-9 : 1));
}

/** Any figure, of either sign; null where TWS has set none. */
export function figureOf(value: number | null | undefined): number | null {
  return value === undefined || value === null || isMark(value) ? null : value;
}

/** A size, a volume or a number of things, which may be 0. */
export function countOf(value: number | null | undefined): number | null {
  const figure = figureOf(value);
  return figure === null || figure < 0 ? null : figure;
}

/** A price step, a strike, an id: what is above 0 where it is at all. */
export function positiveOf(value: number | null | undefined): number | null {
  const figure = figureOf(value);
  return figure === null || figure <= 0 ? null : figure;
}

/** Spreads, futures, indices and their kind trade below 0; nothing else does. */
const belowZero: ReadonlySet<string> = new Set(["BAG", "FUT", "CONTFUT", "IND", "CMDTY", "CFD", "FOP"]);

/**
 * A price that was quoted or traded for a size; `size` is undefined where the message has none. -1 and -100 with size
 * 0 are TWS's marks for "none".
 */
export function quotedPriceOf(
  value: number | null | undefined,
  { secType, size }: { readonly secType: string; readonly size?: number | null | undefined },
): number | null {
  const figure = figureOf(value);
  if (figure === null || figure >= 0) return figure;
  if (!belowZero.has(secType)) return null;
  const isNone = (figure === -1 || figure === -100) && (countOf(size) ?? 0) === 0;
  return isNone ? null : figure;
}

/** A commission: negative where the exchange pays, but -1 is TWS's mark. */
export function commissionOf(value: number | null | undefined): number | null {
  const figure = figureOf(value);
  return figure === -1 ? null : figure;
}

/** A figure that TWS writes as text; other words are as they are. */
export function textFigureOf(text: string): string | null {
  return /^[+-]?\d[\d.,]*(e[+-]?\d+)?$/i.test(text) && isMark(Number(text.replaceAll(",", ""))) ? null : text;
}
