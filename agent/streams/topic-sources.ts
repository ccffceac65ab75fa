import { TwsError } from "../../shared/errors.ts";
import { type Condition, live, type StreamState, type Topic } from "../../shared/events.ts";
import { type News, type NewsItem, withNews } from "../../shared/news.ts";
import type { TopicNews } from "./topic-batcher.ts";
import type { QuoteStreams, RequestContext, TwsSession } from "../tws/session/api.ts";
import { resolveContract } from "../tws/contracts/contracts.ts";
import { newsProviders } from "../tws/news/news.ts";
import {
  type Bulletin,
  type Headline,
  type NewsEvent,
  watchBroadTape,
  watchBulletins,
  watchTickNews,
} from "../tws/news/news-streams.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";
import { watchOrders } from "../tws/orders/order-watch.ts";
import { watchPortfolio } from "../tws/account/portfolio.ts";
import type { Log } from "../process/log.ts";

/** Tells a listener what happens on a topic, until the returned function is called. */
export type TopicSource = (listener: (news: TopicNews) => void) => () => void;

/** Finds where a topic comes from. Rejects with a TwsError where it cannot be had. */
export type FindTopicSource = (topic: Topic, signal: AbortSignal) => Promise<TopicSource>;

interface TopicSourcesOptions {
  readonly session: TwsSession;
  readonly quotes: QuoteStreams;
  readonly orderBook: OrderBook;
  readonly log: Log;
}

const askWithinMs = 15_000;

/** Where each kind of topic comes from at TWS. */
export function createTopicSources({
  session,
  quotes,
  orderBook,
  log,
}: TopicSourcesOptions): FindTopicSource {
  return async (topic, signal) => {
    const context: RequestContext = { timeoutMs: askWithinMs, signal };
    switch (topic.kind) {
      case "quote": {
        const contract = await resolveContract(session, { conId: topic.conId }, context);
        return (listener) =>
          quotes.watch(contract, (event) =>
            listener(event.kind === "quote" ? { kind: "quote", data: event.quote } : event),
          );
      }
      case "portfolio":
      case "orders": {
        const { kind, account } = topic;
        requireAccount(session, account);
        if (kind === "portfolio") return (listener) => watchPortfolio(session, account, listener);
        return (listener) => watchOrders({ session, orderBook, account, log }, listener);
      }
      case "bulletins":
        return (listener) => watchBulletins(session, topic.allMessages, collectNews(listener, bulletinItem));
      case "tick-news": {
        const contract =
          topic.conId === null ? "*" : await resolveContract(session, { conId: topic.conId }, context);
        return (listener) => watchTickNews(session, contract, collectNews(listener, headlineItem));
      }
      case "broadtape": {
        const providers = await newsProviders(session, context);
        if (providers.length === 0) throw noProviders();
        const codes = providers.map(({ code }) => code);
        return (listener) => watchBroadTape(session, codes, collectNews(listener, headlineItem));
      }
      default:
        return topic satisfies never;
    }
  };
}

export const noProviders = (): TwsError =>
  new TwsError("no_data", "This account has no news provider that the API may read.", {
    nextStep: "The owner subscribes to news for the API in the account settings of IBKR.",
  });

/** The edge has checked the caller's grant; what TWS does not have is never asked of it. */
function requireAccount(session: TwsSession, account: string): void {
  const accounts = session.accounts();
  if (accounts.length === 0) throw new TwsError("tws_offline", "TWS has not told its accounts yet.");
  if (!accounts.includes(account)) throw new TwsError("invalid_input", `TWS has no account ${account}.`);
}

export const bulletinItem = (item: Bulletin): NewsItem => ({
  kind: "bulletin",
  // TWS does not date them
  time: new Date().toISOString(),
  ...item,
});

const headlineItem = (item: Headline): NewsItem => ({ kind: "headline", ...item });

/** The latest items as one value, and one state for all the sources that feed it. */
function collectNews<Item>(listener: (news: TopicNews) => void, toItem: (item: Item) => NewsItem) {
  const conditions = new Map<string, Condition>();
  let news: News = { items: [] };
  let lastState: StreamState = "live";
  // nothing yet is a value too
  listener({ kind: "news", data: news });

  return (event: NewsEvent<Item>): void => {
    if (event.kind === "item") {
      const next = withNews(news, toItem(event.item));
      if (next === null) return;
      news = next;
      listener({ kind: "news", data: news });
      return;
    }
    const { source, state, reason, message } = event;
    conditions.set(source, { state, reason, message });
    const condition = state === "gap" ? { state, reason, message } : best([...conditions.values()]);
    if (condition.state === lastState) return;
    lastState = condition.state;
    listener({ kind: "state", ...condition });
  };
}

/** As good as the best source: one that has ended or is stale leaves the others as they are. */
function best(all: readonly Condition[]): Condition {
  const order: readonly StreamState[] = ["live", "gap", "stale", "ended"];
  const [first] = all.toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  return first ?? live;
}
