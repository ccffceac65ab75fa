import {
  SUPPORTED_PROTOCOL_VERSIONS,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import { hostOf } from "../config/bindings.ts";
import type { HostRpc } from "../rpc/host.ts";
import { elicitsOf } from "./approval-prompt.ts";
import { idOf, isJsonObject, type JsonObject, rpcCodes, rpcError } from "./message.ts";
import { answerIn, createElicit } from "./elicitation.ts";
import { answersAsStream, callKeepAliveMs, type Exchange } from "./exchange.ts";
import { admitSession } from "./session-bounds.ts";
import { createServer } from "./server.ts";
import { endSession, findSession, newSessionId, sessionOf } from "./session-store.ts";
import { openSessionStream } from "./session-stream.ts";
import type { Session, Elicits } from "../session/session-id.ts";
import { toBase64Url } from "../crypto/base64url.ts";

const sessionHeader = "mcp-session-id";

/** One message of a client of the 2025 revisions, with a session id or without. */
export async function answerInSession(exchange: Exchange, message: JsonObject): Promise<Response> {
  const isInitialize = message["method"] === "initialize";
  if (isInitialize) admitSession(exchange.caller);
  const known = isInitialize ? null : await knownSession(exchange);
  if (known instanceof Response) return known;
  const served = known === null ? exchange : { ...exchange, session: known, callIdFor: callIdsOf(known) };
  if (message["method"] === "notifications/cancelled") await cancelNamed(served, message);
  if (known !== null) await takeAnswer(served, known, message);
  const response = await serve(served, message);
  if (!isInitialize || !response.ok) return response;
  const withSession = new Response(response.body, response);
  withSession.headers.set(
    sessionHeader,
    await newSessionId(exchange.env, exchange.caller.grantId, declaredIn(message)),
  );
  return withSession;
}

/** What the `initialize` says of elicitation, which nobody keeps but the id of its session. */
function declaredIn({ params }: JsonObject): Elicits {
  const capabilities = isJsonObject(params) ? params["capabilities"] : undefined;
  return elicitsOf(isJsonObject(capabilities) ? capabilities["elicitation"] : undefined);
}

const canBeAsked = ({ elicits }: Session): boolean => elicits.form || elicits.url;

/** A client answers what it was asked by a request of its own. Only its own session can have asked. */
async function takeAnswer({ env }: Exchange, session: Session, message: JsonObject): Promise<void> {
  const answered = canBeAsked(session) ? answerIn(message) : null;
  if (answered !== null) await sessionOf(env, session).answer(answered.id, answered.answer);
}

/** GET opens the stream of a session, DELETE ends the session; without one there is nothing but POST. */
export async function answerSessionRequest(exchange: Exchange): Promise<Response> {
  const { request, env } = exchange;
  const { method } = request;
  const session = await knownSession(exchange);
  if (session instanceof Response) return session;
  if (session === null || (method !== "GET" && method !== "DELETE")) {
    return rpcError(405, rpcCodes.transport, "Method not allowed.", {
      headers: { Allow: session === null ? "POST" : "GET, POST, DELETE" },
    });
  }
  const version = request.headers.get("mcp-protocol-version")?.trim();
  if (version !== undefined && !SUPPORTED_PROTOCOL_VERSIONS.includes(version)) {
    return rpcError(400, rpcCodes.transport, `Protocol version ${version.slice(0, 50)} is not supported.`);
  }
  if (method === "GET") return openSessionStream({ ...exchange, session });
  await endSession(env, session);
  return new Response(null, { status: 200 });
}

/** Null without a session id; a 404, on which clients initialise again, for one that names no session. */
async function knownSession({ request, env, caller }: Exchange): Promise<Session | Response | null> {
  const sessionId = request.headers.get(sessionHeader)?.trim();
  if (sessionId === undefined || sessionId === "") return null;
  const session = await findSession(env, sessionId, caller.grantId);
  return (
    session ?? rpcError(404, rpcCodes.sessionNotFound, "There is no such session: send initialize again.")
  );
}

/** Through the SDK's transport, told of an `Accept` that it insists on but plain clients do not send. */
async function serve(exchange: Exchange, message: JsonObject): Promise<Response> {
  const { request } = exchange;
  const headers = new Headers(request.headers);
  headers.set("accept", "application/json, text/event-stream");
  const transport = new WebStandardStreamableHTTPServerTransport({
    enableJsonResponse: !answersAsStream(exchange, message),
    keepAliveMs: callKeepAliveMs,
  });
  const { env, session, canStream } = exchange;
  const elicit =
    session !== null && canStream && canBeAsked(session) ? createElicit(env, session, transport) : null;
  const server = createServer({ ...exchange, elicit });
  await server.connect(transport);
  request.signal.addEventListener("abort", () => void server.close(), { once: true });
  const answered = transport.handleRequest(new Request(request.url, { method: "POST", headers }), {
    parsedBody: message,
  });
  // a client that leaves closes the transport, which then never answers
  const left = new Promise<Response>((resolve) => {
    request.signal.addEventListener("abort", () => resolve(new Response(null, { status: 499 })), {
      once: true,
    });
  });
  const response = await Promise.race([answered, left]);
  return response.status === 400 ? withId(response, message) : response;
}

/** The transport answers null for the id of a request that it refuses. */
async function withId(response: Response, message: JsonObject): Promise<Response> {
  const body: unknown = await response.json();
  return Response.json(isJsonObject(body) ? { ...body, id: idOf(message) } : body, response);
}

/** `notifications/cancelled` arrives as a request of its own, perhaps at another Worker: the id alone must lead to the call. */
async function cancelNamed(
  { env, caller, session, callIdFor }: Exchange,
  { params }: JsonObject,
): Promise<void> {
  const requestId = isJsonObject(params) ? params["requestId"] : undefined;
  if (session === null || (typeof requestId !== "string" && typeof requestId !== "number")) return;
  const host: HostRpc = hostOf(env, caller.hostId);
  const callId = await callIdFor(requestId);
  await host.cancelCall(callId);
  if (canBeAsked(session)) await sessionOf(env, session).withdraw(callId);
}

const callIdsOf =
  ({ name }: Session): Exchange["callIdFor"] =>
  async (requestId) => {
    const text = JSON.stringify([name, requestId]);
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    return toBase64Url(new Uint8Array(digest));
  };
