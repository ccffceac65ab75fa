import type { Instrument } from "../model/instruments.ts";
import type { AccountValue, Position, Pnl } from "../model/ledger.ts";
import type { OptionGreeks } from "../model/market.ts";
import { escapeUnicode, type Field, type Message, unsetDouble } from "./wire.ts";

/** Server messages whose layout never changes, or changes by one field. */

export function errorMessage(serverVersion: number, id: number, code: number, text: string): Message {
  const shown = serverVersion >= 153 ? escapeUnicode(text) : text;
  const message: Field[] = [4, 2, id, code, shown];
  // advanced reject JSON: only orders held by the exchange's extra checks carry one.
  if (serverVersion >= 166) message.push("");
  return message;
}

export const managedAccounts = (accounts: readonly string[]): Message => [15, 1, accounts.join(",")];
export const nextValidId = (orderId: number): Message => [9, 1, orderId];
export const currentTime = (at: number): Message => [49, 1, Math.floor(at / 1000)];
export const userInfo = (reqId: number): Message => [107, reqId, ""];
export const softDollarTiers = (reqId: number): Message => [77, reqId, 0];

export function familyCodes(accounts: readonly string[]): Message {
  return [78, accounts.length, ...accounts.flatMap((account) => [account, ""])];
}

export const advisorData = (dataType: number, xml: string): Message => [16, 1, dataType, xml];

export const marketDataType = (reqId: number, type: number): Message => [58, 1, reqId, type];

export function tickReqParams(reqId: number, minTick: number, bboExchange: string): Message {
  return [81, reqId, minTick, bboExchange, 3];
}

/** `attributes` is the mask of auto-execution, past-limit and pre-open. */
export function tickPrice(reqId: number, tick: number, price: number, size: number, attributes = 0): Message {
  return [1, 6, reqId, tick, price, size, attributes];
}

export const tickSize = (reqId: number, tick: number, size: number): Message => [2, 6, reqId, tick, size];
export const tickGeneric = (reqId: number, tick: number, value: number): Message => [
  45,
  6,
  reqId,
  tick,
  value,
];
export const tickString = (reqId: number, tick: number, value: string): Message => [
  46,
  6,
  reqId,
  tick,
  value,
];
export const tickSnapshotEnd = (reqId: number): Message => [57, 1, reqId];

export function tickOptionComputation(
  serverVersion: number,
  reqId: number,
  tick: number,
  greeks: OptionGreeks,
  price: number,
): Message {
  const values: Message = [
    greeks.impliedVolatility,
    greeks.delta,
    price,
    0,
    greeks.gamma,
    greeks.vega,
    greeks.theta,
    greeks.underlyingPrice,
  ];
  return serverVersion >= 156 ? [21, reqId, tick, 0, ...values] : [21, 6, reqId, tick, ...values];
}

/** A volatility that was asked for: what goes with it, and "not computed" for every greek. */
export function tickOptionVolatility(
  serverVersion: number,
  reqId: number,
  tick: number,
  { volatility, price, spot }: { readonly volatility: number; readonly price: number; readonly spot: number },
): Message {
  const values: Message = [volatility, -2, price, -1, -2, -2, -2, spot];
  return serverVersion >= 156 ? [21, reqId, tick, 0, ...values] : [21, 6, reqId, tick, ...values];
}

export function accountValue(account: string, value: AccountValue): Message {
  return [6, 2, value.key, value.value, value.currency, account];
}

/** hh:mm */
export const accountTime = (clock: string): Message => [8, 1, clock];
export const accountDownloadEnd = (account: string): Message => [54, 1, account];

function identity(instrument: Instrument): Message {
  return [
    instrument.conId,
    instrument.symbol,
    instrument.secType,
    instrument.expiration ?? "",
    instrument.strike ?? 0,
    instrument.right ?? "",
    instrument.multiplier,
  ];
}

export function portfolioValue(position: Position): Message {
  const { instrument } = position;
  return [
    7,
    8,
    ...identity(instrument),
    instrument.primaryExchange,
    instrument.currency,
    instrument.localSymbol,
    instrument.tradingClass,
    position.quantity,
    position.marketPrice,
    position.marketValue,
    position.avgCost,
    position.unrealizedPnl,
    position.realizedPnl,
    position.account,
  ];
}

/** TWS names the listing exchange of a stock here and none for anything else. */
function positionContract(instrument: Instrument): Message {
  return [
    ...identity(instrument),
    instrument.primaryExchange,
    instrument.currency,
    instrument.localSymbol,
    instrument.tradingClass,
  ];
}

export function positionRow(position: Position): Message {
  return [
    61,
    3,
    position.account,
    ...positionContract(position.instrument),
    position.quantity,
    position.avgCost,
  ];
}

export const positionEnd = (): Message => [62, 1];

export function positionMulti(reqId: number, position: Position): Message {
  return [
    71,
    1,
    reqId,
    position.account,
    ...positionContract(position.instrument),
    position.quantity,
    position.avgCost,
    "",
  ];
}

export const positionMultiEnd = (reqId: number): Message => [72, 1, reqId];

export function accountSummary(reqId: number, account: string, value: AccountValue): Message {
  return [63, 1, reqId, account, value.key, value.value, value.currency];
}

export const accountSummaryEnd = (reqId: number): Message => [64, 1, reqId];

export function accountUpdateMulti(reqId: number, account: string, value: AccountValue): Message {
  return [73, 1, reqId, account, "", value.key, value.value, value.currency];
}

export const accountUpdateMultiEnd = (reqId: number): Message => [74, 1, reqId];

export function pnl(reqId: number, value: Pnl): Message {
  return [94, reqId, value.daily, value.unrealized, value.realized];
}

export function pnlSingle(
  reqId: number,
  row: (Pnl & { readonly position: number; readonly value: number }) | undefined,
): Message {
  if (row === undefined) return [95, reqId, 0, unsetDouble, unsetDouble, unsetDouble, unsetDouble];
  return [95, reqId, row.position, row.daily, row.unrealized, row.realized, row.value];
}
