import { z } from "zod";
import { ContractRow, ContractSelector } from "../../../shared/contract.ts";
import { type ErrorBody, TwsError } from "../../../shared/errors.ts";
import { refuseControlCharacters } from "../../../shared/tools/control-characters.ts";
import { inputErrorsIn } from "../../../shared/tools/input-errors.ts";
import { coerce } from "../../../shared/tools/coerce.ts";
import type { Attachment } from "../storage/socket-attachments.ts";
import type { DataMessage } from "./flow-control.ts";
import { createLastValueCache } from "./last-value.ts";
import type { Ask, Opened } from "./stream-resolver.ts";
import type { TopicView, Value } from "./topics.ts";

/** The streams as their watchers see them: what they may send, and what they are told. JSON text both ways. */

const validActions = ["subscribe", "unsubscribe", "list", "ping", "ack"] as const;

const mostInputErrors = 5;

/** In UTF-16 units, which bounds the bytes as well as it needs to. */
const maxMessageLength = 64 * 1024;

/** Whether the runtime has assembled more for one message than any request takes. */
export const isOversize = (message: unknown): boolean =>
  (message instanceof ArrayBuffer ? message.byteLength : String(message).length) > maxMessageLength;

export type StreamName = Extract<Attachment, { kind: "stream" }>["stream"];
export type Fields = Readonly<Record<string, unknown>>;

/** One thing that a watcher follows. */
export interface Subscription {
  readonly topic: string;
  /** What the watcher calls it. */
  readonly name: string;
  /** How far a list has been told; null where every message stands alone. */
  readonly mark: string | null;
}

/** A value in messages. */
export interface EncodedValue {
  readonly messages: readonly DataMessage[];
  readonly mark: string | null;
}

/** What one kind of stream has of its own. */
export interface StreamMessages {
  /** What it is called on the wire. */
  readonly stream: "market_data" | "portfolio" | "news";
  /** A subscription as one may write it. */
  readonly example: string;
  /** What a subscription asks for, and what the watcher calls it if it says so. Throws `invalid_input`. */
  subscribe(fields: Fields): Ask & { readonly name: string | null };
  /** The subscription's name where the watcher gave none. */
  nameOf(opened: Opened): string;
  /** Which subscriptions `unsubscribe` means, and how to speak of them if there are none. Throws `invalid_input`. */
  unsubscribe(fields: Fields): {
    readonly isMeant: (subscription: Subscription) => boolean;
    readonly subject: Fields;
  };
  /** The fields by which messages name a subscription. */
  subject(subscription: Pick<Subscription, "topic" | "name">): Fields;
  listing(all: readonly Fields[]): Fields;
  /** `before` is the value before this one, if it is known. Each text is built once, however many are told. */
  encode(subscription: Subscription, value: Value, before: Value | null, nextSeq: () => number): EncodedValue;
}

/** What a watcher calls a message of its own; whatever answers it carries it too. Null if it has none. */
export type MessageId = string | number | null;

export type Request =
  | { readonly action: "subscribe" | "unsubscribe"; readonly fields: Fields }
  | { readonly action: "list" | "ping" }
  | { readonly action: "ack"; readonly seq: number };

const Message = z.record(z.string(), z.unknown());
const Id = z
  .union([z.string().min(1).max(64), z.int()])
  .nullable()
  .catch(null);
const Action = z.looseObject({ action: z.enum(validActions) });
const Ack = z.strictObject({ seq: z.int().nonnegative() });
const Nothing = z.strictObject({});
const selectorSchema = z.toJSONSchema(ContractSelector, { io: "input" });

/** The fields of a message; throws `invalid_input` for what is no message. */
export function parseMessage(message: unknown): Fields {
  if (typeof message !== "string") throw wrong("Send JSON text; binary messages are not understood.");
  const parsed = Message.safeParse(jsonOf(message));
  if (!parsed.success) throw wrong("The message is not a JSON object.");
  refuseControlCharacters(parsed.data);
  return parsed.data;
}

export const idOf = (message: Fields): MessageId => Id.parse(message["id"] ?? null);

/** What a watcher asks; throws `invalid_input` that names what is wrong. */
export function parseRequest(message: Fields): Request {
  const parsed = Action.safeParse(message);
  if (!parsed.success) throw wrong(`action must be one of ${validActions.join(", ")}.`);
  const { action, id: _id, ...fields } = parsed.data;
  switch (action) {
    case "subscribe":
    case "unsubscribe":
      return { action, fields };
    case "ack": {
      const ack = Ack.safeParse(fields);
      if (!ack.success) throw wrong("ack needs the seq of the last message that was taken.");
      return { action, seq: ack.data.seq };
    }
    case "list":
    case "ping":
      parseFields(Nothing, fields);
      return { action };
    default:
      return action satisfies never;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw wrong("The message is not JSON.");
  }
}

/** The instrument that a message names, if it names one. */
export const parseSelector = (fields: Fields): ContractSelector =>
  parseFields(ContractRow, coerce(selectorSchema, fields, { numbers: "grouped" }));

/** Made when first needed. */
const descriptions = new WeakMap<z.ZodType, z.core.JSONSchema.JSONSchema>();

export function parseFields<T>(schema: z.ZodType<T>, fields: unknown): T {
  const parsed = schema.safeParse(fields);
  if (parsed.success) return parsed.data;
  const described = descriptions.get(schema) ?? z.toJSONSchema(schema, { io: "input" });
  descriptions.set(schema, described);
  throw wrong(
    inputErrorsIn(parsed.error.issues, described, fields, mostInputErrors).join(" ").slice(0, 1000),
  );
}

export const wrong = (message: string) =>
  new TwsError("invalid_input", message, {
    nextStep: "Send an object with one of the valid actions; docs/protocol.md describes them.",
  });

export const connected = ({ stream, example }: StreamMessages): Fields => ({
  type: "connected",
  stream,
  message: `Send ${example} to subscribe.`,
});

/** With the state that the stream is in, unless nothing is known of it yet: a value that follows may be old. */
export const subscribed = (
  subject: Fields,
  { contract }: Opened,
  { condition, value }: TopicView,
): Fields => ({
  type: "subscribed",
  ...subject,
  ...(contract !== null && { contract }),
  ...((value !== null || condition.state !== "live") && condition),
});

export const unsubscribed = (subject: Fields): Fields => ({ type: "unsubscribed", ...subject });

export const warning = (subject: Fields, message: string): Fields => ({
  type: "warning",
  ...subject,
  message,
});

export const pong = (): Fields => ({ type: "pong", timestamp: Date.now() });

export const listing = (kind: StreamMessages, subjects: readonly Fields[]): Fields => ({
  type: "subscriptions",
  ...kind.listing(subjects),
  count: subjects.length,
  subscriptions: subjects,
});

/** `symbol` is what the watcher called the instrument, where the error is about one. */
export function errorMessage(error: ErrorBody, symbol?: string): Fields {
  const { code, message, nextStep, retryable, retryAfterMs, candidates, tws } = error;
  return {
    type: "error",
    error: message,
    code,
    nextStep,
    retryable,
    retryAfterMs,
    symbol,
    candidates,
    tws,
    valid_actions: validActions,
  };
}

const stateTexts = createLastValueCache<string>();

/** Its time is that of the change, or of when it is first told after the object has slept. */
export const stateMessage = (
  kind: StreamMessages,
  subscription: Subscription,
  { condition }: TopicView,
): string =>
  stateTexts(condition, `${kind.stream} ${subscription.name}`, () =>
    JSON.stringify({
      type: "state",
      ...kind.subject(subscription),
      timestamp: Date.now(),
      ...condition,
    }),
  );
