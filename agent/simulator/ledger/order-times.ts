import { zoneOffset } from "../time/calendar.ts";
import { dayAt, stockHours } from "../market/hours.ts";
import type { Instrument } from "../model/instruments.ts";
import type { OrderRequest } from "../model/ledger.ts";
import type { Market } from "../model/market.ts";
import { parseStamp } from "../time/zone-time.ts";

const lookAheadDays = 10;
/** An order for the opening auction that got nothing there is over. */
const auctionMs = 60_000;

export interface OrderTimes {
  /** The exchange is closed to it now. */
  readonly waits: boolean;
  /** For an auction: when that is. 0 for all others. */
  readonly releasedAt: number;
  /** Null for GTC. */
  readonly lapsesAt: number | null;
}

/** When an order may trade, and until when. */
export function orderTimes(
  market: Market,
  request: OrderRequest,
  at: number,
  realHours: boolean,
): OrderTimes {
  const { instrument, outsideRth } = request;
  const waits = realHours && !market.isOpen(instrument, at, !outsideRth);
  const releasedAt = auctionAt(market, request, at);
  const tradesAt = Math.max(releasedAt, waits ? nextOpen(market, request, at) : at);
  return { waits, releasedAt, lapsesAt: lapseOf(request, tradesAt) };
}

function auctionAt(market: Market, { instrument, orderType, tif }: OrderRequest, at: number): number {
  const sessions = market.sessions(instrument, at, lookAheadDays, true);
  if (tif === "OPG") return sessions.find(({ open }) => open !== null && open > at)?.open ?? at;
  if (orderType !== "MOC" && orderType !== "LOC") return 0;
  return sessions.find(({ close }) => close !== null && close > at)?.close ?? at;
}

function lapseOf({ instrument, tif, echo }: OrderRequest, tradesAt: number): number | null {
  switch (tif) {
    case "GTC":
      return null;
    case "GTD":
      return parseStamp(echo["goodTillDate"] ?? "", instrument.timeZoneId);
    case "OPG":
      return tradesAt + auctionMs;
    default:
      return dayAt(stockHours, tradesAt).end;
  }
}

/** When the exchange opens next for an order that may or may not trade outside regular hours. */
function nextOpen(market: Market, { instrument, outsideRth }: OrderRequest, at: number): number {
  const sessions = market.sessions(instrument, at, lookAheadDays, !outsideRth);
  return sessions.find(({ open }) => open !== null && open > at)?.open ?? at;
}

/** True where TWS takes the order but drops its flag to trade outside regular hours (2109). */
export function ignoresOutsideRth({ instrument, orderType, outsideRth, tif }: OrderRequest): boolean {
  if (!outsideRth) return false;
  return (
    !instrument.orderTypes.includes("OUTSIDERTH") ||
    tif === "OPG" ||
    ["MKT", "MOC", "LOC"].includes(orderType)
  );
}

export const outsideIgnored =
  "Order Event Warning:Attribute 'Outside Regular Trading Hours' is ignored based on the order type and destination. PlaceOrder is now being processed.";

/** The text of warning 399 for an order that waits for its exchange. */
export function heldNotice(market: Market, request: OrderRequest, at: number): string {
  const { instrument, action, quantity } = request;
  const opens = nextOpen(market, request, at);
  const zone = instrument.timeZoneId;
  const time = new Date(opens + zoneOffset(zone, opens)).toISOString().slice(0, 19).replace("T", " ");
  const listed = venueName(instrument);
  const warning = `Warning: Your order will not be placed at the exchange until ${time} ${zone}.`;
  return `Order Message:\n${action} ${quantity} ${instrument.symbol} ${listed}\n${warning}`;
}

function venueName(instrument: Instrument): string {
  const venue = instrument.primaryExchange || instrument.exchange;
  return venue === "NASDAQ" ? `${venue}.${instrument.tradingClass}` : venue;
}
