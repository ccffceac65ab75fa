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
  /** When TWS last sent a bid or an ask. An older agent does not say. */
  bidAskAt: z.string().nullable().default(null),
  /** When the last trade was, by TWS. */
  lastAt: z.string().nullable().default(null),
  /** Of this option or future, in contracts, as of the day before; absent where TWS has said nothing of it. */
  openInterest: value.optional(),
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
  bidAskAt: null,
  lastAt: null,
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

/** Why a stream is in a state. Each reason belongs to one state, and has words for people. */
const reasons = {
  ok: { state: "live", message: "" },
  agent_offline: {
    state: "stale",
    message: "The agent beside TWS is not connected; it reconnects by itself.",
  },
  tws_offline: { state: "stale", message: "There is no session with TWS." },
  tws_upstream_down: {
    state: "stale",
    message: "TWS is running but has lost its connection to IBKR.",
  },
  farm_broken: { state: "stale", message: "TWS has lost its connection to a market data farm." },
  competing_session: {
    state: "stale",
    message: "Another session of the same login has the market data; it is asked for again every minute.",
  },
  lines_exhausted: {
    state: "stale",
    message: "All market data lines of the account are in use; it is asked for again as soon as one is free.",
  },
  pacing: { state: "stale", message: "TWS refused for now; it is asked again." },
  silent: {
    state: "stale",
    message: "TWS says that all is well and sends nothing, in trading hours and when asked again.",
  },
  agent_returned: {
    state: "gap",
    message: "The agent is connected again; changes in between were missed.",
  },
  new_session: { state: "gap", message: "TWS has begun a new session; changes in between were missed." },
  data_lost: { state: "gap", message: "TWS lost its data connections; changes in between were missed." },
  upstream_returned: {
    state: "gap",
    message: "TWS is connected to IBKR again; changes in between may have been missed.",
  },
  farm_returned: {
    state: "gap",
    message: "The market data farm is back; changes in between may have been missed.",
  },
  line_reopened: {
    state: "gap",
    message: "The line had fallen silent and was asked for again; changes in between were missed.",
  },
  refused: { state: "ended", message: "TWS does not give this." },
  too_many: { state: "ended", message: "Too many streams are open." },
  given_up: {
    state: "ended",
    message: "Nobody was reading this, and its market data line was needed for another.",
  },
  failed: { state: "ended", message: "The agent failed to open this stream." },
} as const satisfies Record<string, { readonly state: StreamState; readonly message: string }>;

export type StreamReason = keyof typeof reasons;
const isStreamReason = (text: string): text is StreamReason => Object.hasOwn(reasons, text);
export const StreamReason = z.string().refine(isStreamReason);
/** All of them, for documents and tests. */
export const streamReasons: Readonly<
  Record<StreamReason, { readonly state: StreamState; readonly message: string }>
> = reasons;

/** How a stream stands. */
export interface Condition {
  readonly state: StreamState;
  readonly reason: StreamReason;
  /** For people; empty while all is well. */
  readonly message: string;
}

/** The condition of a reason, in its usual words or in better ones. */
export const conditionOf = (reason: StreamReason, message: string = reasons[reason].message): Condition => ({
  state: reasons[reason].state,
  reason,
  message: message.slice(0, 500),
});

export const live: Condition = conditionOf("ok");

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
  z.object({
    kind: z.literal("state"),
    ...header,
    state: StreamState,
    reason: StreamReason,
    message: z.string().max(500),
  }),
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
