import { TwsError } from "../../../shared/errors.ts";
import type { Caller } from "../../../shared/caller.ts";
import { createTokenBuckets } from "../../http/token-bucket.ts";
import type { Attachment } from "../storage/socket-attachments.ts";
import { grantedPlaces, oversizeRate, places, placesOf } from "./places.ts";
import { SendBudget, type UnackedNote } from "./send-budget.ts";
import type { StreamName } from "./watcher-protocol.ts";
import { Watcher, type WatcherOptions } from "./watcher.ts";

/** Places of the owner of local mode, who has the host for themselves. */
export const mostWatchers = (places.all * places.shareOfFree) / (1 + places.shareOfFree);

const mostGrants = 2_000;

interface WatchersOptions extends Omit<WatcherOptions, "budget" | "giveUp" | "oversize"> {
  readonly ctx: DurableObjectState;
}

type StreamAttachment = Extract<Attachment, { kind: "stream" }>;

/** The sockets that follow streams. */
export class Watchers {
  readonly #bySocket = new Map<WebSocket, Watcher>();
  /** With the sockets whose other end has not gone yet, since they take memory too. */
  readonly #grantBySocket = new Map<WebSocket, string>();
  readonly #sendBudget = new SendBudget();
  readonly #oversize = createTokenBuckets(oversizeRate, mostGrants);
  readonly #options: WatchersOptions;

  constructor(options: WatchersOptions) {
    this.#options = options;
  }

  /** Throws `rate_limited` when there are as many as one host serves. */
  accept(socket: WebSocket, stream: StreamName, caller: Caller): void {
    this.#requireRoom(caller);
    this.#options.ctx.acceptWebSocket(socket, ["stream"]);
    this.#grantBySocket.set(socket, caller.grantId);
    const watcher = this.#add(socket, stream, caller, null);
    watcher.remember();
    watcher.greet();
  }

  /** A socket that has slept. */
  restore(socket: WebSocket, { stream, caller, subscriptions, unread }: StreamAttachment): void {
    this.#grantBySocket.set(socket, caller.grantId);
    // closed from here before; the other end has not answered yet
    if (socket.readyState !== WebSocket.READY_STATE_OPEN)
      return this.#sendBudget.leaving(socket, unread.bytes);
    const watcher = this.#add(socket, stream, caller, unread);
    for (const subscription of subscriptions) watcher.restore(subscription);
  }

  async receive(socket: WebSocket, message: unknown): Promise<void> {
    await this.#bySocket.get(socket)?.receive(message);
  }

  /** Both ends have closed. */
  closed(socket: WebSocket): void {
    const watcher = this.#bySocket.get(socket) ?? null;
    this.#bySocket.delete(socket);
    this.#grantBySocket.delete(socket);
    watcher?.leave();
    this.#sendBudget.gone(socket, watcher?.unacked ?? null);
  }

  areFollowing(): boolean {
    for (const watcher of this.#bySocket.values()) if (watcher.isFollowing()) return true;
    return false;
  }

  #requireRoom(caller: Caller): void {
    const waitMs = this.#oversize.waitMs(caller.grantId, Date.now());
    if (waitMs > 0) {
      throw new TwsError("rate_limited", "This access has sent too many messages that are too large.", {
        retryAfterMs: waitMs,
        nextStep: "Send messages of at most 64 KB, and open a stream again after that time.",
      });
    }
    const mine = [...this.#grantBySocket.values()].filter((grantId) => grantId === caller.grantId).length;
    const isGranted = caller.expiresAt !== null;
    if (mine >= placesOf(isGranted, this.#grantBySocket.size)) {
      throw new TwsError(
        "rate_limited",
        mine === 0
          ? `This host serves at most ${isGranted ? grantedPlaces.ofHost : places.all} streams at a time.`
          : `This access has ${mine} streams open, as many as it may have now.`,
        {
          nextStep:
            "Close streams that nobody looks at; one socket has up to 100 subscriptions. Then try again.",
        },
      );
    }
    if (!this.#sendBudget.hasRoom()) {
      throw new TwsError(
        "rate_limited",
        "Connections that do not read hold too much of this host's memory.",
        {
          nextStep: "Close the clients that have stopped reading, or wait until their connections end.",
        },
      );
    }
  }

  #add(socket: WebSocket, stream: StreamName, caller: Caller, note: UnackedNote | null): Watcher {
    const giveUp = () => {
      if (!this.#bySocket.delete(socket)) return;
      watcher.leave();
      watcher.remember();
      this.#sendBudget.left(socket, watcher.unacked);
    };
    const oversize = () => void this.#oversize.take(caller.grantId, Date.now());
    const options = { ...this.#options, budget: this.#sendBudget, giveUp, oversize };
    const watcher = new Watcher(socket, { stream, caller }, note, options);
    this.#bySocket.set(socket, watcher);
    return watcher;
  }
}
