import { readingsOf, SecType } from "../../shared/contract.ts";
import type { Contract, ContractSelector } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import type { RequestContext, TwsSession } from "../tws/session/api.ts";
import { isBondCalled } from "../tws/contracts/bond-facts.ts";
import { resolveDetails } from "../tws/contracts/contracts.ts";
import type { ContractDetails } from "../tws/contracts/translate.ts";

const agreeing = ["symbol", "secType", "currency", "localSymbol", "expiration", "strike", "right"] as const;

/**
 * The contract of an order. A conId is enough by itself; what is said beside it must not be of another instrument,
 * or the order is refused with invalid_input. Else throws as resolveContract does.
 */
export async function orderContract(
  session: TwsSession,
  selector: ContractSelector,
  context: RequestContext,
): Promise<Contract> {
  const details = await resolveDetails(session, selector, context);
  if (selector.conId !== undefined) requireAgreement(selector, details);
  return details.contract;
}

function requireAgreement(
  selector: ContractSelector,
  { contract, contractMonth, bond }: ContractDetails,
): void {
  const plain = (value: unknown) => String(value).toUpperCase();
  for (const field of agreeing) {
    const [asked, found] = [selector[field], contract[field]];
    if (asked === undefined || plain(asked) === plain(found)) continue;
    if (field === "symbol" && isCalled(contract, String(asked))) continue;
    if (bond !== undefined && field === "symbol" && isBondCalled(contract, bond, String(asked))) continue;
    // TWS keeps to itself what the account has no right to know of a bond
    if (bond !== undefined && (found === null || found === "")) continue;
    // the month is enough, and of a future's delivery it may be a later one
    if (field === "expiration" && plain(found).startsWith(plain(asked))) continue;
    if (field === "expiration" && contractMonth === asked) continue;
    throw new TwsError(
      "invalid_input",
      `${field}: conId ${contract.conId} is ${contract.localSymbol ?? contract.symbol} (${field} ${String(found)}), not ${asked}.`,
    );
  }
}

/** Whether a word is the symbol of a contract in another spelling, or its pair: `BRK.B` of `BRK B`, `EUR/USD` of EUR. */
export function isCalled({ symbol, secType, currency }: Order["contract"], word: string): boolean {
  const type = SecType.safeParse(secType);
  const isPair = secType === "CASH" || secType === "CRYPTO";
  return readingsOf({ symbol: word, ...(type.success && { secType: type.data }) }).some(
    (reading) =>
      reading.symbol?.toUpperCase() === symbol && (!isPair || reading.currency?.toUpperCase() === currency),
  );
}
