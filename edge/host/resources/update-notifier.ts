import { TwsError } from "../../../shared/errors.ts";
import { parseTopic, type Topic } from "../../../shared/events.ts";
import { parseResourceUri, type Resource, type ResourceUri } from "../../../shared/resources.ts";
import type { Caller } from "../../../shared/caller.ts";
import { attach, type Attachment } from "../storage/socket-attachments.ts";
import { mayWatch } from "../streams/stream-resolver.ts";
import type { StartedResource } from "../storage/store.ts";
import { trySend } from "../../http/sockets.ts";

/** One `updated` message for each URI in this time at most. */
const mergeMs = 250;

export const watchLimits = {
  /** Of one socket; they must fit into what it carries through hibernation. */
  uris: 100,
  sockets: 200,
  socketsOfGrant: 50,
} as const;

/** What a Worker asks for on behalf of one MCP stream. */
export interface WatchRequest {
  readonly caller: Caller;
  /** Names the MCP stream: a second socket for it stands in for the first. */
  readonly watchId: string;
  readonly uris: readonly string[];
}

type WatchAttachment = Extract<Attachment, { kind: "watch" }>;

interface Watch {
  readonly carried: WatchAttachment;
  /** By resource: two spellings may name one. */
  readonly watched: ReadonlyMap<string, readonly WatchedUri[]>;
}

interface WatchedUri {
  readonly resource: ResourceUri;
  /** The message that is sent, again and again. */
  readonly text: string;
  notifiedAt: number;
  timer: ReturnType<typeof setTimeout> | null;
}

/** Notified when a resource gets or loses a socket that watches it. */
type WatchListener = (grantId: string, resource: Resource) => void;

/** The sockets of MCP subscriptions: notified that a resource has changed, not how. */
export class UpdateNotifier {
  readonly #watches = new Map<WebSocket, Watch>();
  readonly #ctx: DurableObjectState;
  readonly #watchChanged: WatchListener;

  constructor(ctx: DurableObjectState, watchChanged: WatchListener) {
    this.#ctx = ctx;
    this.#watchChanged = watchChanged;
  }

  /** Throws `rate_limited` or `too_large` when there are as many as may be. */
  accept(socket: WebSocket, { caller, watchId, uris }: WatchRequest): void {
    const { grantId, accounts } = caller;
    this.#requireRoom(grantId, watchId, uris.length === 0);
    this.#ctx.acceptWebSocket(socket, ["watch"]);
    const attachment: Attachment = { kind: "watch", grantId, accounts, watchId, uris: [...uris] };
    attach(socket, attachment);
    this.#notifyListener(this.restore(socket, attachment));
  }

  /** A socket that has slept. */
  restore(socket: WebSocket, carried: WatchAttachment): Watch {
    const uris = carried.uris.flatMap((uri) => {
      const resource = parseResourceUri(uri);
      const text = JSON.stringify({ type: "updated", uri });
      return resource === null ? [] : { resource, text, notifiedAt: 0, timer: null };
    });
    const watch = { carried, watched: Map.groupBy(uris, ({ resource }) => keyOf(resource)) };
    this.#watches.set(socket, watch);
    return watch;
  }

  closed(socket: WebSocket): void {
    const watch = this.#watches.get(socket);
    if (watch === undefined) return;
    for (const { timer } of [...watch.watched.values()].flat()) clearTimeout(timer);
    this.#watches.delete(socket);
    this.#notifyListener(watch);
  }

  /** Those that follow nothing wait for the end of their grant alone. */
  hasWatches(): boolean {
    return [...this.#watches.values()].some(({ watched }) => watched.size > 0);
  }

  /** Whether some socket of the grant watches it now. */
  isWatched(grantId: string, resource: Resource): boolean {
    const key = keyOf(resource);
    return [...this.#watches.values()].some(
      ({ carried, watched }) => carried.grantId === grantId && watched.has(key),
    );
  }

  statusChanged(): void {
    for (const [socket, { watched }] of this.#watches) notify(socket, watched.get("status"));
  }

  /** A started resource has changed. */
  changed(started: StartedResource): void {
    const key = keyOf(started);
    const topic = parseTopic(started.topic);
    for (const [socket, { carried, watched }] of this.#watches) {
      if (carried.grantId === started.grantId && isCovered(carried, topic)) notify(socket, watched.get(key));
    }
  }

  /** Those that follow nothing have as many places of their own, and take none of the others'. */
  #requireRoom(grantId: string, watchId: string, isIdle: boolean): void {
    const others = [...this.#watches.values()].filter(
      ({ carried }) => carried.watchId !== watchId && (carried.uris.length === 0) === isIdle,
    );
    if (others.length >= watchLimits.sockets) {
      throw new TwsError(
        "rate_limited",
        `This host serves at most ${watchLimits.sockets} MCP streams with subscriptions at a time.`,
        {
          nextStep: "End streams that nobody needs, or subscribe again later; meanwhile read the resources.",
        },
      );
    }
    if (others.filter(({ carried }) => carried.grantId === grantId).length >= watchLimits.socketsOfGrant) {
      throw new TwsError(
        "too_large",
        `One sign-in has at most ${watchLimits.socketsOfGrant} MCP streams with subscriptions at a time.`,
        { nextStep: "End some of the streams, or follow more resources on one of them." },
      );
    }
  }

  #notifyListener({ carried, watched }: Watch): void {
    for (const { resource } of [...watched.values()].flat()) {
      if (resource.kind !== "status") this.#watchChanged(carried.grantId, resource);
    }
  }
}

const keyOf = (resource: ResourceUri): string =>
  resource.kind === "status" ? "status" : `${resource.kind} ${resource.id.toUpperCase()}`;

const isCovered = ({ accounts }: WatchAttachment, topic: Topic | null): boolean =>
  topic !== null && mayWatch({ accounts }, topic);

/** Notifies at once, or when enough time has passed since it last did. */
function notify(socket: WebSocket, uris: readonly WatchedUri[] = []): void {
  for (const watched of uris) {
    if (watched.timer !== null) continue;
    const send = () => {
      watched.timer = null;
      watched.notifiedAt = Date.now();
      trySend(socket, watched.text);
    };
    const waitMs = watched.notifiedAt + mergeMs - Date.now();
    if (waitMs <= 0) send();
    else watched.timer = setTimeout(send, waitMs);
  }
}
