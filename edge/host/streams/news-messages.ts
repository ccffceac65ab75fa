import { z } from "zod";
import { parseTopic } from "../../../shared/events.ts";
import { type NewsItem, newsKey } from "../../../shared/news.ts";
import { conIdOf } from "./market-data-messages.ts";
import { createLastValueCache } from "./last-value.ts";
import {
  type Fields,
  parseFields,
  parseSelector,
  type StreamMessages,
  type Subscription,
} from "./watcher-protocol.ts";

const Feed = z.enum(["bulletins", "ticks", "broadtape"]);
const Wanted = z.object({ feed: Feed.optional(), allMessages: z.boolean().default(true) });

/** Without a feed it is the bulletins, unless an instrument is named. */
function parseWanted(fields: Fields) {
  const { feed: named, allMessages: all, ...instrument } = fields;
  const { feed, allMessages } = parseFields(Wanted, { feed: named, allMessages: all });
  const selector = parseSelector(instrument);
  const isNamed = selector.symbol !== undefined || selector.conId !== undefined;
  return {
    feed: feed ?? (isNamed ? "ticks" : "bulletins"),
    isFeedGiven: feed !== undefined,
    allMessages,
    selector,
    isNamed,
  };
}

/** Bulletins, headlines of instruments, and the broad tape: each message is one item, the oldest first. */
export const newsMessages: StreamMessages = {
  stream: "news",
  example: '{"action":"subscribe","allMessages":true}',

  subscribe(fields) {
    const { feed, allMessages, selector } = parseWanted(fields);
    switch (feed) {
      case "bulletins":
        return { tool: "ibkr_start_news_resource", input: { allMessages }, name: null };
      case "ticks": {
        const input = { ...selector, symbol: selector.symbol ?? "*" };
        return {
          tool: "ibkr_start_tick_news_resource",
          input,
          name: selector.conId === undefined ? input.symbol.toUpperCase() : null,
        };
      }
      case "broadtape":
        return { tool: "ibkr_start_broadtape_news_resource", input: {}, name: null };
      default:
        return feed satisfies never;
    }
  },

  nameOf: ({ contract, resourceId }) => contract?.symbol ?? resourceId,

  unsubscribe(fields) {
    const { feed, selector, isNamed, isFeedGiven } = parseWanted(fields);
    const symbol = selector.symbol?.toUpperCase();
    return {
      isMeant(subscription) {
        // nothing named: the only one there is
        if (!isFeedGiven && !isNamed) return true;
        if (feedOf(subscription) !== feed) return false;
        if (!isNamed) return true;
        return selector.conId === undefined
          ? subscription.name === symbol
          : conIdOf(subscription.topic) === selector.conId;
      },
      subject: { feed, symbol },
    };
  },

  subject: (subscription) => {
    const feed = feedOf(subscription);
    return feed === "ticks"
      ? { feed, symbol: subscription.name, conId: conIdOf(subscription.topic) }
      : { feed };
  },

  listing: (all) => ({ feeds: all.map(({ feed }) => feed) }),

  encode(subscription, value, _before, nextSeq) {
    const { mark } = subscription;
    if (value.kind !== "news") return { messages: [], mark };
    const { items } = value.data;
    const told = items.findLastIndex((item) => markOf(item) === mark);
    const numbers = numbersOf(value, "", () => items.map(nextSeq));
    const messages = items.slice(told + 1).map((item, index) => {
      const seq = numbers[told + 1 + index] ?? nextSeq();
      const text = texts(item, `${subscription.name} ${seq}`, () =>
        JSON.stringify({
          type: "news",
          ...newsMessages.subject(subscription),
          timestamp: value.at,
          seq,
          data: dataOf(item),
        }),
      );
      return { part: newsKey(item), seq, text };
    });
    const last = items.at(-1);
    return { messages, mark: last === undefined ? mark : markOf(last) };
  },
};

/** Of all items at once: a watcher that is told only the last must have the same number for it as one that is told all. */
const numbersOf = createLastValueCache<readonly number[]>();
const texts = createLastValueCache<string>();

function feedOf({ topic: name }: Pick<Subscription, "topic">): z.infer<typeof Feed> {
  const topic = parseTopic(name);
  if (topic?.kind === "tick-news") return "ticks";
  return topic?.kind === "broadtape" ? "broadtape" : "bulletins";
}

/** The part of an id that tells items apart; short, since all of a socket's subscriptions must fit into what it carries through hibernation. */
const markOf = (item: NewsItem): string =>
  item.kind === "bulletin" ? String(item.msgId) : item.articleId.slice(-16);

/** The four fields of a bulletin, for every kind of news, and what else a headline has. */
function dataOf(item: NewsItem): Fields {
  if (item.kind === "bulletin") {
    const { msgId, msgType, message, origin, time } = item;
    return { msgId, msgType, message, origin, time };
  }
  const { articleId, providerCode, headline, time, source } = item;
  return {
    msgId: articleId,
    msgType: "headline",
    message: headline,
    origin: providerCode,
    time,
    articleId,
    providerCode,
    source,
  };
}
