import { yieldTicks } from "./bond-ticks.ts";
import type { Client } from "../wire/client.ts";
import { asDelayed, standOf } from "./data-entitlement.ts";
import type { Stand } from "./data-entitlement.ts";
import { openingTicks, parseGenericTicks, tradeTicks } from "./generic-ticks.ts";
import * as messages from "../wire/messages.ts";
import type { Instrument } from "../model/instruments.ts";
import type { Quote } from "../model/market.ts";
import type { World } from "../model/world.ts";
import type { NewsHandlers } from "./news.ts";
import { quoteService, takenAway } from "../faults/permissions.ts";
import type { Permissions, Service } from "../faults/permissions.ts";
import type { MarketDataRequest } from "../wire/requests.ts";
import { resolveOne } from "./resolve-contract.ts";
import { bboExchangeOf } from "../market/smart-components.ts";
import { usualText } from "../wire/tws-texts.ts";
import type { Message } from "../wire/wire.ts";

const snapshotWaitMs = 11_000;
const live = 1;

export interface MarketDataFeed {
  subscribe(client: Client, request: MarketDataRequest): void;
  cancel(client: Client, reqId: number): void;
  /** 59: sticky for the connection, and never answered. */
  setType(client: Client, type: number): void;
  /** Sends what changed to every line whose turn it is. */
  tick(): void;
  /**
   * Open lines of these symbols say nothing more; with `forGood` neither do those opened later, until it is called
   * again. A line that has died stays dead: only a new one talks.
   */
  silence(symbols: readonly string[], forGood: boolean): void;
  /** Ends every line with an error. */
  end(code: number, text: string | null): void;
  /** Ends all lines of a client, or of everyone. */
  forget(client?: Client): void;
  /** Open lines over all clients, snapshots on their way included. */
  lines(): number;
}

interface Line {
  readonly client: Client;
  readonly reqId: number;
  readonly instrument: Instrument;
  readonly generic: ReadonlySet<string>;
  readonly intervalMs: number;
  /** When a snapshot gives up waiting for the rest; null for a stream. */
  readonly snapshotEndsAt: number | null;
  /** TWS cuts sizes of US stocks to round lots for clients from before 159. */
  readonly lot: number;
  /** The kind of data that the client had asked for when it subscribed. */
  readonly asked: number;
  readonly from: Extract<Service, { readonly type: "served" }>["from"];
  dueAt: number;
  isDead: boolean;
  /** The kind that it has been told it gets. */
  type: Stand["type"];
  sent: Quote;
}

function intervalMs(instrument: Instrument): number {
  if (instrument.secType === "OPT" || instrument.secType === "FOP") return 100;
  return instrument.secType === "CASH" ? 200 : 250;
}

function lotOf(client: Client, instrument: Instrument): number {
  const isUsStock = instrument.secType === "STK" && instrument.currency === "USD";
  return client.serverVersion < 159 && isUsStock ? 100 : 1;
}

const priced = [
  { price: "bid", size: "bidSize", tick: 1, sizeTick: 0 },
  { price: "ask", size: "askSize", tick: 2, sizeTick: 3 },
  { price: "last", size: "lastSize", tick: 4, sizeTick: 5 },
] as const;

const greekTickTypes = [
  { price: "bid", tick: 10 },
  { price: "ask", tick: 11 },
  { price: "last", tick: 12 },
] as const;

const dayTickTypes = [
  { price: "high", tick: 6 },
  { price: "low", tick: 7 },
  { price: "close", tick: 9 },
  { price: "open", tick: 14 },
] as const;

/** Bid, ask and last with their sizes: all of them at first, then what differs. */
function priceTicks(line: Line, quote: Quote, before: Quote | null): Message[] {
  const out: Message[] = [];
  const isTraded = line.instrument.secType !== "CASH";
  for (const { price, size, tick, sizeTick } of priced) {
    if (price === "last" && !isTraded) continue;
    const shown = Math.floor((quote[size] ?? 0) / line.lot);
    const moved = before === null || quote[price] !== before[price];
    if (moved) {
      const autoExecute = price === "last" ? 0 : 1;
      out.push(messages.tickPrice(line.reqId, tick, quote[price] ?? -1, shown, autoExecute));
    }
    if (moved || quote[size] !== before[size]) out.push(messages.tickSize(line.reqId, sizeTick, shown));
  }
  return out;
}

