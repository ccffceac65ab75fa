import { parseResourceUri, type Resource, type ResourceUri } from "../../shared/resources.ts";
import { attach, trySend } from "./attachments.ts";

/** One `updated` message for each URI in this time at most. */
const mergeMs = 250;
export const mostUris = 200;

interface Watch {
  readonly grantId: string;
  readonly uris: ReadonlyMap<string, WatchedUri>;
}

interface WatchedUri {
  readonly resource: ResourceUri;
  toldAt: number;
  timer: ReturnType<typeof setTimeout> | null;
}

/** The sockets of MCP subscriptions: told that a resource has changed, not how. */
export class Updates {
  readonly #watches = new Map<WebSocket, Watch>();
  readonly #ctx: DurableObjectState;

  constructor(ctx: DurableObjectState) {
    this.#ctx = ctx;
  }

  accept(socket: WebSocket, grantId: string, uris: readonly string[]): void {
    this.#ctx.acceptWebSocket(socket, ["watch"]);
    attach(socket, { kind: "watch", grantId, uris: [...uris] });
    this.restore(socket, grantId, uris);
  }

  /** A socket that has slept. */
  restore(socket: WebSocket, grantId: string, uris: readonly string[]): void {
    const watched = new Map<string, WatchedUri>();
    for (const uri of uris) {
      const resource = parseResourceUri(uri);
      if (resource !== null) watched.set(uri, { resource, toldAt: 0, timer: null });
    }
    this.#watches.set(socket, { grantId, uris: watched });
  }

  closed(socket: WebSocket): void {
    for (const { timer } of this.#watches.get(socket)?.uris.values() ?? []) clearTimeout(timer);
    this.#watches.delete(socket);
  }

  statusChanged(): void {
    for (const [socket, { uris }] of this.#watches) {
      for (const [uri, watched] of uris) {
        if (watched.resource.kind === "status") tell(socket, uri, watched);
      }
    }
  }

  /** A started resource of this grant has changed. */
  changed(grantId: string, { kind, id }: Resource): void {
    const wanted = id.toUpperCase();
    for (const [socket, watch] of this.#watches) {
      if (watch.grantId !== grantId) continue;
      for (const [uri, watched] of watch.uris) {
        const { resource } = watched;
        if (resource.kind !== "status" && resource.kind === kind && resource.id === wanted) {
          tell(socket, uri, watched);
        }
      }
    }
  }
}

/** Tells at once, or when enough time has passed since it last did. */
function tell(socket: WebSocket, uri: string, watched: WatchedUri): void {
  if (watched.timer !== null) return;
  const send = () => {
    watched.timer = null;
    watched.toldAt = Date.now();
    trySend(socket, JSON.stringify({ type: "updated", uri }));
  };
  const waitMs = watched.toldAt + mergeMs - Date.now();
  if (waitMs <= 0) send();
  else watched.timer = setTimeout(send, waitMs);
}
