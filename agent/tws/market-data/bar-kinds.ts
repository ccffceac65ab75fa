import { WhatToShow } from "@stoqey/ib";
import type { Contract } from "../../../shared/contract.ts";
import { TwsError } from "../../../shared/errors.ts";
import type { BarKind } from "../../../shared/tools/history.ts";

/** What TWS keeps of some security types only, in words that follow "whatToShow: ". */
const onlyOf: Partial<
  Readonly<Record<BarKind, { readonly types: readonly string[]; readonly words: string }>>
> = {
  AGGTRADES: { types: ["CRYPTO"], words: "AGGTRADES are of coins (CRYPTO); use TRADES" },
  HISTORICAL_VOLATILITY: { types: ["STK", "IND"], words: "volatilities are of stocks, funds and indices" },
  OPTION_IMPLIED_VOLATILITY: {
    types: ["STK", "IND"],
    words: "volatilities are of stocks, funds and indices",
  },
  FEE_RATE: { types: ["STK"], words: "the fee to borrow is of stocks and funds" },
  YIELD_BID: { types: ["BOND", "BILL"], words: "yields are of bonds" },
  YIELD_ASK: { types: ["BOND", "BILL"], words: "yields are of bonds" },
  YIELD_LAST: { types: ["BOND", "BILL"], words: "yields are of bonds" },
  YIELD_BID_ASK: { types: ["BOND", "BILL"], words: "yields are of bonds" },
};

/** Throws invalid_input for a kind that TWS does not keep of the instrument; `instead` is what currencies have. */
export function requireKind({ secType, symbol }: Contract, whatToShow: BarKind, instead: string): void {
  if (whatToShow === "TRADES" && secType === "CASH")
    throw new TwsError("invalid_input", `whatToShow: currencies have no TRADES; use ${instead}.`);
  if (whatToShow === "TRADES" && secType === "CRYPTO")
    throw new TwsError("invalid_input", "whatToShow: coins have no TRADES; use AGGTRADES.");
  const only = onlyOf[whatToShow];
  if (only !== undefined && !only.types.includes(secType))
    throw new TwsError("invalid_input", `whatToShow: ${symbol} is ${secType}, and ${only.words}.`);
}

const priceKinds: ReadonlySet<BarKind> = new Set([
  "TRADES",
  "MIDPOINT",
  "BID",
  "ASK",
  "BID_ASK",
  "AGGTRADES",
]);

/** Yields, volatilities and fees may be below 0, where prices of most instruments cannot be. */
export const hasPrices = (whatToShow: BarKind): boolean => priceKinds.has(whatToShow);

/** TWS gives bars of these up to now only, and refuses an end. */
export const endsNow = ({ secType }: Contract, whatToShow: BarKind): boolean =>
  whatToShow === "ADJUSTED_LAST" || secType === "CONTFUT";

/** The library's words, and the one that it lacks. */
const wireKinds: ReadonlySet<string> = new Set([...Object.values(WhatToShow), "FEE_RATE"]);
const isWireKind = (kind: string): kind is WhatToShow => wireKinds.has(kind);

/** A kind as the library takes it. */
export function kindToTws(kind: BarKind): WhatToShow {
  if (isWireKind(kind)) return kind;
  throw new TwsError("invalid_input", `whatToShow: TWS has no ${kind}.`);
}
