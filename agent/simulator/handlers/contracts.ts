import { bondTerms } from "../market/bonds.ts";
import type { Client } from "../wire/client.ts";
import * as messages from "../wire/messages-contract.ts";
import type { ContractQuery, Instrument } from "../model/instruments.ts";
import type { World } from "../model/world.ts";
import { parseStamp, stamp } from "../time/zone-time.ts";
import { depthVenues } from "../market/depth-venues.ts";
import { smartComponents } from "../market/smart-components.ts";

const hoursDays = 6;
const dayMs = 86_400_000;

/** Answers what instruments there are. */
export interface ContractHandlers {
  /** Of what a contract means, or of all that an issuer owes. */
  details(client: Client, reqId: number, contract: ContractQuery, issuerId: string | null): void;
  matchingSymbols(client: Client, reqId: number, pattern: string): void;
  marketRule(client: Client, ruleId: number): void;
  optionChains(client: Client, reqId: number, underlyingConId: number, exchange: string): void;
  smartComponents(client: Client, reqId: number, bboExchange: string): void;
  /** The venues whose books can be asked for. */
  depthExchanges(client: Client): void;
}

/** `ownZone` is that of TWS's machine where it writes last trade dates on its own clock. */
export function createContractHandlers(
  { universe, market, now }: World,
  ownZone: string | null,
): ContractHandlers {
  function onOwnClock(instrument: Instrument): Instrument {
    const { lastTradeDate, timeZoneId } = instrument;
    const at = ownZone === null ? null : parseStamp(lastTradeDate, timeZoneId);
    return at === null || ownZone === null
      ? instrument
      : { ...instrument, lastTradeDate: stamp(at, ownZone, 174) };
  }

  let hoursDay = 0;
  const hoursByKey = new Map<string, messages.TradingHours>();

  /** Every option of a series keeps the same hours, so a chain of thousands asks once. */
  function hoursOf(instrument: Instrument): messages.TradingHours {
    const at = now();
    const day = Math.floor(at / dayMs);
    if (day !== hoursDay) hoursByKey.clear();
    hoursDay = day;
    const isDerived = ["OPT", "FUT", "FOP"].includes(instrument.secType);
    const group = isDerived ? `${instrument.exchange}/${instrument.tradingClass}` : String(instrument.conId);
    const key = `${instrument.secType}/${group}/${instrument.expiration ?? ""}`;
    const known = hoursByKey.get(key);
    if (known !== undefined) return known;
    const zone = instrument.timeZoneId;
    const hours = {
      trading: messages.hoursText(market.sessions(instrument, at, hoursDays, false), zone),
      liquid: messages.hoursText(market.sessions(instrument, at, hoursDays, true), zone),
    };
    hoursByKey.set(key, hours);
    return hours;
  }

  function derivativesOn(instrument: Instrument): string[] {
    const option = instrument.secType === "FUT" ? "FOP" : "OPT";
    const kinds = universe.optionChains(instrument.conId).length > 0 ? [option] : [];
    const hasFuture = universe.listed.some(
      (other) => other.secType === "FUT" && other.underlyingConId === instrument.conId,
    );
    return hasFuture ? [...kinds, "FUT"] : kinds;
  }

  return {
    details(client, reqId, contract, issuerId) {
      const found = issuerId === null ? universe.find(contract) : universe.bondsOf(issuerId);
      if (found.length === 0) {
        client.error(reqId, 200, "No security definition has been found for the request");
        return;
      }
      for (const instrument of found) {
        const terms = bondTerms(instrument);
        const hours = hoursOf(instrument);
        const { serverVersion } = client;
        client.send(
          terms === null
            ? messages.contractData(serverVersion, reqId, onOwnClock(instrument), hours)
            : messages.bondContractData(serverVersion, reqId, instrument, terms, hours),
        );
      }
      client.send(messages.contractDataEnd(reqId));
    },

    matchingSymbols(client, reqId, pattern) {
      const samples = universe
        .search(pattern)
        .map((instrument) => ({ instrument, derivatives: derivativesOn(instrument) }));
      const issuers = universe.searchIssuers(pattern);
      client.send(messages.symbolSamples(client.serverVersion, reqId, samples, issuers));
    },

    marketRule(client, ruleId) {
      const increments = universe.marketRule(ruleId);
      if (increments === undefined) {
        client.error(-1, 321, "Error validating request.-'cF' : cause - Invalid market rule id");
      } else {
        client.send(messages.marketRule(ruleId, increments));
      }
    },

    optionChains(client, reqId, underlyingConId, exchange) {
      if (universe.byConId(underlyingConId) === undefined) {
        client.error(reqId, 321, "Error validating request.-'cE' : cause - Invalid contract id");
        return;
      }
      for (const chain of universe.optionChains(underlyingConId)) {
        if (exchange !== "" && chain.exchange !== exchange) continue;
        client.send(messages.optionChain(reqId, chain));
      }
      client.send(messages.optionChainEnd(reqId));
    },

    smartComponents(client, reqId, bboExchange) {
      const components = smartComponents(bboExchange);
      if (components === undefined) {
        client.error(reqId, 321, "Error validating request.-'cB' : cause - Invalid BBO exchange");
      } else {
        client.send(messages.smartComponents(reqId, components));
      }
    },

    depthExchanges(client) {
      client.send(messages.depthExchanges(depthVenues(universe.listed)));
    },
  };
}
