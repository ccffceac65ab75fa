import { zoneOffset } from "./calendar.ts";
import type { Instrument, Market, OrderRequest } from "./model.ts";

const LOOK_AHEAD_DAYS = 10;

/** When the exchange opens next for an order that may or may not trade outside regular hours. */
export function nextOpen(market: Market, { instrument, outsideRth }: OrderRequest, at: number): number {
  const sessions = market.sessions(instrument, at, LOOK_AHEAD_DAYS, !outsideRth);
  return sessions.find(({ open }) => open !== null && open > at)?.open ?? at;
}

/** The text of warning 399 for an order that waits for its exchange. */
export function heldNotice(market: Market, request: OrderRequest, at: number): string {
  const { instrument, action, quantity } = request;
  const opens = nextOpen(market, request, at);
  const zone = instrument.timeZoneId;
  const time = new Date(opens + zoneOffset(zone, opens)).toISOString().slice(0, 19).replace("T", " ");
  const venue = instrument.primaryExchange || instrument.exchange;
  const listed = venue === "NASDAQ" ? `${venue}.${instrument.tradingClass}` : venue;
  const warning = `Warning: Your order will not be placed at the exchange until ${time} ${zone}.`;
  return `Order Message:\n${action} ${quantity} ${instrument.symbol} ${listed}\n${warning}`;
}

/** The end of the running or next regular session. */
export function sessionCloseAfter(market: Market, instrument: Instrument, at: number): number {
  const sessions = market.sessions(instrument, at, LOOK_AHEAD_DAYS, true);
  return sessions.find(({ close }) => close !== null && close > at)?.close ?? at;
}