function greekTicks(line: Line, quote: Quote): Message[] {
  const { greeks } = quote;
  if (greeks === null) return [];
  const version = line.client.serverVersion;
  const out: Message[] = [];
  for (const { price, tick } of greekTickTypes) {
    const value = quote[price];
    if (value !== null) out.push(messages.tickOptionComputation(version, line.reqId, tick, greeks, value));
  }
  out.push(messages.tickOptionComputation(version, line.reqId, 13, greeks, greeks.price));
  return out;
}

/** What TWS works out from the prices: greeks of options, yields of bonds. */
const modelTicks = (line: Line, quote: Quote): Message[] => [
  ...greekTicks(line, quote),
  ...yieldTicks(line.reqId, line.instrument, quote),
];

function dayTicks(line: Line, quote: Quote, before: Quote | null): Message[] {
  const out: Message[] = [];
  if (quote.volume !== null && quote.volume !== before?.volume) {
    out.push(messages.tickSize(line.reqId, 8, Math.floor(quote.volume / line.lot)));
  }
  for (const { price, tick } of dayTickTypes) {
    if (quote[price] !== before?.[price]) out.push(messages.tickPrice(line.reqId, tick, quote[price], 0));
  }
  if (quote.last !== null && quote.lastAt !== before?.lastAt && line.instrument.secType !== "CASH") {
    out.push(messages.tickString(line.reqId, 45, String(Math.floor(quote.lastAt / 1000))));
  }
  if (quote.halted !== (before?.halted ?? !quote.halted)) {
    out.push(messages.tickGeneric(line.reqId, 49, quote.halted ? 1 : 0));
  }
  return out;
}

/** "AAPL NASDAQ.NMS/TOP/ALL", as TWS names the data in its remarks. */
const nameOf = ({ symbol, primaryExchange, exchange }: Instrument): string =>
  `${symbol} ${primaryExchange === "" ? exchange : primaryExchange}/TOP/ALL`;

function isComplete(line: Line, quote: Quote): boolean {
  if (quote.bid === null || quote.ask === null) return false;
  return quote.last !== null || line.instrument.secType === "CASH";
}

