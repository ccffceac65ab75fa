import type { RequestId } from "@modelcontextprotocol/server";
import type { ErrorBody } from "../../shared/errors.ts";
import type { Caller, Toolset } from "../../shared/caller.ts";
import type { Env } from "../config/bindings.ts";
import { isJsonObject, type JsonObject } from "./message.ts";
import type { Elicit } from "./elicitation.ts";
import { listedTool } from "./catalog.ts";
import type { Session } from "../session/session-id.ts";

/** One HTTP request to the MCP endpoint, and all that serving it needs. */
export interface Exchange {
  readonly request: Request;
  readonly env: Env;
  readonly ctx: ExecutionContext;
  readonly caller: Caller;
  readonly toolset: Toolset;
  /** Whether the client takes an event stream for an answer. */
  readonly canStream: boolean;
  /** Of a 2025-era client that sent its session id. */
  readonly session: Session | null;
  /** That the host is asked too much, where it said so: the answer is then HTTP 429. */
  readonly refusals: ErrorBody[];
  /** The origin of the owner's pages; null where nobody signs in. */
  readonly pagesAt: string | null;
  /** Null where the client cannot be asked anything in the middle of a call. */
  readonly elicit: Elicit | null;
  /** The id under which the host knows a call: one that a later request can name too, where there is a session. */
  readonly callIdFor: (requestId: RequestId) => Promise<string>;
}

/** How often a stream says that it is alive while a call is under way. */
export const callKeepAliveMs = 1000;

/**
 * Whether to answer as an event stream: where the client wants progress, and for calls that may take long. Only a
 * write that fails tells that a client has left before its answer (workerd on one's own computer says nothing else),
 * and proxies give up on what is silent.
 */
export function answersAsStream({ canStream, toolset }: Exchange, { method, params }: JsonObject): boolean {
  if (!canStream || method !== "tools/call" || !isJsonObject(params)) return false;
  const meta = params["_meta"];
  if (isJsonObject(meta) && meta["progressToken"] !== undefined) return true;
  const tool = listedTool(toolset, String(params["name"]));
  return tool !== undefined && tool.definition.deadline !== "quick";
}
