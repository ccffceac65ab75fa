import { z } from "zod";
import { createBackoff } from "../../shared/backoff.ts";
import { ErrorBody } from "../../shared/errors.ts";
import type { Caller } from "../../shared/caller.ts";
import { accessOf, type Env, hostOf } from "../config/bindings.ts";
import { callerHeader, encodeCaller, grantEndedCode } from "../rpc/host.ts";

const Updated = z.object({ type: z.literal("updated"), uri: z.string() });

interface WatchOptions {
  readonly env: Env;
  readonly caller: Caller;
  /**
   * The resource has changed, or may have while nobody watched: before the first connection, after a lost one, and
   * with each attempt while the host refuses one.
   */
  readonly onUpdated: (uri: string) => void;
  /** The grant has ended, and with it the watch. */
  readonly onEnded: () => void;
}

export interface Watch {
  /** Follows these resources from now on, and no others; with none of them the end of the grant alone. */
  readonly follow: (uris: readonly string[]) => void;
  readonly close: () => void;
  /** Why the host refused the first connection; null when it did not, or there was none to refuse. */
  readonly refusal: Promise<ErrorBody | null>;
}

/**
 * Follows resources of the host for one open SSE stream, over a WebSocket which the host's object hibernates under.
 * A connection that is lost is made again until `close`; one that is refused too, but seldom.
 */
export function openWatch({ env, caller, onUpdated, onEnded }: WatchOptions): Watch {
  const backoff = createBackoff({ firstMs: 250, capMs: 10_000, stableAfterMs: 30_000, random: Math.random });
  const patience = createBackoff({
    firstMs: 10_000,
    capMs: 60_000,
    stableAfterMs: 30_000,
    random: Math.random,
  });
  const first = Promise.withResolvers<ErrorBody | null>();
  // the host takes a second socket of the same stream for the successor of the first
  const watchId = crypto.randomUUID();
  let uris: readonly string[] = [];
  /** Rises with each change of `uris`, so that an attempt for older ones knows it. */
  let round = 0;
  let socket: WebSocket | null = null;
  let retry: ReturnType<typeof setTimeout> | null = null;
  /** After a refusal nothing is tried before, whatever else is to be followed. */
  let notBefore = 0;
  /** Those of which no change can have been missed since they were last announced. */
  let covered: ReadonlySet<string> = new Set();

  const connectIn = (mine: number, waitMs: number): void => {
    if (mine === round) retry = setTimeout(() => void connect(mine), waitMs);
  };

  const connect = async (mine: number): Promise<void> => {
    const startedAt = Date.now();
    // the grant may have ended between two connections
    if (covered.size === 0 && (await hasEnded(env, caller))) {
      first.resolve(null);
      onEnded();
      return;
    }
    const attempt = await connectOnce(env, caller, watchId, uris).catch(() => null);
    first.resolve(attempt?.refusal ?? null);
    const opened = attempt?.socket ?? null;
    if (opened === null) {
      covered = new Set();
      const isRefused = attempt !== null;
      const waitMs = isRefused ? patience.next(0) : backoff.next(0);
      if (isRefused) {
        notBefore = Date.now() + waitMs;
        if (mine === round) for (const uri of uris) onUpdated(uri);
      }
      return connectIn(mine, waitMs);
    }
    const lost = (code: number | null): void => {
      if (socket !== opened) return;
      socket = null;
      covered = new Set();
      if (code === grantEndedCode) return onEnded();
      connectIn(mine, backoff.next(Date.now() - startedAt));
    };
    opened.addEventListener("message", ({ data }) => {
      const uri = updatedUri(data);
      if (uri !== null && uris.includes(uri)) onUpdated(uri);
    });
    opened.addEventListener("close", ({ code }) => lost(code));
    opened.addEventListener("error", () => lost(null));
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

  const turnTo = (next: readonly string[]): void => {
    round += 1;
    clearTimeout(retry);
    uris = next;
  };

  const close = (): void => {
    turnTo([]);
    first.resolve(null);
    const open = socket;
    socket = null;
    covered = new Set();
    open?.close(1000);
  };

  const follow = (next: readonly string[]): void => {
    // the owner of local mode has no grant that could end
    if (next.length === 0 && caller.expiresAt === null) return close();
    turnTo(next);
    const waitMs = notBefore - Date.now();
    if (waitMs > 0) connectIn(round, waitMs);
    else void connect(round);
  };

  return { follow, close, refusal: first.promise };
}

/** Also false where nobody can say. */
const hasEnded = async (env: Env, { grantId, expiresAt }: Caller): Promise<boolean> =>
  // the owner of local mode has no grant, and nothing ends it
  expiresAt !== null &&
  !(await accessOf(env)
    .isGranted(grantId)
    .catch(() => true));

type Attempt =
  | { readonly socket: WebSocket; readonly refusal: null }
  | { readonly socket: null; readonly refusal: ErrorBody };

const Refused = z.object({ error: ErrorBody });

async function connectOnce(
  env: Env,
  caller: Caller,
  watchId: string,
  uris: readonly string[],
): Promise<Attempt> {
  const query = new URLSearchParams([["id", watchId], ...uris.map((uri) => ["uri", uri])]);
  const response = await hostOf(env, caller.hostId).fetch(`https://host/watch?${query.toString()}`, {
    headers: { Upgrade: "websocket", [callerHeader]: encodeCaller(caller) },
  });
  if (response.webSocket !== null) return { socket: response.webSocket, refusal: null };
  return { socket: null, refusal: Refused.parse(await response.json()).error };
}

function updatedUri(data: unknown): string | null {
  if (typeof data !== "string") return null;
  const parsed = Updated.safeParse(JSON.parse(data));
  return parsed.success ? parsed.data.uri : null;
}
