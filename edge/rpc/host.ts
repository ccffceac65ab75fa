import type { OwnerAnswer, OwnerRequest } from "../../shared/approval.ts";
import type { AuditEntry, AuditHead, Trail } from "../../shared/audit.ts";
import type { ErrorBody } from "../../shared/errors.ts";
import type { Caller } from "../../shared/caller.ts";
import type { AgentStatus, Hop, TradingStatus } from "../../shared/status.ts";
import type { ToolName } from "../../shared/tools/index.ts";

/** One tool call, already validated, on its way to the host's object. */
export interface HostCall {
  /** Chosen by the caller, so that it can cancel: unique among calls in flight. */
  readonly callId: string;
  readonly tool: ToolName;
  readonly input: Readonly<Record<string, unknown>>;
  readonly caller: Caller;
  /** Of a call that may place orders and brought none of its own. */
  readonly idempotencyKey?: string;
}

/** Errors cross the object's boundary as data: a thrown error would lose its class there. */
export type HostOutcome =
  | { readonly ok: true; readonly output: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly error: ErrorBody };

/** Told to a client that asked for progress. */
export type ProgressListener = (done: number, total: number | null, message: string) => void;

/** A resource as it is now, for resources/read. */
export type ResourceOutcome =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly error: ErrorBody };

/** All that waits for the owner, as the agent has just said. */
export type OwnerOutcome =
  | { readonly ok: true; readonly answer: OwnerAnswer }
  | { readonly ok: false; readonly error: ErrorBody };

/** Whether the copy of the agent's audit trail is whole; `none` before its first entry. */
export type AuditState = "ok" | "broken" | "none";

/** How trading stands on a host, as last known. */
export interface TradingFacts {
  readonly isAgentUp: boolean;
  /** Null where no agent has said. */
  readonly trading: TradingStatus | null;
  readonly audit: AuditState;
}

/** An entry, and where it is in the order in which the entries of all trails came. */
export interface ShownEntry {
  readonly number: number;
  readonly trailId: string;
  readonly entry: AuditEntry;
}

/** A trail that an agent has said to keep. */
export interface TrailRecord extends Trail {
  /** When it was first told of. */
  readonly beganAt: string;
  /** Where the trail before it stood then; null for the first. */
  readonly previous: Trail | null;
}

export interface AuditPage {
  /** Newest first. */
  readonly entries: readonly ShownEntry[];
  readonly hasMore: boolean;
  /** The newest trails, the newest first: each journal that was begun anew is one. */
  readonly trails: readonly TrailRecord[];
  /** Of the trail that the agent keeps. */
  readonly head: AuditHead;
  /** When it was first seen that the trail is not whole, and why; null while it is. */
  readonly broken: { readonly since: string; readonly reason: string } | null;
}

/** Health of every hop, and for each that is not well what the reader can do about it. */
export interface Health {
  readonly edge: Hop;
  readonly agent: Hop;
  readonly tws: Hop;
  readonly farms: readonly FarmHop[];
}

export type FarmHop = AgentStatus["farms"][number] & Hop;

/** The close code of a socket whose grant has ended. */
export const grantEndedCode = 4401;

/** A resource that cannot be followed, and why. */
export interface MissingResource {
  readonly uri: string;
  readonly error: ErrorBody;
}

/** Header of a request to a host's object that says for whom it is: the caller as JSON, percent-encoded. */
export const callerHeader = "tws-edge-caller";

export const encodeCaller = (caller: Caller): string => encodeURIComponent(JSON.stringify(caller));

/**
 * What the Worker and the MCP sessions may ask of a host's object by RPC. Streams go through `fetch` with a
 * WebSocket upgrade instead, so that the object can hibernate under them: `/agent`, `/stream/…`, and `/watch`,
 * which says `{"type":"updated","uri":…}` at most four times a second for each `uri` given in its query, where `id`
 * names the MCP stream that it is for. Each of these requests carries `callerHeader`.
 */
export interface HostRpc {
  call(call: HostCall, onProgress?: ProgressListener): Promise<HostOutcome>;
  /** The caller has left; the call is withdrawn at TWS as well. Unknown ids are ignored. */
  cancelCall(callId: string): Promise<void>;
  readResource(uri: string, caller: Caller): Promise<ResourceOutcome>;
  /** The first of the resources that is not there to be followed; null where all are. */
  missingResource(uris: readonly string[], caller: Caller): Promise<MissingResource | null>;
  /** A grant is over: its sockets are closed and what it has started ends. */
  dropGrant(grantId: string): Promise<void>;
  /**
   * The agent may not serve this host any more: all its connections are closed, for this reason. `mayReturn`: it has
   * another key by now, and is to come again with that.
   */
  dropAgent(reason: string, mayReturn?: boolean): Promise<void>;
  /** What a page of the owner shows of this host, as last known. */
  facts(): Promise<{ readonly machine: string | null; readonly accounts: readonly string[] }>;
  /** Asks the agent what a page of the owner asks. Only such a page may call this: no request of a client leads here. */
  owner(request: OwnerRequest): Promise<OwnerOutcome>;
  trading(): Promise<TradingFacts>;
  /** Health of every hop from here to the market-data farms. */
  health(): Promise<Health>;
  /** The audit trail before number `before`, or from its end. */
  audit(before: number | null): Promise<AuditPage>;
  /** The resources this caller has started, for resources/list. */
  listResources(
    caller: Caller,
  ): Promise<readonly { readonly uri: string; readonly name: string; readonly title: string }[]>;
}
