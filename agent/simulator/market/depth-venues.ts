import type { Instrument } from "../model/instruments.ts";

/** A venue whose book TWS has for one kind of instrument; with Deep2 its rows name their makers. */
export interface DepthVenue {
  readonly exchange: string;
  readonly secType: string;
  readonly service: "Deep" | "Deep2";
}

/** Kinds of instrument without a book. */
const bookless: ReadonlySet<string> = new Set(["IND", "BOND", "CONTFUT"]);

/** Each venue with each kind of instrument that it lists and of which it has a book, by name. */
export function depthVenues(listed: readonly Instrument[]): DepthVenue[] {
  const venues = new Map<string, DepthVenue>();
  for (const { secType, validExchanges } of listed) {
    if (bookless.has(secType)) continue;
    const service = secType === "STK" ? "Deep2" : "Deep";
    for (const exchange of validExchanges) {
      if (exchange !== "SMART") venues.set(`${exchange}/${secType}`, { exchange, secType, service });
    }
  }
  return [...venues].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, venue]) => venue);
}
