import { isLegacyRequest } from "@modelcontextprotocol/server";
import type { Caller } from "../shared/scopes.ts";
import { stepUp } from "./auth.ts";
import type { AccessSettings, Env } from "./env.ts";
import { readMessage } from "./mcp-body.ts";
import type { Exchange } from "./mcp-exchange.ts";
import { answerLegacy, answerSessionRequest } from "./mcp-legacy.ts";
import { answerModern } from "./mcp-modern.ts";
import { faultInParams, inPlainWords } from "./mcp-params.ts";

/**
 * The MCP endpoint, for 2026-07-28 and the 2025 revisions. The Worker has checked Host and Origin and knows the
 * caller; CORS headers are added by it as well.
 */
export async function handleMcp(
  request: Request,
  env: Env,
  ctx: ExecutionContext,
  caller: Caller,
  access: AccessSettings | null = null,
): Promise<Response> {
  const exchange: Exchange = {
    request,
    env,
    ctx,
    caller,
    toolset:
      caller.toolset === "core" || new URL(request.url).searchParams.get("toolset") === "core"
        ? "core"
        : "full",
    canStream: request.headers.get("accept")?.includes("text/event-stream") ?? false,
    session: null,
    pagesAt: access?.publicUrl ?? null,
    elicit: null,
    callIdFor: () => Promise.resolve(crypto.randomUUID()),
  };
  if (request.method !== "POST") return answerSessionRequest(exchange);
  const body = await readMessage(request);
  if (!body.ok) return body.response;
  const { message } = body;
  const refused = stepUp(caller, access, message);
  if (refused !== null) return refused;
  const fault = faultInParams(message);
  // what is refused needs no stream
  const asked = fault === null ? exchange : { ...exchange, canStream: false };
  const response = (await isLegacyRequest(request, message))
    ? await answerLegacy(asked, message)
    : await answerModern(asked, message);
  return fault === null ? response : inPlainWords(response, message, fault);
}
