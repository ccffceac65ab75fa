import type { Instrument } from "../model/instruments.ts";

/** One venue of SMART routing: the bit it has in a mask, and the letter it goes by in ticks 32, 33 and 84. */
export interface SmartComponent {
  readonly bit: number;
  readonly exchange: string;
  readonly letter: string;
}

const US_STOCKS = "9c0001";
const CANADIAN_STOCKS = "c30001";
const US_OPTIONS = "b30001";

const VENUES: ReadonlyMap<string, string> = new Map([
  [
    US_STOCKS,
    "AMEX A,BEX B,NYSE N,ISE I,EDGEA J,DRCTEDGE K,CHX M,ARCA P,NASDAQ T,MEMX U,IEX V,CBOE W,PHLX X,BYX Y,BATS Z",
  ],
  [CANADIAN_STOCKS, "CHIX_CA C,OMEGA O,TSE T"],
  [US_OPTIONS, "AMEX A,BOX B,CBOE C,ISE I,PSE N,NASDAQOM Q,CBOE2 W,PHLX X"],
]);

/** What tickReqParams names for an instrument; empty where nothing is routed by SMART. */
export function bboExchangeOf({ secType, currency }: Instrument): string {
  switch (secType) {
    case "STK":
      return currency === "CAD" ? CANADIAN_STOCKS : US_STOCKS;
    case "OPT":
      return US_OPTIONS;
    default:
      return "";
  }
}

/** Clients name a group by its whole code or by the two letters it starts with; undefined when there is none. */
export function smartComponents(bboExchange: string): readonly SmartComponent[] | undefined {
  const known = [...VENUES].find(([code]) => bboExchange === code || bboExchange === code.slice(0, 2));
  return known?.[1].split(",").map((row, bit) => {
    const [exchange = "", letter = ""] = row.split(" ");
    return { bit, exchange, letter };
  });
}