/** The real gateway's answers to reqMktData, 100 lines over all clients. */
export function createMarketDataFeed(
  world: World,
  maxLines: number,
  permissions: () => Permissions,
  news: Pick<NewsHandlers, "follow">,
): MarketDataFeed {
  const { market, universe } = world;
  const lines = new Map<Client, Map<number, Line>>();
  const types = new WeakMap<Client, number>();
  /** Symbols whose new lines are dead from the start. */
  let deaf: ReadonlySet<string> = new Set();

  function count(): number {
    let sum = 0;
    for (const own of lines.values()) sum += own.size;
    return sum;
  }

  function remove(line: Line): void {
    const own = lines.get(line.client);
    own?.delete(line.reqId);
    if (own?.size === 0) lines.delete(line.client);
  }

  function snapshotOf(line: Line, quote: Quote, now: number): void {
    if (line.snapshotEndsAt === null) return;
    if (!isComplete(line, quote) && now < line.snapshotEndsAt) return;
    line.client.send(messages.tickSnapshotEnd(line.reqId));
    remove(line);
  }

  function open(line: Line, quote: Quote): void {
    const { client, reqId, instrument } = line;
    client.send(messages.marketDataType(reqId, line.type));
    client.send(messages.tickReqParams(reqId, instrument.minTick, bboExchangeOf(instrument)));
    if (line.generic.has("mdoff")) return;
    const ticks = [
      ...(line.from === "day" ? [] : [...priceTicks(line, quote, null), ...modelTicks(line, quote)]),
      ...dayTicks(line, quote, null),
      ...tradeTicks(line.generic, reqId, quote),
      ...openingTicks(line.generic, market, instrument, reqId, quote),
    ];
    for (const message of shown(line, ticks)) client.send(message);
  }

  /** The ticks as this line's kind of data has them. */
  function shown(line: Line, ticks: readonly Message[]): Message[] {
    if (line.from !== "delayed") return [...ticks];
    return ticks.flatMap((message) => {
      const delayed = asDelayed(message, line.client.serverVersion);
      return delayed === null ? [] : [delayed];
    });
  }

  function changes(line: Line, quote: Quote): Message[] {
    const before = line.sent;
    const prices = line.from === "day" ? [] : priceTicks(line, quote, before);
    const traded = quote.lastAt !== before.lastAt || quote.last !== before.last;
    return shown(line, [
      ...prices,
      ...(prices.length > 0 ? modelTicks(line, quote) : []),
      ...dayTicks(line, quote, before),
      ...(traded ? tradeTicks(line.generic, line.reqId, quote) : []),
    ]);
  }

  function update(line: Line, quote: Quote, now: number): void {
    line.dueAt = now + line.intervalMs;
    if (line.generic.has("mdoff")) return;
    const due = changes(line, quote);
    // a client that does not read misses this turn and sees the difference at a later one.
    if (due.every((message) => line.client.sendTick(message))) line.sent = quote;
    snapshotOf(line, quote, now);
  }

  return {
    lines: count,

    subscribe(client, request) {
      const { reqId } = request;
      if (lines.get(client)?.has(reqId) === true) {
        client.error(reqId, 322, "Error processing request.-'bO' : cause - Duplicate ticker id");
        return;
      }
      const instrument = resolveOne(universe, client, reqId, request.contract);
      if (instrument === null) return;
      const generic = parseGenericTicks(request.genericTicks, instrument.secType);
      if (generic.type === "illegal") {
        client.error(reqId, 321, generic.text);
        return;
      }
      if (request.snapshot && generic.ticks.size > 0) {
        const cause = "Snapshot market data subscription is not applicable to generic ticks";
        client.error(reqId, 321, `Error validating request.-'bO' : cause - ${cause}`);
        return;
      }
      if (count() >= maxLines) {
        client.error(reqId, 101, "Max number of tickers has been reached");
        return;
      }
      const asked = types.get(client) ?? live;
      const service = quoteService(permissions(), asked, nameOf(instrument));
      if (service.type === "refused") {
        client.error(reqId, service.refusal.code, service.refusal.text);
        return;
      }
      if (service.remark !== null) client.error(reqId, service.remark.code, service.remark.text);
      if (service.type === "silent") return;
      if (generic.wantsNews) news.follow(client, request, instrument);
      // turns and waits follow the machine's clock, prices the world's, which may stand still or run fast.
      const now = performance.now();
      const stand = standOf(market, instrument, service.from, asked, world.now());
      const quote = market.quote(instrument, stand.at);
      const interval = intervalMs(instrument);
      const line: Line = {
        client,
        reqId,
        instrument,
        generic: generic.ticks,
        intervalMs: interval,
        snapshotEndsAt: request.snapshot ? now + snapshotWaitMs : null,
        lot: lotOf(client, instrument),
        dueAt: now + interval,
        isDead: deaf.has(instrument.symbol),
        asked,
        from: service.from,
        type: stand.type,
        sent: quote,
      };
      const own = lines.get(client) ?? new Map<number, Line>();
      lines.set(client, own.set(reqId, line));
      if (line.isDead) return;
      open(line, quote);
      snapshotOf(line, quote, now);
    },

    cancel(client, reqId) {
      const line = lines.get(client)?.get(reqId);
      if (line === undefined) client.error(reqId, 300, `Can't find EId with tickerId:${reqId}`);
      else remove(line);
    },

    setType(client, type) {
      types.set(client, type);
    },

    tick() {
      const now = performance.now();
      const at = world.now();
      const quotes = new Map<string, Quote>();
      const taken = takenAway(permissions());
      for (const own of lines.values()) {
        for (const line of own.values()) {
          if (now < line.dueAt || line.isDead) continue;
          if (taken !== null) {
            line.isDead = true;
            line.client.error(line.reqId, taken.code, taken.text);
            continue;
          }
          const { instrument } = line;
          const stand = standOf(market, instrument, line.from, line.asked, at);
          if (stand.type !== line.type) {
            line.type = stand.type;
            line.client.send(messages.marketDataType(line.reqId, stand.type));
          }
          const key = `${instrument.conId} ${stand.at}`;
          const quote = quotes.get(key) ?? market.quote(instrument, stand.at);
          quotes.set(key, quote);
          update(line, quote, now);
        }
      }
    },

    silence(symbols, forGood) {
      deaf = new Set(forGood ? symbols : []);
      for (const own of lines.values()) {
        for (const line of own.values()) line.isDead ||= symbols.includes(line.instrument.symbol);
      }
    },

    end(code, text) {
      for (const own of lines.values())
        for (const { client, reqId } of own.values())
          client.error(reqId, code, text ?? usualText(code, reqId));
      lines.clear();
    },

    forget(client) {
      if (client === undefined) lines.clear();
      else lines.delete(client);
    },
  };
}
