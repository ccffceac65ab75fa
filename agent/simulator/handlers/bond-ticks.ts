import { bondYield } from "../market/bonds.ts";
import { tickPrice } from "../wire/messages.ts";
import type { Instrument } from "../model/instruments.ts";
import type { Quote } from "../model/market.ts";
import type { Message } from "../wire/wire.ts";

const yields = [
  { price: "bid", tick: 50 },
  { price: "ask", tick: 51 },
  { price: "last", tick: 52 },
] as const;

/** A bond's yields to maturity, in percent, sent as prices are; nothing for what is no bond. */
export function yieldTicks(reqId: number, instrument: Instrument, quote: Quote): Message[] {
  return yields.flatMap(({ price, tick }) => {
    const value = bondYield(instrument, quote[price], quote.at);
    return value === null ? [] : [tickPrice(reqId, tick, value, 0)];
  });
}
