import type { Client } from "../wire/client.ts";
import { tickOptionComputation, tickOptionVolatility } from "../wire/messages.ts";
import type { Instrument } from "../model/instruments.ts";
import type { World } from "../model/world.ts";
import type { OptionCalculation } from "../wire/requests.ts";
import { resolveOne } from "./resolve-contract.ts";

/** Tick type of what a client asked to be computed, apart from the model's own. */
const custom = 53;

/** Works options out for the clients: a price from a volatility (55), a volatility from a price (54). */
export interface CalculationHandlers {
  optionPrice(client: Client, request: OptionCalculation): void;
  impliedVolatility(client: Client, request: OptionCalculation): void;
}

export function createCalculationHandlers({ universe, market, now }: World): CalculationHandlers {
  /** Null when the client has been told why not. */
  function optionOf(
    client: Client,
    { reqId, contract, given, spot }: OptionCalculation,
    name: string,
  ): Instrument | null {
    const refuse = (cause: string): null => {
      client.error(reqId, 321, `Error validating request.-'bM' : cause - ${cause}`);
      return null;
    };
    const instrument = resolveOne(universe, client, reqId, contract);
    if (instrument === null) return null;
    if (instrument.secType !== "OPT" && instrument.secType !== "FOP")
      return refuse("Only option contracts are supported for this request");
    if (given === null || given <= 0) return refuse(`Invalid ${name}`);
    if (spot === null || spot <= 0) return refuse("Invalid underlying price");
    return instrument;
  }

  return {
    optionPrice(client, request) {
      const { reqId, given, spot } = request;
      const instrument = optionOf(client, request, "volatility");
      if (instrument === null) return;
      const greeks = market.optionAt(instrument, now(), spot ?? 0, given ?? 0);
      if (greeks === null) return;
      client.send(tickOptionComputation(client.serverVersion, reqId, custom, greeks, greeks.price));
    },

    /** A gateway names the volatility alone, without greeks; -1 when no volatility gives the price. */
    impliedVolatility(client, request) {
      const { reqId, given, spot } = request;
      const instrument = optionOf(client, request, "option price");
      if (instrument === null) return;
      const volatility = market.volatilityFor(instrument, now(), spot ?? 0, given ?? 0);
      const row = { volatility: volatility ?? -1, price: given ?? 0, spot: spot ?? 0 };
      client.send(tickOptionVolatility(client.serverVersion, reqId, custom, row));
    },
  };
}
