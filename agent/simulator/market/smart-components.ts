import type { Instrument } from "../model/instruments.ts";

/** One venue of SMART routing: the bit it has in a mask, and the letter it goes by in ticks 32, 33 and 84. */
export interface SmartComponent {
  readonly bit: number;
  readonly exchange: string;
  readonly letter: string;
}

const usStocks = "9c0001";
const canadianStocks = "c30001";
const usOptions = "b30001";

const venues: ReadonlyMap<string, string> = new Map([
  [
    usStocks,
    "AMEX A,BEX B,NYSE N,ISE I,EDGEA J,DRCTEDGE K,CHX M,ARCA P,NASDAQ T,MEMX U,IEX V,CBOE W,PHLX X,BYX Y,BATS Z",
  ],
  [canadianStocks, "CHIX_CA C,OMEGA O,TSE T"],
  [usOptions, "AMEX A,BOX B,CBOE C,ISE I,PSE N,NASDAQOM Q,CBOE2 W,PHLX X"],
]);

/** What tickReqParams names for an instrument; empty where nothing is routed by SMART. */
export function bboExchangeOf({ secType, currency }: Instrument): string {
  switch (secType) {
    case "STK":
      return currency === "CAD" ? canadianStocks : usStocks;
    case "OPT":
      return usOptions;
    default:
      return "";
  }
}

/** Clients name a group by its whole code or by the two letters it starts with; undefined when there is none. */
export function smartComponents(bboExchange: string): readonly SmartComponent[] | undefined {
  const known = [...venues].find(([code]) => bboExchange === code || bboExchange === code.slice(0, 2));
  return known?.[1].split(",").map((row, bit) => {
    const [exchange = "", letter = ""] = row.split(" ");
    return { bit, exchange, letter };
  });
}
