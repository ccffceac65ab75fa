import { bondTerms } from "../market/bonds.ts";
import type { Instrument, SecType } from "../model/instruments.ts";

type Fee = (quantity: number, valueInUsd: number, currency: string, instrument: Instrument) => number;

const schedule: Record<SecType, Fee> = {
  STK: (quantity, _, currency) => Math.max(1, quantity * (currency === "CAD" ? 0.01 : 0.005)),
  OPT: (quantity) => Math.max(1, quantity * 0.65),
  FUT: (quantity) => quantity * 2.25,
  FOP: (quantity) => quantity * 1.42,
  CONTFUT: () => 0,
  CRYPTO: (_, valueInUsd) => Math.max(1.75, valueInUsd * 0.0018),
  CASH: (_, valueInUsd) => Math.max(2, valueInUsd * 0.00002),
  IND: () => 0,
  BOND: (quantity, _, _currency, instrument) => bondFee(quantity * 1_000, bondTerms(instrument)?.bondType),
};

/** By face value, in two steps: 0.2 and 0.01 basis points for Treasuries, 10 and 2.5 for what companies owe. */
function bondFee(face: number, type: "CORP" | "GOVT" | undefined): number {
  const stepped = (upTo: number, first: number, beyond: number) =>
    (Math.min(face, upTo) * first + Math.max(0, face - upTo) * beyond) / 10_000;
  return type === "GOVT" ? Math.max(5, stepped(1_000_000, 0.2, 0.01)) : Math.max(1, stepped(10_000, 10, 2.5));
}

/**
 * Commission of the first `quantity` units of an order, in `commissionCurrency` and whole cents; a fill pays the
 * difference it makes.
 */
export function commissionOf(instrument: Instrument, quantity: number, valueInUsd: number): number {
  if (quantity === 0) return 0;
  const due = schedule[instrument.secType](quantity, valueInUsd, instrument.currency, instrument);
  return Math.round(due * 100) / 100;
}

/** Currencies are billed in the account's currency, everything else in its own. */
export function commissionCurrency(instrument: Instrument): string {
  return instrument.secType === "CASH" ? "USD" : instrument.currency;
}
