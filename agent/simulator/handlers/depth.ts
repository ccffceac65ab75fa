import type { Client } from "../wire/client.ts";
import * as messages from "../wire/messages-data.ts";
import type { Instrument } from "../model/instruments.ts";
import type { Market } from "../model/market.ts";
import type { World } from "../model/world.ts";
import { unit } from "../market/noise.ts";
import type { Permissions } from "../faults/permissions.ts";
import type { MarketDepthRequest } from "../wire/requests-data.ts";
import { incrementAt } from "../market/market-rules.ts";
import { ruleOf } from "../ledger/order-checks.ts";
import { resolveOne } from "./resolve-contract.ts";
import { usualText } from "../wire/tws-texts.ts";

const mostBooks = 3;
const mostRows = 20;
const updateMs = 500;
const notSupported = "Deep market data is not supported for this combination of security type/exchange";
const reset =
  "Market depth data has been RESET. Please empty deep book contents before applying any new entries.";

/** The levels of one side, best first. */
type Side = readonly Level[];
interface Level {
  readonly price: number;
  readonly size: number;
  readonly maker: string;
}

interface Book {
  readonly client: Client;
  readonly reqId: number;
  readonly instrument: Instrument;
  readonly rows: number;
  readonly isSmart: boolean;
  sent: readonly [asks: Side, bids: Side];
  dueAt: number;
}

/** The order books of market depth requests. */
export interface DepthFeed {
  subscribe(client: Client, request: MarketDepthRequest): void;
  cancel(client: Client, reqId: number): void;
  /** 317: everyone is told to empty the book, and gets it anew. */
  reset(): void;
  tick(): void;
  /** Ends every book with an error. */
  end(code: number, text: string | null): void;
  forget(client?: Client): void;
}

/** What waits behind the best bid and ask: a level for each tick of price, its size drawn anew every second. */
function levels(market: Market, instrument: Instrument, at: number, rows: number): Book["sent"] {
  const quote = market.quote(instrument, at);
  const venues = instrument.validExchanges.filter((venue) => venue !== "SMART");
  const side = (best: number | null, bestSize: number | null, step: number, salt: number): Side => {
    if (best === null) return [];
    let price = best;
    return Array.from({ length: rows }, (_, index) => {
      const draw = unit(instrument.conId + salt, Math.floor(at / 1000), index);
      const size = index === 0 ? (bestSize ?? 0) : Math.max(1, Math.round((bestSize ?? 1) * (1 + 3 * draw)));
      if (index > 0) price += step * incrementAt(ruleOf(instrument), price);
      const maker = venues[(index + salt) % Math.max(1, venues.length)] ?? instrument.exchange;
      return { price: Number(price.toFixed(10)), size, maker };
    }).filter(({ price }) => price > 0);
  };
  return [side(quote.ask, quote.askSize, 1, 0), side(quote.bid, quote.bidSize, -1, 1)];
}

const isSame = (a: Level | undefined, b: Level | undefined): boolean =>
  a?.price === b?.price && a?.size === b?.size && a?.maker === b?.maker;

export function createDepthFeed(world: World, permissions: () => Permissions): DepthFeed {
  const { market, universe } = world;
  let books: Book[] = [];

  function sendRow(book: Book, row: messages.DepthRow): boolean {
    const { client, reqId, isSmart } = book;
    return client.sendTick(isSmart ? messages.marketDepthL2(reqId, row) : messages.marketDepth(reqId, row));
  }

  /** Brings the client's book to what it is now, by inserts, updates and deletes. */
  function send(book: Book, now: Book["sent"]): void {
    for (const side of [0, 1] as const) {
      const [before, after] = [book.sent[side], now[side]];
      for (const [position, { price, size, maker }] of after.entries()) {
        if (isSame(before[position], after[position])) continue;
        const operation = position < before.length ? 1 : 0;
        sendRow(book, { position, operation, side, price, size, maker });
      }
      for (let position = before.length - 1; position >= after.length; position--) {
        sendRow(book, { position, operation: 2, side, price: 0, size: 0, maker: "" });
      }
    }
    book.sent = now;
  }

  return {
    subscribe(client, { reqId, contract, rows, isSmart }) {
      const instrument = resolveOne(universe, client, reqId, contract);
      if (instrument === null) return;
      if (!permissions().depth || ["IND", "BOND"].includes(instrument.secType)) {
        client.error(reqId, 10092, notSupported);
        return;
      }
      if (books.length >= mostBooks) {
        client.error(reqId, 309, `Max number (${mostBooks}) of market depth requests has been reached`);
        return;
      }
      if (isSmart) {
        const venues = instrument.validExchanges.filter((venue) => venue !== "SMART");
        const named = venues.map((venue) => `${venue}; `).join("");
        client.error(reqId, 2152, `Exchanges - Depth: ${named}Top: ${venues[0] ?? ""}`);
      }
      const book: Book = {
        client,
        reqId,
        instrument,
        rows: Math.min(Math.max(1, rows), mostRows),
        isSmart,
        sent: [[], []],
        dueAt: performance.now() + updateMs,
      };
      books.push(book);
      send(book, levels(market, instrument, world.now(), book.rows));
    },

    cancel(client, reqId) {
      const kept = books.filter((book) => book.client !== client || book.reqId !== reqId);
      if (kept.length === books.length) {
        client.error(reqId, 310, `Can't find the subscribed market depth with tickerId:${reqId}`);
      }
      books = kept;
    },

    reset() {
      for (const book of books) {
        book.client.error(book.reqId, 317, reset);
        book.sent = [[], []];
        send(book, levels(market, book.instrument, world.now(), book.rows));
      }
    },

    tick() {
      const now = performance.now();
      for (const book of books) {
        if (now < book.dueAt) continue;
        book.dueAt = now + updateMs;
        send(book, levels(market, book.instrument, world.now(), book.rows));
      }
    },

    end(code, text) {
      for (const { client, reqId } of books) client.error(reqId, code, text ?? usualText(code, reqId));
      books = [];
    },

    forget(client) {
      books = client === undefined ? [] : books.filter((book) => book.client !== client);
    },
  };
}
