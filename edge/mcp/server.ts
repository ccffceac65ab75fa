import {
  ProtocolError,
  ProtocolErrorCode,
  type ReadResourceResult,
  ResourceNotFoundError,
  Server,
} from "@modelcontextprotocol/server";
import type { ErrorBody } from "../../shared/errors.ts";
import { fixedResources, parseResourceUri, resourceTemplates } from "../../shared/resources.ts";
import { hostOf } from "../config/bindings.ts";
import type { HostRpc } from "../rpc/host.ts";
import { callTool, noteRefusal } from "./call-tool.ts";
import type { Exchange } from "./exchange.ts";
import { serverInfo, serverOptions, toolsFor } from "./catalog.ts";
import { complete, getPrompt, promptList } from "./prompts.ts";
import { sessionOf } from "./session-store.ts";

/** The MCP server of one exchange, for either era: the SDK's low-level one, over lists that are already built. */
export function createServer(exchange: Exchange): Server {
  const { env, caller, toolset } = exchange;
  const server = new Server(serverInfo, serverOptions);
  server.setRequestHandler("tools/list", ({ params }) => {
    refuseCursor(params);
    return { tools: toolsFor(toolset, caller.scopes) };
  });
  server.setRequestHandler("tools/call", ({ params }, context) => callTool(exchange, params, context));
  server.setRequestHandler("prompts/list", ({ params }) => {
    refuseCursor(params);
    return { prompts: promptList };
  });
  server.setRequestHandler("prompts/get", ({ params }) => getPrompt(params));
  server.setRequestHandler("completion/complete", ({ params }, context) =>
    complete(exchange, params, context),
  );
  server.setRequestHandler("resources/list", async ({ params }) => {
    refuseCursor(params);
    const host: HostRpc = hostOf(env, caller.hostId);
    const started = await host.listResources(caller);
    return {
      resources: [
        ...fixedResources,
        ...started.map(({ uri, name, title }) => ({ uri, name, title, mimeType: "application/json" })),
      ],
    };
  });
  server.setRequestHandler("resources/templates/list", ({ params }) => {
    refuseCursor(params);
    return { resourceTemplates: [...resourceTemplates] };
  });
  server.setRequestHandler("resources/read", ({ params }) => readResource(exchange, params.uri));
  server.setRequestHandler("resources/subscribe", async ({ params }) => {
    await subscribe(exchange, params.uri);
    return {};
  });
  server.setRequestHandler("resources/unsubscribe", async ({ params }) => {
    if (exchange.session !== null) await sessionOf(env, exchange.session).unsubscribe(params.uri);
    return {};
  });
  return server;
}

/** Every list is one page. */
function refuseCursor(params: { readonly cursor?: string | undefined } | undefined): void {
  if (params?.cursor === undefined) return;
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, "cursor is not one that this server returned.");
}

async function readResource(exchange: Exchange, uri: string): Promise<ReadResourceResult> {
  const { env, caller } = exchange;
  const host: HostRpc = hostOf(env, caller.hostId);
  const outcome = await host.readResource(uri, caller);
  if (outcome.ok) return { contents: [{ uri, mimeType: "application/json", text: outcome.text }] };
  noteRefusal(exchange, outcome.error);
  throw readError(uri, outcome.error);
}

function readError(uri: string, error: ErrorBody): ProtocolError {
  if (error.code === "unknown_resource") return new ResourceNotFoundError(uri, error.message);
  const code =
    error.code === "not_started" ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
  return new ProtocolError(code, `${error.message} ${error.nextStep}`, { uri, ...error });
}

/** Of the 2025 era; the modern one listens instead. */
async function subscribe({ env, caller, session }: Exchange, uri: string): Promise<void> {
  if (parseResourceUri(uri) === null) throw new ResourceNotFoundError(uri);
  if (session === null) {
    throw new ProtocolError(
      ProtocolErrorCode.InvalidRequest,
      "A subscription needs a session: send initialize, then send its Mcp-Session-Id with each request.",
    );
  }
  const host: HostRpc = hostOf(env, caller.hostId);
  const missing = await host.missingResource([uri], caller);
  if (missing !== null) throw readError(uri, missing.error);
  if (await sessionOf(env, session).subscribe(uri, session.expiresAt)) return;
  throw new ProtocolError(
    ProtocolErrorCode.InvalidRequest,
    "This session has as many subscriptions as it may.",
  );
}
