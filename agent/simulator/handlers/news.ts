import type { Client } from "../wire/client.ts";
import { contractData, contractDataEnd } from "../wire/messages-contract.ts";
import type { Listed } from "../wire/messages-contract.ts";
import * as messages from "../wire/messages-information.ts";
import { marketDataType, tickReqParams } from "../wire/messages.ts";
import { blankFields } from "../market/instruments.ts";
import type { ContractQuery, Instrument } from "../model/instruments.ts";
import type { World } from "../model/world.ts";
import { createNewsArchive, newsProviders } from "../market/news-archive.ts";
import { unit } from "../market/noise.ts";
import type { Permissions } from "../faults/permissions.ts";
import type { HistoricalNewsRequest } from "../wire/requests-information.ts";
import type { MarketDataRequest } from "../wire/requests.ts";
import type { Message } from "../wire/wire.ts";

const mostResults = 300;
const dayMs = 86_400_000;
const bulletinSlotMs = 3 * 3_600_000;
const lookEveryMs = 500;
const notAllowed = "News feed is not allowed.";
/** Contract ids of the providers' whole feeds. */
const firstFeedId = 890_000_001;

/** Headlines of the past and of now, articles, bulletins, and the providers' whole feeds as instruments of their own. */
export interface NewsHandlers {
  providers(client: Client): void;
  historical(client: Client, request: HistoricalNewsRequest): void;
  article(client: Client, reqId: number, provider: string, articleId: string): void;
  bulletins(client: Client, on: boolean, all: boolean): void;
  /** Generic tick 292 on an instrument's line. */
  follow(client: Client, request: MarketDataRequest, instrument: Instrument): void;
  /** True when the request was for a provider's feed, and is dealt with. */
  takesLine(client: Client, request: MarketDataRequest): boolean;
  /** Ends what goes out under this id; true when it was a provider's feed. */
  endsLine(client: Client, reqId: number): boolean;
  /** True when the contract asked for is a provider's feed, and has been answered. */
  takesDetails(client: Client, reqId: number, contract: ContractQuery): boolean;
  tick(): void;
  forget(client?: Client): void;
}

interface Following {
  readonly client: Client;
  readonly reqId: number;
  /** Null for all that the providers publish. */
  readonly conId: number | null;
  readonly providers: readonly string[];
}

function feedOf(provider: string, name: string, index: number): Listed {
  return {
    ...blankFields,
    conId: firstFeedId + index,
    symbol: `${provider}:${provider}_ALL`,
    secType: "NEWS",
    exchange: provider,
    currency: "",
    localSymbol: `${provider}:${provider}_ALL`,
    tradingClass: provider,
    longName: name,
    minTick: 0.01,
    validExchanges: [provider],
    marketRuleIds: [],
    orderTypes: [],
    timeZoneId: "US/Eastern",
    aggGroup: 2147483647,
  };
}

