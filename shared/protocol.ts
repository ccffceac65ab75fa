import { z } from "zod";
import { OwnerRequest } from "./approval.ts";
import { AuditEntry, AuditHead, auditBatch, Trail } from "./audit.ts";
import { ErrorBody, TwsError } from "./errors.ts";
import { TopicEvent } from "./events.ts";
import { Caller } from "./caller.ts";
import { AgentStatus } from "./status.ts";

/** The relay between agent and edge: JSON text frames, one object each. docs/protocol.md describes it. */
export const subprotocol = "tws-edge.v1";

/** Larger frames are refused by their sender, since workerd goes silent far above this. In UTF-8 bytes. */
export const maxFrameBytes = 1024 * 1024;

/** Answered by the edge's runtime without waking the host's object; plain text, not a frame. */
export const ping = "ping";
export const pong = "pong";

/** Codes of our own for closing the agent's socket. */
export const closeCodes = {
  /** Going away in good order. */
  normal: 1000,
  /** A frame that breaks this protocol. */
  protocol: 1002,
  /** A newer connection of the same host has taken over. */
  replaced: 4001,
  /** The agent's key or token was refused. */
  unauthorized: 4003,
  /** To be connected again, at once. */
  restart: 1012,
  /** Hello did not come in time. */
  helloTimeout: 4008,
  /** The host is served with another order journal. */
  otherJournal: 4009,
} as const;

const id = z.string().min(1).max(64);
const topic = z.string().min(1).max(200);

/** Frames that the agent sends. */
export const AgentFrame = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("hello"),
    agentVersion: z.string().max(50),
    /** New for each process, so that the edge can tell a restart and a second machine from a reconnection. */
    instanceId: id,
    machine: z.string().max(200),
    status: AgentStatus,
    /** The `trailId` of its order journal; null while it cannot be read, absent from releases that do not say. */
    journalId: id.nullable().optional(),
  }),
  z.object({ type: z.literal("status"), status: AgentStatus }),
  z.object({
    type: z.literal("progress"),
    id,
    progress: z.number(),
    total: z.number().nullable(),
    message: z.string().max(500),
  }),
  z.object({ type: z.literal("result"), id, output: z.record(z.string(), z.unknown()) }),
  z.object({ type: z.literal("error"), id, error: ErrorBody }),
  /** What happened on topics since the last batch, oldest first. */
  z.object({ type: z.literal("event"), events: z.array(TopicEvent).min(1) }),
  /** Which audit trail the agent keeps, and where it ends; answered by `audited`. Said anew when it keeps another. */
  z.object({ type: z.literal("trail"), trail: Trail }),
  /** The entries behind what the edge has of that trail, oldest first; the next batch follows the edge's `audited`. */
  z.object({ type: z.literal("audit"), entries: z.array(AuditEntry).min(1).max(auditBatch) }),
  z.object({ type: z.literal("bye"), reason: z.string().max(200) }),
]);
export type AgentFrame = z.infer<typeof AgentFrame>;

/** Frames that the edge sends. */
export const EdgeFrame = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("welcome"),
    hostId: z.string().max(100),
    edgeVersion: z.string().max(50),
    /** Every topic that has a watcher now; the agent drops all others. */
    topics: z.array(topic),
    /** Whether it keeps a copy of the audit trail, and so wants to be told of it. */
    keepsAudit: z.boolean().default(false),
    /** The host was served with another order journal before: TWS's lists are read again before the next order. */
    otherJournal: z.boolean().default(false),
  }),
  z.object({
    type: z.literal("call"),
    id,
    tool: z.string().max(100),
    input: z.record(z.string(), z.unknown()),
    /** Unix milliseconds by the edge's clock; an expired call is not started. */
    deadlineAt: z.int(),
    /** By the edge's clock as it sends: the difference to deadlineAt is what the agent may use, whatever its own clock says. */
    sentAt: z.int(),
    caller: Caller,
    /** Made by the edge for a call that may place orders and brought no idempotencyKey of its own. */
    idempotencyKey: id.optional(),
  }),
  /** The owner's pages ask; answered by `result` (an OwnerAnswer) or `error` under this id. */
  z.object({ type: z.literal("owner"), id, request: OwnerRequest }),
  /** An agent with another order journal has asked for this host and was refused; sent where hello names a journal. */
  z.object({ type: z.literal("rival"), machine: z.string().max(200) }),
  /** How far the edge has the audit trail that the agent keeps now. */
  z.object({ type: z.literal("audited"), head: AuditHead }),
  z.object({ type: z.literal("cancel"), id }),
  z.object({ type: z.literal("subscribe"), topic }),
  z.object({ type: z.literal("unsubscribe"), topic }),
  /** How far the edge has taken the events of a topic. */
  z.object({ type: z.literal("ack"), topic, seq: z.int().positive() }),
  z.object({ type: z.literal("bye"), reason: z.string().max(200) }),
]);
export type EdgeFrame = z.infer<typeof EdgeFrame>;

function parse<T>(schema: z.ZodType<T>, text: unknown): T {
  if (typeof text !== "string") throw new TwsError("protocol_error", "A frame must be text.");
  if (text.length > maxFrameBytes) throw new TwsError("protocol_error", "A frame is larger than 1 MiB.");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new TwsError("protocol_error", "A frame is not JSON.", { cause });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new TwsError(
    "protocol_error",
    `A frame is malformed: ${z.prettifyError(parsed.error).slice(0, 300)}`,
  );
}

/** The frame in a message from the agent; throws `protocol_error` for anything else. */
export const parseAgentFrame = (text: unknown): AgentFrame => parse(AgentFrame, text);

/** The frame in a message from the edge; throws `protocol_error` for anything else. */
export const parseEdgeFrame = (text: unknown): EdgeFrame => parse(EdgeFrame, text);

/** The text of a frame; throws `too_large` instead of sending what the other end would choke on. */
export function encodeFrame(frame: AgentFrame | EdgeFrame): string {
  const text = JSON.stringify(frame);
  const bytes = text.length * 3 <= maxFrameBytes ? text.length : new TextEncoder().encode(text).length;
  if (bytes > maxFrameBytes) {
    throw new TwsError("too_large", `The answer is ${bytes} bytes, more than one frame may carry (1 MiB).`);
  }
  return text;
}
