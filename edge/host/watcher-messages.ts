import { z } from "zod";
import { type Contract, ContractSelector } from "../../shared/contract.ts";
import { type ErrorBody, TwsError } from "../../shared/errors.ts";
import { parseTopic } from "../../shared/events.ts";
import { forgive } from "../../shared/tools/forgive.ts";
import type { TopicView, Value } from "./topics.ts";

/** The market-data stream as its watchers see it: what they may send, and what they are told. JSON text both ways. */

const validActions = ["subscribe", "unsubscribe", "list", "ping", "ack"] as const;

/** In UTF-16 units, which bounds the bytes as well as it needs to. */
const maxMessageLength = 64 * 1024;

export type WatcherRequest =
  | { readonly action: "subscribe"; readonly selector: ContractSelector }
  | { readonly action: "unsubscribe"; readonly symbol: string | null; readonly conId: number | null }
  | { readonly action: "list" }
  | { readonly action: "ping" }
  | { readonly action: "ack"; readonly seq: number };

const Action = z.looseObject({ action: z.enum(validActions) });
const Ack = z.object({ seq: z.int().nonnegative() });
const selectorSchema = z.toJSONSchema(ContractSelector, { io: "input" });

/** What a watcher asks; throws `invalid_input` that names what is wrong. */
export function parseRequest(message: unknown): WatcherRequest {
  if (typeof message !== "string") throw wrong("Send JSON text; binary messages are not understood.");
  if (message.length > maxMessageLength) {
    throw new TwsError("too_large", "A message may have at most 64 KB.");
  }
  const { action, ...rest } = parseAction(message);
  switch (action) {
    case "subscribe":
      return { action, selector: parseSelector(rest) };
    case "unsubscribe": {
      const { symbol, conId } = parseSelector(rest);
      return { action, symbol: symbol?.toUpperCase() ?? null, conId: conId ?? null };
    }
    case "ack": {
      const ack = Ack.safeParse(rest);
      if (!ack.success) throw wrong("ack needs the seq of the last message that was taken.");
      return { action, seq: ack.data.seq };
    }
    case "list":
    case "ping":
      return { action };
    default:
      return action satisfies never;
  }
}

function parseAction(message: string): z.infer<typeof Action> {
  let json: unknown;
  try {
    json = JSON.parse(message);
  } catch {
    throw wrong("The message is not JSON.");
  }
  const parsed = Action.safeParse(json);
  if (!parsed.success) throw wrong("The message names no valid action.");
  return parsed.data;
}

function parseSelector(fields: Record<string, unknown>): ContractSelector {
  const parsed = ContractSelector.safeParse(forgive(selectorSchema, fields));
  if (!parsed.success) throw wrong(z.prettifyError(parsed.error).slice(0, 500));
  if (parsed.data.symbol === undefined && parsed.data.conId === undefined) {
    throw wrong("Name the instrument by symbol or by conId.");
  }
  return parsed.data;
}

const wrong = (message: string) =>
  new TwsError("invalid_input", message, {
    nextStep: 'Send an object such as {"action":"subscribe","symbol":"AAPL"}.',
  });

export const connected = JSON.stringify({
  type: "connected",
  stream: "market_data",
  message: 'Send {"action":"subscribe","symbol":"AAPL"} to follow quotes.',
});

export const subscribed = (symbol: string, contract: Contract): string =>
  JSON.stringify({ type: "subscribed", symbol, conId: contract.conId, contract });

export const unsubscribed = (symbol: string, topic: string): string =>
  JSON.stringify({ type: "unsubscribed", symbol, conId: conIdOf(topic) });

export const warning = (symbol: string, message: string): string =>
  JSON.stringify({ type: "warning", symbol, message });

export const pong = (): string => JSON.stringify({ type: "pong", timestamp: Date.now() });

export function listing(subscriptions: ReadonlyMap<string, string>): string {
  const all = [...subscriptions].map(([topic, symbol]) => ({ symbol, conId: conIdOf(topic) }));
  return JSON.stringify({
    type: "subscriptions",
    symbols: all.map(({ symbol }) => symbol),
    count: all.length,
    subscriptions: all,
  });
}

/** `symbol` is what the watcher called the instrument, where the error is about one. */
export function errorMessage(error: ErrorBody, symbol?: string): string {
  const { code, message, nextStep, retryable, candidates, tws } = error;
  return JSON.stringify({
    type: "error",
    error: message,
    code,
    nextStep,
    retryable,
    symbol,
    candidates,
    tws,
    valid_actions: validActions,
  });
}

export const stateMessage = (symbol: string, { topic, state, reason }: TopicView): string =>
  JSON.stringify({ type: "state", symbol, conId: conIdOf(topic), timestamp: Date.now(), state, reason });

const texts = new WeakMap<Value, Map<string, string>>();

/** Built once for each value and name of the instrument, however many watch it. */
export function valueMessage(symbol: string, topic: string, value: Value): string {
  let bySymbol = texts.get(value);
  if (bySymbol === undefined) texts.set(value, (bySymbol = new Map()));
  let text = bySymbol.get(symbol);
  if (text === undefined) {
    const { seq, at, data } = value;
    text = JSON.stringify({ type: "market_data", symbol, conId: conIdOf(topic), timestamp: at, seq, data });
    bySymbol.set(symbol, text);
  }
  return text;
}

const conIdOf = (topic: string): number | null => parseTopic(topic)?.conId ?? null;
