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

/** The instant of TWS's "20260312-09:30:00" on the clock of a zone, ISO 8601; null if either cannot be read. */
export function instantIn(zone: string, text: string): string | null {
  const match = /^(\d{4})(\d{2})(\d{2})[- ](\d{2}):(\d{2}):(\d{2})$/.exec(text.trim());
  const format = formatOf(zone);
  if (match === null || format === null) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const clock = Date.UTC(year, month - 1, day, hour, minute, second);
  // twice, because the offset at the guess may be that of the other side of a clock change
  const guess = clock - offsetMs(format, clock);
  return new Date(clock - offsetMs(format, guess)).toISOString();
}