export function createNewsHandlers(world: World, seed: number, permissions: () => Permissions): NewsHandlers {
  const { universe, now } = world;
  const archive = createNewsArchive(seed, universe, world.market);
  const codes: readonly string[] = newsProviders.map(([code]) => code);
  const feeds = newsProviders.map(([code, name], index) => feedOf(code, name, index));
  const following = new Map<Client, Map<number, Following>>();
  const reading = new Set<Client>();
  let seenUntil = now();
  let lookAt = performance.now() + lookEveryMs;

  const feedFor = ({ conId, secType, exchange, symbol }: ContractQuery): Listed | "none" | null => {
    if (conId !== null) return feeds.find((feed) => feed.conId === conId) ?? null;
    if (secType !== "NEWS") return null;
    const found = feeds.filter(
      (feed) =>
        (exchange === null || feed.exchange === exchange) && (symbol === null || feed.symbol === symbol),
    );
    return (found.length === 1 ? found[0] : undefined) ?? "none";
  };

  function start(client: Client, entry: Following): void {
    const own = following.get(client) ?? new Map<number, Following>();
    following.set(client, own.set(entry.reqId, entry));
  }

  /** False, and the client told so, when the account may not have news. */
  function mayRead(client: Client, reqId: number): boolean {
    if (permissions().news) return true;
    client.error(reqId, 10276, notAllowed);
    return false;
  }

  function bulletinsWithin(from: number, to: number): Message[] {
    const out: Message[] = [];
    for (let slot = Math.floor(from / bulletinSlotMs); slot * bulletinSlotMs < to; slot += 1) {
      const at = (slot + unit(seed, slot, 41)) * bulletinSlotMs;
      if (at >= from && at < to) out.push(bulletin(slot, seed));
    }
    return out;
  }

  return {
    providers(client) {
      client.send(messages.newsProviders(permissions().news ? newsProviders : []));
    },

    historical(client, { reqId, conId, providers, start: startText, end: endText, count }) {
      if (!mayRead(client, reqId)) return;
      const from = timeIn(startText, 0);
      const to = timeIn(endText, now() + 1);
      const wrong = providers.find((code) => !codes.includes(code));
      let cause: string | null = null;
      if (universe.byConId(conId) === undefined) cause = "Invalid contract id";
      else if (providers.length === 0 || wrong !== undefined)
        cause = `Incorrect provider code: ${wrong ?? ""}`;
      else if (from === null || to === null) cause = "Invalid date format";
      if (cause !== null || from === null || to === null) {
        client.error(reqId, 321, `Error validating request.-'cw' : cause - ${cause ?? ""}`);
        return;
      }
      const most = Math.min(mostResults, Math.max(1, count));
      const earliest = Math.max(from, now() - 366 * dayMs);
      const found = archive.about(conId, providers, earliest, Math.min(to, now() + 1), most + 1);
      for (const item of found.slice(0, most)) client.send(messages.historicalNews(reqId, item));
      client.send(messages.historicalNewsEnd(reqId, found.length > most));
    },

    article(client, reqId, provider, articleId) {
      const found = permissions().news ? archive.article(provider, articleId, now()) : null;
      if (found === null) client.error(reqId, 10172, "Failed to request news article:Not allowed");
      else client.send(messages.newsArticle(reqId, found.type, found.text));
    },

    bulletins(client, on, all) {
      if (!on) {
        reading.delete(client);
        return;
      }
      reading.add(client);
      const today = Math.floor(now() / dayMs) * dayMs;
      if (all) for (const message of bulletinsWithin(today, seenUntil)) client.send(message);
    },

    follow(client, { reqId, genericTicks }, instrument) {
      if (!mayRead(client, reqId)) return;
      const named = /(?:^|,)\s*292:([\w+]+)/.exec(genericTicks)?.[1]?.split("+");
      start(client, { client, reqId, conId: instrument.conId, providers: named ?? codes });
    },

    takesLine(client, { reqId, contract, genericTicks }) {
      const feed = feedFor(contract);
      if (feed === null) return false;
      if (feed === "none") {
        client.error(reqId, 200, "No security definition has been found for the request");
        return true;
      }
      if (following.get(client)?.has(reqId) === true) {
        client.error(reqId, 322, "Error processing request.-'bO' : cause - Duplicate ticker id");
        return true;
      }
      if (!mayRead(client, reqId)) return true;
      client.send(marketDataType(reqId, 1));
      client.send(tickReqParams(reqId, feed.minTick, ""));
      if (/(?:^|,)\s*292\b/.test(genericTicks))
        start(client, { client, reqId, conId: null, providers: [feed.exchange] });
      return true;
    },

    endsLine(client, reqId) {
      const own = following.get(client);
      const entry = own?.get(reqId);
      own?.delete(reqId);
      return entry?.conId === null;
    },

    takesDetails(client, reqId, contract) {
      const feed = feedFor(contract);
      if (feed === null) return false;
      if (feed === "none") client.error(reqId, 200, "No security definition has been found for the request");
      else if (mayRead(client, reqId)) {
        client.send(contractData(client.serverVersion, reqId, feed, { trading: "", liquid: "" }));
        client.send(contractDataEnd(reqId));
      }
      return true;
    },

    tick() {
      const clock = performance.now();
      if (clock < lookAt) return;
      lookAt = clock + lookEveryMs;
      const from = seenUntil;
      seenUntil = Math.max(from, now());
      // a clock that was set forward by days is not caught up with
      const since = Math.max(from, seenUntil - dayMs);
      for (const own of following.values())
        for (const { client, reqId, conId, providers } of own.values()) {
          const fresh =
            conId === null
              ? providers.flatMap((provider) => archive.everything(provider, since, seenUntil))
              : archive.about(conId, providers, since, seenUntil, mostResults).toReversed();
          for (const item of fresh) client.sendTick(messages.tickNews(reqId, item));
        }
      if (reading.size === 0) return;
      for (const message of bulletinsWithin(since, seenUntil))
        for (const client of reading) client.send(message);
    },

    forget(client) {
      if (client === undefined) {
        following.clear();
        return;
      }
      following.delete(client);
      reading.delete(client);
    },
  };
}

function bulletin(slot: number, seed: number): Message {
  const exchange = ["NYSE", "CBOE", "IDEALPRO"][slot % 3] ?? "NYSE";
  const kind = Math.floor(unit(seed, slot, 43) * 4);
  const msgId = slot % 1_000_000;
  if (kind === 2) return messages.newsBulletin(msgId, 2, `${exchange} is not available`, exchange);
  if (kind === 3) return messages.newsBulletin(msgId, 3, `${exchange} is available again`, exchange);
  return messages.newsBulletin(
    msgId,
    1,
    "Simulated notice: the system will be maintained tonight",
    "IB System",
  );
}

/** "2026-11-20 15:30:00.0", always UTC; null if unreadable. */
function timeIn(text: string, fallback: number): number | null {
  if (text.trim() === "") return fallback;
  const match = /^(\d{4})-?(\d\d)-?(\d\d)[ -](\d\d:\d\d:\d\d)(\.\d+)?/.exec(text);
  if (match === null) return null;
  const [, year = "", month = "", day = "", clock = ""] = match;
  const at = Date.parse(`${year}-${month}-${day}T${clock}Z`);
  return Number.isFinite(at) ? at : null;
}
