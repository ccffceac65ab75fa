import type { Instrument } from "../model/instruments.ts";
import type { Market } from "../model/market.ts";
import type { Message } from "../wire/wire.ts";

const delayMs = 15 * 60_000;
const dayMs = 86_400_000;
/** Longer than any row of closed days. */
const daysBack = 12;

/** What kind of data a line shows at the moment, in TWS's number for it, and the instant that it shows. */
export interface Stand {
  /** 1 live, 2 frozen, 3 delayed, 4 delayed frozen. */
  readonly type: 1 | 2 | 3 | 4;
  readonly at: number;
}

function lastClose(market: Market, instrument: Instrument, at: number): number {
  const closes = market
    .sessions(instrument, at - daysBack * dayMs, daysBack + 1, false)
    .flatMap(({ close }) => (close === null || close > at ? [] : [close]));
  return closes.at(-1) ?? at;
}

/** Frozen kinds stand at the last close while the market is closed, and are as the others when it is open. */
export function standOf(
  market: Market,
  instrument: Instrument,
  from: "live" | "delayed" | "day",
  asked: number,
  now: number,
): Stand {
  const at = from === "delayed" ? now - delayMs : now;
  const isFrozen = asked === (from === "delayed" ? 4 : 2) && !market.isOpen(instrument, at, false);
  const shown = isFrozen ? lastClose(market, instrument, at) : at;
  if (from === "delayed") return { type: isFrozen ? 4 : 3, at: shown };
  return { type: isFrozen ? 2 : 1, at: shown };
}

/** By live tick id; what is not here does not come with delayed data. */
const delayedTicks: ReadonlyMap<number, number> = new Map([
  [1, 66],
  [2, 67],
  [4, 68],
  [0, 69],
  [3, 70],
  [5, 71],
  [6, 72],
  [7, 73],
  [8, 74],
  [9, 75],
  [14, 76],
  [10, 80],
  [11, 81],
  [12, 82],
  [13, 83],
  [45, 88],
  [50, 103],
  [51, 104],
]);
const tickMessages: ReadonlySet<unknown> = new Set([1, 2, 21, 45, 46]);

/** A tick message under the id of its delayed kind; null for ticks that are live only. */
export function asDelayed(message: Message, serverVersion: number): Message | null {
  const [id] = message;
  if (!tickMessages.has(id)) return message;
  const place = id === 21 && serverVersion >= 156 ? 2 : 3;
  const tick = delayedTicks.get(Number(message[place]));
  return tick === undefined ? null : message.with(place, tick);
}
