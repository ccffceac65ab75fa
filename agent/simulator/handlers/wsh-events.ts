import type { Client } from "../wire/client.ts";
import * as messages from "../wire/messages-information.ts";
import type { Instrument } from "../model/instruments.ts";
import type { World } from "../model/world.ts";
import { unit } from "../market/noise.ts";
import type { Permissions } from "../faults/permissions.ts";
import type { EventsRequest } from "../wire/requests-information.ts";
import { usualText } from "../wire/tws-texts.ts";

const dayMs = 86_400_000;
const yearDays = 365;
const mostEvents = 100;

interface Kind {
  readonly tag: string;
  readonly name: string;
  readonly fields: readonly string[];
  /** Days from one to the next. */
  readonly everyDays: number;
}

const kinds: readonly Kind[] = [
  {
    tag: "wshe_ed",
    name: "Earnings Date",
    fields: ["earnings_date", "time_of_day", "fiscal_year", "quarter"],
    everyDays: 91,
  },
  {
    tag: "wshe_eps",
    name: "Earnings Report",
    fields: ["amount_oc", "estimated_eps", "currency", "quarter"],
    everyDays: 91,
  },
  {
    tag: "wshe_cc",
    name: "Conference Calls",
    fields: ["fiscal_year", "quarter", "live_pwebsite"],
    everyDays: 91,
  },
  {
    tag: "wshe_div",
    name: "WSHE Dividend",
    fields: ["dividend_oc", "dividend_currency", "ex_div_date", "pay_date"],
    everyDays: 91,
  },
  { tag: "wshe_bod", name: "Board of Directors Meeting", fields: ["date", "location"], everyDays: 122 },
  { tag: "wshe_sh", name: "Shareholder Meeting", fields: ["date", "location"], everyDays: yearDays },
  {
    tag: "wshe_ic",
    name: "Investors Conference",
    fields: ["conference_name", "end_date", "time_zone"],
    everyDays: 60,
  },
  { tag: "wshe_option", name: "Option Expiration Date", fields: ["expiration_date"], everyDays: 30 },
  { tag: "wshe_splits", name: "Splits", fields: ["old_shares", "new_shares", "ex_date"], everyDays: 4000 },
];

/** The calendar of corporate events, as JSON. */
export interface EventsHandlers {
  types(client: Client, reqId: number): void;
  events(client: Client, request: EventsRequest): void;
  forget(client: Client): void;
}

const dayText = (day: number): string => new Date(day * dayMs).toISOString().slice(0, 10).replaceAll("-", "");

const dayIn = (text: string): number | null => {
  const match = /^(\d{4})(\d\d)(\d\d)$/.exec(text);
  if (match === null) return null;
  return Math.floor(Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3])) / dayMs);
};

export function createEventsHandlers(
  { universe, now }: World,
  seed: number,
  permissions: () => Permissions,
): EventsHandlers {
  /** TWS answers events only to those who have asked for their types in this session. */
  const introduced = new WeakSet<Client>();
  const meta = JSON.stringify({
    validated: true,
    meta_data: {
      event_types: kinds.map(({ tag, name, fields }) => ({
        tag,
        name,
        type: "event",
        columns: fields.map((field) => ({ tag: field, name: field.replaceAll("_", " ") })),
      })),
      filters: [{ tag: "country", name: "Country" }],
    },
  });

  function mayRead(client: Client, reqId: number): boolean {
    if (permissions().calendar) return true;
    client.error(reqId, 10276, "News is not allowed.");
    return false;
  }

  function eventsOf(instrument: Instrument, from: number, to: number): { day: number; json: object }[] {
    return kinds.flatMap((kind, index) => {
      const salt = seed + index * 101;
      const offset = Math.floor(unit(salt, instrument.conId) * kind.everyDays);
      const first = Math.ceil((from - offset) / kind.everyDays);
      const last = Math.floor((to - offset) / kind.everyDays);
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, step) => {
        const count = first + step;
        const day = count * kind.everyDays + offset;
        return { day, json: eventOf(kind, instrument, day, count, unit(salt + 7, instrument.conId, count)) };
      });
    });
  }

  return {
    types(client, reqId) {
      if (!mayRead(client, reqId)) return;
      introduced.add(client);
      client.send(messages.wshMetaData(reqId, meta));
    },

    events(client, { reqId, conId, filter, start, end, count }) {
      if (!mayRead(client, reqId)) return;
      if (!introduced.has(client)) {
        client.error(reqId, 10282, usualText(10282));
        return;
      }
      const asked = readFilter(filter);
      const ids = conId === null ? (asked?.watchlist ?? []) : [conId];
      const companies = ids.map((id) => universe.byConId(id));
      const isKnown = companies.every((one) => one !== undefined);
      if (asked === null || companies.length === 0 || !isKnown) {
        client.error(reqId, 10283, usualText(10283));
        return;
      }
      const today = Math.floor(now() / dayMs);
      const from = dayIn(start) ?? today;
      const to = dayIn(end) ?? from + yearDays;
      const found = companies
        .filter((one) => one !== undefined)
        .filter(({ secType }) => secType === "STK")
        .flatMap((one) => eventsOf(one, from, to))
        .sort((a, b) => a.day - b.day);
      const most = Math.min(mostEvents, Math.max(1, count));
      client.send(messages.wshEventData(reqId, JSON.stringify(found.slice(0, most).map(({ json }) => json))));
    },

    forget(client) {
      introduced.delete(client);
    },
  };
}

function eventOf(kind: Kind, instrument: Instrument, day: number, count: number, chance: number): object {
  const date = dayText(day);
  const values: Readonly<Record<string, string | number>> = {
    earnings_date: date,
    time_of_day: chance < 0.5 ? "BEFORE MARKET" : "AFTER MARKET",
    fiscal_year: Number(date.slice(0, 4)),
    quarter: (Math.abs(count) % 4) + 1,
    amount_oc: Number((1 + chance * 3).toFixed(2)),
    estimated_eps: Number((1 + chance * 2.9).toFixed(2)),
    currency: instrument.currency,
    dividend_oc: Number((0.2 + chance / 2).toFixed(2)),
    dividend_currency: instrument.currency,
    ex_div_date: date,
    pay_date: dayText(day + 14),
    live_pwebsite: `https://investors.example/${instrument.symbol.replaceAll(" ", "")}`,
    date,
    location: "New York",
    conference_name: "Simulated Investors Conference",
    end_date: dayText(day + 2),
    time_zone: "EST",
    expiration_date: date,
    old_shares: 1,
    new_shares: 2,
    ex_date: date,
  };
  return {
    index_date_type: "DATE",
    event_type: kind.tag,
    index_date: date,
    event_key: `E${instrument.conId}${kind.tag.slice(5)}${Math.abs(count)}`,
    conids: [String(instrument.conId)],
    source: "WSHE",
    status: "",
    tooltips: {},
    data: Object.fromEntries(kind.fields.map((field) => [field, values[field] ?? ""])),
  };
}

/** The companies that a filter names; null when it is not readable. */
function readFilter(text: string): { readonly watchlist: readonly number[] } | null {
  if (text === "") return { watchlist: [] };
  try {
    const filter: unknown = JSON.parse(text);
    if (typeof filter !== "object" || filter === null) return null;
    const watchlist: unknown = "watchlist" in filter ? filter.watchlist : [];
    return Array.isArray(watchlist) ? { watchlist: watchlist.map(Number) } : null;
  } catch {
    return null;
  }
}
