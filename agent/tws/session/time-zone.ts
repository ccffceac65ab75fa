import { isInCalendar } from "../../../shared/calendar-date.ts";

const formats = new Map<string, Intl.DateTimeFormat | null>();

/** Null for a zone that this machine does not know. */
function formatOf(zone: string): Intl.DateTimeFormat | null {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  let format: Intl.DateTimeFormat | null = null;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch {
    // TWS may name zones by its machine's own names
  }
  formats.set(zone, format);
  return format;
}

function offsetMs(format: Intl.DateTimeFormat, at: number): number {
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const part = (name: Intl.DateTimeFormatPartTypes): number => parts.get(name) ?? 0;
  const clock = Date.UTC(
    part("year"),
    part("month") - 1,
    part("day"),
    part("hour"),
    part("minute"),
    part("second"),
  );
  return clock - Math.floor(at / 1000) * 1000;
}

/** Names of a machine's zone, as Windows and some venues write them, which no list of zones has. */
const zoneByName: ReadonlyMap<string, string> = new Map([
  ["Eastern Standard Time", "America/New_York"],
  ["Central Standard Time", "America/Chicago"],
  ["Mountain Standard Time", "America/Denver"],
  ["Pacific Standard Time", "America/Los_Angeles"],
  ["GMT Standard Time", "Europe/London"],
  ["Greenwich Mean Time", "UTC"],
  ["British Summer Time", "Europe/London"],
  ["W. Europe Standard Time", "Europe/Berlin"],
  ["Romance Standard Time", "Europe/Paris"],
  ["Central Europe Standard Time", "Europe/Budapest"],
  ["Central European Standard Time", "Europe/Berlin"],
  ["Central European Summer Time", "Europe/Berlin"],
  ["Russian Standard Time", "Europe/Moscow"],
  ["India Standard Time", "Asia/Kolkata"],
  ["China Standard Time", "Asia/Shanghai"],
  ["Hong Kong Standard Time", "Asia/Hong_Kong"],
  ["Hong Kong Time", "Asia/Hong_Kong"],
  ["Singapore Standard Time", "Asia/Singapore"],
  ["Taipei Standard Time", "Asia/Taipei"],
  ["Tokyo Standard Time", "Asia/Tokyo"],
  ["Japan Standard Time", "Asia/Tokyo"],
  ["Korea Standard Time", "Asia/Seoul"],
  ["AUS Eastern Standard Time", "Australia/Sydney"],
  ["Coordinated Universal Time", "UTC"],
  ["Z", "UTC"],
  ["EDT", "America/New_York"],
  ["EST", "America/New_York"],
  ["CDT", "America/Chicago"],
  ["CST", "America/Chicago"],
  ["PST", "America/Los_Angeles"],
  ["PDT", "America/Los_Angeles"],
  ["BST", "Europe/London"],
  ["CET", "Europe/Berlin"],
  ["CEST", "Europe/Berlin"],
  ["MET", "Europe/Berlin"],
  ["HKT", "Asia/Hong_Kong"],
  ["JST", "Asia/Tokyo"],
  ["SGT", "Asia/Singapore"],
  ["KST", "Asia/Seoul"],
]);

const zoneNamed = (name: string): string => zoneByName.get(name) ?? name;

const stamp =
  /^(\d{4})-?(\d{2})-?(\d{2})(?:(-|T|\s+-?\s*)(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?:\s*(\S.*))?)?$/;

/**
 * Reads every time that TWS writes, in any of its shapes, as ISO 8601: "20260312 09:30:00 US/Eastern" with one space
 * or two, "20260312-14:30:00" which is UTC, a time without a zone on the clock of `zone`, seconds or milliseconds since
 * 1970, and a date alone, which stays one. Null for anything else, and for a zone that is not known.
 */
export function readTime(text: string | number | undefined, zone: string | null): string | null {
  const said = String(text ?? "").trim();
  if (/^\d{9,14}$/.test(said)) return new Date(Number(said) * (said.length > 11 ? 1 : 1_000)).toISOString();
  const match = stamp.exec(said);
  if (match === null) return null;
  const [, year = "", month = "", day = "", separator, hour, minute, second = "0", fraction = "", named] =
    match;
  const date = `${year}-${month}-${day}`;
  if (!isInCalendar(`${year}${month}${day}`)) return null;
  if (hour === undefined) return date;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return null;
  const clock =
    Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)) +
    Number(fraction.slice(0, 3).padEnd(3, "0"));
  const own = named ?? (separator === "-" ? "UTC" : zone);
  return own === null ? null : atClock(clock, own);
}

function atClock(clock: number, zone: string): string | null {
  const format = formatOf(zoneNamed(zone));
  if (format === null) return null;
  // twice, because the offset at the guess may be that of the other side of a clock change
  const guess = clock - offsetMs(format, clock);
  return new Date(clock - offsetMs(format, guess)).toISOString();
}

/** Whether the list of zones has the name. */
export const isZone = (name: string): boolean => formatOf(name) !== null;

/** The day that the clock of a zone shows at an instant, as yyyymmdd; null for a zone that is not known. */
export function dayIn(zone: string, at: string): string | null {
  const format = formatOf(zoneNamed(zone));
  if (format === null) return null;
  const ms = Date.parse(at);
  return new Date(ms + offsetMs(format, ms)).toISOString().slice(0, 10).replaceAll("-", "");
}

/** The zone of TWS's own machine by how it greets: "20260405 23:49:38 Central European Standard Time". */
export function zoneOfGreeting(greeting: string): string | null {
  const name = /^\d{8}\s+\d{2}:\d{2}:\d{2}\s+(\S.*)$/.exec(greeting.trim())?.[1];
  return name !== undefined && formatOf(zoneNamed(name)) !== null ? name : null;
}
