import { z } from "zod";
import { News } from "./news.ts";
import { Order } from "./order.ts";
import { Portfolio } from "./portfolio.ts";
import { DataType, Mode } from "./status.ts";

const value = z.number().nullable();

/** The latest state of one instrument's market. Prices in its currency; null is "TWS has not said", never zero. */
export const Quote = z.object({
  /** When TWS last changed anything here, ISO 8601. */
  time: z.string().nullable(),
  last: value,
  lastSize: value,
  bid: value,
  bidSize: value,
  ask: value,
  askSize: value,
  open: value,
  high: value,
  low: value,
  /** The previous session's close. */
  close: value,
  /** Of the day so far, in shares or contracts. */
  volume: value,
  halted: z.boolean().nullable(),
  /** Of options, by TWS's model; volatility per year as a fraction, vega for one point of it, theta for one day. */
  impliedVolatility: value,
  delta: value,
  gamma: value,
  vega: value,
  theta: value,
  /** Of bonds only, percent a year; absent where TWS has said nothing of them. */
  bidYield: value.optional(),
  askYield: value.optional(),
  lastYield: value.optional(),
  dataType: DataType,
});
export type Quote = z.infer<typeof Quote>;

export const emptyQuote: Quote = {
  time: null,
  last: null,
  lastSize: null,
  bid: null,
  bidSize: null,
  ask: null,
  askSize: null,
  open: null,
  high: null,
  low: null,
  close: null,
  volume: null,
  halted: null,
  impliedVolatility: null,
  delta: null,
  gamma: null,
  vega: null,
  theta: null,
  dataType: "live",
};

/**
 * What a stream says of itself. `live`: values are as new as TWS has them. `stale`: nothing new can come for now;
 * the last value is old. `gap`: changes were missed, the next value is whole again. `ended`: no more will come.
 */
export const StreamState = z.enum(["live", "stale", "gap", "ended"]);
export type StreamState = z.infer<typeof StreamState>;

/** The orders of one account: the working ones and those that ended last, oldest first. */
export const AccountOrders = z.object({
  account: z.string(),
  mode: Mode,
  /** When TWS last changed anything here, ISO 8601. */
  time: z.string(),
  orders: z.array(Order),
  /** Orders that TWS has shown in all. */
  ordersTotal: z.int().nonnegative(),
});
export type AccountOrders = z.infer<typeof AccountOrders>;

const header = {
  topic: z.string(),
  seq: z.int().positive(),
  /** Unix milliseconds at the agent. */
  at: z.int(),
};

/**
 * One thing that happened on a topic. A value is always whole, never a difference, so the latest alone is enough.
 * `seq` rises by one for each event of a topic within one connection of the agent.
 */
export const TopicEvent = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("quote"), ...header, data: Quote }),
  z.object({ kind: z.literal("portfolio"), ...header, data: Portfolio }),
  z.object({ kind: z.literal("orders"), ...header, data: AccountOrders }),
  z.object({ kind: z.literal("news"), ...header, data: News }),
  z.object({ kind: z.literal("state"), ...header, state: StreamState, reason: z.string().max(500) }),
]);
export type TopicEvent = z.infer<typeof TopicEvent>;

/** What a topic is about, with the value it has. */
export type TopicValue =
  | { readonly kind: "quote"; readonly data: Quote }
  | { readonly kind: "portfolio"; readonly data: Portfolio }
  | { readonly kind: "orders"; readonly data: AccountOrders }
  | { readonly kind: "news"; readonly data: News };

export type Topic =
  | { readonly kind: "quote"; readonly conId: number }
  | { readonly kind: "portfolio" | "orders"; readonly account: string }
  /** With `allMessages` those of earlier today too. */
  | { readonly kind: "bulletins"; readonly allMessages: boolean }
  /** Null joins the news of every instrument whose news is streamed. */
  | { readonly kind: "tick-news"; readonly conId: number | null }
  | { readonly kind: "broadtape" };

/** The topic of an instrument's quotes. Its exchange is the contract's own. */
export const quoteTopic = (conId: number): string => `quote/${conId}`;

export function topicName(topic: Topic): string {
  switch (topic.kind) {
    case "quote":
      return quoteTopic(topic.conId);
    case "portfolio":
    case "orders":
      return `${topic.kind}/${topic.account}`;
    case "bulletins":
      return topic.allMessages ? "bulletins" : "bulletins/new";
    case "tick-news":
      return `tick-news/${topic.conId ?? "*"}`;
    case "broadtape":
      return "broadtape";
    default:
      return topic satisfies never;
  }
}

/** Null for text that names no topic. */
export function parseTopic(text: string): Topic | null {
  if (text === "bulletins" || text === "bulletins/new") {
    return { kind: "bulletins", allMessages: text === "bulletins" };
  }
  if (text === "broadtape") return { kind: "broadtape" };
  if (text === "tick-news/*") return { kind: "tick-news", conId: null };
  const [, instrument, conId] = /^(quote|tick-news)\/([1-9]\d{0,9})$/.exec(text) ?? [];
  if (instrument === "quote" || instrument === "tick-news") return { kind: instrument, conId: Number(conId) };
  const [, kind, account] = /^(portfolio|orders)\/([\w.-]{1,50})$/.exec(text) ?? [];
  if ((kind === "portfolio" || kind === "orders") && account !== undefined) return { kind, account };
  return null;
}
