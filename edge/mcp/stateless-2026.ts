import { createMcpHandler, type ServerEventBus } from "@modelcontextprotocol/server";
import { hostOf } from "../config/bindings.ts";
import type { HostRpc } from "../rpc/host.ts";
import { parseResourceUri } from "../../shared/resources.ts";
import { withoutRepeats } from "../http/event-stream.ts";
import { idOf, isJsonObject, type JsonObject, rpcCodes, rpcError } from "./message.ts";
import { answersAsStream, callKeepAliveMs, type Exchange } from "./exchange.ts";
import { createServer } from "./server.ts";
import { openWatch, type Watch } from "./resource-watch.ts";

/** One stream may follow this many resources. */
const maxUris = 100;

/**
 * One message of a 2026-07-28 client. The SDK's handler is made for each request: it costs microseconds, and its
 * subscriptions must not outlive or cross the request, since workerd forbids one to touch another's sockets.
 */
export async function answerStateless(exchange: Exchange, message: JsonObject): Promise<Response> {
  const uris = message["method"] === "subscriptions/listen" ? urisToFollow(message) : [];
  const listenError = listenErrorIn(uris) ?? (await missingIn(exchange, uris));
  const ended = new AbortController();
  const bus = listenError === null ? hostBus(exchange, uris, () => ended.abort()) : null;
  const handler = createMcpHandler(() => createServer(exchange), {
    legacy: "reject",
    bus: bus ?? silentBus,
    ...(answersAsStream(exchange, message) && { responseMode: "sse", keepAliveMs: callKeepAliveMs }),
  });
  const { request } = exchange;
  const signal = AbortSignal.any([request.signal, ended.signal]);
  const response = await handler.fetch(
    new Request(request.url, { method: "POST", headers: request.headers, signal }),
    { parsedBody: message },
  );
  // the SDK accepts any URI, but only after all its other checks, which come first
  if (response.headers.get("content-type") !== "text/event-stream") return response;
  const problem = listenError ?? (await bus?.refused()) ?? null;
  if (problem === null) return uris.length === 0 ? response : bounded(response);
  await response.body?.cancel();
  return rpcError(200, problem.code, problem.message, { id: idOf(message), data: problem.data });
}

/** An update is the same text each time, and the SDK keeps all of them for a client that does not read. */
const bounded = (response: Response): Response =>
  response.body === null ? response : new Response(withoutRepeats(response.body), response);

function urisToFollow({ params }: JsonObject): readonly string[] {
  const filter = isJsonObject(params) ? params["notifications"] : undefined;
  const uris: unknown = isJsonObject(filter) ? filter["resourceSubscriptions"] : undefined;
  return Array.isArray(uris) ? uris.filter((uri) => typeof uri === "string") : [];
}

/** Why a client cannot listen, as JSON-RPC says it. */
interface ListenError {
  readonly code: number;
  readonly message: string;
  readonly data?: JsonObject;
}

function listenErrorIn(uris: readonly string[]): ListenError | null {
  const code = rpcCodes.invalidParams;
  if (uris.length > maxUris) return { code, message: `One stream may follow at most ${maxUris} resources.` };
  const uri = uris.find((one) => parseResourceUri(one) === null);
  return uri === undefined
    ? null
    : { code, message: `Resource not found: ${uri.slice(0, 200)}`, data: { uri } };
}

/** As for a resource that is read: what is not there cannot be followed. */
async function missingIn({ env, caller }: Exchange, uris: readonly string[]): Promise<ListenError | null> {
  if (uris.length === 0) return null;
  const host: HostRpc = hostOf(env, caller.hostId);
  const missing = await host.missingResource(uris, caller).catch(() => null);
  if (missing === null) return null;
  const { uri, error } = missing;
  const message = `${error.message} ${error.nextStep}`;
  return { code: rpcCodes.invalidParams, message, data: { uri, ...error } };
}

interface HostBus extends ServerEventBus {
  /** Why the host does not take the stream, if it does not. */
  refused(): Promise<ListenError | null>;
}

/** What a listening client hears of: the host's object, over a socket that is open as long as the stream. */
function hostBus({ env, caller }: Exchange, uris: readonly string[], onEnded: () => void): HostBus {
  let watch: Watch | null = null;
  return {
    publish: () => undefined,
    subscribe(listener) {
      const onUpdated = (uri: string) => listener({ kind: "resource_updated", uri });
      watch = openWatch({ env, caller, onUpdated, onEnded });
      watch.follow(uris);
      return watch.close;
    },
    async refused() {
      const error = (await watch?.refusal) ?? null;
      if (error === null) return null;
      return { code: rpcCodes.internalError, message: `${error.message} ${error.nextStep}`, data: error };
    },
  };
}

const silentBus: ServerEventBus = { publish: () => undefined, subscribe: () => () => undefined };
