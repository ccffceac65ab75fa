import { cleanPrice, incrementAt } from "../market/market-rules.ts";
import type { Quote } from "../model/market.ts";
import { ruleOf, trailingPercent } from "./order-checks.ts";
import { slotMs } from "../market/tape.ts";
import type { WorkingOrder } from "./working-order.ts";
import { needsTrigger, remainingOf } from "./working-order.ts";

/** The price an order would pay or get at once; null when nobody is there. */
function touchPrice({ request }: WorkingOrder, quote: Quote): number | null {
  return request.action === "BUY" ? quote.ask : quote.bid;
}

/** Moves a trailing stop and springs what the market has reached; whether the order was sprung. */
export function spring(order: WorkingOrder, quote: Quote): boolean {
  if (!needsTrigger(order)) return false;
  const { orderType, action, auxPrice } = order.request;
  // a currency has no last trade, so its side of the market stands in
  const price = quote.last ?? touchPrice(order, quote);
  if (price === null) return false;
  const rises = action === "BUY";
  switch (orderType) {
    case "TRAIL":
    case "TRAIL LIMIT":
      order.trailStop = trail(order, price);
      order.triggered = rises ? price >= order.trailStop : price <= order.trailStop;
      break;
    case "STP":
    case "STP LMT":
      order.triggered = rises ? price >= (auxPrice ?? Infinity) : price <= (auxPrice ?? 0);
      break;
    case "MIT":
    case "LIT":
      order.triggered = rises ? price <= (auxPrice ?? 0) : price >= (auxPrice ?? Infinity);
      break;
  }
  return order.triggered;
}

function trail({ request, trailStop }: WorkingOrder, price: number): number {
  const { action, auxPrice, echo, instrument } = request;
  const percent = trailingPercent(echo);
  const distance = percent === null ? (auxPrice ?? 0) : (price * percent) / 100;
  const step = incrementAt(ruleOf(instrument), price);
  const round = (value: number) => cleanPrice(Math.round(value / step) * step);
  const given = Number.parseFloat(echo["trailStopPrice"] ?? "");
  const start = Number.isFinite(given) && given > 0 && given < 1e300 ? given : null;
  const fresh = round(action === "BUY" ? price + distance : price - distance);
  const before = trailStop ?? start;
  if (before === null) return fresh;
  return action === "BUY" ? Math.min(before, fresh) : Math.max(before, fresh);
}

/** The limit in force: null for what pays any price, and for what moves with the market. */
export function limitOf({ request, trailStop }: WorkingOrder): number | null {
  switch (request.orderType) {
    case "TRAIL LIMIT": {
      const offset = Number.parseFloat(request.echo["lmtPriceOffset"] ?? "");
      if (trailStop === null || !Number.isFinite(offset) || offset >= 1e300) return request.limitPrice;
      return cleanPrice(request.action === "BUY" ? trailStop + offset : trailStop - offset);
    }
    case "LMT":
    case "STP LMT":
    case "LIT":
    case "LOC":
      return request.limitPrice;
    default:
      return null;
  }
}

/** Whether the market is at its limit or better, so that it takes what is there instead of waiting in the book. */
export function reaches(order: WorkingOrder, quote: Quote): boolean {
  const price = touchPrice(order, quote);
  const limit = limitOf(order);
  if (price === null) return false;
  return limit === null || (order.request.action === "BUY" ? price <= limit : price >= limit);
}

/** Where a relative order stands: its offset better than its own side of the market, and never beyond its cap. */
function relativePrice({ request }: WorkingOrder, quote: Quote): number | null {
  const { action, auxPrice, limitPrice } = request;
  const own = action === "BUY" ? quote.bid : quote.ask;
  if (own === null) return null;
  const cap = limitPrice === null || limitPrice === 0 ? null : limitPrice;
  const price = cleanPrice(action === "BUY" ? own + (auxPrice ?? 0) : own - (auxPrice ?? 0));
  if (cap === null) return price;
  return action === "BUY" ? Math.min(price, cap) : Math.max(price, cap);
}

/** A relative order waits on its side of the market, and fills when somebody trades there. */
function relativeOffer(order: WorkingOrder, quote: Quote): { shares: number; price: number } | null {
  const price = relativePrice(order, quote);
  const touch = touchPrice(order, quote);
  if (price === null) return null;
  const buys = order.request.action === "BUY";
  const meets = (other: number | null) => other !== null && (buys ? other <= price : other >= price);
  if (meets(touch)) {
    const displayed = (buys ? quote.askSize : quote.bidSize) ?? 0;
    return { shares: Math.min(remainingOf(order), displayed), price: touch ?? price };
  }
  return meets(quote.last) ? { shares: Math.min(remainingOf(order), quote.lastSize ?? 0), price } : null;
}

/** What the market gives an order at one instant; null when it gives nothing. */
export function offer(order: WorkingOrder, quote: Quote): { shares: number; price: number } | null {
  if (needsTrigger(order) || quote.at < order.releasedAt) return null;
  const slot = Math.floor(quote.at / slotMs);
  if (order.request.orderType === "REL") {
    if (order.tookAt === slot) return null;
    const found = relativeOffer(order, quote);
    if (found === null || found.shares === 0) return null;
    order.tookAt = slot;
    return found;
  }
  const price = touchPrice(order, quote);
  const displayed = order.request.action === "BUY" ? quote.askSize : quote.bidSize;
  // what is displayed can be taken once
  if (price === null || displayed === null || order.tookAt === slot) return null;
  if (!reaches(order, quote)) return null;
  const limit = limitOf(order);
  const shares = Math.min(remainingOf(order), displayed);
  if (order.request.tif === "FOK" && shares < remainingOf(order)) return null;
  order.tookAt = slot;
  return { shares, price: limit !== null && order.resting ? limit : price };
}
