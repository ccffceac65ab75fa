import type { Caller } from "../../shared/caller.ts";
import type { Page } from "../../shared/tools/paging.ts";
import type { RequestContext } from "../tws/session/api.ts";

/** One call, as a handler sees it. */
export interface CallContext {
  readonly caller: Caller;
  /** Aborted when the client has left, the deadline has passed or the link is gone. */
  readonly signal: AbortSignal;
  /** What a single request to TWS may take within this call. */
  readonly twsTimeoutMs: number;
  /** Unix milliseconds; nothing that changes an order is sent after it. */
  readonly notAfter: number;
  /** Made by the edge for this call, for a placing tool that was given no idempotencyKey; null from an edge that makes none. */
  readonly generatedKey: string | null;
  /** For a handler that asks TWS for no more than the page, or whose pages must belong together. */
  readonly page: Page;
  /** Told to a client that asked for progress. */
  progress(done: number, total: number | null, message: string): void;
}

/** One request to TWS within a call. */
export const requestOf = ({ twsTimeoutMs, signal }: CallContext): RequestContext => ({
  timeoutMs: twsTimeoutMs,
  signal,
});
