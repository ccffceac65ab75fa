import type { Instrument, SecType } from "../model/instruments.ts";
import type { Market, Quote } from "../model/market.ts";
import { tickGeneric, tickPrice, tickSize, tickString } from "../wire/messages.ts";
import type { Message } from "../wire/wire.ts";

const dayMs = 86_400_000;
const legalForStocks =
  "100(Option Volume),101(Option Open Interest),104(Historical Volatility),105(Average Opt Volume),106(impvolat),165(Misc. Stats),221(Mark Price),225(Auction),232(Pl Price),233(RTVolume),236(inventory),258(Fundamentals),292(Wide_news),293(TradeCount),294(TradeRate),295(VolumeRate),318(LastRTHTrade),375(RTTrdVolume),411(rthistvol),456(IBDividends),460(Bond Factor Multiplier),586(IPOHLMPRC),587(Pl Price Delayed),588(Futures Open Interest),595(Short-Term Volume X Mins),614(EtfNavMisc),619(Creditman Slow Mark Price)";
const legal: ReadonlySet<string> = new Set(
  [...legalForStocks.matchAll(/(\d+)\(/g)].flatMap((match) => match[1] ?? []),
);

export type GenericTicks =
  | { readonly type: "legal"; readonly ticks: ReadonlySet<string>; readonly wantsNews: boolean }
  | { readonly type: "illegal"; readonly text: string };

/** Reads "100,233" or "mdoff,292:BRFG+DJNL". */
export function parseGenericTicks(list: string, secType: SecType): GenericTicks {
  const ticks = new Set<string>();
  for (const part of list.split(",")) {
    const name = part.trim().split(":")[0] ?? "";
    if (name === "") continue;
    if (name !== "mdoff" && !legal.has(name)) {
      return {
        type: "illegal",
        text: `Error validating request.-'bO' : cause - Incorrect generic tick list of ${list}.  Legal ones for (${secType}) are: ${legalForStocks}`,
      };
    }
    ticks.add(name);
  }
  return { type: "legal", ticks, wantsNews: ticks.has("292") };
}

/** A number between 0 and 1 that is always the same for an instrument and a purpose. */
function fixedShare(instrument: Instrument, salt: number): number {
  const mixed = Math.imul(instrument.conId ^ Math.imul(salt, 0x9e3779b1), 0x85ebca6b) >>> 0;
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
}

function miscStats(market: Market, instrument: Instrument, reqId: number, at: number): Message[] {
  const bars = market.bars({
    instrument,
    endAt: at,
    duration: { count: 1, unit: "Y" },
    barSizeMs: dayMs,
    calendar: "day",
    source: "TRADES",
    useRth: true,
  });
  const messages: Message[] = [];
  const spans: readonly (readonly [days: number, lowTick: number])[] = [
    [65, 15],
    [130, 17],
    [252, 19],
  ];
  for (const [days, lowTick] of spans) {
    const span = bars.slice(-days);
    if (span.length === 0) continue;
    messages.push(tickPrice(reqId, lowTick, Math.min(...span.map((bar) => bar.low)), 0));
    messages.push(tickPrice(reqId, lowTick + 1, Math.max(...span.map((bar) => bar.high)), 0));
  }
  const recent = bars.slice(-65);
  const volume = recent.reduce((sum, bar) => sum + Math.max(0, bar.volume), 0);
  if (recent.length > 0) messages.push(tickSize(reqId, 21, Math.round(volume / recent.length)));
  return messages;
}

/** The ticks of one generic tick number as they stand when a subscription opens. */
function opening(
  tick: string,
  market: Market,
  instrument: Instrument,
  reqId: number,
  quote: Quote,
): readonly Message[] {
  const share = (salt: number): number => fixedShare(instrument, salt);
  const mark = quote.last ?? quote.close;
  switch (tick) {
    case "100":
      return [29, 30].map((id) => tickSize(reqId, id, Math.round(share(id) * 500_000)));
    case "101":
      return [27, 28].map((id) => tickSize(reqId, id, Math.round(share(id) * 4_000_000)));
    case "104":
      return [tickGeneric(reqId, 23, 0.15 + 0.3 * share(104))];
    case "105":
      return [tickSize(reqId, 87, Math.round(share(105) * 900_000))];
    case "106":
      return [tickGeneric(reqId, 24, quote.greeks?.impliedVolatility ?? 0.15 + 0.3 * share(106))];
    case "165":
      return miscStats(market, instrument, reqId, quote.at);
    case "221":
    case "232":
      return [tickPrice(reqId, 37, mark, 0)];
    case "225":
      return [tickSize(reqId, 34, 0), tickPrice(reqId, 35, mark, 0), tickSize(reqId, 36, 0)];
    case "236":
      return [tickGeneric(reqId, 46, 3), tickSize(reqId, 89, Math.round(share(236) * 90_000_000))];
    case "293":
      return [tickGeneric(reqId, 54, Math.round(share(293) * 400_000))];
    case "294":
      return [tickGeneric(reqId, 55, Math.round(share(294) * 900))];
    case "295":
      return [tickGeneric(reqId, 56, Math.round(share(295) * 90_000))];
    case "411":
      return [tickGeneric(reqId, 58, 0.1 + 0.3 * share(411))];
    case "456":
      return [tickString(reqId, 59, ",,,")];
    case "460":
      return instrument.secType === "BOND" ? [tickGeneric(reqId, 60, 1)] : [];
    case "588":
      return instrument.secType === "FUT" ? [tickSize(reqId, 86, Math.round(share(588) * 2_000_000))] : [];
    default:
      return [];
  }
}

export function openingTicks(
  ticks: ReadonlySet<string>,
  market: Market,
  instrument: Instrument,
  reqId: number,
  quote: Quote,
): Message[] {
  return [...ticks].flatMap((tick) => opening(tick, market, instrument, reqId, quote));
}

/** RTVolume and its sibling: "price;size;time;total volume;vwap;single trade". */
export function tradeTicks(ticks: ReadonlySet<string>, reqId: number, quote: Quote): Message[] {
  if (quote.last === null) return [];
  const vwap = (quote.open + quote.high + quote.low + quote.last) / 4;
  const text = [
    quote.last,
    quote.lastSize ?? 0,
    quote.lastAt,
    quote.volume ?? 0,
    vwap.toFixed(6),
    "true",
  ].join(";");
  const messages: Message[] = [];
  if (ticks.has("233")) messages.push(tickString(reqId, 48, text));
  if (ticks.has("375")) messages.push(tickString(reqId, 77, text));
  return messages;
}
