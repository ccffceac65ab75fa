import { TwsError } from "../../../shared/errors.ts";
import type { OutputOf } from "../../../shared/tools/define.ts";
import type { wshTools } from "../../../shared/tools/wsh.ts";
import { lineOf } from "./news-text.ts";

export type EventType = OutputOf<(typeof wshTools)["ibkr_get_wsh_meta_data"]>["eventTypes"][number];
export type CorporateEvent = OutputOf<(typeof wshTools)["ibkr_get_wsh_event_data"]>["events"][number];

type Json = Readonly<Record<string, unknown>>;

const isJson = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TwsError("tws_error", "TWS's answer from Wall Street Horizon's calendar is not readable.", {
      nextStep: "Try again; if it stays, TWS may be of a version that answers differently.",
      cause,
    });
  }
}

const words = (value: unknown): string =>
  typeof value === "string" || typeof value === "number" ? lineOf(String(value), 200) : "";

const firstOf = (row: Json, names: readonly string[]): string =>
  names.map((name) => words(row[name])).find((text) => text !== "") ?? "";

const mostFields = 40;

/** The kinds of events in TWS's JSON, which has had several layouts; throws tws_error when it holds none. */
export function eventTypesIn(text: string): EventType[] {
  const parsed = parse(text);
  const root = isJson(parsed) && isJson(parsed["meta_data"]) ? parsed["meta_data"] : parsed;
  const listed = isJson(root) ? root["event_types"] : undefined;
  if (!Array.isArray(listed))
    throw new TwsError("tws_error", "TWS's answer names no event types.", {
      nextStep: "Call ibkr_get_wsh_event_data: events say their own type.",
    });
  const rows: readonly unknown[] = listed;
  return rows.map(typeOf).filter(({ tag }) => tag !== "");
}

function typeOf(row: unknown): EventType {
  if (!isJson(row)) return { tag: words(row), name: words(row), fields: [] };
  const tag = firstOf(row, ["tag", "code", "event_type", "type"]);
  const name = firstOf(row, ["name", "label", "description"]);
  const listed = row["columns"] ?? row["fields"];
  const columns: readonly unknown[] = Array.isArray(listed) ? listed : [];
  const fields = columns
    .map((column) => (isJson(column) ? firstOf(column, ["tag", "name", "code"]) : words(column)))
    .filter((field) => field !== "");
  return { tag, name: name === "" ? tag : name, fields: fields.slice(0, mostFields) };
}

/** The events in TWS's JSON, soonest first. */
export function eventsIn(text: string, names: ReadonlyMap<string, string>): CorporateEvent[] {
  if (text.trim() === "") return [];
  const parsed = parse(text);
  const listed = isJson(parsed) ? (parsed["events"] ?? parsed["data"]) : parsed;
  if (!Array.isArray(listed)) throw new TwsError("tws_error", "TWS's answer holds no list of events.");
  const rows: readonly unknown[] = listed;
  return rows
    .filter(isJson)
    .map((row) => {
      const eventType = firstOf(row, ["event_type", "type"]);
      const date = firstOf(row, ["index_date", "date"]);
      return { eventType, name: names.get(eventType) ?? null, date: dayOf(date), data: dataOf(row["data"]) };
    })
    .sort((a, b) => (a.date ?? "9999").localeCompare(b.date ?? "9999"));
}

const dayOf = (text: string): string | null => {
  const match = /^(\d{4})-?(\d{2})-?(\d{2})/.exec(text);
  return match === null ? null : match.slice(1).join("-");
};

/** Values as they are, each capped; what is nested is written out as JSON. */
function dataOf(value: unknown): CorporateEvent["data"] {
  if (!isJson(value)) return {};
  const entries = Object.entries(value).slice(0, mostFields);
  return Object.fromEntries(entries.map(([key, inner]) => [lineOf(key, 64), plain(inner)]));
}

function plain(value: unknown): string | number | boolean | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "number" || typeof value === "boolean") return value;
  return lineOf(typeof value === "string" ? value : JSON.stringify(value), 300);
}
