import { createMcpHandler, type ServerEventBus } from "@modelcontextprotocol/server";
import { parseResourceUri } from "../shared/resources.ts";
import { idOf, isJsonObject, type JsonObject, rpcCodes, rpcError } from "./mcp-body.ts";
import { answersAsStream, callKeepAliveMs, type Exchange } from "./mcp-exchange.ts";
import { createServer } from "./mcp-server.ts";
import { openWatch } from "./mcp-watch.ts";

/** One stream may follow this many resources. */
const maxUris = 100;

/**
 * One message of a 2026-07-28 client. The SDK's handler is made for each request: it costs microseconds, and its
 * subscriptions must not outlive or cross the request, since workerd forbids one to touch another's sockets.
 */
export async function answerModern(exchange: Exchange, message: JsonObject): Promise<Response> {
  const uris = message["method"] === "subscriptions/listen" ? urisToFollow(message) : [];
  const fault = faultIn(uris);
  const handler = createMcpHandler(() => createServer(exchange), {
    legacy: "reject",
    bus: fault === null ? hostBus(exchange, uris) : silentBus,
    ...(answersAsStream(exchange, message) && { responseMode: "sse", keepAliveMs: callKeepAliveMs }),
  });
  const response = await handler.fetch(exchange.request, { parsedBody: message });
  // the SDK accepts any URI, but only after all its other checks, which come first
  if (fault === null || response.headers.get("content-type") !== "text/event-stream") return response;
  await response.body?.cancel();
  return rpcError(200, rpcCodes.invalidParams, fault.message, {
    id: idOf(message),
    ...(fault.uri !== null && { data: { uri: fault.uri } }),
  });
}

function urisToFollow({ params }: JsonObject): readonly string[] {
  const filter = isJsonObject(params) ? params["notifications"] : undefined;
  const uris: unknown = isJsonObject(filter) ? filter["resourceSubscriptions"] : undefined;
  return Array.isArray(uris) ? uris.filter((uri) => typeof uri === "string") : [];
}

interface Fault {
  readonly message: string;
  readonly uri: string | null;
}

function faultIn(uris: readonly string[]): Fault | null {
  if (uris.length > maxUris)
    return { message: `One stream may follow at most ${maxUris} resources.`, uri: null };
  const unknown = uris.find((uri) => parseResourceUri(uri) === null);
  return unknown === undefined
    ? null
    : { message: `Resource not found: ${unknown.slice(0, 200)}`, uri: unknown };
}

/** What a listening client hears of: the host's object, over a socket that is open as long as the stream. */
const hostBus = ({ env, caller }: Exchange, uris: readonly string[]): ServerEventBus => ({
  publish: () => undefined,
  subscribe(listener) {
    const watch = openWatch({ env, caller, onUpdated: (uri) => listener({ kind: "resource_updated", uri }) });
    watch.follow(uris);
    return watch.close;
  },
});

const silentBus: ServerEventBus = { publish: () => undefined, subscribe: () => () => undefined };
