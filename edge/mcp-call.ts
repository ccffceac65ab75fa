import {
  type CallToolResult,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { type ErrorBody, toErrorBody, TwsError } from "../shared/errors.ts";
import { isToolName, type ToolName } from "../shared/tools/index.ts";
import type { ToolDefinition } from "../shared/tools/define.ts";
import { hostOf } from "./env.ts";
import type { HostOutcome, HostRpc, ProgressListener } from "./host/rpc.ts";
import type { JsonObject } from "./mcp-body.ts";
import type { Exchange } from "./mcp-exchange.ts";
import { parseInput } from "./mcp-input.ts";
import { listedTool } from "./mcp-lists.ts";

interface CallParams {
  readonly name: string;
  readonly arguments?: JsonObject | undefined;
}

/** tools/call. Throws only for a tool that does not exist; whatever else goes wrong is a result that says so. */
export async function callTool(
  exchange: Exchange,
  params: CallParams,
  context: ServerContext,
): Promise<CallToolResult> {
  const tool = listedTool(exchange.toolset, params.name);
  if (tool === undefined || !isToolName(tool.name)) {
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown tool: ${params.name.slice(0, 100)}`);
  }
  const { name, definition, inputSchema } = tool;
  try {
    permit(exchange, name, definition);
    const input = parseInput(name, definition, inputSchema, params.arguments ?? {});
    const outcome = await ask(exchange, name, definition, input, context);
    if (outcome.ok) return succeeded(outcome.output);
    noteRefusal(exchange, outcome.error);
    return failed(outcome.error);
  } catch (thrown) {
    return failed(toErrorBody(thrown, (id, error) => console.error(`[${id}] ${name}`, error)));
  }
}

/** Of limits that end by waiting; a limit of how many there may be is the model's to deal with. */
export function noteRefusal({ refusals }: Exchange, error: ErrorBody): void {
  if (error.code === "rate_limited" && error.retryAfterMs !== undefined) refusals.push(error);
}

function permit({ caller }: Exchange, name: ToolName, { scope }: ToolDefinition): void {
  if (caller.scopes.includes(scope)) return;
  throw new TwsError("forbidden", `${name} needs the permission ${scope}, which this sign-in does not have.`);
}

async function ask(
  exchange: Exchange,
  tool: ToolName,
  { effect }: ToolDefinition,
  input: JsonObject,
  context: ServerContext,
): Promise<HostOutcome> {
  const { caller, env, ctx } = exchange;
  const host: HostRpc = hostOf(env, caller.hostId);
  const callId = await exchange.callIdFor(context.mcpReq.id);
  const { signal } = context.mcpReq;
  const withdraw = () => ctx.waitUntil(host.cancelCall(callId));
  signal.addEventListener("abort", withdraw);
  try {
    return await host.call({ callId, tool, input, caller }, progressTo(exchange, context));
  } catch (cause) {
    // the host's object broke down under the call, after the order may have left it
    if (effect !== "trades") throw cause;
    throw new TwsError("outcome_unknown", "The edge lost track of the order while it was being placed.", {
      cause,
    });
  } finally {
    // the transport aborts whenever it closes, after the answer as well
    signal.removeEventListener("abort", withdraw);
  }
}

/** Undefined unless the client asked for progress and can be sent it. */
function progressTo({ canStream }: Exchange, { mcpReq }: ServerContext): ProgressListener | undefined {
  const progressToken = mcpReq._meta?.progressToken;
  if (progressToken === undefined || !canStream) return undefined;
  let reached = -Infinity;
  return (progress, total, message) => {
    // it must rise with each notification
    if (progress <= reached || mcpReq.signal.aborted) return;
    reached = progress;
    const params = { progressToken, progress, message, ...(total !== null && { total }) };
    // a client that has left is told nothing; the abort signal deals with it
    mcpReq.notify({ method: "notifications/progress", params }).catch(() => undefined);
  };
}

const succeeded = (output: JsonObject): CallToolResult => ({
  structuredContent: { ...output },
  content: [{ type: "text", text: JSON.stringify(output) }],
});

const failed = (error: ErrorBody): CallToolResult => ({
  isError: true,
  structuredContent: { error },
  content: [{ type: "text", text: JSON.stringify({ error }) }],
});
