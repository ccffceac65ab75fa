import type { Client } from "../wire/client.ts";
import type { ContractQuery, Instrument, Universe } from "../model/instruments.ts";

/**
 * The one instrument a request means. When there is none, or there are several, the client is told so under `id`
 * (error 200, or 321 without an exchange) and the answer is null.
 */
export function resolveOne(
  universe: Universe,
  client: Client,
  id: number,
  contract: ContractQuery,
  takesContinuous = false,
): Instrument | null {
  if (contract.exchange === null) {
    client.error(id, 321, "Error validating request.-'bW' : cause - Please enter exchange");
    return null;
  }
  const [found, another] = universe.find(contract);
  // continuous futures have bars and nothing else
  if (found === undefined || (found.secType === "CONTFUT" && !takesContinuous)) {
    client.error(id, 200, "No security definition has been found for the request");
    return null;
  }
  if (another !== undefined) {
    const name = contract.localSymbol ?? contract.symbol ?? "contract";
    client.error(
      id,
      200,
      `The contract description specified for ${name} is ambiguous; you must specify the multiplier or trading class.`,
    );
    return null;
  }
  return found;
}
