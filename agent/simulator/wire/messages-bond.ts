import type { BondTerms } from "../market/bond-listings.ts";
import type { TradingHours } from "./messages-contract.ts";
import type { Instrument, Issuer } from "../model.ts";
import { escapeUnicode, type Field, type Message } from "./wire.ts";

/** bondContractData (18) for server versions 151 to 193. */
export function bondContractData(
  serverVersion: number,
  reqId: number,
  instrument: Instrument,
  terms: BondTerms,
  hours: TradingHours,
): Message {
  const name = serverVersion >= 153 ? escapeUnicode(instrument.longName) : instrument.longName;
  const licensed = (value: Field): Field => (terms.isLicensed ? value : "");
  const message: Field[] = serverVersion < 164 ? [18, 6, reqId] : [18, reqId];
  message.push(licensed(instrument.symbol), instrument.secType);
  message.push(terms.isLicensed ? terms.cusip : instrument.localSymbol);
  message.push(licensed(terms.coupon), licensed(terms.maturity), licensed(terms.issued));
  message.push(licensed(terms.ratings), licensed(terms.bondType), licensed("FIXED"));
  // convertible, callable, putable
  message.push(0, terms.isLicensed && terms.call !== null ? 1 : 0, 0);
  message.push(terms.description, instrument.exchange, licensed(instrument.currency));
  message.push(licensed(instrument.symbol), instrument.tradingClass, instrument.conId, instrument.minTick);
  if (serverVersion < 164) message.push(1);
  message.push(instrument.orderTypes.join(","), instrument.validExchanges.join(","));
  const call = terms.isLicensed ? terms.call : null;
  message.push(call?.date ?? "", call === null ? "" : "CALL", 0, call?.note ?? "", licensed(name));
  if (serverVersion >= 188) message.push(instrument.timeZoneId, hours.trading, hours.liquid);
  message.push("", "");
  message.push(2, "CUSIP", terms.cusip, "ISIN", terms.isin);
  message.push(instrument.aggGroup, instrument.marketRuleIds.join(","));
  if (serverVersion >= 164) message.push(instrument.minSize, 1, 1);
  return message;
}

/** An issuer as symbolSamples (79) lists it among instruments: without a contract id or a symbol. */
export function issuerSample({ id, name }: Issuer): Message {
  return [-1, "", "BOND", "", "", 0, escapeUnicode(name), id];
}
