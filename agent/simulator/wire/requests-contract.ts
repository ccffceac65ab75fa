import type { ContractQuery } from "../model/instruments.ts";
import { type FieldReader, MalformedRequest } from "./wire.ts";

function given(text: string): string | null {
  const trimmed = text.trim();
  return trimmed === "" ? null : trimmed;
}

function upper(text: string): string | null {
  return given(text)?.toUpperCase() ?? null;
}

function nonZero(value: number | null): number | null {
  return value === 0 ? null : value;
}

/** Clients write calls and puts in several ways, and stocks as "0" or "?". */
function right(text: string): string | null {
  const value = text.trim().toUpperCase();
  return value === "C" || value === "P" || value === "CALL" || value === "PUT" ? value.charAt(0) : null;
}

export interface ContractShape {
  /** Ahead of the exchange in the requests that are old enough to lack a primary exchange. */
  readonly primaryExchange: boolean;
  readonly includeExpired: boolean;
}

/** The contract as it stands in nearly every request: twelve fields, sometimes one more. */
export function readContract(fields: FieldReader, shape: ContractShape): ContractQuery {
  const conId = nonZero(fields.int());
  const symbol = upper(fields.text());
  const secType = upper(fields.text());
  const expiration = given(fields.text());
  const strike = nonZero(fields.number());
  const side = right(fields.text());
  const multiplier = nonZero(fields.number());
  const exchange = upper(fields.text());
  const primaryExchange = shape.primaryExchange ? upper(fields.text()) : null;
  const currency = upper(fields.text());
  const localSymbol = given(fields.text());
  const tradingClass = given(fields.text());
  return {
    conId,
    symbol,
    secType,
    // some clients echo "20261218 09:30:00 US/Central" from contract details back.
    expiration: expiration?.split(/[\s-]/)[0] ?? null,
    strike,
    right: side,
    multiplier,
    exchange,
    primaryExchange,
    currency,
    localSymbol,
    tradingClass,
    includeExpired: shape.includeExpired ? fields.flag() : false,
  };
}

/** The legs of a combination in market data and history requests; nothing here trades them. */
export function skipComboLegs(fields: FieldReader, contract: ContractQuery): void {
  if (contract.secType !== "BAG") return;
  fields.skip(fields.count(4) * 4);
}

export function skipDeltaNeutral(fields: FieldReader): void {
  if (fields.flag()) fields.skip(3);
}

/** A code that must be a number but may be empty. */
export function integerOr(fallback: number, value: number | null): number {
  if (value !== null && !Number.isSafeInteger(value)) throw new MalformedRequest(-1, "number out of range");
  return value ?? fallback;
}
