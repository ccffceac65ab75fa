const quarterHourMs = 900_000;
const formats = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, number>();

/** Dates and clocks of an IANA zone, in TWS's notation. */
export interface ZonedTime {
  /** yyyymmdd */
  readonly date: string;
  /** hh:mm:ss */
  readonly time: string;
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  formats.set(zone, format);
  return format;
}

/** What to add to UTC for the zone's clock. Offsets change on quarter hours only, so one answer serves each. */
function offsetMs(at: number, zone: string): number {
  const quarter = Math.floor(at / quarterHourMs) * quarterHourMs;
  const key = `${zone}:${quarter}`;
  const known = offsets.get(key);
  if (known !== undefined) return known;
  const parts = new Map(
    formatOf(zone)
      .formatToParts(quarter)
      .map((part) => [part.type, Number(part.value)]),
  );
  const part = (name: Intl.DateTimeFormatPartTypes): number => parts.get(name) ?? 0;
  const clock = Date.UTC(
    part("year"),
    part("month") - 1,
    part("day"),
    part("hour"),
    part("minute"),
    part("second"),
  );
  const offset = clock - quarter;
  if (offsets.size > 50_000) offsets.clear();
  offsets.set(key, offset);
  return offset;
}

export function inZone(at: number, zone: string): ZonedTime {
  const iso = new Date(at + offsetMs(at, zone)).toISOString();
  return { date: iso.slice(0, 10).replaceAll("-", ""), time: iso.slice(11, 19) };
}

export function isZone(zone: string): boolean {
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** "20261120 10:31:02 US/Eastern"; before server version 174 two spaces and no zone. */
export function stamp(at: number, zone: string, serverVersion: number): string {
  const { date, time } = inZone(at, zone);
  return serverVersion >= 174 ? `${date} ${time} ${zone}` : `${date}  ${time}`;
}

/** "20261120-15:31:02", always UTC. */
export function utcStamp(at: number): string {
  const { date, time } = inZone(at, "UTC");
  return `${date}-${time}`;
}

const stampPattern =
  /^(\d{4})(\d{2})(\d{2})(?:(-| {1,2})(\d{2}):(\d{2})(?::(\d{2}))?)?(?: ([A-Za-z_]+(?:\/[A-Za-z_]+)*))?$/;

/**
 * The instant a client wrote in any notation TWS takes: "yyyymmdd-hh:mm:ss" is UTC, a zone may follow the others, and
 * `zone` applies where none is given. Null when it is none of these.
 */
export function parseStamp(text: string, zone: string): number | null {
  const match = stampPattern.exec(text.trim());
  if (match === null) return null;
  const [, year, month, day, separator, hour, minute, second, named] = match;
  const clock = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour ?? 0),
    Number(minute ?? 0),
    Number(second ?? 0),
  );
  const echoed = inZone(clock, "UTC");
  if (echoed.date !== `${year}${month}${day}`) return null;
  if (hour !== undefined && echoed.time !== `${hour}:${minute}:${second ?? "00"}`) return null;
  if (separator === "-") return named === undefined || named === "UTC" ? clock : null;
  const used = named ?? zone;
  if (!isZone(used)) return null;
  // twice, because the offset at the guess may be that of the other side of a clock change.
  const guess = clock - offsetMs(clock, used);
  return clock - offsetMs(guess, used);
}
