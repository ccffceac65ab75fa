import { isInCalendar, noSuchDate } from "../../shared/calendar-date.ts";
import { TwsError } from "../../shared/errors.ts";
import { isZone, readTime } from "../tws/session/time-zone.ts";

const date = String.raw`(\d{4})(?:-?)(\d{2})(?:-?)(\d{2})`;
const clock = String.raw`(\d{2}):?(\d{2})(?::?(\d{2})(?:\.\d+)?)?`;
const written = new RegExp(String.raw`^${date}(?:[T \-]+${clock}\s*(\S.*)?)?$`, "i");
const offset = /^([+-]\d\d):?(\d\d)$/;

/** Unix time in seconds or milliseconds. */
const epoch = /^(\d{10}|\d{13})$/;

/**
 * An instant as people and TWS write it, in ISO 8601 and UTC: `2026-11-20`, `20261120 15:30:00`, `2026-11-20T15:30Z`,
 * `20261120-15:30:00`, with an offset or the name of a zone behind it, or Unix time. Without a zone it is UTC. Throws
 * invalid_input under the argument's name for what is none of these.
 */
export function readInstant(name: string, text: string | undefined): string | undefined {
  const given = text?.trim() ?? "";
  if (given === "") return undefined;
  if (epoch.test(given)) return new Date(Number(given.padEnd(13, "0"))).toISOString();
  const match = written.exec(given);
  if (match === null) throw unreadable(name);
  const [, year = "", month = "", day = "", hour = "00", minute = "00", second = "00", zone = "Z"] = match;
  if (!isInCalendar(`${year}${month}${day}`)) throw new TwsError("invalid_input", `${name}: ${noSuchDate}.`);
  const [, hours, minutes] = offset.exec(zone) ?? [];
  const at =
    hours === undefined || minutes === undefined
      ? inZone(`${year}${month}${day} ${hour}:${minute}:${second}`, zone)
      : isoOf(`${year}-${month}-${day}T${hour}:${minute}:${second}${hours}:${minutes}`);
  if (at === null || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) throw unreadable(name);
  return at;
}

/** Zones by their names alone: what an abbreviation means differs from place to place. */
function inZone(text: string, zone: string): string | null {
  const name = /^(z|utc|gmt)$/i.test(zone) ? "UTC" : zone;
  return isZone(name) ? readTime(text, name) : null;
}

function isoOf(text: string): string | null {
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : new Date(at).toISOString();
}

const unreadable = (name: string): TwsError =>
  new TwsError(
    "invalid_input",
    `${name}: write it as 2026-11-20, 2026-11-20T15:30:00Z or 20261120 15:30:00 US/Eastern.`,
  );
