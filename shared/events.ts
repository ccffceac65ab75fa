import { z } from "zod";

/** What the market data of a quote is: `live`, the last known of a closed market, or 15 to 20 minutes old. */
export const DataType = z.enum(["live", "frozen", "delayed", "delayed-frozen"]);
export type DataType = z.infer<typeof DataType>;

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
  impliedVolatility: value,
  delta: value,
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
  dataType: "live",
};

/**
 * What a stream says of itself. `live`: values are as new as TWS has them. `stale`: nothing new can come for now;
 * the last value is old. `gap`: changes were missed, the next value is whole again. `ended`: no more will come.
 */
export const StreamState = z.enum(["live", "stale", "gap", "ended"]);
export type StreamState = z.infer<typeof StreamState>;

/**
 * One thing that happened on a topic. A value is always whole, never a difference, so the latest alone is enough.
 * `seq` rises by one for each event of a topic within one connection of the agent.
 */
export const TopicEvent = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("quote"),
    topic: z.string(),
    seq: z.int().positive(),
    /** Unix milliseconds at the agent. */
    at: z.int(),
    data: Quote,
  }),
  z.object({
    kind: z.literal("state"),
    topic: z.string(),
    seq: z.int().positive(),
    at: z.int(),
    state: StreamState,
    reason: z.string().max(500),
  }),
]);
export type TopicEvent = z.infer<typeof TopicEvent>;

/** The topic of an instrument's quotes. Its exchange is the contract's own. */
export const quoteTopic = (conId: number): string => `quote/${conId}`;

export type Topic = { readonly kind: "quote"; readonly conId: number };

/** Null for text that names no topic. */
export function parseTopic(text: string): Topic | null {
  const quote = /^quote\/([1-9]\d{0,9})$/.exec(text);
  return quote === null ? null : { kind: "quote", conId: Number(quote[1]) };
}
