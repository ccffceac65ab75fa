import { z } from "zod";
import { createBackoff } from "../shared/backoff.ts";
import type { Caller } from "../shared/scopes.ts";
import { type Env, hostOf } from "./env.ts";
import { callerHeader, encodeCaller } from "./host/rpc.ts";

const Updated = z.object({ type: z.literal("updated"), uri: z.string() });

interface WatchOptions {
  readonly env: Env;
  readonly caller: Caller;
  /** The resource has changed, or may have while nobody watched: before the first connection and after a lost one. */
  readonly onUpdated: (uri: string) => void;
}

export interface Watch {
  /** Follows these resources from now on, and no others. */
  readonly follow: (uris: readonly string[]) => void;
  readonly close: () => void;
}

/**
 * Follows resources of the host for one open SSE stream, over a WebSocket which the host's object hibernates under.
 * A connection that is lost is made again until `close`.
 */
export function openWatch({ env, caller, onUpdated }: WatchOptions): Watch {
  const backoff = createBackoff({ firstMs: 250, capMs: 10_000, stableAfterMs: 30_000, random: Math.random });
  let uris: readonly string[] = [];
  /** Rises with each change of `uris`, so that an attempt for older ones knows it. */
  let round = 0;
  let socket: WebSocket | null = null;
  let retry: ReturnType<typeof setTimeout> | null = null;
  /** Those of which no change can have been missed since they were last announced. */
  let covered: ReadonlySet<string> = new Set();

  const connectLater = (mine: number, uptimeMs: number): void => {
    covered = new Set();
    if (mine === round) retry = setTimeout(() => void connect(mine), backoff.next(uptimeMs));
  };

  const connect = async (mine: number): Promise<void> => {
    const startedAt = Date.now();
    const opened = await connectOnce(env, caller, uris).catch(() => null);
    if (opened === null) {
      connectLater(mine, 0);
      return;
    }
    const lost = (): void => {
      if (socket !== opened) return;
      socket = null;
      connectLater(mine, Date.now() - startedAt);
    };
    opened.addEventListener("message", ({ data }) => {
      const uri = updatedUri(data);
      if (uri !== null && uris.includes(uri)) onUpdated(uri);
    });
    opened.addEventListener("close", lost);
    opened.addEventListener("error", lost);
    opened.accept();
    if (mine !== round) {
      opened.close(1000);
      return;
    }
    // the older one goes only now, so that no change falls between the two
    const older = socket;
    socket = opened;
    older?.close(1000);
    const missed = uris.filter((uri) => !covered.has(uri));
    covered = new Set(uris);
    for (const uri of missed) onUpdated(uri);
  };

  const follow = (next: readonly string[]): void => {
    round += 1;
    clearTimeout(retry);
    uris = next;
    if (uris.length > 0) {
      void connect(round);
      return;
    }
    const open = socket;
    socket = null;
    covered = new Set();
    open?.close(1000);
  };

  return { follow, close: () => follow([]) };
}

async function connectOnce(env: Env, caller: Caller, uris: readonly string[]): Promise<WebSocket> {
  const query = new URLSearchParams(uris.map((uri) => ["uri", uri]));
  const response = await hostOf(env).fetch(`https://host/watch?${query.toString()}`, {
    headers: { Upgrade: "websocket", [callerHeader]: encodeCaller(caller) },
  });
  if (response.webSocket !== null) return response.webSocket;
  throw new Error(`The host's object refused a watch with ${response.status}.`);
}

function updatedUri(data: unknown): string | null {
  if (typeof data !== "string") return null;
  const parsed = Updated.safeParse(JSON.parse(data));
  return parsed.success ? parsed.data.uri : null;
}
