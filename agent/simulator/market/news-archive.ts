import { Buffer } from "node:buffer";
import type { Instrument, Universe } from "../model/instruments.ts";
import type { Market } from "../model/market.ts";
import { hash, hashText, unit } from "./noise.ts";

export const newsProviders = [
  ["BRFG", "Briefing.com General Market Columns"],
  ["BRFUPDN", "Briefing.com Analyst Actions"],
  ["DJNL", "Dow Jones Newsletters"],
] as const;

export interface NewsItem {
  readonly at: number;
  readonly provider: string;
  readonly articleId: string;
  readonly headline: string;
  /** Null for what is about the market as a whole. */
  readonly about: Instrument | null;
  readonly confidence: number;
}

/** Everything ever published: a pure function of the seed and the time. */
export interface NewsArchive {
  /** Newest first, from `from` on and before `to`, at most `count`; about one instrument. */
  about(conId: number, providers: readonly string[], from: number, to: number, count: number): NewsItem[];
  /** Oldest first, of one provider, whatever it is about. */
  everything(provider: string, from: number, to: number): NewsItem[];
  article(
    provider: string,
    articleId: string,
    now: number,
  ): { readonly type: 0 | 1; readonly text: string } | null;
}

const slotMs = 3_600_000;
const marketSlotMs = 300_000;
/** The share of slots that hold an item. */
const density = 0.4;
const pdfEvery = 24;
const marketWide = 0;

const body = [
  "The move follows a week in which volume ran above its average.",
  "Traders said that <b>liquidity</b> was thin &amp; that orders were worked slowly.",
  "Options imply a move of similar size over the next month.",
  "Analysts differ on whether the change will last.",
  "Nothing here is real: prices and companies' news come from a simulator.",
];

export function createNewsArchive(seed: number, universe: Universe, market: Market): NewsArchive {
  const codes = newsProviders.map(([code]) => code);
  const subjects = universe.listed.filter(({ secType }) => secType === "STK");
  const byConId = new Map(subjects.map((instrument) => [instrument.conId, instrument]));
  const saltOf = new Map<string, number>(codes.map((code) => [code, hashText(seed, code)]));
  const lengthOf = (conId: number): number => (conId === marketWide ? marketSlotMs : slotMs);

  /** When the item of a slot came out; null for a slot without one. */
  function timeOf(salt: number, conId: number, slot: number): number | null {
    if (unit(salt + 1, conId, slot) >= density) return null;
    const length = lengthOf(conId);
    return slot * length + Math.floor((unit(salt + 2, conId, slot) * length) / 1000) * 1000;
  }

  function headlineOf(about: Instrument | null, at: number, pick: number): string {
    if (about === null) {
      const topics = [
        "Stocks drift as traders wait",
        "Treasury yields little changed",
        "Oil slips in quiet trade",
      ];
      return `${topics[pick % topics.length] ?? ""}, ${new Date(at).toISOString().slice(11, 16)} UTC`;
    }
    const { last, close } = market.quote(about, at);
    const price = last ?? close;
    const change = ((price / close - 1) * 100).toFixed(1);
    const forms = [
      `${about.longName} trades at $${price.toFixed(2)}, ${change}% from its last close`,
      `${about.symbol}: target raised to $${(price * 1.1).toFixed(0)} from $${(price * 1.04).toFixed(0)}`,
      `${about.symbol}: ${about.industry} names in focus after a move of ${change}%`,
      `${about.longName} to present at an investors' conference`,
    ];
    return forms[pick % forms.length] ?? "";
  }

  function itemIn(provider: string, conId: number, slot: number): NewsItem | null {
    const salt = saltOf.get(provider);
    const about = conId === marketWide ? null : byConId.get(conId);
    if (salt === undefined || about === undefined) return null;
    const at = timeOf(salt, conId, slot);
    if (at === null) return null;
    const hex = (value: number, width: number): string => value.toString(16).padStart(width, "0");
    return {
      at,
      provider,
      articleId: `${provider}$${hex(conId, 8)}${hex(slot, 7)}`,
      headline: headlineOf(about, at, hash(salt, conId, slot)),
      about,
      confidence: 0.5 + unit(salt + 3, conId, slot) / 2,
    };
  }

  function within(provider: string, conId: number, from: number, to: number): NewsItem[] {
    const salt = saltOf.get(provider);
    if (salt === undefined) return [];
    const length = lengthOf(conId);
    const found: NewsItem[] = [];
    for (let slot = Math.floor(from / length); slot * length < to; slot += 1) {
      const at = timeOf(salt, conId, slot);
      const item = at === null || at < from || at >= to ? null : itemIn(provider, conId, slot);
      if (item !== null) found.push(item);
    }
    return found;
  }

  return {
    about(conId, providers, from, to, count) {
      if (!byConId.has(conId)) return [];
      const found: NewsItem[] = [];
      // a day at a time, since a client may ask for years and want ten
      for (let end = to; end > from && found.length < count; end -= 24 * slotMs) {
        const start = Math.max(from, end - 24 * slotMs);
        const day = providers.flatMap((provider) => within(provider, conId, start, end));
        found.push(...day.sort((a, b) => b.at - a.at || a.provider.localeCompare(b.provider)));
      }
      return found.slice(0, count);
    },

    everything(provider, from, to) {
      return [marketWide, ...byConId.keys()]
        .flatMap((conId) => within(provider, conId, from, to))
        .sort((a, b) => a.at - b.at);
    },

    article(provider, articleId, now) {
      const match = /^([A-Z]+)\$([0-9a-f]{8})([0-9a-f]{7})$/.exec(articleId);
      if (match === null || match[1] !== provider) return null;
      const slot = parseInt(match[3] ?? "", 16);
      const item = itemIn(provider, parseInt(match[2] ?? "", 16), slot);
      if (item === null || item.at > now) return null;
      return slot % pdfEvery === 0
        ? { type: 1, text: Buffer.from(`%PDF-1.4\n% ${item.headline}\n%%EOF\n`).toString("base64") }
        : { type: 0, text: page(item) };
    },
  };
}

function page({ headline, at, about }: NewsItem): string {
  const start = Math.floor(at / 1000) % body.length;
  const paragraphs = [...body.slice(start), ...body.slice(0, start)];
  const table =
    about === null
      ? ""
      : `<table><tr><th>Symbol</th><th>Venue</th></tr><tr><td>${about.symbol}</td><td>${about.primaryExchange}</td></tr></table>`;
  return `<html><head><title>${headline}</title><style>p { margin: 0 }</style></head><body><h1>${headline}</h1>${paragraphs
    .map((text) => `<p>${text}</p>`)
    .join("")}${table}<script>count("read")</script></body></html>`;
}
