import {
  type CallToolResult,
  type InputRequiredResult,
  isInputRequiredResult,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { type ErrorBody, toErrorBody, TwsError } from "../../shared/errors.ts";
import { isToolName, type ToolName } from "../../shared/tools/index.ts";
import type { ToolDefinition } from "../../shared/tools/define.ts";
import { intentOf } from "../crypto/digest.ts";
import { hostOf } from "../config/bindings.ts";
import { lostSight } from "../host/relay/calls.ts";
import type { HostOutcome, HostRpc, ProgressListener } from "../rpc/host.ts";
import { withWay } from "./approval-prompt.ts";
import { askForOrder } from "./approval-flow.ts";
import type { JsonObject } from "./message.ts";
import type { Exchange } from "./exchange.ts";
import { parseInput } from "./arguments.ts";
import { listedTool } from "./catalog.ts";
import { stateCodecOf } from "./request-state.ts";

interface CallParams {
  readonly name: string;
  readonly arguments?: JsonObject | undefined;
}

/** tools/call. Throws only for a tool that does not exist; whatever else goes wrong is a result that says so. */
export async function callTool(
  exchange: Exchange,
  params: CallParams,
  context: ServerContext,
): Promise<CallToolResult | InputRequiredResult> {
  const tool = listedTool(exchange.toolset, params.name);
  if (tool === undefined || !isToolName(tool.name)) {
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown tool: ${params.name.slice(0, 100)}`);
  }
  const { name, definition, inputSchema } = tool;
  try {
    permit(exchange, name, definition);
    const input = parseInput(name, definition, inputSchema, params.arguments ?? {});
    const outcome = await makeCall({ exchange, tool: name, definition, input, context });
    if (isInputRequiredResult(outcome)) return outcome;
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

interface Call {
  readonly exchange: Exchange;
  readonly tool: ToolName;
  readonly definition: ToolDefinition;
  readonly input: JsonObject;
  readonly context: ServerContext;
}

async function makeCall(call: Call): Promise<HostOutcome | InputRequiredResult> {
  const { exchange, tool, definition, input, context } = call;
  const callId = await exchange.callIdFor(context.mcpReq.id);
  if (definition.effect !== "trades") {
    const outcome = await ask(call, callId, null);
    return outcome.ok ? outcome : { ok: false, error: withWay(outcome.error, exchange, false) };
  }
  const { caller, env } = exchange;
  const takesKey = Object.hasOwn(definition.input.shape, "idempotencyKey");
  const given = input["idempotencyKey"];
  return await askForOrder({
    exchange,
    context,
    callId,
    takesKey,
    codec: stateCodecOf(env, caller, tool, input, context),
    idempotencyKey: typeof given === "string" ? given : takesKey ? crypto.randomUUID() : null,
    ask: async (key) => await named(await ask(call, callId, key), caller.grantId, key),
  });
}

/** A failure says under which key the call was made, whoever words it. */
async function named(outcome: HostOutcome, grantId: string, key: string | null): Promise<HostOutcome> {
  if (outcome.ok || key === null || outcome.error.intent !== undefined) return outcome;
  return { ok: false, error: { ...outcome.error, intent: await intentOf(grantId, key) } };
}

/** `key` is for a call that brought none itself. Rejects only for a call that changes no orders. */
async function ask(
  { exchange, tool, definition, input, context }: Call,
  callId: string,
  key: string | null,
): Promise<HostOutcome> {
  const { caller, env, ctx } = exchange;
  const { effect } = definition;
  const host: HostRpc = hostOf(env, caller.hostId);
  const idempotencyKey = input["idempotencyKey"] === undefined && key !== null ? { idempotencyKey: key } : {};
  const { signal } = context.mcpReq;
  const withdraw = () => ctx.waitUntil(host.cancelCall(callId));
  signal.addEventListener("abort", withdraw);
  try {
    return await host.call({ callId, tool, input, caller, ...idempotencyKey }, progressTo(exchange, context));
  } catch (cause) {
    // the host's object broke down under the call, after the order may have left it
    if (effect !== "trades" && effect !== "cancels") throw cause;
    console.error(`the host's object broke down under ${tool}`, cause);
    return {
      ok: false,
      error: lostSight(effect, "The edge lost track of the call, which may have reached TWS.").toBody(),
    };
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
