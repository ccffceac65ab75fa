import { readTime } from "../session/time-zone.ts";

/** When an instrument trades, in Unix milliseconds; only for the days that TWS has told. */
export interface TradingHours {
  readonly sessions: readonly { readonly opensAt: number; readonly closesAt: number }[];
  /** The end of the last day told; what comes after is unknown. */
  readonly knownUntil: number;
}

/**
 * Reads TWS's "20261123:0930-20261123:1600;20261124:CLOSED", a clock of the instrument's zone. Null when TWS told none,
 * or in a way that cannot be read.
 */
export function tradingHoursOf(text: string | null, zone: string | null): TradingHours | null {
  if (text === null || zone === null) return null;
  const sessions = [];
  let knownUntil = 0;
  let day = "";
  for (const part of text.split(/[;,]/).map((one) => one.trim())) {
    if (part === "") continue;
    const span = /^(?:(\d{8}):)?(?:CLOSED|(\d{4})-(?:(\d{8}):)?(\d{4}))$/.exec(part);
    if (span === null) return null;
    const [, named, opens, closingDay, closes] = span;
    // older servers name the day once: "20090507:0700-1830,1830-2330"
    day = named ?? day;
    const endsAt = instantAt(zone, day, "2359");
    if (endsAt === null) return null;
    knownUntil = Math.max(knownUntil, endsAt);
    if (opens === undefined || closes === undefined) continue;
    const opensAt = instantAt(zone, day, opens);
    const closesAt = instantAt(zone, closingDay ?? day, closes);
    if (opensAt === null || closesAt === null) return null;
    sessions.push({ opensAt, closesAt });
    knownUntil = Math.max(knownUntil, closesAt);
  }
  return { sessions, knownUntil };
}

function instantAt(zone: string, day: string, clock: string): number | null {
  const text = readTime(`${day} ${clock.slice(0, 2)}:${clock.slice(2)}:00`, zone);
  return text === null ? null : Date.parse(text);
}

/** Whether the instrument trades now; null after the days that TWS has told. */
export function tradesAt({ sessions, knownUntil }: TradingHours, at: number): boolean | null {
  if (at > knownUntil) return null;
  return sessions.some(({ opensAt, closesAt }) => at >= opensAt && at < closesAt);
}
