import type { World } from "../../simulator/model/world.ts";

const anything = {
  conId: null,
  symbol: null,
  secType: null,
  expiration: null,
  strike: null,
  right: null,
  multiplier: null,
  exchange: null,
  primaryExchange: null,
  currency: null,
  localSymbol: null,
  tradingClass: null,
  includeExpired: false,
};

/** Instruments of the simulator whose prices move often: its stocks, then options. */
export function busyInstruments({ universe }: World, count: number): number[] {
  const stocks = universe.listed.filter(({ secType }) => secType === "STK");
  const options = ["AAPL", "MSFT", "SPY"].flatMap((symbol) =>
    universe.find({ ...anything, symbol, secType: "OPT" }).slice(0, count / 3),
  );
  return [...stocks, ...options].slice(0, count).map(({ conId }) => conId);
}
