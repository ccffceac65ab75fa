import type { Instrument, SecType } from "./model.ts";

const SCHEDULE: Record<SecType, (quantity: number, valueInUsd: number, currency: string) => number> = {
  STK: (quantity, _, currency) => Math.max(1, quantity * (currency === "CAD" ? 0.01 : 0.005)),
  OPT: (quantity) => Math.max(1, quantity * 0.65),
  FUT: (quantity) => quantity * 2.25,
  CASH: (_, valueInUsd) => Math.max(2, valueInUsd * 0.00002),
  IND: () => 0,
};

/**
 * Commission of the first `quantity` units of an order, in `commissionCurrency` and whole cents; a fill pays the
 * difference it makes.
 */
export function commissionOf(instrument: Instrument, quantity: number, valueInUsd: number): number {
  if (quantity === 0) return 0;
  const due = SCHEDULE[instrument.secType](quantity, valueInUsd, instrument.currency);
  return Math.round(due * 100) / 100;
}

/** Currencies are billed in the account's currency, everything else in its own. */
export function commissionCurrency(instrument: Instrument): string {
  return instrument.secType === "CASH" ? "USD" : instrument.currency;
}
