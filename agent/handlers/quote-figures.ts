import type { Quote } from "../../shared/events.ts";

/** Milliseconds since TWS sent the newest of its prices. Null where it has sent none but those of the day. */
export function ageOf({ bidAskAt, lastAt }: Quote): number | null {
  const sentAt = [bidAskAt, lastAt].flatMap((at) => (at === null ? [] : [Date.parse(at)]));
  return sentAt.length === 0 ? null : Math.max(0, Date.now() - Math.max(...sentAt));
}

/** The change from the previous close, of the last price or, without one, of the middle of bid and ask. */
export function changeOf({ last, bid, ask, close }: Quote): {
  readonly change: number | null;
  readonly changePercent: number | null;
} {
  const price = last ?? (bid === null || ask === null ? null : (bid + ask) / 2);
  if (price === null || close === null) return { change: null, changePercent: null };
  const change = price - close;
  return {
    change: rounded(change, 8),
    changePercent: close > 0 ? rounded((change / close) * 100, 4) : null,
  };
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));
