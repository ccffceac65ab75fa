import { z } from "zod";
import { Caller } from "../../../shared/caller.ts";

/** What each socket of a host's object carries through hibernation; the constructor rebuilds the rest from these. */
const Attachment = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("agent"),
    /** Before hello; at work; or replaced, closed and not listened to any more. */
    phase: z.enum(["greeting", "serving", "over"]),
    /** Unix milliseconds. */
    openedAt: z.int(),
  }),
  z.object({
    kind: z.literal("stream"),
    stream: z.enum(["market-data", "portfolio", "news"]),
    caller: Caller,
    subscriptions: z.array(
      z.object({
        topic: z.string(),
        /** What the watcher calls it. */
        name: z.string(),
        /** How far a list has been told, so that nothing of it is told twice. */
        mark: z.string().nullable(),
      }),
    ),
    /** How many bytes it had not proved to have read, and the `seq` up to which; not exact. */
    unread: z.object({ bytes: z.int().nonnegative(), seq: z.int().nonnegative() }),
  }),
  z.object({
    kind: z.literal("watch"),
    grantId: z.string(),
    /** Those the grant covers; null is all of them. */
    accounts: z.array(z.string()).nullable(),
    /** Names the MCP stream that this socket serves. */
    watchId: z.string(),
    uris: z.array(z.string()),
  }),
]);
export type Attachment = z.infer<typeof Attachment>;

/** Tags by which the object finds its sockets, one for each kind. */
export type SocketKind = Attachment["kind"];

export const attach = (socket: WebSocket, attachment: Attachment): void =>
  socket.serializeAttachment(attachment);

/** Null for a socket whose attachment an older release wrote in a way that this one cannot read. */
export function attachmentOf(socket: WebSocket): Attachment | null {
  const parsed = Attachment.safeParse(socket.deserializeAttachment());
  return parsed.success ? parsed.data : null;
}
