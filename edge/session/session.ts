import { DurableObject } from "cloudflare:workers";
import { z } from "zod";
import type { ElicitAnswer, SessionFrame, SessionRpc } from "../rpc/session.ts";
import { toBase64Url } from "../crypto/base64url.ts";
import { tryClose, trySend } from "../http/sockets.ts";

/** A session may hold this many streams and subscriptions. */
const limits = { streams: 8, subscriptions: 100, questions: 8 } as const;

/** Of a socket that waits for one answer of the client; empty once it has come. */
const WaitingFor = z.object({ question: z.string(), call: z.string(), until: z.int() });
const Attachment = z.object({ order: z.int() });
const Subscriptions = z.array(z.string()).default([]);

/**
 * One session of a 2025-era client that subscribes, streams or has said goodbye: which resources it follows, and that
 * it is over. The Workers hold its streams, each over a WebSocket from here, so that this object sleeps meanwhile.
 * Sessions that do none of this keep nothing here.
 */
export class McpSession extends DurableObject implements SessionRpc {
  /**
   * WebSockets of Workers: one on which a stream is told what to carry, or with `/answer` one that waits for what the
   * client says to the question `id`, asked for the sake of `call`, until then (Unix milliseconds).
   */
  override async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    return pathname === "/answer" ? this.#awaitAnswer(searchParams) : await this.#openStream();
  }

  #awaitAnswer(query: URLSearchParams): Response {
    if (this.#questions().length >= limits.questions) return new Response(null, { status: 429 });
    const until = Number(query.get("until"));
    const waiting = WaitingFor.parse({ question: query.get("id"), call: query.get("call"), until });
    const { 0: theirs, 1: ours } = new WebSocketPair();
    this.ctx.acceptWebSocket(ours);
    ours.serializeAttachment(waiting);
    return new Response(null, { status: 101, webSocket: theirs });
  }

  /** The client's answer to a question, which counts once. Ids that nobody waits for are ignored. */
  async answer(question: string, answer: ElicitAnswer): Promise<void> {
    this.#settle((waiting) => waiting.question === question, answer);
  }

  /** The client has withdrawn a call: what was asked for its sake is not waited for any more. */
  async withdraw(call: string): Promise<void> {
    this.#settle((waiting) => waiting.call === call, "cancel");
  }

  #settle(isMeant: (waiting: z.infer<typeof WaitingFor>) => boolean, answer: ElicitAnswer): void {
    for (const { socket, waiting } of this.#questions()) {
      if (!isMeant(waiting)) continue;
      socket.serializeAttachment({});
      trySend(socket, answer);
      tryClose(socket, 1000, "answered");
    }
  }

  #questions() {
    return this.ctx.getWebSockets().flatMap((socket) => {
      const waiting = WaitingFor.safeParse(socket.deserializeAttachment());
      return waiting.success && waiting.data.until > Date.now() ? [{ socket, waiting: waiting.data }] : [];
    });
  }

  #streams(): WebSocket[] {
    return this.ctx.getWebSockets().filter(isStream);
  }

  async #openStream(): Promise<Response> {
    const streams = this.#streams().toSorted((one, other) => orderOf(one) - orderOf(other));
    // the oldest make room: a client that has left is only noticed at the next keep-alive
    for (const oldest of streams.slice(0, Math.max(0, streams.length + 1 - limits.streams))) {
      tryClose(oldest, 1000, "too many streams");
    }
    const order = 1 + Math.max(0, ...streams.map(orderOf));
    const { 0: theirs, 1: ours } = new WebSocketPair();
    this.ctx.acceptWebSocket(ours);
    ours.serializeAttachment({ order });
    await this.#assign();
    return new Response(null, { status: 101, webSocket: theirs });
  }

  override async webSocketClose(socket: WebSocket): Promise<void> {
    if (isStream(socket)) await this.#assign(socket);
  }

  async isOver(): Promise<boolean> {
    return (await this.ctx.storage.get("over")) !== undefined;
  }

  /** False when the session follows as many resources as it may. `expiresAt` in Unix milliseconds. */
  async subscribe(uri: string, expiresAt: number): Promise<boolean> {
    const uris = await this.#subscriptions();
    if (uris.includes(uri)) return true;
    if (uris.length >= limits.subscriptions) return false;
    await this.ctx.storage.put("subscriptions", [...uris, uri]);
    await this.ctx.storage.setAlarm(expiresAt);
    await this.#assign();
    return true;
  }

  async unsubscribe(uri: string): Promise<void> {
    const uris = await this.#subscriptions();
    if (!uris.includes(uri)) return;
    await this.ctx.storage.put(
      "subscriptions",
      uris.filter((one) => one !== uri),
    );
    await this.#assign();
  }

  /** The client is done; its id is refused from now on. */
  async end(expiresAt: number): Promise<void> {
    await this.ctx.storage.deleteAll();
    await this.ctx.storage.put("over", true);
    await this.ctx.storage.setAlarm(expiresAt);
    for (const socket of this.ctx.getWebSockets()) tryClose(socket, 1000, "session ended");
  }

  /** No id of this session is accepted any more, so nothing needs to be remembered. */
  override async alarm(): Promise<void> {
    for (const socket of this.ctx.getWebSockets()) tryClose(socket, 1000, "session expired");
    await this.ctx.storage.deleteAll();
  }

  /** The secret that signs session ids. Kept by one object of this class, which is not a session. */
  async signingSecret(): Promise<string> {
    const kept = z
      .string()
      .optional()
      .parse(await this.ctx.storage.get("secret"));
    return kept ?? (await this.#newSecret());
  }

  async renewSigningSecret(): Promise<void> {
    await this.#newSecret();
  }

  async #newSecret(): Promise<string> {
    const secret = toBase64Url(crypto.getRandomValues(new Uint8Array(32)));
    await this.ctx.storage.put("secret", secret);
    return secret;
  }

  async #subscriptions(): Promise<string[]> {
    return Subscriptions.parse(await this.ctx.storage.get("subscriptions"));
  }

  /** A message may go to one stream only: the newest carries all, since an older one may be half dead. */
  async #assign(closed?: WebSocket): Promise<void> {
    const uris = await this.#subscriptions();
    const sockets = this.#streams().filter((socket) => socket !== closed);
    const newest = Math.max(...sockets.map(orderOf));
    for (const socket of sockets) {
      const frame: SessionFrame = { type: "subscriptions", uris: orderOf(socket) === newest ? uris : [] };
      trySend(socket, JSON.stringify(frame));
    }
  }
}

const isStream = (socket: WebSocket): boolean => Attachment.safeParse(socket.deserializeAttachment()).success;
const orderOf = (socket: WebSocket): number => Attachment.parse(socket.deserializeAttachment()).order;
