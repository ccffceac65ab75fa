import type { Contract } from "../../../shared/contract.ts";
import { isBond } from "./bond-facts.ts";

/** What the value of a price rests on. */
export interface PricedInstrument {
  readonly contract: Pick<Contract, "secType" | "multiplier" | "symbol">;
  /** How many parts of its currency a price counts: 100 for pence and cents, 1 as a rule. */
  readonly priceMagnifier: number;
}

export type PriceValue =
  | { readonly kind: "value"; readonly amount: number }
  | { readonly kind: "unknown"; readonly why: string };

interface Trade {
  readonly quantity: number;
  /** As quotes and orders say it. */
  readonly price: number;
  /** What one unit of the contract's currency is worth; 1 for a value in that currency. */
  readonly rate: number;
}

/** A bond is traded in units of 1,000 of face value, and its price is in percent. */
const bondUnit = 1_000 / 100;

/**
 * The value of a quantity at a price. Every place where a price meets a quantity comes here, because the price alone
 * says neither how many units a contract has nor in which part of the currency it counts.
 */
export function valueOfTrade(instrument: PricedInstrument, { quantity, price, rate }: Trade): PriceValue {
  const factor = factorOf(instrument);
  return typeof factor === "string"
    ? { kind: "unknown", why: factor }
    : { kind: "value", amount: quantity * (factor * price * rate) };
}

/** The price at which one of quantity has a value in the contract's currency; null where none follows from it. */
export function priceOfValue(instrument: PricedInstrument, unitValue: number): number | null {
  const factor = factorOf(instrument);
  return typeof factor === "string" ? null : unitValue / factor;
}

/** Why no value of a security type follows from its price; null when one does. */
export function whyWithoutValue(secType: string): string | null {
  const factor = factorOf({ contract: { secType, multiplier: 1, symbol: "" }, priceMagnifier: 1 });
  return typeof factor === "string" ? factor : null;
}

/** What a price of 1 makes one of quantity worth, or why nobody can say. */
function factorOf({ contract, priceMagnifier }: PricedInstrument): number | string {
  const units = unitsOf(contract);
  if (typeof units === "string") return units;
  return priceMagnifier > 0 ? units / priceMagnifier : `TWS gives no unit of the price of ${contract.symbol}`;
}

/** How many of what a price is of are in one of the quantity, or why nobody can say. */
function unitsOf({ secType, multiplier, symbol }: PricedInstrument["contract"]): number | string {
  if (isBond(secType)) return bondUnit;
  switch (secType) {
    case "STK":
    case "CASH":
    case "CRYPTO":
    case "CFD":
    case "FUND":
    case "CMDTY":
      return multiplier !== null && multiplier > 0 ? multiplier : 1;
    case "OPT":
    case "FOP":
    case "FUT":
    case "WAR":
      return multiplier !== null && multiplier > 0 ? multiplier : `TWS gives no multiplier of ${symbol}`;
    default:
      return `the value of ${secType} does not follow from its price`;
  }
}
